//! `mcpt search`, `mcpt catalog` and `mcpt deploy io.github.owner/name` with the official registry's own request handling, fed by
//! the test.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use mcpt_tests::{Mcpt, raw::agent};
use serde_json::{Value, json};

/// The official registry's handlers over HTTP. It ends with the test.
struct Registry {
    child: Child,
    url: String,
}

impl Registry {
    fn start(records: &[Value]) -> Self {
        let program =
            std::env::var_os("MCPT_MCP_REGISTRY").expect("MCPT_MCP_REGISTRY names the program");
        let mut child = Command::new(program)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting the registry");
        let mut input = child.stdin.take().expect("standard input");
        for record in records {
            writeln!(input, "{record}").expect("the registry reads");
        }
        drop(input);
        let mut url = String::new();
        let output = child.stdout.take().expect("standard output");
        let mut output = BufReader::new(output);
        output
            .read_line(&mut url)
            .expect("the registry says where it is");
        Self {
            child,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A record of the time server in some version, with more members of its document.
fn record(name: &str, version: &str, latest: bool, more: &Value) -> Value {
    let mut server = json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": name, "version": version, "description": format!("{name} tells the time"),
        "packages": [{"registryType": "pypi", "identifier": "mcp-server-time", "version": "2026.10.19",
            "transport": {"type": "stdio"},
            "packageArguments": [{"type": "named", "name": "--local-timezone", "default": "Asia/Tokyo"}]}],
    });
    for (member, value) in more.as_object().into_iter().flatten() {
        server[member] = value.clone();
    }
    json!({"server": server, "_meta": {"io.modelcontextprotocol.registry/official": {
        "status": "active", "statusChangedAt": "2026-01-01T00:00:00Z", "publishedAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z", "isLatest": latest}}})
}

/// A command line that knows these registries, with a cache of its own.
fn with_registries(registries: &Value) -> Mcpt {
    let mcpt = Mcpt::new(&["--backend", "process"]);
    let config = mcpt.file(
        "config.yaml",
        &json!({"mcp-registries": registries}).to_string(),
    );
    let cache = mcpt.home().join("cache").to_string_lossy().into_owned();
    let uv = std::env::home_dir()
        .expect("a home folder")
        .join(".cache/uv");
    mcpt.env("MCPT_CONFIG", config)
        .env("XDG_CACHE_HOME", cache)
        // Packages need not be fetched for each test.
        .env("UV_CACHE_DIR", uv.to_string_lossy())
}

fn names(found: &Value) -> Vec<&str> {
    let found = found.as_array().into_iter().flatten();
    found.filter_map(|server| server["name"].as_str()).collect()
}

#[test]
fn a_server_is_found_and_deployed_by_its_name() {
    let nothing = json!({});
    let mut records = vec![
        record("io.github.owner/clock", "1.0.0", false, &nothing),
        record(
            "io.github.owner/clock",
            "1.1.0",
            true,
            &json!({"title": "Clock"}),
        ),
    ];
    for number in 0..250 {
        records.push(record(
            &format!("io.github.other/n{number}"),
            "0.1.0",
            true,
            &nothing,
        ));
    }
    let registry = Registry::start(&records);
    let mcpt = with_registries(&json!([{"name": "ours", "url": registry.url}]));

    let unknown = mcpt.json(&["search", "owner/clock"]);
    assert_eq!(names(&unknown), Vec::<&str>::new(), "nobody is asked");
    let synced = mcpt.json(&["catalog", "sync"]);
    assert_eq!(
        (&synced[0]["servers"], &synced[0]["versions"]),
        (&json!(251), &json!(252))
    );
    let again = mcpt.json(&["catalog", "sync"]);
    assert_eq!(again[0]["all"], false);
    assert_eq!(again[0]["servers"], 251);

    let url = registry.url.clone();
    drop(registry);
    let found = mcpt.json(&["search", "clock", "owner"]);
    assert_eq!(names(&found), ["io.github.owner/clock"]);
    assert_eq!(
        (&found[0]["version"], &found[0]["from"]),
        (&json!("1.1.0"), &json!("ours"))
    );
    let listed = mcpt.json(&["catalog", "list", "--registry", "ours"]);
    assert_eq!(names(&listed).len(), 251);
    let shown = mcpt.run(&["catalog", "show", "io.github.owner/clock"]).ok();
    for text in ["1.1.0", "1.0.0", "pypi:mcp-server-time==2026.10.19", "ours"] {
        assert!(shown.stdout.contains(text), "{}", shown.stdout);
    }
    let registries = mcpt.json(&["catalog", "registries"]);
    assert_eq!(
        (&registries[0]["url"], &registries[0]["servers"]),
        (&json!(url), &json!(251))
    );

    let _ = mcpt
        .run(&["deploy", "io.github.owner/clock@1.0.0", "--name", "clock"])
        .ok();
    let called = mcpt
        .run(&["call", "clock", "get_current_time", "--arg", "timezone=UTC"])
        .ok();
    assert!(called.stdout.contains("UTC"), "{}", called.stdout);
    let _ = mcpt.run(&["delete", "clock"]).ok();
    // What is in no copy must be asked for, and nobody is there.
    let _ = mcpt
        .run(&["deploy", "io.github.owner/other"])
        .exits(4)
        .says(&["cannot use the registry ours", "mcpt catalog sync ours"]);
}

/// `mcpt catalog serve`. It ends with the test.
struct Served {
    child: Child,
    url: String,
    /// Kept open, so that nothing that it says ends it.
    _output: BufReader<std::process::ChildStdout>,
}

impl Served {
    fn start(mcpt: &Mcpt, arguments: &[&str]) -> Self {
        let own = ["catalog", "serve", "--listen", "127.0.0.1:0"];
        let mut child = mcpt.spawn(&[&own, arguments].concat());
        let output = child.stdout.take().expect("standard output");
        let mut output = BufReader::new(output);
        let mut url = String::new();
        output.read_line(&mut url).expect("it says where it is");
        Self {
            child,
            url: url.trim().to_owned(),
            _output: output,
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Status and document at an address.
fn get(url: &str) -> (u16, Value) {
    let mut answer = agent().get(url).call().expect("an answer");
    let text = answer.body_mut().read_to_string().expect("a text");
    (
        answer.status().as_u16(),
        serde_json::from_str(&text).unwrap_or(Value::Null),
    )
}

/// What two registries may say differently: where a page ends and which words they have for what is wrong.
fn comparable((status, mut document): (u16, Value)) -> (u16, Value) {
    if status != 200 {
        return (status, Value::Null);
    }
    if let Some(members) = document.as_object_mut() {
        members.remove("$schema");
        if let Some(Value::Object(metadata)) = members.get_mut("metadata")
            && metadata.contains_key("nextCursor")
        {
            metadata.insert("nextCursor".to_owned(), json!("more"));
        }
    }
    (status, document)
}

#[test]
fn what_is_served_is_what_the_official_registry_serves() {
    let nothing = json!({});
    let mut records = vec![
        record("io.github.owner/clock", "1.0.0", false, &nothing),
        record(
            "io.github.owner/clock",
            "1.1.0+b",
            true,
            &json!({"title": "Clock"}),
        ),
    ];
    for number in 0..120 {
        records.push(record(
            &format!("io.github.other/n{number}"),
            "0.1.0",
            true,
            &nothing,
        ));
    }
    let mut gone = record("io.github.owner/gone", "1.0.0", true, &nothing);
    let told = &mut gone["_meta"]["io.modelcontextprotocol.registry/official"];
    told["status"] = json!("deleted");
    told["statusMessage"] = json!("unsafe");
    told["updatedAt"] = json!("2026-03-01T00:00:00Z");
    told["statusChangedAt"] = json!("2026-03-01T00:00:00Z");
    records.push(gone);
    let official = Registry::start(&records);
    let mcpt = with_registries(&json!([{"name": "ours", "url": official.url}]));
    let served = Served::start(&mcpt, &["--no-templates"]);
    let path = "/v0.1/servers?limit=2";
    assert_eq!(
        get(&format!("{}{path}", served.url)).1["servers"],
        json!([])
    );
    // A registry tells of deleted ones with what has changed, and not when it tells all.
    let _ = mcpt.run(&["catalog", "sync"]).ok();
    let _ = mcpt.run(&["catalog", "sync"]).ok();
    for path in [
        path,
        "/v0.1/servers",
        "/v0.1/servers?limit=100",
        "/v0.1/servers?search=clock",
        "/v0.1/servers?search=n11&version=latest",
        "/v0.1/servers?version=1.0.0",
        "/v0.1/servers?updated_since=2026-02-01T00:00:00Z",
        "/v0.1/servers?updated_since=yesterday",
        "/v0.1/servers?updated_since=2026-02-01T00:00:00Z&include_deleted=false",
        "/v0.1/servers?limit=0",
        "/v0.1/servers?limit=1000",
        "/v0.1/servers?include_deleted=perhaps",
        "/v0.1/servers/io.github.owner%2Fclock/versions/1.0.0",
        "/v0.1/servers/io.github.owner%2Fclock/versions/1.1.0%2Bb",
        "/v0.1/servers/io.github.owner%2Fclock/versions/latest",
        "/v0.1/servers/io.github.owner%2Fclock/versions/7",
        "/v0.1/servers/io.github.owner%2Fgone/versions/latest",
        "/v0.1/servers/io.github.owner%2Fgone/versions/latest?include_deleted=true",
        "/v0.1/servers/io.github.owner%2Fgone/versions",
        "/v0.1/servers/io.github.owner%2Fnone/versions",
        "/v0.1/servers/io.github.other%2Fn7/versions",
    ] {
        let ours = comparable(get(&format!("{}{path}", served.url)));
        let theirs = comparable(get(&format!("{}{path}", official.url)));
        assert_eq!(ours, theirs, "{path}");
    }
    // A copy of the copy is the same, page by page.
    let second = with_registries(&json!([{"name": "copy", "url": served.url}]));
    let _ = second.run(&["catalog", "sync"]).ok();
    let there = names(&second.json(&["catalog", "list", "--registry", "copy"])).len();
    assert_eq!(there, 121);

    // Any page may read it, and none may use another name for it.
    let answer = agent()
        .get(format!("{}/v0.1/servers", served.url))
        .header("Origin", "https://github.example")
        .call()
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let answer = agent()
        .get(format!("{}/v0.1/servers", served.url))
        .header("Host", "evil.example")
        .call()
        .expect("an answer");
    assert_eq!(answer.status(), 403);
    let answer = agent()
        .options(format!("{}/v0.1/servers", served.url))
        .header("Access-Control-Request-Method", "GET")
        .call()
        .expect("an answer");
    assert_eq!(answer.status(), 204);
    let answer = agent()
        .delete(format!("{}/v0.1/servers", served.url))
        .call()
        .expect("an answer");
    assert_eq!(answer.status(), 405);
}

/// The official registry's validators have nothing against what we write of templates.
#[test]
fn templates_are_described_as_the_official_registry_wants_them() {
    let mcpt = with_registries(&json!([]));
    let served = Served::start(&mcpt, &["--owner", "com.example.tools"]);
    let (status, page) = get(&format!("{}/v0.1/servers?limit=100", served.url));
    assert_eq!(status, 200);
    let servers = page["servers"].as_array().expect("servers");
    assert!(servers.len() > 30, "{} templates", servers.len());
    let program =
        std::env::var_os("MCPT_MCP_REGISTRY").expect("MCPT_MCP_REGISTRY names the program");
    let mut child = Command::new(program)
        .arg("check")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starting the validators");
    let mut input = child.stdin.take().expect("standard input");
    let documents: Vec<String> = servers
        .iter()
        .map(|server| server["server"].to_string())
        .collect();
    let writer = std::thread::spawn(move || {
        for document in documents {
            writeln!(input, "{document}").expect("the validators read");
        }
    });
    let output = child.wait_with_output().expect("the validators end");
    writer.join().expect("all was written");
    let verdicts = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(verdicts.lines().count(), servers.len());
    for (verdict, server) in verdicts.lines().zip(servers) {
        assert_eq!(verdict, "", "{}", server["server"]);
    }
    // And it can be deployed from there by its name.
    let user = with_registries(&json!([{"name": "ours", "url": served.url}]));
    let shown = user
        .run(&["catalog", "show", "com.example.tools/sqlite"])
        .ok();
    assert!(
        shown.stdout.contains("pypi:mcp-server-sqlite=="),
        "{}",
        shown.stdout
    );
}

/// The servers of a catalogue that others published, from a registry: each is copied, read and shown.
#[test]
fn what_others_published_is_read() {
    let program =
        std::env::var_os("MCPT_MCP_REGISTRY").expect("MCPT_MCP_REGISTRY names the program");
    let data = Command::new(program)
        .arg("data")
        .stdin(Stdio::null())
        .output()
        .expect("reading the catalogue");
    let data = String::from_utf8(data.stdout).expect("UTF-8");
    let told = json!({"io.modelcontextprotocol.registry/official": {
        "status": "active", "statusChangedAt": "2026-01-01T00:00:00Z", "publishedAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z", "isLatest": true}});
    // Of a server that is there several times a registry has one.
    let mut registries: Vec<BTreeMap<String, Value>> = Vec::new();
    for line in data.lines() {
        let server: Value = serde_json::from_str(line).expect("JSON");
        let name = server["name"].as_str().expect("a name").to_owned();
        let record = json!({"server": server, "_meta": told});
        match registries
            .iter_mut()
            .find(|known| !known.contains_key(&name))
        {
            Some(registry) => drop(registry.insert(name, record)),
            None => registries.push(BTreeMap::from([(name, record)])),
        }
    }
    let number: usize = registries.iter().map(BTreeMap::len).sum();
    assert!(number >= 190, "{number}");
    for records in registries {
        let records: Vec<Value> = records.into_values().collect();
        let registry = Registry::start(&records);
        let mcpt = with_registries(&json!([{"name": "theirs", "url": registry.url}]));
        let synced = mcpt.json(&["catalog", "sync"]);
        assert_eq!(
            (&synced[0]["leftOut"], &synced[0]["servers"]),
            (&json!(0), &json!(records.len()))
        );
        drop(registry);
        let listed = mcpt.json(&["catalog", "list", "--registry", "theirs"]);
        for name in names(&listed) {
            let shown = mcpt.run(&["catalog", "show", name]).ok();
            let ways = shown
                .stdout
                .split("Ways of having it:")
                .nth(1)
                .unwrap_or_default();
            let found = ways.contains("packages[") || ways.contains("remotes[");
            assert!(
                found && !ways.contains("described wrongly"),
                "{name}: {}",
                shown.stdout
            );
        }
    }
}

#[test]
fn the_first_registry_that_knows_a_name_says_what_it_is() {
    let nothing = json!({});
    let first = Registry::start(&[record("io.github.owner/both", "1.0.0", true, &nothing)]);
    let second = Registry::start(&[
        record("io.github.owner/both", "9.0.0", true, &nothing),
        record("io.github.owner/alone", "2.0.0", true, &nothing),
    ]);
    let mcpt = with_registries(&json!([
        {"name": "first", "url": first.url},
        {"name": "second", "url": second.url},
    ]));
    for synced in [false, true] {
        if synced {
            let _ = mcpt.run(&["catalog", "sync"]).ok();
            let found = mcpt.json(&["search", "both"]);
            assert_eq!(names(&found).len(), 1);
            assert_eq!(found[0]["from"], "first");
        }
        let both = mcpt.json(&["catalog", "show", "io.github.owner/both"]);
        assert_eq!(
            (&both["version"], &both["from"]),
            (&json!("1.0.0"), &json!("first"))
        );
        let alone = mcpt.json(&["catalog", "show", "io.github.owner/alone"]);
        assert_eq!(alone["from"], "second");
        // Another one's version of a server that the first one knows is another server.
        let _ = mcpt
            .run(&["deploy", "io.github.owner/both@9.0.0"])
            .exits(3)
            .says(&[
                "has no io.github.owner/both@9.0.0",
                "its latest version is 1.0.0",
            ]);
        let _ = mcpt
            .run(&["deploy", "io.github.owner/none"])
            .exits(3)
            .says(&["none of first, second has it"]);
    }
    drop(first);
    let fresh = with_registries(&json!([
        {"name": "first", "url": "http://127.0.0.1:9"},
        {"name": "second", "url": second.url},
    ]));
    let _ = fresh
        .run(&["deploy", "io.github.owner/alone"])
        .exits(4)
        .says(&["cannot use the registry first"]);
    let _ = fresh
        .run(&["catalog", "sync"])
        .exits(4)
        .says(&["1 of 2 registries were not copied"]);
    assert_eq!(
        names(&fresh.json(&["catalog", "list", "--registry", "second"])).len(),
        2
    );
}

/// Descriptions and names are a stranger's.
#[test]
fn what_a_registry_says_moves_no_cursor_and_names_no_path() {
    let lines =
        json!({"description": "good\u{1b}[2J\nevil   1.0   ours   forged", "title": "\u{202e}x"});
    let mut gone = record("io.github.owner/gone", "1.0.0", true, &json!({}));
    let told = &mut gone["_meta"]["io.modelcontextprotocol.registry/official"];
    told["status"] = json!("deprecated");
    told["statusMessage"] = json!("use\u{1b}]0;x\u{7} another\nwarning: forged");
    let nuget = json!([{"registryType": "nuget", "identifier": "x", "version": "1.0.0", "transport": {"type": "stdio"}}]);
    gone["server"]["packages"] = nuget;
    let registry = Registry::start(&[record("io.github.owner/bad", "1.0.0", true, &lines), gone]);
    let mcpt = with_registries(&json!([{"name": "ours", "url": registry.url}]));
    let _ = mcpt.run(&["catalog", "sync"]).ok();
    let shown = [
        mcpt.run(&["search", "owner"]).ok(),
        mcpt.run(&["catalog", "list"]).ok(),
        mcpt.run(&["catalog", "show", "io.github.owner/bad"]).ok(),
        mcpt.run(&["deploy", "io.github.owner/gone"])
            .exits(2)
            .says(&[
                "is deprecated: use",
                "packages[0]: NuGet packages cannot be run yet",
            ]),
    ];
    for outcome in shown {
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!all.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{all:?}");
        assert!(
            !all.lines()
                .any(|line| line.starts_with("evil") || line.starts_with("warning: forged")),
            "{all}"
        );
    }
    for name in ["io.github.owner/../x", "io.github.owner/x@../1"] {
        let _ = mcpt.run(&["catalog", "show", name]).exits(2);
    }
}

#[test]
fn a_registry_that_is_named_wrongly_says_why() {
    for (registries, says) in [
        (
            json!([{"name": "../x", "url": "https://r.test"}]),
            "lower-case letters",
        ),
        (
            json!([{"name": "a", "url": "https://r.test"}, {"name": "a", "url": "https://s.test"}]),
            "twice",
        ),
        (
            json!([{"name": "a", "url": "ftp://r.test"}]),
            "http and https alone",
        ),
        (
            json!([{"name": "a", "url": "https://u:s3cret@r.test"}]),
            "do not belong",
        ),
        (
            json!([{"name": "a", "url": "https://r.test", "token-env": "MCPT_NO_SUCH"}]),
            "MCPT_NO_SUCH is not set",
        ),
        (
            json!([{"name": "a", "url": "http://r.test", "token-env": "HOME"}]),
            "by https alone",
        ),
        (
            json!([{"name": "a", "url": "https://r.test", "ca-file": "nowhere.pem"}]),
            "nowhere.pem",
        ),
        (
            json!([{"name": "a", "url": "https://r.test", "password": "x"}]),
            "password",
        ),
    ] {
        let mcpt = with_registries(&registries);
        let outcome = mcpt.run(&["catalog", "sync"]).exits(2).says(&[says]);
        assert!(!outcome.stderr.contains("s3cret"), "{outcome:?}");
    }
    let none = with_registries(&json!([]));
    let _ = none
        .run(&["deploy", "io.github.owner/name"])
        .exits(3)
        .says(&["names no registry of MCP servers"]);
    let _ = none
        .run(&["catalog", "sync", "official"])
        .exits(3)
        .says(&["there is no registry"]);
}
