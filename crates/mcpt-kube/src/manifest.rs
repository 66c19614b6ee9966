//! Objects of a rendered manifest: parsing, the marks of their release, whose they are, which ones go, redaction. Pure.

use std::fmt;

use helm_release::Release;
use helm_render::split_documents;
use kube_access::is_cluster_wide;
use mcpt_core::{REDACTED, Secret};
use serde_json::{Map, Value, json};

/// Label that Helm sets on every object of a release.
pub(crate) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "Helm");
/// Annotation that names the release.
pub(crate) const RELEASE_NAME: &str = "meta.helm.sh/release-name";
/// Annotation that names the release's namespace.
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// Annotation that lets an object outlive its release.
const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Annotation that makes an object a hook.
const HOOK: &str = "helm.sh/hook";

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    /// A document is not YAML.
    #[error("{place} is not YAML")]
    Yaml {
        /// Which one.
        place: Place,
        #[source]
        source: goyaml::Error,
    },
    /// A document is no Kubernetes object.
    #[error("{place} has no {field}")]
    NoObject {
        /// Which one.
        place: Place,
        /// What it lacks.
        field: &'static str,
    },
    /// A document could not be written again.
    #[error("{place} cannot be written")]
    Write {
        /// Which one.
        place: Place,
        #[source]
        source: goyaml::Error,
    },
}

/// A document of a manifest: its number, from 1, and the template that it is from, if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    number: usize,
    template: Option<String>,
}

impl Place {
    /// Helm writes the template before each document.
    fn of(index: usize, document: &str) -> Self {
        let mut lines = document.lines().map(str::trim);
        let template = lines.find_map(|line| line.strip_prefix("# Source: "));
        Self {
            number: index + 1,
            template: template.map(str::to_owned),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.template {
            Some(template) => write!(f, "{template} (document {})", self.number),
            None => write!(f, "document {}", self.number),
        }
    }
}

/// One object of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    /// `apps/v1`.
    pub(crate) api_version: String,
    /// `Deployment`.
    pub(crate) kind: String,
    /// Name.
    pub(crate) name: String,
    /// Namespace, if the manifest names one. Of the objects of a release only one that is not the release's.
    pub(crate) namespace: Option<String>,
    /// All of it.
    pub(crate) body: Value,
}

impl Object {
    fn read(place: &Place, body: Value) -> Result<Self, ManifestError> {
        let text = |pointer: &str, field: &'static str| {
            let value = body
                .pointer(pointer)
                .and_then(Value::as_str)
                .filter(|v| !v.is_empty());
            value.map(str::to_owned).ok_or_else(|| {
                let place = place.clone();
                ManifestError::NoObject { place, field }
            })
        };
        Ok(Self {
            api_version: text("/apiVersion", "apiVersion")?,
            kind: text("/kind", "kind")?,
            name: text("/metadata/name", "metadata.name")?,
            namespace: text("/metadata/namespace", "metadata.namespace").ok(),
            body,
        })
    }

    /// An object of which only this is known.
    pub(crate) fn named(api_version: &str, kind: &str, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: None,
            body: json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}),
        }
    }

    /// Whether it is a claim of a volume: what holds data.
    pub(crate) fn is_claim(&self) -> bool {
        self.kind == "PersistentVolumeClaim"
    }

    /// `deployment "demo"`, for messages.
    pub(crate) fn label(&self) -> String {
        format!("{} {:?}", self.kind.to_lowercase(), self.name)
    }

    /// What tells objects apart. The version is left out: it is another view of the same object.
    fn key(&self) -> (&str, &str, Option<&str>, &str) {
        let group = self
            .api_version
            .split_once('/')
            .map_or("", |(group, _)| group);
        (group, &self.kind, self.namespace.as_deref(), &self.name)
    }

    /// Whether both are views of the same object.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    /// Marks it as an object of a release, as Helm does before it applies one.
    pub(crate) fn claim(&mut self, release: &str, namespace: &str) {
        let Some(metadata) = self.body.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        set(metadata, "labels", MANAGED_BY.0, MANAGED_BY.1);
        set(metadata, "annotations", RELEASE_NAME, release);
        set(metadata, "annotations", RELEASE_NAMESPACE, namespace);
    }

    /// Whether `spec.replicas` is a number that its scale subresource changes too.
    pub(crate) fn has_scale(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "Deployment" | "StatefulSet" | "ReplicaSet"
        ) && self.api_version.starts_with("apps/")
    }

    /// How many pods it says a workload has.
    pub(crate) fn replicas(&self) -> Option<i64> {
        self.body.pointer("/spec/replicas")?.as_i64()
    }

    /// Whether it bears a label.
    pub(crate) fn has_label(&self, key: &str) -> bool {
        let labels = self.body.pointer("/metadata/labels");
        labels.is_some_and(|labels| labels.get(key).is_some())
    }

    /// Whether it scales others.
    pub(crate) fn is_autoscaler(&self) -> bool {
        self.kind == "HorizontalPodAutoscaler"
    }

    /// Whether it is to outlive its release.
    pub(crate) fn is_kept(&self) -> bool {
        self.body
            .pointer("/metadata/annotations")
            .and_then(|all| all.get(RESOURCE_POLICY))
            .and_then(Value::as_str)
            .is_some_and(is_keep)
    }
}

fn set(metadata: &mut Map<String, Value>, field: &str, key: &str, value: &str) {
    let slot = metadata
        .entry(field)
        .or_insert_with(|| Value::Object(Map::new()));
    // `annotations:` with nothing below it is null.
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    if let Some(map) = slot.as_object_mut() {
        map.insert(key.to_owned(), value.into());
    }
}

fn is_keep(policy: &str) -> bool {
    policy.trim().eq_ignore_ascii_case("keep")
}

/// Why a live object does not belong to a release; `None` when it does. The rule is Helm's for adopting objects.
pub(crate) fn foreign(
    live: &kube::core::ObjectMeta,
    release: &str,
    namespace: &str,
) -> Option<String> {
    let label = live
        .labels
        .as_ref()
        .and_then(|l| l.get(MANAGED_BY.0))
        .map(String::as_str);
    let annotation = |key: &str| {
        live.annotations
            .as_ref()
            .and_then(|a| a.get(key))
            .map(String::as_str)
    };
    if label != Some(MANAGED_BY.1) {
        return Some(match label {
            Some(other) => format!("it is managed by {other}"),
            None => "it was not made by mcpt or Helm".to_owned(),
        });
    }
    match (annotation(RELEASE_NAME), annotation(RELEASE_NAMESPACE)) {
        (Some(name), Some(space)) if name == release && space == namespace => None,
        (Some(name), Some(space)) => Some(format!(
            "it belongs to release {name:?} in namespace {space:?}"
        )),
        _ => Some("it belongs to no release".to_owned()),
    }
}

/// Whether a live object says that it is to outlive its release.
pub(crate) fn kept_alive(live: &kube::core::ObjectMeta) -> bool {
    live.annotations
        .as_ref()
        .and_then(|a| a.get(RESOURCE_POLICY))
        .is_some_and(|p| is_keep(p))
}

/// Whether a live object was made by a hook of a release.
pub(crate) fn is_hook(live: &kube::core::ObjectMeta) -> bool {
    let label = live.labels.as_ref().and_then(|l| l.get(MANAGED_BY.0));
    let hook = live
        .annotations
        .as_ref()
        .is_some_and(|a| a.contains_key(HOOK));
    hook && label.map(String::as_str) == Some(MANAGED_BY.1)
}

/// All objects of a manifest, in its order.
pub(crate) fn parse(manifest: &str) -> Result<Vec<Object>, ManifestError> {
    let mut objects = Vec::new();
    for (index, document) in split_documents(manifest).into_iter().enumerate() {
        let place = Place::of(index, document);
        let body = match goyaml::from_str_exact(document) {
            Ok(body) => body,
            Err(source) => return Err(ManifestError::Yaml { place, source }),
        };
        if !body.is_null() {
            objects.push(Object::read(&place, body)?);
        }
    }
    Ok(objects)
}

/// All objects of a release. That its own namespace is named, or any for what is in none, makes them no others: a chart may
/// begin or stop to name it.
pub(crate) fn of_release(release: &Release) -> Result<Vec<Object>, ManifestError> {
    let mut objects = parse(&release.manifest)?;
    for object in &mut objects {
        let is_elsewhere = |namespace: &String| {
            *namespace != release.namespace && !is_cluster_wide(&object.api_version, &object.kind)
        };
        object.namespace = object.namespace.take().filter(is_elsewhere);
    }
    Ok(objects)
}

/// Objects of the old manifests that none of the new ones is, each once, without those that are kept.
pub(crate) fn pruned(old: &[Object], new: &[Object]) -> Vec<Object> {
    let mut gone: Vec<Object> = Vec::new();
    for object in old {
        let stays = new.iter().chain(&gone).any(|other| other.same(object));
        if !stays && !object.is_kept() {
            gone.push(object.clone());
        }
    }
    gone
}

/// A manifest that may be shown: the values of its Secrets are replaced, and `secrets` wherever they are part of a value.
/// Documents without any are as they were.
pub(crate) fn redact(manifest: &str, secrets: &[Secret]) -> Result<String, ManifestError> {
    let mut shown = String::new();
    for (index, document) in split_documents(manifest).into_iter().enumerate() {
        let place = Place::of(index, document);
        shown.push_str("---\n");
        let mut body = match goyaml::from_str_exact(document) {
            Ok(body) => body,
            Err(source) => return Err(ManifestError::Yaml { place, source }),
        };
        let is_secret = body.get("kind").and_then(Value::as_str) == Some("Secret");
        if is_secret {
            for field in ["data", "stringData"] {
                for value in body
                    .get_mut(field)
                    .and_then(Value::as_object_mut)
                    .into_iter()
                    .flat_map(Map::values_mut)
                {
                    *value = REDACTED.into();
                }
            }
        }
        let has_some = redact_values(&mut body, secrets) > 0;
        // A comment may have some, too.
        if is_secret || has_some || mcpt_core::redact(document, secrets) != document {
            let comments = document
                .lines()
                .map(str::trim)
                .filter(|l| l.starts_with("# Source: "));
            comments.for_each(|line| {
                shown.push_str(line);
                shown.push('\n');
            });
            shown.push_str(
                &goyaml::to_string(&body)
                    .map_err(|source| ManifestError::Write { place, source })?,
            );
        } else {
            shown.push_str(document);
        }
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
    }
    Ok(shown)
}

/// Replaces secrets in all values below, and tells in how many.
fn redact_values(value: &mut Value, secrets: &[Secret]) -> usize {
    let replaced = match value {
        Value::Null => return 0,
        Value::Array(items) => {
            let each = items.iter_mut();
            return each.map(|item| redact_values(item, secrets)).sum();
        }
        Value::Object(fields) => {
            let each = fields.values_mut();
            return each.map(|field| redact_values(field, secrets)).sum();
        }
        Value::String(text) if text == REDACTED => return 0,
        Value::String(text) => Value::from(mcpt_core::redact(text, secrets)),
        // Without quotes a secret may become one of these.
        Value::Bool(_) | Value::Number(_) => {
            let text = value.to_string();
            let number = value.as_f64();
            let same = secrets.iter().any(|secret| {
                let secret = secret.expose().trim();
                secret == text || (number.is_some() && secret.parse().ok() == number)
            });
            if !same {
                return 0;
            }
            REDACTED.into()
        }
    };
    let number = usize::from(replaced != *value);
    *value = replaced;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "---
# Source: c/templates/a.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  annotations:
data:
  text: |
    --- not a separator
---
# Source: c/templates/empty.yaml
# only a comment
--- # Source: c/templates/b.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: b, namespace: other, annotations: {helm.sh/resource-policy: Keep}}
spec: {replicas: 2}
";

    fn names(objects: &[Object]) -> Vec<&str> {
        objects.iter().map(|o| o.name.as_str()).collect()
    }

    #[test]
    fn objects_are_read_in_order() {
        let objects = parse(MANIFEST).unwrap();
        assert_eq!(names(&objects), ["a", "b"]);
        assert_eq!(objects[0].body["data"]["text"], "--- not a separator\n");
        assert_eq!(objects[1].namespace.as_deref(), Some("other"));
        // A float would not be a valid number of replicas.
        assert!(objects[1].body["spec"]["replicas"].is_u64());
        assert!(objects[1].is_kept() && !objects[0].is_kept());
    }

    #[test]
    fn broken_documents_are_told_by_number() {
        assert_eq!(
            parse("a: b").unwrap_err().to_string(),
            "document 1 has no apiVersion"
        );
        let nameless = "apiVersion: v1\nkind: Pod\nmetadata: {}";
        assert_eq!(
            parse(nameless).unwrap_err().to_string(),
            "document 1 has no metadata.name"
        );
        assert_eq!(
            parse("{}\n---\na: [").unwrap_err().to_string(),
            "document 1 has no apiVersion"
        );
    }

    #[test]
    fn claiming_sets_what_helm_sets_and_foreign_asks_for_it() {
        let mut object = parse(MANIFEST).unwrap().remove(0);
        object.claim("demo", "space");
        let live: kube::core::ObjectMeta =
            serde_json::from_value(object.body["metadata"].clone()).unwrap();
        assert_eq!(foreign(&live, "demo", "space"), None);
        assert_eq!(
            foreign(&live, "other", "space").as_deref(),
            Some(r#"it belongs to release "demo" in namespace "space""#)
        );
        let bare = kube::core::ObjectMeta::default();
        assert_eq!(
            foreign(&bare, "demo", "space").as_deref(),
            Some("it was not made by mcpt or Helm")
        );
    }

    #[test]
    fn objects_that_left_the_manifest_are_pruned() {
        let object = |api: &str, kind: &str, name: &str, annotations: Value| {
            Object::read(
                &Place::of(0, ""),
                serde_json::json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "annotations": annotations}}),
            )
            .unwrap()
        };
        let old = [
            object("v1", "Service", "a", Value::Null),
            object("v1", "ConfigMap", "a", Value::Null),
            object("v1", "ConfigMap", "a", Value::Null),
            object(
                "v1",
                "Secret",
                "k",
                serde_json::json!({"helm.sh/resource-policy": "keep"}),
            ),
            object(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "a",
                Value::Null,
            ),
        ];
        let new = [
            object("v1", "Service", "a", Value::Null),
            object(
                "autoscaling/v3",
                "HorizontalPodAutoscaler",
                "a",
                Value::Null,
            ),
        ];
        let gone = pruned(&old, &new);
        assert_eq!(
            gone.iter().map(Object::label).collect::<Vec<_>>(),
            [r#"configmap "a""#]
        );
    }

    /// In both directions: what an update has just applied must not be taken for what it left behind.
    #[test]
    fn a_namespace_that_goes_without_saying_tells_no_objects_apart() {
        let (service, role) = (
            ("v1", "Service"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        );
        for ((api, kind), one, other, same) in [
            (service, "", "own", true),
            (service, "", "other", false),
            (service, "own", "other", false),
            (service, "other", "other", true),
            (role, "", "own", true),
            (role, "", "other", true),
            (role, "own", "other", true),
        ] {
            let objects = |namespace: &str| {
                let release = Release {
                    namespace: "own".to_owned(),
                    manifest: format!(
                        "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a, namespace: {namespace}}}\n"
                    ),
                    ..Release::default()
                };
                of_release(&release).unwrap()
            };
            for (old, new) in [(one, other), (other, one)] {
                let gone = pruned(&objects(old), &objects(new));
                assert_eq!(gone.is_empty(), same, "{kind}: {old:?} to {new:?}");
            }
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let manifest = "---
# Source: c/templates/secret.yaml
apiVersion: v1
kind: Secret
metadata:
  name: s
stringData:
  TOKEN: hunter2
data:
  KEY: aHVudGVyMg==
---
# Source: c/templates/a.yaml
kind: ConfigMap # stays as it is
";
        assert_eq!(
            redact(manifest, &[]).unwrap(),
            "---
# Source: c/templates/secret.yaml
apiVersion: v1
data:
  KEY: '[redacted]'
kind: Secret
metadata:
  name: s
stringData:
  TOKEN: '[redacted]'
---
# Source: c/templates/a.yaml
kind: ConfigMap # stays as it is
"
        );
    }

    /// Those of charts that put secrets elsewhere. What is left is YAML, however short a secret is.
    #[test]
    fn secrets_are_shown_nowhere_else() {
        let manifest = r#"---
# Source: c/templates/d.yaml
kind: Deployment # not hunter2
spec:
  env:
  - {name: A, value: "x-hunter2"}
  - {name: B, value: "a \" b"}
  - {name: C, value: "{\"t\": \"a \\\" b\"}"}
  - {name: D, value: 5e1}
  port: 80
---
# Source: c/templates/a.yaml
kind: ConfigMap # stays as it is
---
kind: ConfigMap # hunter2
"#;
        let secrets = ["hunter2", "a \" b", "a \\\" b", "50", "-"].map(Secret::new);
        assert_eq!(
            redact(manifest, &secrets).unwrap(),
            "---
# Source: c/templates/d.yaml
kind: Deployment
spec:
  env:
  - name: A
    value: x[redacted][redacted]
  - name: B
    value: '[redacted]'
  - name: C
    value: '{\"t\": \"[redacted]\"}'
  - name: D
    value: '[redacted]'
  port: 80
---
# Source: c/templates/a.yaml
kind: ConfigMap # stays as it is
---
kind: ConfigMap
"
        );
    }

    #[test]
    fn a_document_is_told_by_its_template() {
        let manifest = "---\n# Source: c/templates/a.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n\
            ---\n# Source: c/templates/b.yaml\napiVersion: v1\nkind: List\nitems: []\n";
        assert_eq!(
            parse(manifest).unwrap_err().to_string(),
            "c/templates/b.yaml (document 2) has no metadata.name"
        );
        assert!(
            redact("---\n# Source: c/templates/a.yaml\na: [\n", &[])
                .unwrap_err()
                .to_string()
                .starts_with("c/templates/a.yaml (document 1) is not YAML")
        );
    }
}
