//! MCPB bundles as processes of this machine: run from what was unpacked, with what users set, and refused when they are hostile.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::{fs, path::Path, process::Command};

use mcpt_tests::{
    Mcpt,
    raw::{Session, agent},
};
use serde_json::{Value, json};

/// A server without dependencies, whose tool tells its arguments and its environment.
const SERVER: &str = r#"
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    method, result = asked["method"], {}
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "bundled", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "told", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call":
        text = json.dumps([sys.argv[1:], os.environ.get("KEY"), os.path.dirname(__file__)])
        result = {"content": [{"type": "text", "text": text}]}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"#;

/// Packs files with names and texts.
const PACK: &str = r"
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as archive:
    for name, text in json.load(sys.stdin):
        archive.writestr(name, text)
";

fn pack(path: &Path, files: &Value) -> String {
    let mut packer = Command::new("python3")
        .args(["-c", PACK])
        .arg(path)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    serde_json::to_writer(packer.stdin.take().unwrap(), files).unwrap();
    assert!(packer.wait().unwrap().success());
    path.display().to_string()
}

fn manifest() -> Value {
    json!({
        "manifest_version": "0.3", "name": "bundled", "version": "1.0.0",
        "server": {"type": "python", "entry_point": "server/main.py", "mcp_config": {
            "command": "python3",
            "args": ["${__dirname}/server/main.py", "--size=${user_config.size}", "${user_config.dirs}"],
            "env": {"KEY": "${user_config.key}"},
        }},
        "user_config": {
            "key": {"type": "string", "title": "The key", "sensitive": true, "required": true},
            "size": {"type": "number", "default": 5},
            "dirs": {"type": "directory", "multiple": true, "default": ["${HOME}/a"]},
        },
    })
}

#[test]
fn a_bundle_runs_with_what_is_set() {
    let mcpt = Mcpt::default();
    let unpacked = mcpt.home().join("state/bundles");
    let files = json!([
        ["manifest.json", manifest().to_string()],
        ["server/main.py", SERVER],
    ]);
    let bundle = format!("mcpb:{}", pack(&mcpt.home().join("it.mcpb"), &files));
    let missing = mcpt.run(&["deploy", &bundle]).exits(2);
    drop(missing.says(&["key: it is required (The key): add -c key=VALUE"]));
    let dry = ["deploy", &bundle, "-c", "key=s3cr3t-value", "--dry-run"];
    let dry = mcpt.run(&dry).ok();
    assert!(!dry.stdout.contains("s3cr3t"), "{}", dry.stdout);
    // Nothing is unpacked for what is refused, or only looked at.
    assert!(!unpacked.exists());

    let settings = ["-c", "key=s3cr3t-value", "-c", "dirs=[\"/x y\", \"/z\"]"];
    let deploy = [&["deploy", &bundle][..], &settings].concat();
    let deployed = mcpt.run(&deploy).ok();
    assert!(!deployed.stderr.contains("s3cr3t"), "{}", deployed.stderr);
    let called = mcpt.run(&["call", "bundled", "told"]).ok().stdout;
    for part in [
        "--size=5",
        "/x y",
        "/z",
        "s3cr3t-value",
        "state/bundles/bundled-1.0.0-",
    ] {
        assert!(called.contains(part), "{part}: {called}");
    }
    let garbage = || -> Vec<String> {
        let found = mcpt.json(&["gc", "--dry-run"]);
        let found = found.as_array().unwrap().iter();
        let objects = found.map(|one| one["object"].as_str().unwrap().to_owned());
        objects.filter(|name| name.starts_with("bundle ")).collect()
    };
    assert_eq!(garbage(), [""; 0]);
    drop(mcpt.run(&["delete", "bundled"]).ok());
    assert_eq!(garbage().len(), 1);
    drop(mcpt.run(&["gc"]).ok());
    assert_eq!(fs::read_dir(&unpacked).unwrap().count(), 0);
    // One of which there is no server in the end leaves nothing either.
    let mut broken = manifest();
    broken["server"]["mcp_config"]["command"] = json!("mcpt-test-no-such-program");
    let broken = json!([["manifest.json", broken.to_string()]]);
    let broken = format!("mcpb:{}", pack(&mcpt.home().join("broken.mcpb"), &broken));
    let refused = mcpt.run(&["deploy", &broken, "-c", "key=x"]).exits(1);
    drop(refused.says(&["mcpt-test-no-such-program"]));
    drop(mcpt.run(&["status", "bundled"]).exits(3));
    assert_eq!(fs::read_dir(&unpacked).unwrap().count(), 0);
    let engine = mcpt
        .run(&["-b", "docker", "deploy", &bundle, "-c", "key=x"])
        .exits(2);
    drop(engine.says(&["a bundle runs as a process of this machine"]));
}

#[test]
fn what_is_hostile_is_refused_and_leaves_nothing() {
    let mcpt = Mcpt::default();
    let unpacked = mcpt.home().join("state/bundles");
    let text = manifest().to_string();
    let plain = ["manifest.json", &text];
    for (name, files, why) in [
        (
            "path",
            json!([plain, ["../../out", "x"]]),
            "leads out of it",
        ),
        (
            "absolute",
            json!([plain, ["/tmp/out", "x"]]),
            "leads out of it",
        ),
        (
            "bomb",
            json!([plain, ["zeros", "0".repeat(70 << 20)]]),
            "times as large",
        ),
        (
            "empty",
            json!([["server/main.py", "x"]]),
            "has no manifest.json",
        ),
        (
            "lies",
            json!([["manifest.json", "{\"name\": 1}"]]),
            "its manifest cannot be used",
        ),
    ] {
        let bundle = format!("mcpb:{}", pack(&mcpt.home().join(name), &files));
        let refused = mcpt.run(&["deploy", &bundle, "-c", "key=x"]).exits(1);
        drop(refused.says(&[why]));
    }
    let file = mcpt.home().join("none.mcpb");
    drop(
        mcpt.run(&["deploy", &format!("mcpb:{}", file.display())])
            .exits(3),
    );
    let server = mcpt.home().join("server.json");
    let described = json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": "io.github.owner/bundled", "description": "It", "version": "1.0.0",
        "packages": [{"registryType": "mcpb", "identifier": "https://127.0.0.1:9/it.mcpb",
            "fileSha256": "0".repeat(64), "transport": {"type": "stdio"}}],
    });
    fs::write(&server, described.to_string()).unwrap();
    let refused = mcpt.run(&["deploy", server.to_str().unwrap()]).exits(1);
    drop(refused.says(&["127.0.0.1:9/it.mcpb"]));
    assert!(!unpacked.exists());
}

/// The texts of a command line that has this text, of each process.
fn command_lines_with(text: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| {
        // Processes come and go while we read.
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(text).then_some(line)
    });
    lines.collect()
}

fn files_with(text: &str, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(text, &path));
        } else if fs::read(&path).is_ok_and(|data| String::from_utf8_lossy(&data).contains(text)) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_secret_in_an_argument_is_in_the_server_s_own_alone() {
    const SET: &str = "s3cr3t-of-a-setting-70b1";
    const GIVEN: &str = "s3cr3t-behind-a-sign-2d9f";
    let mcpt = Mcpt::default();
    let mut manifest = manifest();
    let config = &mut manifest["server"]["mcp_config"];
    config["args"] = json!([
        "${__dirname}/server/main.py",
        "--key=${user_config.key}",
        "$(KEY) $$"
    ]);
    let files = json!([
        ["manifest.json", manifest.to_string()],
        ["server/main.py", SERVER],
    ]);
    let bundle = format!("mcpb:{}", pack(&mcpt.home().join("it.mcpb"), &files));
    let source = mcpt.file("key", SET);
    let setting = format!("key=@{source}");
    let deploy = ["deploy", &bundle, "-c", &setting, "--", "--api-key", GIVEN];
    let deployed = mcpt.run(&deploy).ok();
    fs::remove_file(source).unwrap();
    let url = mcpt.json(&["status", "bundled"])["url"].take();
    let url = url.as_str().unwrap();
    // Its process is there for as long as this is.
    let session = Session::open(&agent(), url);
    let called = session.call(url, "told", &json!({})).tool_text();
    for argument in [&format!("--key={SET}"), "$(KEY) $$", GIVEN] {
        assert!(called.contains(argument), "{argument}: {called}");
    }
    let shown = [
        mcpt.run(&["status", "bundled", "-o", "json"]).ok(),
        mcpt.run(&["list", "-o", "wide"]).ok(),
        mcpt.run(&["logs", "bundled"]).ok(),
        mcpt.run(&[&deploy[..], &["--dry-run"]].concat()).exits(2),
    ];
    let state = mcpt.home().join("state");
    for secret in [SET, GIVEN] {
        for text in shown
            .iter()
            .flat_map(|shown| [&shown.stdout, &shown.stderr])
        {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(!deployed.stderr.contains(secret), "{}", deployed.stderr);
        assert_eq!(files_with(secret, &state), [""; 0]);
        let lines = command_lines_with(secret);
        let ours = ["/mcpt ", "/proc/self/exe "];
        let own = |line: &String| {
            line.contains("main.py") && !ours.iter().any(|program| line.contains(program))
        };
        assert!(!lines.is_empty() && lines.iter().all(own), "{lines:?}");
    }
    let words = "'--key=$(MCPT_ARGUMENT_KEY)' '$(KEY) $$' ";
    assert!(shown[0].stdout.contains(words), "{}", shown[0].stdout);
    drop(session);
    drop(mcpt.run(&["delete", "bundled"]).ok());
}
