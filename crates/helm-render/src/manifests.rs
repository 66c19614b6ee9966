//! From rendered files to documents: splitting, telling hooks from objects, sorting by kind.

use std::collections::BTreeMap;

use helm_release::{Hook, HookEvent};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::kinds::install_order;

/// An object that a chart renders.
#[derive(Clone, PartialEq)]
pub struct Manifest {
    /// The template it comes from, beginning with the chart's name.
    pub source: String,
    /// `apiVersion`; empty if it has none.
    pub api_version: String,
    /// `kind`; empty if it has none.
    pub kind: String,
    /// `metadata.name`; empty if it has none.
    pub name: String,
    /// The YAML as it was rendered.
    pub text: String,
    /// The object; its whole numbers are whole.
    pub object: Value,
}

impl std::fmt::Debug for Manifest {
    // Objects may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manifest")
            .field("source", &self.source)
            .field("api_version", &self.api_version)
            .field("kind", &self.kind)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The documents of a YAML stream as Helm splits it: at lines that begin with `---`, whatever
/// follows. Blank documents are left out, blanks before a document removed.
pub fn split_documents(stream: &str) -> Vec<&str> {
    let stream = stream.trim_start();
    let mut documents = Vec::new();
    let mut begin = 0;
    let mut line_start = 0;
    while line_start < stream.len() {
        let rest = &stream[line_start..];
        if let Some(after) = rest.strip_prefix("---") {
            documents.push(&stream[begin..line_start]);
            begin = stream.len() - after.trim_start_matches([' ', '\t']).len();
        }
        line_start += rest.find('\n').map_or(rest.len(), |newline| newline + 1);
    }
    documents.push(&stream[begin..]);
    documents
        .into_iter()
        .map(str::trim_start)
        .filter(|text| !text.is_empty())
        .collect()
}

/// Objects in the order of installation, and hooks.
pub(crate) fn sort(files: &BTreeMap<String, String>) -> Result<(Vec<Manifest>, Vec<Hook>), Error> {
    let mut manifests = Vec::new();
    let mut hooks = Vec::new();
    for (path, content) in files {
        let base = path.rsplit('/').next().unwrap_or(path);
        if base.starts_with('_') {
            continue;
        }
        for text in split_documents(content) {
            let manifest = read(path, text)?;
            match annotation(&manifest.object, "helm.sh/hook") {
                None => manifests.push(manifest),
                Some(events) => hooks.extend(hook(&manifest, &events)),
            }
        }
    }
    manifests.sort_by(|a, b| install_order(&a.kind, &b.kind));
    hooks.sort_by(|a, b| install_order(&a.kind, &b.kind));
    Ok((manifests, hooks))
}

/// The objects of a text in which each may say its template in a comment at its beginning, as a release records them.
///
/// # Errors
/// When one is no YAML, or not that of an object.
pub fn read_objects(stream: &str) -> Result<Vec<Manifest>, Error> {
    let object = |text: &str| {
        let (source, rest) = match text.strip_prefix("# Source: ") {
            Some(rest) => rest.split_once('\n').unwrap_or((rest, "")),
            None => ("", text),
        };
        read(source, rest)
    };
    split_documents(stream).into_iter().map(object).collect()
}

fn read(path: &str, text: &str) -> Result<Manifest, Error> {
    let refuse = |reason: String| Error::Yaml {
        path: path.to_owned(),
        reason,
    };
    let object = goyaml::from_str_exact(text).map_err(|e| refuse(e.to_string()))?;
    let head = match &object {
        Value::Object(map) => map.clone(),
        Value::Null => Map::new(),
        other => return Err(refuse(not_an_object(other))),
    };
    let text_of = |map: &Map<String, Value>, key: &str| {
        map.get(key)
            .and_then(goyaml::scalar_text)
            .unwrap_or_default()
    };
    let name = head
        .get("metadata")
        .and_then(Value::as_object)
        .map(|m| text_of(m, "name"));
    Ok(Manifest {
        source: path.to_owned(),
        api_version: text_of(&head, "apiVersion"),
        kind: text_of(&head, "kind"),
        name: name.unwrap_or_default(),
        text: text.to_owned(),
        object,
    })
}

fn not_an_object(found: &Value) -> String {
    let found = match found {
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        _ => "number",
    };
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go \
         value of type util.SimpleHead"
    )
}

fn annotation(object: &Value, key: &str) -> Option<String> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(key)
        .and_then(goyaml::scalar_text)
}

/// The words of a list with commas, in lower case.
fn words(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|word| word.trim().to_lowercase())
}

/// The hook, unless one of its events is unknown: Helm then leaves it out.
fn hook(manifest: &Manifest, events: &str) -> Option<Hook> {
    let event = |word: String| {
        Some(match word.as_str() {
            "pre-install" => HookEvent::PreInstall,
            "post-install" => HookEvent::PostInstall,
            "pre-delete" => HookEvent::PreDelete,
            "post-delete" => HookEvent::PostDelete,
            "pre-upgrade" => HookEvent::PreUpgrade,
            "post-upgrade" => HookEvent::PostUpgrade,
            "pre-rollback" => HookEvent::PreRollback,
            "post-rollback" => HookEvent::PostRollback,
            "test" | "test-success" => HookEvent::Test,
            _ => return None,
        })
    };
    let policies = |key: &str| {
        annotation(&manifest.object, key)
            .map(|list| words(&list).collect())
            .unwrap_or_default()
    };
    let weight = annotation(&manifest.object, "helm.sh/hook-weight");
    Some(Hook {
        name: manifest.name.clone(),
        kind: manifest.kind.clone(),
        path: manifest.source.clone(),
        manifest: manifest.text.clone(),
        events: words(events).map(event).collect::<Option<_>>()?,
        weight: weight.and_then(|weight| weight.parse().ok()).unwrap_or(0),
        delete_policies: policies("helm.sh/hook-delete-policy"),
        output_log_policies: policies("helm.sh/hook-output-log-policy"),
        ..Hook::default()
    })
}
