//! [`Shelf`]: the servers of which a registry answers, and its answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    ops::Bound,
    os::unix::fs::FileExt as _,
    sync::Arc,
};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::{
    Entry, Error, LocalCopy, Record, Status,
    query::{Query, Wrong},
};

/// Where what a registry knows of a version stands in its answers.
const OFFICIAL: &str = "io.modelcontextprotocol.registry/official";

/// All versions of all servers, by name and version.
#[derive(Debug, Default)]
pub struct Shelf {
    rows: BTreeMap<(String, String), Row>,
}

#[derive(Debug)]
struct Row {
    entry: Entry,
    document: Document,
}

/// Documents of copies stay in their files.
#[derive(Debug)]
enum Document {
    Here(Map<String, Value>),
    There {
        file: Arc<File>,
        offset: u64,
        length: usize,
    },
}

/// An answer over HTTP: a JSON document.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What it says.
    pub body: Value,
}

impl Shelf {
    /// How many versions there are.
    #[must_use]
    pub fn versions(&self) -> usize {
        self.rows.len()
    }

    /// Adds records, each the only version of its server. A name that is there already stays as it is.
    pub fn add(&mut self, records: impl IntoIterator<Item = Record>) {
        let taken = self.names();
        for record in records {
            let mut entry = Entry::of(&record);
            entry.latest = true;
            self.put(&taken, entry, Document::Here(record.document));
        }
    }

    /// Adds what a copy has. A name that is there already stays as it is.
    ///
    /// # Errors
    /// When the copy cannot be read.
    pub fn add_copy(&mut self, mut copy: LocalCopy) -> Result<(), Error> {
        let taken = self.names();
        let file = Arc::new(copy.file()?);
        while let Some(entry) = copy.entry()? {
            let (offset, length) = copy.document_place()?;
            let file = Arc::clone(&file);
            self.put(
                &taken,
                entry,
                Document::There {
                    file,
                    offset,
                    length,
                },
            );
        }
        Ok(())
    }

    fn names(&self) -> BTreeSet<String> {
        self.rows.keys().map(|(name, _)| name.clone()).collect()
    }

    fn put(&mut self, taken: &BTreeSet<String>, entry: Entry, document: Document) {
        if !taken.contains(&entry.name) {
            let key = (entry.name.clone(), entry.version.clone());
            self.rows.insert(key, Row { entry, document });
        }
    }

    /// The answer to a GET of a path, as it stands in the request, with its query.
    #[must_use]
    pub fn answer(&self, path: &str, query: &str) -> Answer {
        let query = match Query::parse(query) {
            Ok(query) => query,
            Err(Wrong { status, reason }) => return refused(status, &reason),
        };
        let mut parts = Vec::new();
        for part in path.split('/').skip(1) {
            match percent_decode_str(part).decode_utf8() {
                Ok(part) => parts.push(part),
                Err(_) => return refused(400, "the path is no UTF-8"),
            }
        }
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        let answer = match parts.as_slice() {
            ["v0.1", "servers"] => self.list(&query),
            ["v0.1", "servers", name, "versions"] => self.of_server(name, &query),
            ["v0.1", "servers", name, "versions", version] => self.version(name, version, &query),
            _ => return refused(404, "there is nothing here: servers are at /v0.1/servers"),
        };
        answer.unwrap_or_else(|error| refused(500, &error.to_string()))
    }

    fn list(&self, query: &Query) -> Result<Answer, Error> {
        let begin = match &query.after {
            Some(after) => Bound::Excluded(after.clone()),
            None => Bound::Unbounded,
        };
        let fits = |row: &&Row| {
            let entry = &row.entry;
            shown(entry, query)
                && query
                    .search
                    .as_ref()
                    .is_none_or(|word| entry.name.to_lowercase().contains(word))
                && query
                    .since
                    .is_none_or(|since| entry.updated.is_some_and(|updated| updated >= since))
                && match query.version.as_deref() {
                    None => true,
                    Some("latest") => entry.latest,
                    Some(version) => entry.version == version,
                }
        };
        let mut rows = self
            .rows
            .range((begin, Bound::Unbounded))
            .map(|(_, row)| row)
            .filter(fits);
        let page: Vec<&Row> = rows.by_ref().take(query.limit).collect();
        let last = page.last().filter(|_| rows.next().is_some());
        let next = last.map(|row| format!("{}@{}", row.entry.name, row.entry.version));
        answer(&page, next)
    }

    fn of_server(&self, name: &str, query: &Query) -> Result<Answer, Error> {
        let mut rows: Vec<&Row> = self
            .of(name)
            .filter(|row| shown(&row.entry, query))
            .collect();
        // The newest first, as the official registry has it.
        rows.sort_by(|one, other| {
            let key = |row: &Row| (row.entry.published, row.entry.latest);
            key(other).cmp(&key(one))
        });
        if rows.is_empty() {
            return Ok(not_found());
        }
        answer(&rows, None)
    }

    fn version(&self, name: &str, version: &str, query: &Query) -> Result<Answer, Error> {
        let is_it = |row: &&Row| match version {
            "latest" => row.entry.latest,
            version => row.entry.version == version,
        };
        match self
            .of(name)
            .filter(|row| shown(&row.entry, query))
            .find(is_it)
        {
            Some(row) => Ok(Answer {
                status: 200,
                body: element(row)?,
            }),
            None => Ok(not_found()),
        }
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &Row> {
        let begin = (name.to_owned(), String::new());
        let rows = self.rows.range(begin..).map(|(_, row)| row);
        let name = name.to_owned();
        rows.take_while(move |row| row.entry.name == name)
    }
}

fn shown(entry: &Entry, query: &Query) -> bool {
    query.deleted || entry.status != Status::Deleted
}

fn answer(rows: &[&Row], next: Option<String>) -> Result<Answer, Error> {
    let servers: Vec<Value> = rows
        .iter()
        .map(|row| element(row))
        .collect::<Result<_, _>>()?;
    let mut metadata = json!({"count": servers.len()});
    if let Some(next) = next {
        metadata["nextCursor"] = Value::String(next);
    }
    Ok(Answer {
        status: 200,
        body: json!({"servers": servers, "metadata": metadata}),
    })
}

fn element(row: &Row) -> Result<Value, Error> {
    let Row { entry, document } = row;
    let document = match document {
        Document::Here(document) => document.clone(),
        Document::There {
            file,
            offset,
            length,
        } => LocalCopy::document_at(file, *offset, *length)?,
    };
    let mut told = json!({"status": entry.status, "isLatest": entry.latest});
    if let Some(message) = &entry.status_message {
        told["statusMessage"] = json!(message);
    }
    for (member, time) in [
        ("publishedAt", entry.published),
        ("updatedAt", entry.updated),
        ("statusChangedAt", entry.updated),
    ] {
        if let Some(time) = time {
            told[member] = json!(time);
        }
    }
    Ok(json!({"server": document, "_meta": {OFFICIAL: told}}))
}

fn not_found() -> Answer {
    refused(404, "Server not found")
}

/// The body of the API's description, and the members that the official registry's own answers have.
fn refused(status: u16, reason: &str) -> Answer {
    Answer {
        status,
        body: json!({"error": reason, "status": status, "detail": reason}),
    }
}

/// Reads a part of a file, wherever others have read to.
pub(crate) fn read_at(file: &File, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut text = vec![0; length];
    file.read_exact_at(&mut text, offset)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf {
        let record = |name: &str, version: &str, more: Value| {
            let told = json!({OFFICIAL: more});
            let value = json!({"server": {"name": name, "version": version}, "_meta": told});
            Record::read(value).unwrap()
        };
        let mut shelf = Shelf::default();
        let active = json!({"updatedAt": "2026-01-01T00:00:00Z"});
        shelf.add([record("io.a/one", "1.0.0+b", active.clone())]);
        let gone = json!({"status": "deleted", "updatedAt": "2026-02-01T00:00:00Z"});
        shelf.add([
            record("io.a/one", "9.0.0", active.clone()),
            record("io.b/gone", "1.0.0", gone),
            record("io.c/Three", "1.0.0", active),
        ]);
        shelf
    }

    fn names(answer: &Answer) -> Vec<&str> {
        let servers = answer.body["servers"].as_array().unwrap();
        servers
            .iter()
            .map(|server| server["server"]["name"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn lists() {
        let shelf = shelf();
        let list = |query: &str| shelf.answer("/v0.1/servers", query);
        assert_eq!(names(&list("")), ["io.a/one", "io.c/Three"]);
        assert_eq!(
            names(&list("include_deleted=true")),
            ["io.a/one", "io.b/gone", "io.c/Three"]
        );
        assert_eq!(
            names(&list("updated_since=2026-01-15T00:00:00Z")),
            ["io.b/gone"]
        );
        assert_eq!(names(&list("search=three&version=latest")), ["io.c/Three"]);
        assert_eq!(names(&list("version=9.0.0")), Vec::<&str>::new());
        let first = list("limit=1");
        assert_eq!(names(&first), ["io.a/one"]);
        let next = first.body["metadata"]["nextCursor"].as_str().unwrap();
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let second = list(&format!("limit=1&cursor={next}"));
        assert_eq!(names(&second), ["io.c/Three"]);
        assert_eq!(second.body["metadata"], json!({"count": 1}));
        assert_eq!(list("limit=1000").status, 422);
    }

    #[test]
    fn one_server() {
        let shelf = shelf();
        let get = |path: &str| shelf.answer(path, "");
        let version = get("/v0.1/servers/io.a%2Fone/versions/1.0.0%2Bb");
        assert_eq!(version.body["server"]["version"], "1.0.0+b");
        assert_eq!(version.body["_meta"][OFFICIAL]["isLatest"], true);
        assert_eq!(get("/v0.1/servers/io.a%2Fone/versions/latest"), version);
        assert_eq!(
            names(&get("/v0.1/servers/io.a%2Fone/versions")),
            ["io.a/one"]
        );
        for path in [
            "/v0.1/servers/io.b%2Fgone/versions/latest",
            "/v0.1/servers/io.b%2Fgone/versions",
            "/v0.1/servers/io.a%2Fone/versions/9.0.0",
            "/v0.1/servers/..%2F..%2Fetc/versions",
            "/v0.1/servers/io.a/one/versions",
            "/",
            "",
        ] {
            let answer = get(path);
            assert_eq!(answer.status, 404, "{path}");
            assert!(answer.body["error"].is_string());
        }
        assert_eq!(get("/v0.1/servers/%ff/versions").status, 400);
    }
}
