//! The built-in charts as the engine renders them: what their objects are, whatever the values say.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod images;
mod names;
mod pods;

use helm_chart::{Capabilities, Chart, Values};
use helm_render::{ReleaseOptions, Sources, render};
use mcpt_catalog::builtin_chart;
use serde_json::Value;

/// All objects of a chart, hooks included, or why it refuses the values.
fn objects(chart: &str, name: &str, namespace: &str, values: &Value) -> Result<Vec<Value>, String> {
    let files = builtin_chart(chart).expect("the chart");
    let files = files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()));
    let chart = Chart::from_files(files).expect("a chart");
    let user: Values = values.as_object().expect("a map").clone();
    let release = ReleaseOptions::install(name, namespace);
    let rendered = render(
        &chart,
        &user,
        &release,
        &Capabilities::default(),
        &Sources::system(),
    )
    .map_err(|error| error.to_string())?;
    let hooks = rendered.hooks.iter().map(|hook| hook.manifest.as_str());
    let texts = rendered.manifests.iter().map(|m| m.text.as_str());
    let objects = texts
        .chain(hooks)
        .map(|text| goyaml::from_str_exact(text).unwrap_or_else(|error| panic!("{error}: {text}")));
    Ok(objects.collect())
}

/// The object of a kind.
fn object<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    found.next().unwrap_or_else(|| panic!("no {kind}"))
}

/// All containers of all pods.
fn containers(objects: &[Value]) -> Vec<&Value> {
    let specs = objects.iter().filter_map(|object| {
        object
            .pointer("/spec/template/spec")
            .or_else(|| (object["kind"] == "Pod").then(|| &object["spec"]))
    });
    specs
        .flat_map(|spec| {
            ["initContainers", "containers"].map(|kind| spec.get(kind).and_then(Value::as_array))
        })
        .flatten()
        .flatten()
        .collect()
}
