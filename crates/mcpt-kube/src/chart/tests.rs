//! Tests of how a chart gets its values, and what it renders with them.

use super::*;
use helm_install::{Object, manifest};
use serde_json::json;

#[test]
fn given_values_win_at_all_depths() {
    let mut base = json!({"a": {"b": 1, "c": 2}, "l": [1], "n": {"x": 1}})
        .as_object()
        .unwrap()
        .clone();
    let over = json!({"a": {"b": 3, "d": 4}, "l": [2], "n": null});
    lay_over(&mut base, over.as_object().unwrap());
    assert_eq!(
        Value::Object(base),
        json!({"a": {"b": 3, "c": 2, "d": 4}, "l": [2], "n": null})
    );
}

/// What a release of mcpt with the same chart and the same values does to pods that run: nothing.
#[test]
fn a_new_version_of_the_chart_alone_replaces_no_pod() {
    let pod = |version: &str, word: &str| {
        let values = json!({"image": {"repository": "i", "tag": "1"}, "env": {"WORD": word},
            "configFiles": {"file": "text"}, "secrets": {"TOKEN": "t"}, "annotations": {"a": "b"}});
        let values = values.as_object().unwrap().clone();
        let name = ServerName::new("demo").unwrap();
        let mut prepared = Prepared::builtin(ReleaseKind::Server, &name, values, "x").unwrap();
        version.clone_into(&mut prepared.chart.metadata.version);
        let rendered = prepared
            .offline(&Namespace::new("n").unwrap(), Limits::default())
            .unwrap();
        assert!(rendered.manifest.contains(&format!("mcp-server-{version}")));
        let objects = manifest::parse(&rendered.manifest).unwrap();
        let deployment = objects.into_iter().find(Object::has_scale).unwrap();
        deployment.body["spec"]["template"].clone()
    };
    assert_eq!(pod("1.0.0", "a"), pod("2.0.0", "a"));
    assert_ne!(pod("1.0.0", "a"), pod("1.0.0", "b"));
}

#[test]
fn values_of_other_charts_say_no_size() {
    for (new, running, expected) in [
        ("mcp-server", "mcp-server", true),
        ("mcpt-gateway", "mcpt-gateway", true),
        ("little", "little", false),
        ("little", "mcp-server", false),
        ("mcp-server", "little", false),
    ] {
        let chart = |name: &str| {
            let mut chart = Chart::default();
            name.clone_into(&mut chart.metadata.name);
            chart
        };
        let prepared = Prepared {
            name: "demo".into(),
            what: String::new(),
            chart: chart(new),
            third_party: None,
            values: Values::new(),
            origins: Origins::new(),
            plan: None,
            secrets: Vec::new(),
        };
        let record = Record {
            release: Release {
                chart: Some(ChartRecord::from(&chart(running))),
                ..Release::default()
            },
            metadata: kube::core::ObjectMeta::default(),
        };
        assert_eq!(
            prepared.is_sized_as(&record),
            expected,
            "{new} over {running}"
        );
    }
}

#[test]
fn the_scale_stays_unless_it_is_named() {
    let auto = |enabled: bool, max: u32| json!({"enabled": enabled, "maxReplicas": max});
    for (values, running, live, expected) in [
        (
            json!({}),
            json!({"replicaCount": 3}),
            None,
            json!({"replicaCount": 3}),
        ),
        (
            json!({}),
            json!({"replicaCount": 3}),
            Some(5),
            json!({"replicaCount": 5}),
        ),
        (
            json!({"replicaCount": 1}),
            json!({"replicaCount": 3}),
            Some(3),
            json!({"replicaCount": 1}),
        ),
        (json!({}), json!({}), None, json!({})),
        // Autoscaling stays on, with what the new values say about it.
        (
            json!({"autoscaling": {"maxReplicas": 9}}),
            json!({"replicaCount": 3, "autoscaling": auto(true, 4)}),
            Some(4),
            json!({"replicaCount": 4, "autoscaling": auto(true, 9)}),
        ),
        (
            json!({"autoscaling": {"enabled": false}}),
            json!({"replicaCount": 1, "autoscaling": auto(true, 4)}),
            Some(4),
            json!({"replicaCount": 4, "autoscaling": auto(false, 4)}),
        ),
        // It was stopped because nobody called it.
        (
            json!({}),
            json!({"replicaCount": 3, "idle": {"timeoutSeconds": 60}}),
            Some(0),
            json!({"replicaCount": 3}),
        ),
        // It was stopped by somebody.
        (
            json!({}),
            json!({"replicaCount": 3, "idle": {"timeoutSeconds": 0}}),
            Some(0),
            json!({"replicaCount": 0}),
        ),
        // A number ends it.
        (
            json!({"replicaCount": 2}),
            json!({"autoscaling": auto(true, 4)}),
            Some(4),
            json!({"replicaCount": 2}),
        ),
    ] {
        let mut prepared = Prepared {
            name: "demo".into(),
            what: String::new(),
            chart: Chart::default(),
            third_party: None,
            values: values.as_object().unwrap().clone(),
            origins: Origins::new(),
            plan: None,
            secrets: Vec::new(),
        };
        prepared.keep_scale(running.as_object().unwrap(), live);
        assert_eq!(
            Value::Object(prepared.values),
            expected,
            "{values} over {running}"
        );
    }
}
