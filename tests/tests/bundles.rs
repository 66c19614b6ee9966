//! MCPB bundles as processes of this machine: run from what was unpacked, with what users set, and refused when they are hostile.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::{fs, path::Path, process::Command};

use mcpt_tests::Mcpt;
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
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
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
    let data = mcpt.home().join("data");
    let mcpt = mcpt.env("XDG_DATA_HOME", data.to_str().unwrap());
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
        "mcpt/bundles/bundled-1.0.0-",
    ] {
        assert!(called.contains(part), "{part}: {called}");
    }
    drop(mcpt.run(&["delete", "bundled"]).ok());
    let engine = mcpt
        .run(&["-b", "docker", "deploy", &bundle, "-c", "key=x"])
        .exits(2);
    drop(engine.says(&["a bundle runs as a process of this machine"]));
}

#[test]
fn what_is_hostile_is_refused_and_leaves_nothing() {
    let mcpt = Mcpt::default();
    let data = mcpt.home().join("data");
    let mcpt = mcpt.env("XDG_DATA_HOME", data.to_str().unwrap());
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
    assert!(!data.exists());
}
