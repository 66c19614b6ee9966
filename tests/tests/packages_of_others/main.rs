//! Servers that others wrote, by the names of their packages, on the backend of `MCPT_TEST_BACKEND`: npm and Python packages with
//! native modules, with pre-releases alone, of a newer Node.js or Python than many machines have.
//!
//! It asks the real registries, so it is run on demand and not by `cargo xtask test`:
//!
//! ```sh
//! cargo test --package mcpt-tests --features registries --test packages_of_others
//! ```
//!
//! Docker, Podman and the cluster of the tests are in networks that reach no registry. There it needs the socket of a mirror that runs
//! outside of them, and their pods and containers reach nothing but that mirror:
//!
//! ```sh
//! python3 tests/clients/mirror.py serve /tmp/mirror.sock
//! MCPT_TEST_BACKEND=docker MCPT_TEST_MIRROR=/tmp/mirror.sock cargo xtask engines exec -- cargo test …
//! MCPT_TEST_BACKEND=kubernetes MCPT_TEST_MIRROR=/tmp/mirror.sock cargo xtask cluster exec -- cargo test …
//! ```
//!
//! Python packages run there in the image of `MCPT_RUNTIME_PYTHON`; those that need a newer Python than it has must be refused.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

#[path = "../packages/machine.rs"]
#[expect(dead_code, reason = "the registries stay where they are here")]
mod machine;
mod mirror;

use std::{
    env,
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use machine::Machine;
use mcpt_tests::{Mcpt, TestNamespace, engine, eventually, kill_container, kubectl_json};
use mirror::Mirror;

/// A package, its settings and arguments, and one of the tools of its server.
struct Package {
    source: &'static str,
    env: &'static [&'static str],
    arguments: &'static [&'static str],
    tool: &'static str,
    /// The oldest minor version of Python 3 that it runs on, if that matters.
    python: Option<u32>,
}

const fn package(
    source: &'static str,
    arguments: &'static [&'static str],
    tool: &'static str,
) -> Package {
    Package {
        source,
        env: &[],
        arguments,
        tool,
        python: None,
    }
}

const PACKAGES: [Package; 12] = [
    package("npm:@modelcontextprotocol/server-everything", &[], "echo"),
    package(
        "npm:@modelcontextprotocol/server-filesystem",
        &["/tmp"],
        "read_text_file",
    ),
    package(
        "npm:@modelcontextprotocol/server-sequential-thinking",
        &[],
        "sequentialthinking",
    ),
    // A native module for each platform, as an optional dependency.
    Package {
        env: &["LIBSQL_URL=file:/tmp/memory.db"],
        ..package("npm:mcp-memory-libsql", &[], "read_graph")
    },
    // Node.js 22 or newer.
    package("npm:repomix", &["--mcp"], "pack_codebase"),
    // sharp, which is C.
    Package {
        env: &["FIGMA_API_KEY=none-at-all"],
        ..package("npm:figma-developer-mcp", &["--stdio"], "get_figma_data")
    },
    package(
        "pypi:mcp-server-time",
        &["--local-timezone", "UTC"],
        "get_current_time",
    ),
    // lxml and pydantic-core, which are C and Rust.
    package("pypi:mcp-server-fetch", &[], "fetch"),
    package("pypi:excel-mcp-server", &["stdio"], "create_workbook"),
    package("pypi:duckduckgo-mcp-server", &[], "search"),
    // Pre-releases alone.
    package("pypi:markitdown-mcp", &[], "convert_to_markdown"),
    // Python 3.12 or newer.
    Package {
        python: Some(12),
        ..package("pypi:basic-memory", &["mcp"], "write_note")
    },
];

/// Where the packages run.
enum Place {
    Process,
    Engine(String),
    Cluster(TestNamespace),
}

impl Place {
    fn of_the_environment() -> Self {
        match env::var("MCPT_TEST_BACKEND").as_deref() {
            Err(_) | Ok("process") => Self::Process,
            Ok("kubernetes") => Self::Cluster(TestNamespace::new("packages-of-others")),
            Ok(engine) => Self::Engine(engine.to_owned()),
        }
    }

    fn globals(&self) -> Vec<&str> {
        match self {
            Self::Process => vec!["--backend", "process"],
            Self::Engine(name) => vec!["--backend", name],
            Self::Cluster(namespace) => {
                vec!["--backend", "kubernetes", "--namespace", namespace.name()]
            }
        }
    }

    /// The address of this machine at which what installs packages reaches a mirror.
    fn address(&self) -> String {
        let Self::Cluster(_) = self else {
            return "127.0.0.1".to_owned();
        };
        let nodes = kubectl_json(&["get", "nodes"]);
        let nodes = nodes["items"].as_array().expect("a list").iter();
        let addresses =
            nodes.flat_map(|node| node["status"]["addresses"].as_array().expect("a list"));
        let mut addresses = addresses.filter_map(|one| one["address"].as_str());
        // The tests run on one of the nodes.
        let own = addresses.find(|address| TcpListener::bind((*address, 0)).is_ok());
        own.expect("a node of this machine").to_owned()
    }

    /// Has what runs behind a server end at once, so that it starts again.
    fn kill(&self, mcpt: &Mcpt, server: &str) {
        let status = mcpt.json(&["status", server]);
        let replica = status["replicas"][0]["name"].as_str().expect("a replica");
        match self {
            Self::Process => {
                let killed = Command::new("kill").args(["-9", replica]).status();
                assert!(killed.expect("kill").success(), "{status}");
            }
            Self::Engine(name) => drop(engine(name, &["restart", &format!("mcpt-{server}.r1.1")])),
            Self::Cluster(namespace) => kill_container(namespace.name(), replica),
        }
    }
}

/// The minor version of the Python that containers have: what the tag of their image says.
fn python_of_containers() -> Option<u32> {
    let image = env::var("MCPT_RUNTIME_PYTHON").ok()?;
    image.rsplit_once("3.")?.1.parse().ok()
}

/// Why a package does not do, if so.
fn trouble(
    place: &Place,
    machine: &Machine,
    mirror: &Mirror,
    package: &Package,
) -> Result<(), String> {
    let mcpt = &machine.mcpt;
    let server = "of-others";
    let mut words = vec![
        "deploy",
        package.source,
        "--name",
        server,
        "--timeout",
        "10m",
    ];
    for variable in package.env {
        words.extend(["-e", variable]);
    }
    if !package.arguments.is_empty() {
        words.push("--");
        words.extend(package.arguments);
    }
    let deployed = mcpt.run(&words);
    if !matches!(place, Place::Process) && package.python > python_of_containers() {
        if deployed.code == Some(1) && deployed.stderr.contains("no version of Python fits") {
            return Ok(());
        }
        return Err(format!("it is not refused: {}", deployed.stderr));
    }
    if deployed.code != Some(0) {
        return Err(deployed.stderr);
    }
    tools(mcpt, server, package.tool)?;
    let asked = mirror.connections();
    place.kill(mcpt, server);
    tools(mcpt, server, package.tool)?;
    if mirror.connections() != asked {
        return Err("it asked a registry when it started again".to_owned());
    }
    let deleted = mcpt.run(&["delete", server]);
    (deleted.code == Some(0))
        .then_some(())
        .ok_or(deleted.stderr)
}

/// Waits until a server has a tool.
fn tools(mcpt: &Mcpt, server: &str, tool: &str) -> Result<(), String> {
    let listed = eventually(Duration::from_mins(3), || {
        let outcome = mcpt.run(&["tools", server, "-o", "name"]);
        if outcome.code == Some(0) {
            Ok(outcome.stdout)
        } else {
            Err(outcome.stderr)
        }
    });
    if listed.lines().any(|line| line == tool) {
        Ok(())
    } else {
        Err(format!("it has no tool {tool}: {listed}"))
    }
}

#[test]
fn servers_of_others_run_from_their_packages() {
    let place = Place::of_the_environment();
    let mcpt = Mcpt::new(&place.globals());
    let mirror = Mirror::start(&place.address(), mcpt.home());
    let mut machine = Machine::with(mcpt);
    if !matches!(place, Place::Process) {
        let config = "runtimes:\n  node: localhost/mcpt-runtime-node:24\n  settings: true\n";
        let config = machine.mcpt.file("config.yaml", config);
        machine = machine
            .env("MCPT_CONFIG", config)
            // From those networks nothing is fetched but what a mirror has.
            .env("UV_OFFLINE", "false")
            .env("npm_config_offline", "false");
    }
    let address = &mirror.address;
    machine.tell(
        &format!("registry=http://{address}/npm/\n"),
        &format!("[[index]]\nurl = \"http://{address}/simple/\"\ndefault = true\n"),
    );
    let mut failed = Vec::new();
    for package in &PACKAGES {
        let begin = Instant::now();
        let outcome = trouble(&place, &machine, &mirror, package);
        let seconds = begin.elapsed().as_secs();
        match outcome {
            Ok(()) => println!("{}: {seconds} s", package.source),
            Err(why) => {
                failed.push(format!("{}: {why}", package.source));
                // What is left of it must not be in the way of the next one.
                drop(machine.mcpt.run(&["delete", "of-others"]));
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} failed\n{}",
        failed.len(),
        PACKAGES.len(),
        failed.join("\n")
    );
}
