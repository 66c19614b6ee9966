//! Objects of a rendered manifest: parsing, the marks of their release, whose they are, which ones go. Pure.

use std::fmt;

use helm_release::Release;
use helm_render::split_documents;
use kube_access::is_cluster_wide;
use serde_json::{Map, Value, json};

/// Label that Helm sets on every object of a release.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "Helm");
/// Annotation that names the release.
pub const RELEASE_NAME: &str = "meta.helm.sh/release-name";
/// Annotation that names the release's namespace.
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// Annotation that lets an object outlive its release.
const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Annotation that makes an object a hook.
const HOOK: &str = "helm.sh/hook";

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A document is not YAML.
    #[error("{place} is not YAML")]
    Yaml {
        /// Which one.
        place: DocumentRef,
        /// Why.
        source: goyaml::Error,
    },
    /// A document is no Kubernetes object.
    #[error("{place} has no {field}")]
    NoObject {
        /// Which one.
        place: DocumentRef,
        /// What it lacks.
        field: &'static str,
    },
    /// A document could not be written again.
    #[error("{place} cannot be written")]
    Write {
        /// Which one.
        place: DocumentRef,
        /// Why.
        source: goyaml::Error,
    },
}

/// A document of a manifest: its number, from 1, and the template that it is from, if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRef {
    number: usize,
    template: Option<String>,
}

impl DocumentRef {
    /// The place of the document with this index, from 0. Helm writes the template before each document.
    pub fn of(index: usize, document: &str) -> Self {
        let mut lines = document.lines().map(str::trim);
        let template = lines.find_map(|line| line.strip_prefix("# Source: "));
        Self {
            number: index + 1,
            template: template.map(str::to_owned),
        }
    }
}

impl fmt::Display for DocumentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.template {
            Some(template) => write!(f, "{template} (document {})", self.number),
            None => write!(f, "document {}", self.number),
        }
    }
}

/// One object of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace, if the manifest names one. Of the objects of a release only one that is not the release's.
    pub namespace: Option<String>,
    /// All of it.
    pub body: Value,
}

impl Object {
    fn read(place: &DocumentRef, body: Value) -> Result<Self, ManifestError> {
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
    pub fn named(api_version: &str, kind: &str, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: None,
            body: json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}),
        }
    }

    /// Whether it is a claim of a volume: what holds data.
    pub fn is_claim(&self) -> bool {
        self.kind == "PersistentVolumeClaim"
    }

    /// `deployment "demo"`, for messages.
    pub fn label(&self) -> String {
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
    pub fn same(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    /// Marks it as an object of a release, as Helm does before it applies one.
    pub fn mark(&mut self, release: &str, namespace: &str) {
        self.set_label(MANAGED_BY.0, MANAGED_BY.1);
        self.set_annotation(RELEASE_NAME, release);
        self.set_annotation(RELEASE_NAMESPACE, namespace);
    }

    /// Gives it a label, in place of one of the same key.
    pub fn set_label(&mut self, key: &str, value: &str) {
        self.set("labels", key, value);
    }

    /// Gives it an annotation, in place of one of the same key.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        self.set("annotations", key, value);
    }

    fn set(&mut self, field: &str, key: &str, value: &str) {
        let Some(metadata) = self.body.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
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

    /// Whether `spec.replicas` is a number that its scale subresource changes too.
    pub fn has_scale(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "Deployment" | "StatefulSet" | "ReplicaSet"
        ) && self.api_version.starts_with("apps/")
    }

    /// How many pods it says a workload has.
    pub fn replicas(&self) -> Option<i64> {
        self.body.pointer("/spec/replicas")?.as_i64()
    }

    /// Whether it bears a label.
    pub fn has_label(&self, key: &str) -> bool {
        let labels = self.body.pointer("/metadata/labels");
        labels.is_some_and(|labels| labels.get(key).is_some())
    }

    /// Whether it scales others.
    pub fn is_autoscaler(&self) -> bool {
        self.kind == "HorizontalPodAutoscaler"
    }

    /// Whether it is to outlive its release.
    pub fn is_kept(&self) -> bool {
        self.body
            .pointer("/metadata/annotations")
            .and_then(|all| all.get(RESOURCE_POLICY))
            .and_then(Value::as_str)
            .is_some_and(is_keep)
    }
}

fn is_keep(policy: &str) -> bool {
    policy.trim().eq_ignore_ascii_case("keep")
}

/// Why a live object does not belong to a release; `None` when it does. The rule is Helm's for adopting objects.
pub fn not_of_release(
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
            None => "it is managed by nobody that is known".to_owned(),
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

/// What the marks of a live object lack to be those of a release, in helm's words; nothing when it belongs to it.
pub fn ownership_faults(
    live: &kube::core::ObjectMeta,
    release: &str,
    namespace: &str,
) -> Vec<String> {
    let marks = [
        ("label", live.labels.as_ref(), MANAGED_BY.0, MANAGED_BY.1),
        (
            "annotation",
            live.annotations.as_ref(),
            RELEASE_NAME,
            release,
        ),
        (
            "annotation",
            live.annotations.as_ref(),
            RELEASE_NAMESPACE,
            namespace,
        ),
    ];
    let faults = marks.into_iter().filter_map(|(sort, map, key, wanted)| {
        let fault = match map.and_then(|map| map.get(key)) {
            None => format!("missing key {key:?}: must be set to {wanted:?}"),
            Some(found) if found == wanted => return None,
            Some(found) => {
                format!("key {key:?} must equal {wanted:?}: current value is {found:?}")
            }
        };
        Some(format!("{sort} validation error: {fault}"))
    });
    faults.collect()
}

/// Whether a live object bears the annotation of a hook.
pub fn has_hook_mark(live: &kube::core::ObjectMeta) -> bool {
    let annotations = live.annotations.as_ref();
    annotations.is_some_and(|annotations| annotations.contains_key(HOOK))
}

/// Whether a live object says that it is to outlive its release.
pub fn kept_alive(live: &kube::core::ObjectMeta) -> bool {
    live.annotations
        .as_ref()
        .and_then(|a| a.get(RESOURCE_POLICY))
        .is_some_and(|p| is_keep(p))
}

/// Whether a live object was made by a hook of a release.
pub fn is_hook(live: &kube::core::ObjectMeta) -> bool {
    let label = live.labels.as_ref().and_then(|l| l.get(MANAGED_BY.0));
    has_hook_mark(live) && label.map(String::as_str) == Some(MANAGED_BY.1)
}

/// All objects of a manifest, in its order.
///
/// # Errors
/// With the document that is no object.
pub fn parse(manifest: &str) -> Result<Vec<Object>, ManifestError> {
    let mut objects = Vec::new();
    for (index, document) in split_documents(manifest).into_iter().enumerate() {
        let place = DocumentRef::of(index, document);
        let body = match goyaml::from_str_exact(document) {
            Ok(body) => body,
            Err(source) => return Err(ManifestError::Yaml { place, source }),
        };
        for body in members(body) {
            objects.push(Object::read(&place, body)?);
        }
    }
    Ok(objects)
}

/// The objects of a document: none of an empty one, those in it of a list.
pub fn members(document: Value) -> Vec<Value> {
    let is_list = document["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("List"));
    match document {
        Value::Null => Vec::new(),
        Value::Object(mut list) if is_list && list.get("items").is_some_and(Value::is_array) => {
            match list.remove("items") {
                Some(Value::Array(items)) => items.into_iter().flat_map(members).collect(),
                _ => Vec::new(),
            }
        }
        object => vec![object],
    }
}

/// All objects of a release. That its own namespace is named, or any for what is in none, makes them no others: a chart may
/// begin or stop to name it.
///
/// # Errors
/// With the document that is no object.
pub fn of_release(release: &Release) -> Result<Vec<Object>, ManifestError> {
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
pub fn pruned(old: &[Object], new: &[Object]) -> Vec<Object> {
    let mut gone: Vec<Object> = Vec::new();
    for object in old {
        let stays = new.iter().chain(&gone).any(|other| other.same(object));
        if !stays && !object.is_kept() {
            gone.push(object.clone());
        }
    }
    gone
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
    fn lists_are_the_objects_in_them() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: a}\n\
            - apiVersion: v1\n  kind: ConfigMapList\n  items:\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n";
        assert_eq!(names(&parse(list).unwrap()), ["a", "b"]);
        let named = "apiVersion: e/v1\nkind: AllowList\nmetadata: {name: c}\n";
        assert_eq!(names(&parse(named).unwrap()), ["c"]);
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
    fn marks_are_what_helm_sets_and_asks_for() {
        let mut object = parse(MANIFEST).unwrap().remove(0);
        object.mark("demo", "space");
        let live: kube::core::ObjectMeta =
            serde_json::from_value(object.body["metadata"].clone()).unwrap();
        assert_eq!(not_of_release(&live, "demo", "space"), None);
        assert_eq!(
            not_of_release(&live, "other", "space").as_deref(),
            Some(r#"it belongs to release "demo" in namespace "space""#)
        );
        assert!(ownership_faults(&live, "demo", "space").is_empty());
        assert_eq!(
            ownership_faults(&live, "demo", "other"),
            [
                "annotation validation error: key \"meta.helm.sh/release-namespace\" must equal \"other\": \
                current value is \"space\""
            ]
        );
        let bare = kube::core::ObjectMeta::default();
        let faults = ownership_faults(&bare, "demo", "space");
        assert_eq!(faults.len(), 3);
        assert_eq!(
            faults[0],
            "label validation error: missing key \"app.kubernetes.io/managed-by\": must be set to \"Helm\""
        );
        assert_eq!(
            not_of_release(&bare, "demo", "space").as_deref(),
            Some("it is managed by nobody that is known")
        );
    }

    #[test]
    fn objects_that_left_the_manifest_are_pruned() {
        let object = |api: &str, kind: &str, name: &str, annotations: Value| {
            Object::read(
                &DocumentRef::of(0, ""),
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
    fn a_document_is_told_by_its_template() {
        let manifest = "---\n# Source: c/templates/a.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n\
            ---\n# Source: c/templates/b.yaml\napiVersion: v1\nkind: Thing\nspec: {}\n";
        assert_eq!(
            parse(manifest).unwrap_err().to_string(),
            "c/templates/b.yaml (document 2) has no metadata.name"
        );
    }
}
