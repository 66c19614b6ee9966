//! Copies of registries: what is told is what is there, however the registry behaves; and what it does wrong is named and changes
//! nothing.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod server;

use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use mcp_registry::{Client, Entry, Error, LocalCopy, Status, Synced, Words, sync};
use oci_registry::Tls;
use secrecy::SecretString;
use serde_json::{Value, json};

use self::server::Server;

/// What a registry says.
type Told = fn(&str) -> (u16, String);

fn record(name: &str, version: &str, updated: &str, more: &Value) -> Value {
    let mut told =
        json!({"status": "active", "publishedAt": updated, "updatedAt": updated, "isLatest": true});
    for (member, value) in more.as_object().into_iter().flatten() {
        told[member] = value.clone();
    }
    json!({
        "server": {"name": name, "version": version, "description": format!("{name} does it"),
            "packages": [{"registryType": "npm", "identifier": "x", "version": version, "transport": {"type": "stdio"}}]},
        "_meta": {"io.modelcontextprotocol.registry/official": told},
    })
}

/// Pages of some records, as the official registry makes them, but of so many.
fn pages(records: &[Value], path: &str, size: usize) -> (u16, String) {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(known, _)| *known == name)?;
        Some(value.replace("%3A", ":"))
    };
    let begin: usize = value("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    let since = value("updated_since").unwrap_or_default();
    let fits = |record: &&Value| {
        let updated = &record["_meta"]["io.modelcontextprotocol.registry/official"]["updatedAt"];
        updated.as_str().unwrap_or_default() >= since.as_str()
    };
    let all: Vec<&Value> = records.iter().filter(fits).collect();
    let page: Vec<&&Value> = all.iter().skip(begin).take(size).collect();
    let end = begin + page.len();
    let mut metadata = json!({"count": page.len()});
    if end < all.len() {
        metadata["nextCursor"] = json!(end.to_string());
    }
    (
        200,
        json!({"servers": page, "metadata": metadata}).to_string(),
    )
}

fn client(server: &Server) -> Client {
    Client::new(&server.url(), None, Tls::default()).unwrap()
}

fn synced(server: &Server, path: &Path, all: bool) -> Result<Synced, Error> {
    let now = "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap();
    sync(&client(server), path, all, now, &mut |_| {})
}

fn entries(path: &Path) -> Vec<Entry> {
    let mut copy = LocalCopy::open(path).unwrap().unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = copy.entry().unwrap() {
        let document = copy.document().unwrap();
        assert_eq!(document["name"], entry.name);
        assert_eq!(document["version"], entry.version);
        entries.push(entry);
    }
    entries
}

fn shown(path: &Path) -> Vec<String> {
    let entries = entries(path);
    let show = |entry: &Entry| {
        let latest = if entry.latest { " latest" } else { "" };
        format!(
            "{}@{} {:?}{latest}",
            entry.name, entry.version, entry.status
        )
    };
    entries.iter().map(show).collect()
}

#[test]
fn a_copy_is_what_the_registry_has_and_is_brought_up_to_date() {
    let no = json!({"isLatest": false});
    // Not in order: a registry need not be.
    let first = vec![
        record("io.b/two", "1.0.0", "2026-01-03T00:00:00Z", &no),
        record("io.b/two", "1.10.0", "2026-01-04T00:00:00Z", &json!({})),
        record("io.a/one", "2.0.0", "2026-01-01T00:00:00Z", &json!({})),
        record("io.b/two", "1.9.0", "2026-01-02T00:00:00Z", &no),
        record(
            "io.c/three",
            "1.0.0",
            "2026-01-02T00:00:00Z",
            &json!({"status": "deleted"}),
        ),
    ];
    let records = Arc::new(Mutex::new(first));
    let told = Arc::clone(&records);
    let server = Server::start(Box::new(move |path| pages(&told.lock().unwrap(), path, 2)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/copy.jsonl");
    let outcome = synced(&server, &path, false).unwrap();
    assert!(outcome.all);
    assert_eq!(
        (
            outcome.told,
            outcome.header.versions,
            outcome.header.servers
        ),
        (5, 5, 2)
    );
    let before = [
        "io.a/one@2.0.0 Active latest",
        "io.b/two@1.0.0 Active",
        "io.b/two@1.10.0 Active latest",
        "io.b/two@1.9.0 Active",
        "io.c/three@1.0.0 Deleted latest",
    ];
    assert_eq!(shown(&path), before);
    assert_eq!(server.paths().len(), 3);

    // A version more, one that is deleted, and one server more. The old version still says that it is the latest.
    {
        let mut records = records.lock().unwrap();
        records.push(record(
            "io.b/two",
            "2.0.0",
            "2026-02-01T00:00:00Z",
            &json!({}),
        ));
        records[2] = record(
            "io.a/one",
            "2.0.0",
            "2026-02-02T00:00:00Z",
            &json!({"status": "deleted"}),
        );
        records.push(record(
            "io.b/a",
            "0.1.0",
            "2026-02-03T00:00:00Z",
            &json!({}),
        ));
    }
    let outcome = synced(&server, &path, false).unwrap();
    // What changed at the very time of the last one comes again.
    assert!(!outcome.all && outcome.told == 4, "{outcome:?}");
    assert!(
        server
            .paths()
            .last()
            .unwrap()
            .contains("updated_since=2026-01-04T00%3A00%3A00Z")
    );
    let after = [
        "io.a/one@2.0.0 Deleted latest",
        "io.b/a@0.1.0 Active latest",
        "io.b/two@1.0.0 Active",
        "io.b/two@1.10.0 Active",
        "io.b/two@1.9.0 Active",
        "io.b/two@2.0.0 Active latest",
        "io.c/three@1.0.0 Deleted latest",
    ];
    assert_eq!(shown(&path), after);
    let outcome = synced(&server, &path, true).unwrap();
    assert!(outcome.all && outcome.told == 7);
    assert_eq!(shown(&path), after);

    let find = |name: &str| {
        let copy = LocalCopy::open(&path).unwrap().unwrap();
        copy.find(&name.parse().unwrap()).unwrap()
    };
    assert_eq!(find("io.b/two").unwrap().version, "2.0.0");
    assert_eq!(
        find("io.b/two@1.9.0").unwrap().document["packages"][0]["version"],
        "1.9.0"
    );
    assert_eq!(find("io.a/one").unwrap().status, Status::Deleted);
    assert!(find("io.b/two@7.0.0").is_none() && find("io.z/x").is_none());
}

#[test]
fn what_cannot_be_used_is_left_out_and_named() {
    let server = Server::start(Box::new(|path| {
        let mut records = vec![record("io.a/one", "1", "2026-01-01T00:00:00Z", &json!({}))];
        for name in ["../../etc/passwd", "io.a/../b", "io.a/b\u{1b}[2J", "x"] {
            records.push(record(name, "1", "2026-01-01T00:00:00Z", &json!({})));
        }
        let mut large = record("io.a/large", "1", "2026-01-01T00:00:00Z", &json!({}));
        large["server"]["description"] = json!("x".repeat(300 * 1024));
        records.push(large);
        records.push(json!(7));
        pages(&records, path, 100)
    }));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.jsonl");
    let outcome = synced(&server, &path, false).unwrap();
    assert_eq!(shown(&path), ["io.a/one@1 Active latest"]);
    assert_eq!(outcome.skipped.number, 6);
    let reasons: Vec<&str> = outcome
        .skipped
        .first
        .iter()
        .map(|skipped| skipped.reason.as_str())
        .collect();
    assert!(reasons[4].contains("bytes"), "{reasons:?}");
}

#[test]
fn a_registry_that_misbehaves_changes_nothing() {
    let good = Server::start(Box::new(|path| {
        pages(
            &[record("io.a/one", "1", "2026-01-01T00:00:00Z", &json!({}))],
            path,
            100,
        )
    }));
    let again: Told = |_| {
        let one = record("io.a/two", "1", "2026-01-01T00:00:00Z", &json!({}));
        (
            200,
            json!({"servers": [one], "metadata": {"nextCursor": "same"}}).to_string(),
        )
    };
    let empty: Told = |_| {
        (
            200,
            json!({"servers": [], "metadata": {"nextCursor": "more"}}).to_string(),
        )
    };
    let cases: [(Told, &str); 8] = [
        (again, "again and again"),
        (empty, "nothing on it"),
        (|_| (200, "<html>".to_owned()), "no JSON"),
        (
            |_| (200, "{\"servers\": 7}".to_owned()),
            "no list of servers",
        ),
        (|_| (401, String::new()), "wants a token"),
        (|_| (500, String::new()), "500"),
        (|_| (404, String::new()), "has no servers"),
        (|_| (200, "[".repeat(100_000)), "no JSON"),
    ];
    for (answer, says) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.jsonl");
        synced(&good, &path, false).unwrap();
        let before = std::fs::read(&path).unwrap();
        let bad = Server::start(Box::new(answer));
        let error = synced(&bad, &path, false).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{says}");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "{says}: something was left behind");
    }
}

#[test]
fn a_token_goes_to_its_registry_alone() {
    let other = Server::start(Box::new(|_| (200, json!({"servers": []}).to_string())));
    let to = other.url();
    let server = Server::start(Box::new(move |_| (302, to.clone())));
    let token = SecretString::from("t0ken-8f3a");
    let client = Client::new(&server.url(), Some(token), Tls::default()).unwrap();
    assert!(client.page(None, None).unwrap().records.is_empty());
    assert!(
        server.heads.lock().unwrap()[0]
            .to_lowercase()
            .contains("authorization: bearer t0ken-8f3a")
    );
    let there = other.heads.lock().unwrap();
    assert!(there.len() == 1 && !there[0].contains("t0ken"), "{there:?}");
    assert!(!format!("{client:?}").contains("t0ken"));
}

#[test]
fn one_server_is_asked_for_by_its_name() {
    let server = Server::start(Box::new(|path| match path {
        "/v0.1/servers/io.a%2Fone/versions/latest" => (
            200,
            record("io.a/one", "2.0.0", "2026-01-01T00:00:00Z", &json!({})).to_string(),
        ),
        "/v0.1/servers/io.a%2Fone/versions/1.0.0%2Bb" => (
            200,
            record("io.a/other", "1.0.0+b", "2026-01-01T00:00:00Z", &json!({})).to_string(),
        ),
        _ => (404, json!({"error": "Server not found"}).to_string()),
    }));
    let ask = |name: &str| client(&server).server(&name.parse().unwrap());
    assert_eq!(ask("io.a/one").unwrap().version, "2.0.0");
    let lies = ask("io.a/one@1.0.0+b").unwrap_err();
    assert!(
        lies.to_string().contains("answers with io.a/other"),
        "{lies}"
    );
    let unknown = ask("io.a/one@9").unwrap_err();
    assert!(unknown.is_unknown(), "{unknown}");
    assert!(unknown.to_string().ends_with("has no io.a/one@9"));
}

#[test]
fn a_damaged_copy_is_named_and_made_anew() {
    let server = Server::start(Box::new(|path| {
        pages(
            &[record("io.a/one", "1", "2026-01-01T00:00:00Z", &json!({}))],
            path,
            100,
        )
    }));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.jsonl");
    synced(&server, &path, false).unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let mut copy = LocalCopy::open(&path).unwrap().unwrap();
    let error = copy.entry().unwrap_err().to_string();
    assert!(
        error.contains("line 2") && error.contains("no end"),
        "{error}"
    );
    assert!(synced(&server, &path, false).is_err());
    synced(&server, &path, true).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    // One of another form is none, and is replaced.
    std::fs::write(&path, "{\"form\": 99}\n").unwrap();
    assert!(LocalCopy::open(&path).unwrap().is_none());
    assert!(synced(&server, &path, false).unwrap().all);
}

/// What a search costs is reported, and how much of a large registry is in memory does not grow with its documents.
#[test]
fn five_thousand_servers() {
    let padding = "x".repeat(2000);
    let records = (0..5000).map(|number| {
        let name = format!("io.github.owner{}/server-{number}", number % 700);
        let mut record = record(&name, "1.0.0", "2026-01-01T00:00:00Z", &json!({}));
        record["server"]["_meta"] = json!({"padding": padding});
        record
    });
    let all: Vec<Value> = records.collect();
    let server = Server::start(Box::new(move |path| pages(&all, path, 2500)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.jsonl");
    let outcome = synced(&server, &path, false).unwrap();
    assert_eq!(outcome.header.servers, 5000);
    let words = Words::new(["SERVER-4321"]);
    let begun = std::time::Instant::now();
    let mut copy = LocalCopy::open(&path).unwrap().unwrap();
    let mut found = Vec::new();
    while let Some(entry) = copy.entry().unwrap() {
        if words
            .fit(&entry.name, &entry.title, &entry.description)
            .is_some()
        {
            found.push(entry.name);
        }
    }
    println!("a search in 5000 servers took {:?}", begun.elapsed());
    assert_eq!(found, ["io.github.owner121/server-4321"]);
}

/// Later changes would never be told of.
#[test]
fn a_time_that_has_yet_to_come_ends_no_sync() {
    let records = [
        record("io.a/one", "1.0.0", "2026-01-01T00:00:00Z", &json!({})),
        record("io.b/two", "1.0.0", "9999-01-01T00:00:00Z", &json!({})),
    ];
    let server = Server::start(Box::new(move |path| pages(&records, path, 2)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy");
    for _ in 0..2 {
        synced(&server, &path, false).unwrap();
    }
    let paths = server.paths();
    let last = paths.last().unwrap();
    assert!(
        last.contains("updated_since=2026-01-01T00%3A00%3A00Z"),
        "{last}"
    );
}
