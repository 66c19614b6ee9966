//! Which subcharts take part, under which names, and which of their values their parent takes over.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::coalesce::{coalesce_tables, coalesce_values, merge_values};
use crate::values::{path_value, table};
use crate::{Chart, Constraint, Dependency, Error, Values, Version};

/// Applies aliases, conditions, tags and `import-values` to a chart before it is rendered with the user's values, as Helm's
/// `ProcessDependencies`. Gives back what Helm logs on the way.
///
/// # Errors
/// When something else than a map stands where a subchart's values belong.
pub fn process_dependencies(chart: &mut Chart, user: &Values) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    enable(chart, user, "", &mut warnings)?;
    import_values(chart, &mut warnings)?;
    Ok(warnings)
}

/// Whether a chart's version fits the version that a dependency asks for.
fn compatible(dependency: &Dependency, chart: &Chart) -> bool {
    match (
        Constraint::parse(&dependency.version),
        Version::parse(&chart.metadata.version),
    ) {
        (Ok(constraint), Ok(version)) => constraint.check(&version),
        _ => false,
    }
}

fn enable(
    chart: &mut Chart,
    user: &Values,
    path: &str,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    if chart.metadata.dependencies.is_empty() {
        return Ok(());
    }
    let found = std::mem::take(&mut chart.dependencies);
    let fits = |dependency: &Dependency, subchart: &Chart| {
        subchart.name() == dependency.name && compatible(dependency, subchart)
    };
    let wanted = &chart.metadata.dependencies;
    // What lies in charts/ without being named in Chart.yaml takes part as it is.
    let unnamed = found
        .iter()
        .filter(|sub| !wanted.iter().any(|dependency| fits(dependency, sub)));
    let mut subcharts: Vec<Chart> = unnamed.cloned().collect();
    for dependency in &mut chart.metadata.dependencies {
        if let Some(subchart) = found.iter().find(|subchart| fits(dependency, subchart)) {
            let mut subchart = subchart.clone();
            if !dependency.alias.is_empty() {
                subchart.metadata.name.clone_from(&dependency.alias);
            }
            subcharts.push(subchart);
        }
        if !dependency.alias.is_empty() {
            dependency.name.clone_from(&dependency.alias);
        }
        dependency.enabled = true;
    }
    chart.dependencies = subcharts;

    let coalesced = coalesce_values(chart, user)?;
    let values = coalesced.values;
    warnings.extend(coalesced.warnings);
    for dependency in &mut chart.metadata.dependencies {
        apply_tags(dependency, &values, warnings);
        apply_condition(dependency, &values, path, warnings);
    }
    let disabled: BTreeSet<String> = chart
        .metadata
        .dependencies
        .iter()
        .filter(|dependency| !dependency.enabled)
        .map(|dependency| dependency.name.clone())
        .collect();
    chart
        .dependencies
        .retain(|subchart| !disabled.contains(subchart.name()));
    chart
        .metadata
        .dependencies
        .retain(|dependency| !disabled.contains(&dependency.name));
    for subchart in &mut chart.dependencies {
        let path = format!("{path}{}.", subchart.name());
        enable(subchart, &values, &path, warnings)?;
    }
    Ok(())
}

/// One tag that is on is enough; else one that is off switches the chart off.
fn apply_tags(dependency: &mut Dependency, values: &Values, warnings: &mut Vec<String>) {
    let Some(tags) = table(values, "tags") else {
        return;
    };
    let (mut on, mut off) = (false, false);
    for tag in &dependency.tags {
        match tags.get(tag) {
            None => {}
            Some(Value::Bool(true)) => on = true,
            Some(Value::Bool(false)) => off = true,
            Some(_) => {
                let name = &dependency.name;
                warnings.push(format!("returned non-bool value tag={tag} chart={name}"));
            }
        }
    }
    dependency.enabled = on || !off;
}

/// The first path that leads to a boolean decides, whatever the tags say.
fn apply_condition(
    dependency: &mut Dependency,
    values: &Values,
    path: &str,
    warnings: &mut Vec<String>,
) {
    for condition in dependency
        .condition
        .trim()
        .split(',')
        .filter(|path| !path.is_empty())
    {
        match path_value(values, &format!("{path}{condition}")) {
            None => {}
            Some(Value::Bool(enabled)) => {
                dependency.enabled = *enabled;
                return;
            }
            Some(_) => {
                let name = &dependency.name;
                warnings.push(format!(
                    "returned non-bool value path={condition} chart={name}"
                ));
            }
        }
    }
}

/// Makes values of subcharts defaults of their parents, from the leaves up.
fn import_values(chart: &mut Chart, warnings: &mut Vec<String>) -> Result<(), Error> {
    for subchart in &mut chart.dependencies {
        import_values(subchart, warnings)?;
    }
    if chart.metadata.dependencies.is_empty() {
        return Ok(());
    }
    let merged = merge_values(chart, &Values::new())?;
    warnings.extend(merged.warnings);
    let mut values = merged.values;
    let mut imported = Values::new();
    for dependency in &mut chart.metadata.dependencies {
        let mut pairs = Vec::new();
        for import in &dependency.import_values {
            let (child, parent) = match import {
                Value::String(name) => (format!("exports.{name}"), ".".to_owned()),
                Value::Object(pair) => (import_path(pair, "child"), import_path(pair, "parent")),
                _ => continue,
            };
            pairs.push(json!({"child": child, "parent": parent}));
            let name = &dependency.name;
            let Some(found) = table(&values, &format!("{name}.{child}")) else {
                warnings.push(format!(
                    "ImportValues missing table from chart chart={name} path={child}"
                ));
                continue;
            };
            let mut found = at_path(&parent, found.clone());
            coalesce_tables(&mut imported, &mut found, "", true, warnings);
        }
        dependency.import_values = pairs;
    }
    coalesce_tables(&mut values, &mut imported, "", true, warnings);
    chart.values = values;
    Ok(())
}

fn import_path(pair: &Map<String, Value>, side: &str) -> String {
    match pair.get(side) {
        Some(Value::String(path)) => path.clone(),
        Some(other) => other.to_string(),
        None => "<nil>".to_owned(),
    }
}

/// The values below a path of maps; `.` is no path.
fn at_path(path: &str, values: Values) -> Values {
    if path == "." {
        return values;
    }
    path.rsplit('.').fold(values, |values, key| {
        Map::from_iter([(key.to_owned(), Value::Object(values))])
    })
}
