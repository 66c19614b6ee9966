//! Tests of deploys without a cluster.

use std::{collections::BTreeMap, time::Duration};

use mcpt_catalog::ChartSource;
use mcpt_core::{Secret, TemplateId, Transport};
use serde_json::{Value, json};

use super::*;
use crate::scripted;

const SECRET: &str = "s3cr3t-of-a-chart";

fn plan() -> Plan {
    Plan {
        secrets: [("TOKEN".to_owned(), Secret::new(SECRET))].into(),
        ..Plan::bare(
            ServerName::new("one").unwrap(),
            TemplateId::new("one").unwrap(),
            Transport::Http {
                port: 80,
                path: "/mcp".to_owned(),
                port_env: None,
            },
        )
    }
}

fn options(values: &Value, chart: Option<ChartSource>) -> DeployOptions {
    DeployOptions {
        wait: false,
        timeout: Duration::from_secs(1),
        atomic: false,
        dry_run: Some(DryRun::Client),
        create_namespace: false,
        force_conflicts: false,
        values: values.as_object().unwrap().clone(),
        chart,
        own_image: None,
        origins: BTreeMap::new(),
        pull_secrets: Vec::new(),
    }
}

#[test]
fn the_workload_is_found_by_its_mark() {
    let deployment = |name: &str, labels: &str| {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, labels: {labels}}}\n"
        )
    };
    let manifest = [
        deployment("one", "{}"),
        deployment("renamed", "{mcpt.io/server: one}"),
    ]
    .concat();
    let release = Release {
        name: "one".to_owned(),
        manifest,
        ..Release::default()
    };
    let found = |kind| {
        let found = workload(&release, kind, "x").unwrap();
        found.map(|object| object.name)
    };
    assert_eq!(found(ReleaseKind::Server).as_deref(), Some("renamed"));
    assert_eq!(found(ReleaseKind::Gateway), None);
}

/// A dry run with a chart of somebody else, of one template and a schema.
fn dry(template: &str, schema: &str) -> Result<String, Failure> {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("templates/a.yaml", template),
        ("values.schema.json", schema),
    ];
    let chart = ChartSource {
        origin: "c".to_owned(),
        files: files
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into(),
        takes_plan: false,
        endpoint_known: false,
    };
    let values = json!({"secrets": {"TOKEN": SECRET}});
    let deployed = dry_run(
        &plan(),
        &options(&values, Some(chart)),
        None,
        Limits::default(),
        &Silent,
    )?;
    Ok(deployed.manifest.unwrap())
}

/// Nor loses the mark by which `gc` finds it.
#[tokio::test]
async fn a_namespace_that_a_refused_deploy_leaves_is_told() {
    let mut made = None;
    let cluster = scripted::cluster(move |request, body| {
        let (method, path) = request.split_once(' ').unwrap();
        match (method, path.split('?').next().unwrap()) {
            ("GET", "/api/v1/namespaces/ns") => match &made {
                Some(namespace) => (200, Value::to_string(namespace)),
                None => scripted::refusal(404, "NotFound"),
            },
            ("POST", "/api/v1/namespaces") => {
                let mut namespace = body.clone();
                namespace["metadata"]["uid"] = "u".into();
                namespace["metadata"]["resourceVersion"] = "1".into();
                (201, made.insert(namespace).to_string())
            }
            ("GET", _) => scripted::refusal(403, "Forbidden"),
            _ => panic!("{request}"),
        }
    });
    let plan = Plan {
        image: Some(mcpt_core::Image::parse("one").unwrap()),
        ..plan()
    };
    let options = DeployOptions {
        dry_run: None,
        create_namespace: true,
        ..options(&json!({}), None)
    };
    let failure = deploy(&cluster, &plan, &options, &Silent)
        .await
        .unwrap_err();
    let told = "its namespace was not removed: ";
    assert!(
        failure.why.iter().any(|why| why.starts_with(told)),
        "{failure:?}"
    );
}

/// Who may neither read nor make namespaces, but may do all in any of them, meets the missing one at the first object.
#[tokio::test]
async fn a_namespace_that_may_not_be_known_is_named_where_it_is_missed() {
    let denied = |verb: &str| {
        let (code, text) = scripted::refusal(403, "Forbidden");
        let words = format!(
            "namespaces is forbidden: User \\\"bob\\\" cannot {verb} resource \\\"namespaces\\\" in API group \\\"\\\" at the cluster scope"
        );
        (
            code,
            text.replace(
                "\"message\":\"Forbidden\"",
                &format!("\"message\":\"{words}\""),
            ),
        )
    };
    let missing = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
        "reason": "NotFound", "message": "namespaces \"ns\" not found",
        "details": {"kind": "namespaces", "name": "ns"}});
    let list = json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []});
    let cluster = scripted::cluster(move |request, _| {
        let (method, path) = request.split_once(' ').unwrap();
        match (method, path.split('?').next().unwrap()) {
            ("GET", "/api/v1/namespaces/ns") => denied("get"),
            ("POST", "/api/v1/namespaces") => denied("create"),
            ("GET", "/api/v1/namespaces/ns/secrets") => (200, list.to_string()),
            _ => (404, missing.to_string()),
        }
    });
    let plan = Plan {
        image: Some(mcpt_core::Image::parse("one").unwrap()),
        ..plan()
    };
    for dry_run in [None, Some(DryRun::Server)] {
        let options = DeployOptions {
            dry_run,
            create_namespace: true,
            ..options(&json!({}), None)
        };
        let failed = deploy(&cluster, &plan, &options, &Silent)
            .await
            .unwrap_err();
        let read = "namespace \"ns\" may not exist: user \"bob\" has no right to get namespaces in the whole cluster";
        assert!(failed.why.iter().any(|why| why == read), "{failed:?}");
        let made =
            "it was not made: user \"bob\" has no right to create namespaces in the whole cluster";
        let tried = failed.why.iter().any(|why| why == made);
        assert_eq!(tried, dry_run.is_none(), "{failed:?}");
        let hint = failed.hint.unwrap();
        assert!(
            hint.contains("role with verb \"create\" on \"namespaces\""),
            "{hint}"
        );
        assert!(!hint.contains("--create-namespace"), "{hint}");
    }
}

/// Also those that come as values, and not by way of a setting.
#[test]
fn secret_values_are_not_told() {
    let mut plan = plan();
    plan.secrets.clear();
    let repository = format!("no repository {SECRET}");
    let values = json!({"secrets": {"A": SECRET}, "image": {"repository": repository}});
    let failure = dry_run(
        &plan,
        &options(&values, None),
        None,
        Limits::default(),
        &Silent,
    )
    .unwrap_err();
    let why = failure.why.join("\n");
    assert!(why.contains("no repository [redacted]"), "{why}");
    assert!(!why.contains(SECRET), "{why}");
}

#[test]
fn charts_of_others_tell_no_secrets() {
    let template = r"apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  template:
    metadata: {}
    spec:
      containers:
      - env:
        - {name: TOKEN, value: {{ .Values.secrets.TOKEN | quote }}}
";
    let manifest = dry(template, "{}").unwrap();
    assert!(manifest.contains("value: '[redacted]'"), "{manifest}");
    assert!(!manifest.contains(SECRET), "{manifest}");
    let pattern = r#"{"properties": {"secrets": {"additionalProperties": {"pattern": "^ghp_"}}}}"#;
    let fail = "{{ fail (printf \"not %s\" .Values.secrets.TOKEN) }}";
    for (template, schema, said) in [
        (template, pattern, "value secrets.TOKEN: "),
        (fail, "{}", "not [redacted]"),
    ] {
        let failure = dry(template, schema).unwrap_err();
        let why = failure.why.join("\n");
        assert!(why.contains(said), "{why}");
        assert!(!why.contains(SECRET), "{why}");
    }
}
