//! `mcpt import`: files of clients become registries that are valid and can be deployed; secrets are never shown, and nothing runs.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use mcpt_tests::Mcpt;
use serde_json::{Value, json};

const SECRET: &str = "s3cr3t-import-77c0aa12";

fn process() -> Mcpt {
    Mcpt::new(&["--backend", "process"])
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("the file is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// As people have them: a byte order mark, comments, trailing commas, CRLF; a server that is there, with a secret.
fn client_file() -> String {
    let servers = r#" // mine
 "mcpServers": {
  "My Server": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-everything@2026.8.31",],
   "env": {"DEMO_TOKEN": "SECRET", "GREETING": "Ahoy {{"}},
  "far": {"url": "https://x.test/mcp?key=SECRET"},
  "arg": {"command": "npx", "args": ["-y", "pkg", "--api-key", "SECRET"]},
  "folder": {"command": "npx", "args": ["-y", "pkg@1.0.0", "/path/to/allowed/files"]},
  "box": {"command": "docker", "args": ["run", "-i", "--rm", "-e", "API_KEY", "mcp/x"]},
 },
"#;
    let servers = servers.replace("SECRET", SECRET).replace('\n', "\r\n");
    format!("\u{feff}{{\r\n{servers}}}\r\n")
}

#[test]
fn a_clients_file_becomes_a_registry_that_runs() {
    let mcpt = process();
    let file = mcpt.file("mcp.json", &client_file());
    let to = mcpt.home().join("servers.json");
    let values = mcpt.home().join("servers.values.json");
    let to_text = to.to_string_lossy();

    // Only looked at, nothing is written.
    let shown = mcpt.run(&["import", &file]).ok();
    assert!(!to.exists());
    let imported = mcpt
        .run(&[
            "import",
            &file,
            "--to",
            &to_text,
            "--set",
            "folder.allowed_files=/srv",
        ])
        .ok()
        .says(&[
            "servers.values.json has secrets in it",
            "still to be given as values: box.API_KEY",
        ]);
    for outcome in [&shown, &imported] {
        assert!(
            outcome.stdout.contains("it runs elsewhere"),
            "{}",
            outcome.stdout
        );
        assert!(
            outcome
                .stdout
                .contains("api_key is a secret and an argument"),
            "{}",
            outcome.stdout
        );
        assert!(
            !outcome.stdout.contains(SECRET) && !outcome.stderr.contains(SECRET),
            "{outcome:?}"
        );
    }
    assert!(
        shown
            .stdout
            .contains("the value of allowed_files is not known"),
        "{}",
        shown.stdout
    );

    let registry = read(&to);
    assert!(!registry.to_string().contains(SECRET), "{registry}");
    assert_eq!(
        registry["my-server"]["env"]["DEMO_TOKEN"],
        "{{ .Values.my_server.DEMO_TOKEN }}"
    );
    assert_eq!(registry["folder"]["package"], "npm:pkg@1.0.0");
    assert_eq!(registry["folder"]["args"], json!(["/srv"]));
    assert_eq!(
        registry["box"]["command"],
        json!(["docker", "run", "-i", "--rm", "-e", "API_KEY", "mcp/x"])
    );
    assert!(
        registry.get("far").is_none() && registry.get("arg").is_none(),
        "{registry}"
    );
    assert_eq!(read(&values), json!({"my_server": {"DEMO_TOKEN": SECRET}}));
    let mode = fs::metadata(&values)
        .expect("the values are there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let _ = mcpt.run(&["registry", "validate", &to_text]).ok();
    if cfg!(feature = "servers") {
        runs(&mcpt, &to_text, &values.to_string_lossy());
    }

    // What is there is never written over.
    let _ = mcpt
        .run(&["import", &file, "--to", &to_text])
        .exits(1)
        .says(&["name a file that is not there yet"]);
    assert_eq!(read(&to), registry);
}

/// The server that was imported answers, and has its secret and what only looks like an expression.
fn runs(mcpt: &Mcpt, registry: &str, values: &str) {
    let name = "my-server";
    let _ = mcpt
        .run(&["deploy", name, "--registry", registry, "-f", values])
        .ok();
    let env = mcpt.run(&["call", name, "get-env"]).ok();
    assert!(
        env.stdout.contains(SECRET),
        "the server was not given its secret"
    );
    assert!(
        env.stdout.contains("Ahoy {{"),
        "the server was given another greeting"
    );
    let _ = mcpt.run(&["delete", name]).ok();
}

#[test]
fn documents_tell_all_but_values() {
    let mcpt = process();
    let file = mcpt.file("mcp.json", &client_file());
    let servers = mcpt.json(&["import", &file]);
    let servers = servers.as_array().expect("a list");
    let named = |name: &str| {
        servers
            .iter()
            .find(|server| server["name"] == name)
            .expect(name)
    };
    assert_eq!(named("far")["kind"], "remote");
    assert_eq!(named("far")["source"], "https://x.test/mcp?key={key}");
    assert_eq!(named("My Server")["entry"], "my-server");
    assert_eq!(named("arg")["source"], "npm:pkg");
    assert_eq!(
        named("arg")["settings"],
        json!([{"name": "api_key", "secret": true, "required": true, "given": true}])
    );
    assert_eq!(named("box")["kind"], "image");
    assert_eq!(named("box")["missing"], json!(["box.API_KEY"]));
}

/// A file of a repository is a stranger's: whatever it says, nothing of it runs, and a terminal shows it as text.
#[test]
fn hostile_files_run_nothing() {
    let mcpt = process();
    let trap = mcpt.home().join("trap");
    let touch = format!("touch {}", trap.display());
    let file = mcpt.file(
        "mcp.json",
        &json!({"mcpServers": {
            "a": {"command": "sh", "args": ["-c", touch]},
            "b": {"command": format!("$({touch})")},
            "c": {"command": "npx", "args": ["-y", format!("x; {touch}")]},
            "d": {"url": format!("https://x.test/`{touch}`")},
            "e\u{1b}[2J\u{202e}": {"command": "x", "env": {"A": format!("${{{touch}}}")}},
            "../../f": {"command": "x"},
            "g": {"command": "x", "headersHelper": touch, "env": {"B": "{{ env \"HOME\" }}"}},
        }})
        .to_string(),
    );
    let to = mcpt.home().join("servers.json");
    let outcome = mcpt
        .run(&["import", &file, "--to", &to.to_string_lossy()])
        .ok();
    let shown = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(
        !shown.contains('\u{1b}') && !shown.contains('\u{202e}'),
        "{shown:?}"
    );
    let _ = mcpt
        .run(&["registry", "validate", &to.to_string_lossy()])
        .ok();
    let _ = mcpt
        .run(&["registry", "show", "g", "--registry", &to.to_string_lossy()])
        .ok();
    assert!(!trap.exists(), "something was run");
    let registry = read(&to);
    assert!(registry.get("f").is_some(), "{registry}");
    // What a stranger wrote as an expression is text.
    assert_eq!(registry["g"]["env"]["B"], "{{ \"{{\" }} env \"HOME\" }}");
}

#[test]
fn what_cannot_be_imported_says_why() {
    let mcpt = process();
    let file = mcpt.file("mcp.json", &client_file());
    let nothing = mcpt.file("nothing.json", "{\"a\": 1}");
    let broken = mcpt.file("broken.json", "{\"mcpServers\": {\n");
    let absent = mcpt.home().join("absent.json");
    for (arguments, code, says) in [
        (&["import", &nothing][..], 2, "no servers are in it"),
        (&["import", &broken], 2, "line 1: Unterminated object"),
        (&["import", &absent.to_string_lossy()], 3, "absent.json"),
        (
            &["import", &file, "--only", "My Serer"],
            2,
            "did you mean \"My Server\"?",
        ),
        (
            &["import", &file, "--set", "folder.x=1"],
            2,
            "folder has no setting \"x\"",
        ),
        (
            &["import", &file, "--set", "arg.api_key=1"],
            2,
            "is a secret",
        ),
        (
            &["import", &file, "--set", "nonsense"],
            2,
            "it is NAME.SETTING=VALUE",
        ),
        (
            &["import", &file, "--only", "far", "--to", "/nowhere/x.json"],
            1,
            "no server of the file can be an entry of a registry",
        ),
    ] {
        let _ = mcpt.run(arguments).exits(code).says(&[says]);
    }
}

/// What was written before it failed would be in the way of the same command when what was wrong is mended.
#[test]
fn one_that_fails_half_way_leaves_nothing() {
    let mcpt = process();
    let file = mcpt.file("mcp.json", &client_file());
    let to = mcpt.file("servers.json", "{}");
    let values = mcpt.home().join("servers.values.json");
    let import = ["import", &file, "--to", &to];
    let _ = mcpt
        .run(&import)
        .exits(1)
        .says(&["servers.json", "name a file that is not there yet"]);
    assert!(!values.exists());
    assert_eq!(read(Path::new(&to)), json!({}));
    fs::remove_file(&to).expect("removing it");
    let _ = mcpt.run(&import).ok();
    assert!(values.exists());
    // Values that were there before are nobody's to take away.
    fs::remove_file(&to).expect("removing it");
    let _ = mcpt.run(&import).exits(1);
    assert!(values.exists() && !Path::new(&to).exists());
}
