//! [`Comparison`]: two configurations of a server side by side, as they may be shown. Pure.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{REDACTED, Secret, sounds_secret};

/// What stands for a secret that the other configuration does not have, or has with another value.
const BEFORE: &str = "[redacted, before]";
const AFTER: &str = "[redacted, after]";

/// The annotation in which kubectl keeps a whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Shortest secret, in characters, that is looked for inside of texts.
const SHORTEST: usize = 4;

/// What differs between two configurations of a server. Its JSON is a contract of `-o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What the first of the two is: `revision 3`, `what runs`.
    pub before: String,
    /// What the second one is: `revision 4`, `what would be deployed`.
    pub after: String,
    /// The objects that differ, in the order in which they were given.
    pub differences: Vec<Difference>,
}

/// One object that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Which one: `Deployment/demo`, `server`.
    pub object: String,
    /// As the first one has it; `None` when it has none.
    pub before: Option<Value>,
    /// As the second one has it; `None` when it has none.
    pub after: Option<Value>,
}

impl Difference {
    /// Compares an object of both; `None` when there is no difference. Secrets are replaced in both, so that one can tell whether
    /// they are equal and not what they are: the given ones wherever they are, the values and annotations of a Kubernetes
    /// Secret, what kubectl keeps in an annotation, and variables and configuration whose names sound secret.
    #[must_use]
    pub fn of(
        object: String,
        mut before: Option<Value>,
        mut after: Option<Value>,
        secrets: &[Secret],
    ) -> Option<Self> {
        if before == after {
            return None;
        }
        mask(before.as_mut(), after.as_mut(), secrets, Under::Object);
        Some(Self {
            object,
            before,
            after,
        })
    }
}

/// Where in an object a value is, as far as that says whether it is secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    /// Nowhere that would say so.
    Object,
    /// It is a map of names to values that people choose, as an environment.
    Names,
    /// It is the metadata of a Kubernetes Secret, whose annotations may say what is in it.
    OfSecret,
    /// It is secret, whatever it is.
    Secret,
}

/// Replaces secrets in two values that stand at the same place.
fn mask(before: Option<&mut Value>, after: Option<&mut Value>, secrets: &[Secret], under: Under) {
    match (before, after) {
        (None, None) => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            maps(Some(before), Some(after), secrets, under);
        }
        (Some(Value::Object(before)), None) => maps(Some(before), None, secrets, under),
        (None, Some(Value::Object(after))) => maps(None, Some(after), secrets, under),
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            lists(before, after, secrets, under);
        }
        (Some(Value::Array(items)), None) => {
            for item in items {
                mask(Some(item), None, secrets, under);
            }
        }
        (None, Some(Value::Array(items))) => {
            for item in items {
                mask(None, Some(item), secrets, under);
            }
        }
        // Of different shapes: neither says anything about the other.
        (Some(before), Some(after)) if is_nested(before) || is_nested(after) => {
            mask(Some(before), None, secrets, under);
            mask(None, Some(after), secrets, under);
        }
        (before, after) => leaves(before, after, secrets, under),
    }
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn maps(
    mut before: Option<&mut Map<String, Value>>,
    mut after: Option<&mut Map<String, Value>>,
    secrets: &[Secret],
    under: Under,
) {
    let text = |map: &Option<&mut Map<String, Value>>, key: &str| {
        let value = map.as_ref().and_then(|map| map.get(key));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let either = |key| text(&before, key).or_else(|| text(&after, key));
    let is_secret = either("kind").as_deref() == Some("Secret");
    let is_configuration = either("kind").as_deref() == Some("ConfigMap");
    // An entry of a list of variables.
    let named_secret = either("name").is_some_and(|name| sounds_secret(&name));
    let keys: BTreeSet<String> = [&before, &after]
        .into_iter()
        .flatten()
        .flat_map(|map| map.keys().cloned())
        .collect();
    for key in keys {
        let below = match key.as_str() {
            _ if under == Under::Secret => Under::Secret,
            "data" | "stringData" if is_secret => Under::Secret,
            "metadata" if is_secret => Under::OfSecret,
            "annotations" if under == Under::OfSecret => Under::Secret,
            LAST_APPLIED => Under::Secret,
            "data" if is_configuration => Under::Names,
            "env" => Under::Names,
            "secrets" => Under::Secret,
            "value" if named_secret => Under::Secret,
            _ if under == Under::Names && sounds_secret(&key) => Under::Secret,
            _ => Under::Object,
        };
        mask(
            before.as_mut().and_then(|map| map.get_mut(&key)),
            after.as_mut().and_then(|map| map.get_mut(&key)),
            secrets,
            below,
        );
    }
}

/// Entries with a name are compared with those of the same name, others with those in the same place.
fn lists(before: &mut [Value], after: &mut [Value], secrets: &[Secret], under: Under) {
    fn name(value: &Value) -> Option<String> {
        Some(value.get("name")?.as_str()?.to_owned())
    }
    let mut left: Vec<Option<&mut Value>> = after.iter_mut().map(Some).collect();
    for (index, before) in before.iter_mut().enumerate() {
        let wanted = name(before);
        let at = match &wanted {
            Some(wanted) => left
                .iter()
                .position(|other| other.as_deref().and_then(name).as_ref() == Some(wanted)),
            None => Some(index).filter(|index| *index < left.len()),
        };
        let other = at.and_then(|at| left.get_mut(at)).and_then(Option::take);
        mask(Some(before), other, secrets, under);
    }
    for after in left.into_iter().flatten() {
        mask(None, Some(after), secrets, under);
    }
}

fn leaves(before: Option<&mut Value>, after: Option<&mut Value>, secrets: &[Secret], under: Under) {
    let has_some = |value: &Value| {
        let text = text_of(value);
        let is_in = |secret: &Secret| {
            let secret = secret.expose().trim();
            // A short one stands in any text by chance.
            let part = secret.chars().count() >= SHORTEST && text.contains(secret);
            !secret.is_empty() && (part || text == secret)
        };
        secrets.iter().any(is_in)
    };
    let is_secret = under == Under::Secret
        || before.as_deref().is_some_and(has_some)
        || after.as_deref().is_some_and(has_some);
    if !is_secret {
        return;
    }
    let equal = before.as_deref() == after.as_deref();
    for (value, mark) in [(before, BEFORE), (after, AFTER)] {
        if let Some(value) = value
            && !value.is_null()
        {
            *value = Value::from(if equal { REDACTED } else { mark });
        }
    }
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compared(before: Value, after: Value, secrets: &[&str]) -> (Value, Value) {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        let found = Difference::of("x".to_owned(), Some(before), Some(after), &secrets);
        let found = found.unwrap();
        (found.before.unwrap(), found.after.unwrap())
    }

    #[test]
    fn what_is_equal_is_no_difference() {
        let same = json!({"a": [1, {"b": null}]});
        let found = Difference::of("x".to_owned(), Some(same.clone()), Some(same), &[]);
        assert_eq!(found, None);
    }

    #[test]
    fn secrets_are_told_apart_and_not_shown() {
        let (before, after) = compared(
            json!({"kind": "Secret", "data": {"A": "b25l", "B": "c2FtZQ==", "C": "Z29uZQ=="}}),
            json!({"kind": "Secret", "data": {"A": "dHdv", "B": "c2FtZQ==", "D": "bmV3"}}),
            &[],
        );
        assert_eq!(
            before["data"],
            json!({"A": BEFORE, "B": REDACTED, "C": BEFORE})
        );
        assert_eq!(
            after["data"],
            json!({"A": AFTER, "B": REDACTED, "D": AFTER})
        );
    }

    /// kubectl keeps there what was applied, with all values, and other tools do alike.
    #[test]
    fn annotations_tell_no_secrets() {
        let of = |kind: &str, value: &str| {
            let applied = format!("{{\"stringData\":{{\"A\":\"{value}\"}}}}");
            json!({"kind": kind, "metadata": {"name": "a", "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": applied, "own": value,
            }}})
        };
        let (before, after) = compared(of("Secret", "hunter2"), of("Secret", "hunter3"), &[]);
        let shown = format!("{before} {after}");
        assert!(!shown.contains("hunter"), "{shown}");
        assert_eq!(after["metadata"]["name"], "a");
        let (before, after) = compared(of("Deployment", "x"), of("Deployment", "y"), &[]);
        let applied = |value: &Value| value["metadata"]["annotations"][LAST_APPLIED].clone();
        assert_eq!([applied(&before), applied(&after)], [BEFORE, AFTER]);
        assert_eq!(after["metadata"]["annotations"]["own"], "y");
        let gone = Difference::of("x".to_owned(), Some(of("Secret", "hunter2")), None, &[]);
        let shown = format!("{gone:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }

    /// Those of charts that put them elsewhere: of the old value nobody may know that it is one but by its place.
    #[test]
    fn a_secret_hides_what_stood_in_its_place() {
        let (before, after) = compared(
            json!({"spec": {"args": ["--key=old-one", "-v"], "replicas": 1}}),
            json!({"spec": {"args": ["--key=new-one", "-v"], "replicas": 2}}),
            &["new-one"],
        );
        assert_eq!(
            before["spec"],
            json!({"args": [BEFORE, "-v"], "replicas": 1})
        );
        assert_eq!(after["spec"], json!({"args": [AFTER, "-v"], "replicas": 2}));
    }

    #[test]
    fn variables_by_their_names() {
        let env = |token: &str, first: bool| {
            let token = json!({"name": "API_TOKEN", "value": token});
            let plain = json!({"name": "LEVEL", "value": "info"});
            let list = if first {
                [token, plain]
            } else {
                [plain, token]
            };
            json!({"containers": [{"name": "server", "env": list}], "replicas": u8::from(first)})
        };
        let (before, after) = compared(env("same", true), env("same", false), &[]);
        assert_eq!(before["containers"][0]["env"][0]["value"], REDACTED);
        assert_eq!(after["containers"][0]["env"][1]["value"], REDACTED);
        assert_eq!(after["containers"][0]["env"][0]["value"], "info");
        let (before, after) = compared(
            json!({"env": {"MY_PASSWORD": "a", "PLAIN": "b"}, "secrets": {"X": "1"}}),
            json!({"env": {"MY_PASSWORD": "c", "PLAIN": "b"}, "secrets": {"X": "1"}}),
            &[],
        );
        assert_eq!(before["env"], json!({"MY_PASSWORD": BEFORE, "PLAIN": "b"}));
        assert_eq!(after["secrets"], json!({"X": REDACTED}));
    }

    #[test]
    fn shapes_that_differ_hide_secrets_as_well() {
        let (before, after) = compared(
            json!({"env": {"TOKEN": {"from": "hunter2"}}, "secrets": "hunter2"}),
            json!({"env": {"TOKEN": "hunter3"}, "secrets": ["hunter3", 4]}),
            &[],
        );
        let shown = format!("{before} {after}");
        assert!(!shown.contains("hunter") && !shown.contains('4'), "{shown}");
    }
}
