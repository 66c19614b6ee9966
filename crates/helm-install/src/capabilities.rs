//! What a cluster can, as templates see it in `.Capabilities`: its version, and for the charts that ask for them, its APIs.

use std::collections::BTreeSet;

use helm_chart::{Capabilities, Chart, KubeVersion, Values};
use kube::discovery::Discovery;
use kube_access::Cluster;
use serde_json::Value;

use crate::{Error, Result};

/// What templates say that look at the APIs.
const ASKS: &str = "APIVersions";

/// What the cluster can. Its APIs are asked for only when a template of the chart looks at them.
///
/// # Errors
/// When the API server does not tell.
pub async fn of(cluster: &Cluster, chart: &Chart, values: &Values) -> Result<Capabilities> {
    let version = KubeVersion::parse(&cluster.version.git).map_err(Error::Version)?;
    let mut capabilities = Capabilities {
        kube_version: version,
        ..Capabilities::default()
    };
    // A value may be a template as well.
    if asks(chart) || in_values(values) {
        let discovery = Discovery::new(cluster.client.clone()).run_aggregated();
        let discovery = cluster.answer(discovery).await;
        let discovery = discovery.map_err(|error| Error::LookedUp {
            what: "looks at the cluster's APIs".to_owned(),
            source: Some(cluster.error(error)),
        })?;
        capabilities.api_versions = versions(&discovery);
    }
    Ok(capabilities)
}

/// As Helm names them: the versions of all groups, and the kinds in each.
fn versions(discovery: &Discovery) -> Vec<String> {
    let mut all = BTreeSet::new();
    for group in discovery.groups() {
        for version in group.versions() {
            let version = match group.name() {
                "" => version.to_owned(),
                group => format!("{group}/{version}"),
            };
            all.insert(version);
        }
        for version in group.versions() {
            let resources = group.versioned_resources(version).into_iter();
            all.extend(resources.map(|(kind, _)| format!("{}/{}", kind.api_version, kind.kind)));
        }
    }
    all.into_iter().collect()
}

fn asks(chart: &Chart) -> bool {
    let mut files = chart.templates.iter().chain(&chart.files);
    files.any(|file| String::from_utf8_lossy(&file.data).contains(ASKS))
        || in_values(&chart.values)
        || chart.dependencies.iter().any(asks)
}

fn in_values(values: &Values) -> bool {
    fn has(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains(ASKS),
            Value::Array(items) => items.iter().any(has),
            Value::Object(fields) => fields.values().any(has),
            _ => false,
        }
    }
    values.values().any(has)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn charts_that_look_at_apis() {
        let chart = |path: &str, text: &str| {
            let metadata = "apiVersion: v2\nname: c\nversion: 1.0.0\n";
            let sub = "charts/s/Chart.yaml";
            let files = [("Chart.yaml", metadata), (sub, metadata), (path, text)];
            let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
            Chart::from_files(files).unwrap()
        };
        let looks = r#"{{ .Capabilities.APIVersions.Has "x/v1" }}"#;
        for (path, text, expected) in [
            ("templates/a.yaml", looks, true),
            ("charts/s/templates/a.yaml", looks, true),
            (
                "values.yaml",
                "a: [\"{{ .Capabilities.APIVersions }}\"]",
                true,
            ),
            ("templates/a.yaml", "{{ .Capabilities.KubeVersion }}", false),
        ] {
            assert_eq!(asks(&chart(path, text)), expected, "{path} {text}");
        }
        let values = json!({"a": {"b": [looks]}, "c": "APIVersion"});
        assert!(in_values(values.as_object().unwrap()));
        assert!(!in_values(json!({"c": "x"}).as_object().unwrap()));
    }
}
