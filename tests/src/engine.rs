//! Docker and Podman by their own commands: what is on an engine, whoever made it.

use std::process::Command;

use serde_json::Value;

/// Runs the command of an engine (`docker` or `podman`) against the one that the suites use, and gives its standard output.
///
/// # Panics
/// When it fails.
pub fn engine(name: &str, arguments: &[&str]) -> String {
    let output = engine_command(name, arguments)
        .output()
        .expect("starting the engine's command");
    assert!(
        output.status.success(),
        "{name} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8 from the engine")
}

/// The same command, ready to be started.
pub fn engine_command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(format!("/usr/bin/{name}"));
    if name == "podman" {
        // Else it would be an engine by itself.
        let socket = std::env::var("CONTAINER_HOST").expect("CONTAINER_HOST");
        command.args(["--remote", "--url", &socket]);
    }
    command.args(arguments);
    command
}

/// What an engine knows of a container.
///
/// # Panics
/// When there is none of that name.
pub fn inspect(name: &str, container: &str) -> Value {
    let text = engine(name, &["inspect", container]);
    let mut all: Value = serde_json::from_str(&text).expect("JSON from the engine");
    all[0].take()
}

/// Names of all containers, networks and volumes that begin so, each with its kind.
pub fn engine_objects(name: &str, prefix: &str) -> Vec<String> {
    let lists: [(&str, &[&str]); 3] = [
        ("container", &["ps", "--all", "--format", "{{.Names}}"]),
        ("network", &["network", "ls", "--format", "{{.Name}}"]),
        ("volume", &["volume", "ls", "--format", "{{.Name}}"]),
    ];
    let mut objects = Vec::new();
    for (kind, list) in lists {
        let names = engine(name, list);
        let named = names.lines().filter(|line| line.starts_with(prefix));
        objects.extend(named.map(|line| format!("{kind} {line}")));
    }
    objects.sort();
    objects
}
