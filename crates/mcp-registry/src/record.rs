//! [`Record`]: one version of one server, as registries answer with it.

use jiff::Timestamp;
use mcpt_source::RegistryName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where the official registry says what it knows of a version.
const OFFICIAL: &str = "io.modelcontextprotocol.registry/official";

/// The most bytes of one document.
const MOST_BYTES: usize = 256 * 1024;
/// Most characters of what a registry says about the status of a version.
const MOST_MESSAGE: usize = 2000;

/// Whether a version may still be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It may.
    #[default]
    Active,
    /// Better not.
    Deprecated,
    /// It must not.
    Deleted,
}

/// One version of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Name of the server, checked: `io.github.owner/name`.
    pub name: String,
    /// The version, checked.
    pub version: String,
    /// Whether it may still be used.
    pub status: Status,
    /// What the registry says about that.
    pub status_message: Option<String>,
    /// When it was published, if the registry tells.
    pub published: Option<Timestamp>,
    /// When something of it changed last, if the registry tells.
    pub updated: Option<Timestamp>,
    /// Whether the registry calls it the latest.
    pub latest: bool,
    /// The `server.json` as the registry has it.
    pub document: Map<String, Value>,
}

/// A record that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct Unusable {
    /// What it is called, as it says itself and cut short.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

impl Record {
    /// Reads an element of a list, or the answer about one version. A document alone, as the first registries answered with it,
    /// is read too.
    ///
    /// # Errors
    /// [`Unusable`] when its name or version is none, or it is too large. Whether its packages can be used is not looked at.
    pub fn read(value: Value) -> Result<Self, Unusable> {
        let Value::Object(mut outer) = value else {
            return Err(unusable("?", "it is no object"));
        };
        let mut meta = outer.remove("_meta");
        let (mut document, alone) = match outer.remove("server") {
            Some(Value::Object(document)) => (document, false),
            Some(_) => return Err(unusable("?", "its server is no object")),
            None => (outer, true),
        };
        let is_told = |meta: &Option<Value>| {
            meta.as_ref()
                .is_some_and(|meta| meta.get(OFFICIAL).is_some())
        };
        // In a document beside what the registry says of it that is the publisher's word.
        if alone && !is_told(&meta) && is_told(&document.get("_meta").cloned()) {
            meta = document.remove("_meta");
        }
        let text = |document: &Map<String, Value>, name: &str| {
            document
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let Some(name) = text(&document, "name") else {
            return Err(unusable("?", "it has no name"));
        };
        let wrong = |reason: &str| unusable(&name, reason);
        let Some(version) = text(&document, "version") else {
            return Err(wrong("it has no version"));
        };
        if document.contains_key("server") {
            // Whoever reads the one would run the other.
            return Err(wrong("its document has another one in it"));
        }
        if name.contains('@') {
            return Err(wrong("a name has no @"));
        }
        let both: RegistryName = format!("{name}@{version}")
            .parse()
            .map_err(|error: mcpt_source::InvalidSource| wrong(&error.reason))?;
        if both.version() != Some(version.as_str()) {
            return Err(wrong("latest is no version"));
        }
        let size = serde_json::to_vec(&document).map_or(usize::MAX, |text| text.len());
        if size > MOST_BYTES {
            return Err(wrong(&format!("it has more than {MOST_BYTES} bytes")));
        }
        let told = meta.as_ref().and_then(|meta| meta.get(OFFICIAL));
        let told_text = |member: &str| told.and_then(|told| told.get(member)?.as_str());
        let time = |member: &str| told_text(member).and_then(|text| text.parse::<Timestamp>().ok());
        let status = told_text("status")
            .map(str::to_owned)
            .or_else(|| text(&document, "status"));
        let latest = told
            .and_then(|told| told.get("isLatest").or_else(|| told.get("is_latest")))
            .and_then(Value::as_bool)
            .unwrap_or_default();
        Ok(Self {
            status: match status.as_deref() {
                None | Some("active") => Status::Active,
                Some("deprecated") => Status::Deprecated,
                Some("deleted") => Status::Deleted,
                Some(_) => {
                    return Err(wrong(
                        "its status is none of active, deprecated and deleted",
                    ));
                }
            },
            status_message: told_text("statusMessage")
                .map(|text| text.chars().take(MOST_MESSAGE).collect()),
            published: time("publishedAt").or_else(|| time("published_at")),
            updated: time("updatedAt").or_else(|| time("updated_at")),
            latest,
            name,
            version,
            document,
        })
    }

    /// A text of the document for people; empty when it has none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.document
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

fn unusable(name: &str, reason: &str) -> Unusable {
    Unusable {
        name: name.chars().take(200).collect(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_of_all_times_are_read() {
        let told = json!({"status": "deprecated", "statusMessage": "gone soon", "isLatest": true,
            "publishedAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-02-02T03:04:05.5Z"});
        let document = json!({"name": "io.github.a/b", "version": "1.0.0", "description": "x"});
        let new = Record::read(json!({"server": document, "_meta": {OFFICIAL: told}})).unwrap();
        let mut inside = document.clone();
        inside["_meta"] = json!({OFFICIAL: told});
        let old = Record::read(inside).unwrap();
        assert_eq!(new, old);
        assert_eq!(new.status, Status::Deprecated);
        assert_eq!(new.status_message.as_deref(), Some("gone soon"));
        assert!(new.latest && new.updated > new.published);
        let bare = Record::read(document).unwrap();
        assert_eq!(
            (bare.status, bare.latest, bare.updated),
            (Status::Active, false, None)
        );
    }

    #[test]
    fn what_lies_about_its_name_is_refused() {
        for (name, version, says) in [
            ("io.github.a/../../etc", "1", "slash"),
            ("../a", "1", ""),
            ("io.github.a/b", "latest", "latest"),
            ("io.github.a/b", "../1", "slash"),
            ("io.github.a/b", "1\u{1b}[2J", ""),
            ("io.github.a/b@1", "2", "@"),
            ("io.github.a/b\n", "2", ""),
            ("nothing", "1", "slash"),
        ] {
            let error = Record::read(json!({"name": name, "version": version})).unwrap_err();
            assert!(error.reason.contains(says), "{name} {version}: {error}");
        }
        for value in [
            json!([]),
            json!({}),
            json!({"server": 1}),
            json!({"name": 1, "version": 2}),
        ] {
            assert!(Record::read(value).is_err());
        }
    }
}
