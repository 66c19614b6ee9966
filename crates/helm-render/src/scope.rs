//! What each template sees as dot: values, release, chart, files and capabilities of its chart.

use std::collections::BTreeMap;
use std::rc::Rc;

use gotmpl::{Map, Type, Value};
use helm_chart::{Capabilities, Chart, Values};
use helm_funcs::from_json;
use serde_json::Value as Json;

use crate::ReleaseOptions;
use crate::capabilities::CapabilitiesObject;
use crate::files::Files;
use crate::values::ValuesObject;

/// A template with its dot.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) text: String,
    /// The dot, shared by all templates of the chart.
    pub(crate) dot: Map,
    /// `.Template.BasePath`
    pub(crate) base_path: String,
}

/// All templates of a chart and its subcharts, by path.
pub(crate) fn templates(
    chart: &Chart,
    values: &Values,
    release: &Value,
    capabilities: &Capabilities,
) -> BTreeMap<String, Template> {
    let root = Root {
        release: release.clone(),
        capabilities: CapabilitiesObject::value(capabilities),
    };
    let values = from_json(&Json::Object(values.clone()));
    let mut templates = BTreeMap::new();
    add_chart(chart, chart.name(), true, &values, &root, &mut templates);
    templates
}

/// What all charts see the same.
struct Root {
    release: Value,
    capabilities: Value,
}

/// What templates see as `.Release`.
pub(crate) fn release(release: &ReleaseOptions) -> Value {
    let kind = Some(release.is_upgrade);
    release_map(&release.name, &release.namespace, release.revision, kind)
}

/// `.Release` of neither an installation nor an upgrade.
pub(crate) fn release_of_no_kind(name: &str, namespace: &str) -> Value {
    release_map(name, namespace, 0, None)
}

fn release_map(name: &str, namespace: &str, revision: u64, is_upgrade: Option<bool>) -> Value {
    Value::map([
        ("Name", Value::from(name)),
        ("Namespace", Value::from(namespace)),
        (
            "Revision",
            Value::int(i64::try_from(revision).unwrap_or(i64::MAX)),
        ),
        ("IsUpgrade", Value::Bool(is_upgrade == Some(true))),
        ("IsInstall", Value::Bool(is_upgrade == Some(false))),
        ("Service", Value::from("Helm")),
    ])
}

/// Adds a chart's templates and those of its subcharts; returns the chart's dot.
fn add_chart(
    chart: &Chart,
    path: &str,
    is_root: bool,
    values: &Value,
    root: &Root,
    templates: &mut BTreeMap<String, Template>,
) -> Map {
    let subcharts = Map::new(&Type::Any);
    let dot = Map::new(&Type::Any);
    dot.set("Chart", metadata(chart, is_root));
    dot.set("Files", Value::Object(Rc::new(Files::new(&chart.files))));
    dot.set("Release", root.release.clone());
    dot.set("Capabilities", root.capabilities.clone());
    if let Value::Map(map) = values {
        dot.set("Values", ValuesObject::value(map.clone()));
    }
    dot.set("Subcharts", Value::Map(subcharts.clone()));
    for subchart in &chart.dependencies {
        let name = subchart.name();
        let path = format!("{path}/charts/{name}");
        let values = table(values, name).unwrap_or_else(|| Value::Map(Map::new(&Type::Any)));
        let sub_dot = add_chart(subchart, &path, false, &values, root, templates);
        subcharts.set(name, Value::Map(sub_dot));
    }
    for file in &chart.templates {
        let base = file.name.rsplit('/').next().unwrap_or(&file.name);
        if chart.metadata.is_library() && !base.starts_with('_') {
            continue;
        }
        let template = Template {
            text: String::from_utf8_lossy(&file.data).into_owned(),
            dot: dot.clone(),
            base_path: format!("{path}/templates"),
        };
        templates.insert(format!("{path}/{}", file.name), template);
    }
    dot
}

/// The table below a dotted path; the very map, not a copy.
fn table(values: &Value, path: &str) -> Option<Value> {
    let mut value = values.clone();
    for key in path.split('.') {
        let Value::Map(map) = &value else { return None };
        value = map.get(key.as_bytes())?;
    }
    matches!(value, Value::Map(_)).then_some(value)
}

fn metadata(chart: &Chart, is_root: bool) -> Value {
    let map = Map::new(&Type::Any);
    for (key, value) in chart.metadata.to_template_map() {
        map.set(key, from_json(&value));
    }
    // A Go map of strings: what it lacks is the empty string.
    let annotations = if chart.metadata.annotations.is_empty() {
        Map::nil(&Type::Str)
    } else {
        Map::new(&Type::Str)
    };
    for (key, value) in &chart.metadata.annotations {
        annotations.set(key, Value::from(value.as_str()));
    }
    map.set("Annotations", Value::Map(annotations));
    map.set("IsRoot", Value::Bool(is_root));
    Value::Map(map)
}
