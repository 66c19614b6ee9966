//! Rules for `templates/`: it renders, and what comes out is fit for a cluster.

use crate::{Fault, fault};
use helm_chart::{
    Capabilities, Chart, coalesce_values, process_dependencies, values_for_rendering,
};
use helm_render::{Limits, Sources, render_leniently};

use crate::object::{self, Head};
use crate::parts::{Part, Parts};
use crate::{Options, Report, deprecated, object_name};

const FOLDER: &str = "templates/";

pub(crate) fn check(parts: &Parts, options: &Options, report: &mut Report) {
    match &parts.templates {
        Part::Absent => {
            let text = "directory does not exist".to_owned();
            report.warning(FOLDER, fault(text));
            return;
        }
        Part::Folder => {}
        Part::File(_) => {
            report.error(FOLDER, fault("not a directory".to_owned()));
            return;
        }
        Part::Unreadable(why) => {
            report.error(FOLDER, fault(why.clone()));
            return;
        }
    }
    let mut chart = match &parts.chart {
        Ok(chart) => chart.clone(),
        Err(error) => {
            report.error(FOLDER, Err(error.clone()));
            return;
        }
    };
    // Helm says nothing of these two.
    if process_dependencies(&mut chart, &options.values).is_err() {
        return;
    }
    let Ok(coalesced) = coalesce_values(&chart, &options.values) else {
        return;
    };
    if options.skip_schema_validation {
        without_schemas(&mut chart);
    }
    let values = match values_for_rendering(&chart, &coalesced.values) {
        Ok(values) => values.values,
        Err(error) => {
            report.error(FOLDER, fault(error.to_string()));
            return;
        }
    };
    let mut capabilities = Capabilities::default();
    if let Some(version) = &options.kube_version {
        capabilities.kube_version = version.clone();
    }
    let rendered = render_leniently(
        Limits::default(),
        &chart,
        &values,
        "test-release",
        &options.namespace,
        &capabilities,
        &Sources::system(),
    );
    let rendered = match rendered {
        Ok(rendered) => rendered,
        Err(error) => {
            report.error(FOLDER, fault(error.to_string()));
            return;
        }
    };
    for template in &chart.templates {
        let name = &template.name;
        report.error(name, extension_is_known(name));
        let lower = extension(name).to_ascii_lowercase();
        if lower != ".yaml" && lower != ".yml" {
            continue;
        }
        let path = format!("{}/{name}", chart.name());
        let text = rendered.get(&path).map_or("", String::as_str);
        if !text.trim().is_empty() && !check_text(name, text, &capabilities, report) {
            return;
        }
    }
}

/// Whether what comes after it is looked at as well.
fn check_text(name: &str, text: &str, capabilities: &Capabilities, report: &mut Report) -> bool {
    report.warning(name, begins_at_the_margin(text));
    for document in object::documents(text) {
        match document {
            Err(error) => {
                report.error(name, fault(format!("unable to parse YAML: {error}")));
                return false;
            }
            Ok(None) => {}
            Ok(Some(head)) => {
                report.warning(name, object_name::check(&head));
                report.warning(name, deprecated::check(&head, &capabilities.kube_version));
                report.error(name, selects(&head, text));
                report.error(name, object::list_keeps_nothing(&head, text));
            }
        }
    }
    true
}

fn without_schemas(chart: &mut Chart) {
    chart.schema = None;
    chart.dependencies.iter_mut().for_each(without_schemas);
}

/// From the last dot of the file's name on.
fn extension(name: &str) -> &str {
    let base = name.rsplit('/').next().unwrap_or(name);
    base.rfind('.').map_or("", |dot| &base[dot..])
}

fn extension_is_known(name: &str) -> Result<(), Fault> {
    match extension(name) {
        ".yaml" | ".yml" | ".tpl" | ".txt" => Ok(()),
        other => fault(format!(
            "file extension '{other}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt"
        )),
    }
}

fn begins_at_the_margin(text: &str) -> Result<(), Fault> {
    let first = text.lines().find(|line| !line.trim().is_empty());
    match first {
        Some(line) if line.starts_with([' ', '\t']) => fault(format!(
            "document starts with an illegal indent: {}, which may cause parsing problems",
            gotmpl::fmt::quote(line.as_bytes())
        )),
        _ => Ok(()),
    }
}

fn selects(head: &Head, text: &str) -> Result<(), Fault> {
    let kinds = ["Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"];
    if !kinds.contains(&head.kind.as_str())
        || text.contains("matchLabels")
        || text.contains("matchExpressions")
    {
        return Ok(());
    }
    fault(format!(
        "a {} must contain matchLabels or matchExpressions, and {} does not",
        head.kind,
        gotmpl::fmt::quote(head.name.as_bytes())
    ))
}
