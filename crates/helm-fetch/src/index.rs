//! `index.yaml`: the charts of a repository.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use helm_chart::{Constraint, Version};
use serde_json::{Map, Value, json};

use crate::Error;

/// The index of a repository; of each chart the newest version comes first.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    entries: BTreeMap<String, Vec<IndexEntry>>,
    generated: String,
}

/// One version of a chart, with all that the index says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexEntry(Map<String, Value>);

impl IndexEntry {
    pub(crate) fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The chart's name.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// The chart's version.
    pub fn version(&self) -> &str {
        self.text("version")
    }

    /// The version of what is in the chart; empty where the index does not say.
    pub fn app_version(&self) -> &str {
        self.text("appVersion")
    }

    /// What the chart is, in a line; empty where the index does not say.
    pub fn description(&self) -> &str {
        self.text("description")
    }

    /// Words by which it is found.
    pub fn keywords(&self) -> Vec<&str> {
        self.texts("keywords")
    }

    /// SHA-256 of the archive in hexadecimal digits; empty where the index does not say.
    pub fn digest(&self) -> &str {
        let digest = self.text("digest");
        digest.split_once(':').map_or(digest, |(_, digest)| digest)
    }

    /// Where the archive is: absolute, or below the repository.
    pub fn urls(&self) -> Vec<&str> {
        self.texts("urls")
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        let all = self.0.get(key).and_then(Value::as_array);
        all.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }
}

impl Index {
    /// An index of nothing.
    pub fn empty() -> Self {
        Self {
            entries: BTreeMap::new(),
            generated: crate::lock::now(),
        }
    }

    /// Reads an index. Entries that are no charts are left out, as with helm.
    ///
    /// # Errors
    /// With a reason, when it is empty, is no YAML or JSON, or says no `apiVersion`.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        Self::read(text, None)
    }

    fn read(text: &[u8], file: Option<&Path>) -> Result<Self, Error> {
        let broken = |reason: &dyn std::fmt::Display| Error::Index {
            file: file.map(Path::to_owned),
            reason: reason.to_string(),
        };
        if text.is_empty() {
            return Err(broken(&"empty index.yaml file"));
        }
        let text = std::str::from_utf8(text).map_err(|error| broken(&error))?;
        let fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            _ => goyaml::map_from_str(text).map_err(|error| broken(&error))?,
        };
        let said = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
        if said("apiVersion").is_empty() {
            return Err(broken(&"no API version specified"));
        }
        let mut index = Self {
            entries: BTreeMap::new(),
            generated: said("generated").to_owned(),
        };
        let charts = match fields.get("entries") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(charts)) => charts.clone(),
            Some(_) => return Err(broken(&"entries is not a map")),
        };
        for (name, versions) in charts {
            let Value::Array(versions) = versions else {
                continue;
            };
            let versions = versions.into_iter().filter_map(|version| match version {
                Value::Object(fields) => Some(IndexEntry(fields)),
                _ => None,
            });
            let valid = versions.filter(|entry| {
                !entry.name().is_empty() && Version::parse(entry.version()).is_ok()
            });
            index.entries.insert(name, valid.collect());
        }
        index.sort();
        Ok(index)
    }

    /// Reads the index in a file.
    ///
    /// # Errors
    /// When the file cannot be read, and as [`parse`](Self::parse).
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read(path).map_err(Error::file(path))?;
        Self::read(&text, Some(path))
    }

    /// The names of the charts, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// All versions of a chart, the newest first.
    pub fn versions(&self, name: &str) -> Option<&[IndexEntry]> {
        self.entries.get(name).map(Vec::as_slice)
    }

    /// The version of a chart that a user means: exactly that one, else the newest that fits it as a constraint; without one the
    /// newest that is no pre-release.
    ///
    /// # Errors
    /// When there is no such chart or version, or the constraint cannot be read.
    pub fn get(&self, name: &str, version: &str) -> Result<&IndexEntry, Error> {
        let refuse = |text: String| Err(Error::Refused(text));
        let Some(versions) = self.entries.get(name) else {
            return refuse("no chart name found".to_owned());
        };
        if versions.is_empty() {
            return refuse("no chart version found".to_owned());
        }
        let constraint = Constraint::parse(if version.is_empty() { "*" } else { version })?;
        let exact = versions.iter().find(|entry| entry.version() == version);
        let fits = |entry: &&IndexEntry| {
            Version::parse(entry.version()).is_ok_and(|found| constraint.check(&found))
        };
        match exact.or_else(|| versions.iter().find(fits)) {
            Some(entry) => Ok(entry),
            None => refuse(format!("no chart version found for {name}-{version}")),
        }
    }

    /// Adds a version of a chart.
    pub(crate) fn add(&mut self, entry: IndexEntry) {
        let name = entry.name().to_owned();
        self.entries.entry(name).or_default().push(entry);
    }

    /// Takes over what is not in this index yet.
    pub fn merge(&mut self, other: &Self) {
        for entry in other.entries.values().flatten() {
            if self.get(entry.name(), entry.version()).is_err() {
                self.add(entry.clone());
            }
        }
    }

    /// Puts the newest version of each chart first.
    pub(crate) fn sort(&mut self) {
        for versions in self.entries.values_mut() {
            versions.sort_by(|one, other| newest_first(one.version(), other.version()));
        }
    }

    /// The index as YAML, or as JSON.
    ///
    /// # Errors
    /// When a chart's metadata cannot be written.
    pub fn to_text(&self, as_json: bool) -> Result<String, Error> {
        let entries: Map<String, Value> = self
            .entries
            .iter()
            .map(|(name, versions)| {
                let versions = versions.iter().map(|entry| Value::Object(entry.0.clone()));
                (name.clone(), Value::Array(versions.collect()))
            })
            .collect();
        let index = json!({
            "apiVersion": "v1",
            "entries": entries,
            "generated": self.generated,
        });
        let refused = |reason: String| Error::Refused(reason);
        if as_json {
            return serde_json::to_string_pretty(&index).map_err(|e| refused(e.to_string()));
        }
        goyaml::to_string(&index).map_err(|error| refused(error.to_string()))
    }
}

fn newest_first(one: &str, other: &str) -> Ordering {
    match (Version::parse(one), Version::parse(other)) {
        (Ok(one), Ok(other)) => other.compare(&one),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        Index::parse(
            b"apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, urls: [a]}\n  \
              - {name: a, version: 2.0.0-rc.1, urls: [a]}\n  - {name: a, version: 1.10.0, digest: 'sha256:ab'}\n  \
              - {name: a, version: one}\n  - null\n  b: []\n",
        )
        .unwrap()
    }

    #[test]
    fn the_version_that_is_meant() {
        let index = index();
        for (version, found) in [
            ("", Some("1.10.0")),
            ("1.0.0", Some("1.0.0")),
            ("^1", Some("1.10.0")),
            (">0.0.0-0", Some("2.0.0-rc.1")),
            ("3.x", None),
            ("not one", None),
        ] {
            let got = index.get("a", version).ok().map(IndexEntry::version);
            assert_eq!(got, found, "{version}");
        }
        assert_eq!(index.get("a", "").unwrap().digest(), "ab");
        for name in ["b", "c"] {
            assert!(index.get(name, "").is_err());
        }
    }

    #[test]
    fn bad_indexes_are_named() {
        for (text, reason) in [
            ("", "empty index.yaml file"),
            ("entries: {}\n", "no API version specified"),
            ("a: [\n", "error converting YAML to JSON"),
            ("<html>\n", "cannot unmarshal string"),
            ("apiVersion: v1\nentries: []\n", "entries is not a map"),
        ] {
            let error = Index::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn merging_keeps_what_is_there() {
        let mut one = index();
        let other = Index::parse(
            b"apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, urls: [other]}\n  \
              - {name: a, version: 3.0.0, urls: [new]}\n",
        )
        .unwrap();
        one.merge(&other);
        one.sort();
        assert_eq!(one.get("a", "1.0.0").unwrap().urls(), ["a"]);
        assert_eq!(one.versions("a").unwrap()[0].urls(), ["new"]);
        let read = Index::parse(one.to_text(false).unwrap().as_bytes()).unwrap();
        assert_eq!(read.entries, one.entries);
        let read = Index::parse(one.to_text(true).unwrap().as_bytes()).unwrap();
        assert_eq!(read.entries, one.entries);
    }
}
