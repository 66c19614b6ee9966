//! What was resolved stays resolved: a server that starts again asks no registry.

use crate::{called, machine::Machine, tools};

/// Ends what runs behind a server and gives its status once another one runs in its place.
fn restart(machine: &Machine, name: &str) {
    let status = machine.mcpt.json(&["status", name]);
    let process = status["replicas"][0]["name"]
        .as_str()
        .expect("a process")
        .to_owned();
    let killed = std::process::Command::new("kill")
        .args(["-9", &process])
        .status();
    assert!(killed.expect("kill").success(), "{status}");
    loop {
        let status = machine.mcpt.json(&["status", name]);
        let replica = &status["replicas"][0];
        if status["state"] == "running" && replica["name"] != process.as_str() {
            assert_eq!(replica["restarts"], 1, "{status}");
            return;
        }
    }
}

#[test]
fn an_npm_package_starts_again_without_its_registry() {
    let machine = Machine::new();
    let mcpt = &machine.mcpt;
    let deployed = mcpt
        .run(&["deploy", "npm:@modelcontextprotocol/server-everything"])
        .ok()
        .says(&[
            "resolving npm:@modelcontextprotocol/server-everything",
            "installing npm:",
        ]);
    assert!(deployed.stdout.contains("server-everything is running"));
    let status = mcpt.json(&["status", "server-everything"]);
    let source = status["source"].as_str().expect("a source").to_owned();
    assert!(
        source.starts_with("npm:@modelcontextprotocol/server-everything@20"),
        "{status}"
    );
    assert_eq!(status.get("template"), None, "{status}");
    assert!(tools(mcpt, "server-everything").contains(&"echo".to_owned()));

    machine.lose_the_registries();
    restart(&machine, "server-everything");
    let echo = called(mcpt, "server-everything", "echo", r#"{"message":"again"}"#);
    assert_eq!(echo, "Echo: again");
    // Whoever asks what is newest must be able to ask; the server goes on as it is.
    let _ = mcpt
        .run(&["deploy", "npm:@modelcontextprotocol/server-everything"])
        .exits(4)
        .says(&[
            "the registry cannot be reached",
            "ECONNREFUSED",
            "HTTPS_PROXY",
        ]);
    assert_eq!(
        mcpt.json(&["status", "server-everything"])["source"],
        source.as_str()
    );
    assert_eq!(
        called(mcpt, "server-everything", "echo", r#"{"message":"on"}"#),
        "Echo: on"
    );
}

#[test]
fn a_pypi_package_starts_again_without_its_index() {
    let machine = Machine::new();
    let mcpt = &machine.mcpt;
    let _ = mcpt
        .run(&[
            "deploy",
            "pypi:mcp-server-time",
            "--",
            "--local-timezone",
            "UTC",
        ])
        .ok()
        .says(&["installing pypi:mcp-server-time==20"]);
    let status = mcpt.json(&["status", "mcp-server-time"]);
    let source = status["source"].as_str().expect("a source");
    assert!(source.starts_with("pypi:mcp-server-time==20"), "{status}");
    assert!(source.ends_with(" -- --local-timezone UTC"), "{status}");

    machine.lose_the_registries();
    restart(&machine, "mcp-server-time");
    assert_eq!(
        tools(mcpt, "mcp-server-time"),
        ["get_current_time", "convert_time"]
    );
    let _ = mcpt
        .run(&["deploy", "pypi:mcp-server-time"])
        .exits(4)
        .says(&["the registry cannot be reached", "127.0.0.1:9"]);
    // Packages are kept as long as a server runs from them, and cleared away then.
    let kept = mcpt.json(&["gc", "--dry-run"]);
    assert_eq!(kept.as_array().map(Vec::len), Some(0), "{kept}");
    let _ = mcpt.run(&["delete", "mcp-server-time"]).ok();
    let cleared = mcpt.run(&["gc"]).ok();
    assert!(
        cleared.stdout.contains("package pypi-mcp-server-time-20"),
        "{}",
        cleared.stdout
    );
    let packages = mcpt.home().join("state/packages");
    let left: Vec<_> = std::fs::read_dir(packages)
        .expect("the folder of packages")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
