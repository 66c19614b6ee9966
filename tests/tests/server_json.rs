//! `mcpt deploy ./server.json`: what an author describes is what runs, and what cannot be run says why.

use mcpt_tests::Mcpt;
use serde_json::{Value, json};

fn described(members: &Value) -> String {
    let mut document =
        json!({"name": "io.github.owner/name", "description": "x", "version": "1.0.0"});
    for (name, value) in members.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    document.to_string()
}

#[test]
fn what_cannot_be_run_says_why() {
    let mcpt = Mcpt::new(&["--backend", "process"]);
    for (members, code, says) in [
        (json!({}), 2, "it names no package and no address"),
        (
            json!({"version": "latest"}),
            2,
            "version: latest is no version",
        ),
        (json!({"status": "deleted"}), 2, "must not be used any more"),
        (
            json!({"packages": [{"registryType": "npm", "identifier": "../x", "transport": {"type": "stdio"}}]}),
            2,
            "packages[0].identifier: a name is no path",
        ),
        (
            json!({"packages": [{"registryType": "nuget", "identifier": "x", "transport": {"type": "stdio"}}]}),
            2,
            "packages[0]: NuGet packages cannot be run yet",
        ),
        (
            json!({"remotes": [{"type": "sse", "url": "https://x.test/\u{1b}[2J"}]}),
            2,
            "its address has blanks or control characters",
        ),
        (
            json!({"packages": [{"registryType": "pypi", "identifier": "x", "version": "1", "transport": {"type": "stdio"},
                "environmentVariables": [{"name": "API_KEY", "isRequired": true}]}]}),
            2,
            "API_KEY",
        ),
    ] {
        let file = mcpt.file("server.json", &described(&members));
        let outcome = mcpt.run(&["deploy", &file]).exits(code).says(&[says]);
        assert!(!outcome.stderr.contains('\u{1b}'), "{outcome:?}");
    }
    let absent = mcpt.home().join("nowhere/server.json");
    let _ = mcpt.run(&["deploy", &absent.to_string_lossy()]).exits(3);
}

/// The package, its arguments and its settings are the file's; the version that it names is the one that runs.
#[cfg(feature = "servers")]
#[test]
fn what_is_described_runs() {
    let mcpt = Mcpt::new(&["--backend", "process"]);
    let file = mcpt.file(
        "server.json",
        &described(&json!({"packages": [{"registryType": "pypi", "identifier": "mcp-server-time", "version": "2026.10.19",
            "transport": {"type": "stdio"},
            "packageArguments": [{"type": "named", "name": "--local-timezone", "default": "Asia/Tokyo"}]}]})),
    );
    let _ = mcpt.run(&["deploy", &file, "--name", "clock"]).ok();
    let called = mcpt
        .run(&["call", "clock", "get_current_time", "--arg", "timezone=UTC"])
        .ok();
    assert!(called.stdout.contains("UTC"), "{}", called.stdout);
    let _ = mcpt.run(&["delete", "clock"]).ok();
}
