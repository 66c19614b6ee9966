//! Any legal name is a text: objects made with one are those made with any other, the name put in its place.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::objects;

/// Stand for a name and for a text in the objects that all others are compared with.
const NAME: &str = "zz-name-zz";
const TEXT: &str = "zz-text-zz";

/// Legal names that YAML reads as something else when they are not quoted.
const NAMES: [&str; 24] = [
    "42",
    "0",
    "007",
    "1e3",
    "0e0",
    "0x1f",
    "0b1",
    "0o7",
    "on",
    "off",
    "yes",
    "no",
    "y",
    "n",
    "null",
    "true",
    "false",
    "nan",
    "inf",
    "2024-01-01",
    "12-30",
    "1-1",
    "e5",
    "0x",
];

/// Texts that YAML reads as something else when they are not quoted.
const TEXTS: [&str; 30] = [
    "", " ", "~", ".inf", ".nan", "-", "- a", "a: b", "a #b", "{}", "[]", "'", "\"", "\\", "%",
    "@", "`", "!x", "&a", "*a", "|", ">", "1_000", "1:20", "0x1F", "<<", "=", "a\nb\n", "\t", "é",
];

fn server_values(name: &str, text: &str) -> Value {
    json!({
        "imagePullSecrets": [{"name": name}],
        "nameOverride": name,
        "fullnameOverride": name,
        "mcp": {"template": name, "templateVersion": format!("v{text}"), "transport": "stdio",
            "command": ["c", text], "args": [text]},
        "env": {"A": text, "B": {"valueFrom": {"secretKeyRef": {"name": name, "key": name}}}},
        "envFrom": [{"configMapRef": {"name": name}}],
        "secrets": {"S": text},
        "existingSecrets": [name],
        "configFiles": {(name): text},
        "workspace": {"mounts": [{"path": format!("/{name}"), "subPath": name}]},
        "persistence": {"enabled": true, "storageClass": name, "annotations": {"a": text}},
        "serviceAccount": {"name": name, "annotations": {"a": text}},
        "priorityClassName": name,
        "runtimeClassName": name,
        "nodeSelector": {"a": name},
        "tolerations": [{"key": name, "value": name}],
        "labels": {"a": name},
        "annotations": {"a": text},
        "podLabels": {"b": name},
        "podAnnotations": {"b": text},
        "autoscaling": {"enabled": true},
        "podDisruptionBudget": {"enabled": true},
        "networkPolicy": {"enabled": true, "from": [{"podSelector": {"matchLabels": {"a": name}}}]},
        "ingress": {"enabled": true, "className": name, "annotations": {"a": text},
            "hosts": [{"host": name, "paths": [{"path": format!("/{name}")}]}],
            "tls": [{"secretName": name, "hosts": [name]}]},
        "httpRoute": {"enabled": true, "parentRefs": [{"name": name}], "hostnames": [name]},
    })
}

fn gateway_values(name: &str, text: &str) -> Value {
    json!({
        "imagePullSecrets": [{"name": name}],
        "nameOverride": name,
        "fullnameOverride": name,
        "sessionKeys": {"existingSecret": name, "existingSecretKey": name},
        "nodeSelector": {"a": name},
        "priorityClassName": name,
        "serviceAccount": {"name": name, "annotations": {"a": text}},
        "labels": {"a": name},
        "annotations": {"a": text},
        "podLabels": {"b": name},
        "podAnnotations": {"b": text},
        "allowedHosts": [name],
        "ingress": {"enabled": true, "className": name, "hosts": [name], "tls": [{"secretName": name}]},
        "httpRoute": {"enabled": true, "parentRefs": [{"name": name}], "hostnames": [name]},
        "networkPolicy": {"enabled": true},
    })
}

/// The objects of both charts with that name and text everywhere where they may stand.
fn both(name: &str, text: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for (chart, values) in [
        ("mcp-server", server_values(name, text)),
        ("mcpt-gateway", gateway_values(name, text)),
    ] {
        all.extend(objects(chart, name, name, &values).expect("objects"));
    }
    all
}

/// Puts the name and the text where their placeholders are.
fn put(value: &Value, name: &str, text: &str) -> Value {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    match value {
        Value::String(found) if *found == encode(TEXT) => json!(encode(text)),
        Value::String(found) => json!(found.replace(NAME, name).replace(TEXT, text)),
        Value::Array(items) => items.iter().map(|item| put(item, name, text)).collect(),
        Value::Object(map) => {
            let entry =
                |(key, value): (&String, &Value)| (key.replace(NAME, name), put(value, name, text));
            map.iter()
                .map(entry)
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        other => other.clone(),
    }
}

/// Checksums differ with what they are of.
fn without_checksums(mut object: Value) -> Value {
    let annotations = object.pointer_mut("/spec/template/metadata/annotations");
    if let Some(Value::Object(map)) = annotations {
        map.retain(|key, _| !key.starts_with("checksum/"));
    }
    object
}

fn check(plain: &[Value], name: &str, text: &str) {
    let found = both(name, text);
    assert_eq!(plain.len(), found.len());
    for (plain, found) in plain.iter().zip(found) {
        let expected = without_checksums(put(plain, name, text));
        assert_eq!(without_checksums(found), expected, "{name:?} {text:?}");
    }
}

#[test]
fn names_that_look_like_something_else() {
    for i in 0..NAMES.len().max(TEXTS.len()) {
        check(&PLAIN, NAMES[i % NAMES.len()], TEXTS[i % TEXTS.len()]);
    }
}

/// The objects with the placeholders, rendered once.
static PLAIN: LazyLock<Vec<Value>> = LazyLock::new(|| both(NAME, TEXT));

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_legal_name_is_a_text(
        name in "[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?",
        text in "[^\\p{C}\\p{Zl}\\p{Zp}]{0,12}",
    ) {
        check(&PLAIN, &name, &text);
    }
}
