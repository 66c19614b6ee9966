//! `cargo xtask clients`: clients that others wrote, at one address with servers behind it that others wrote, all as one. On
//! demand: they are fetched from their registries.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::{
    cache, command,
    conformance::{Program, build, free_address, gateway, npm_install},
    go_tools, python_sdk, report, tools, wheels,
};

/// Its tree of packages cannot be pinned: one of them is for another system alone.
const INSPECTOR: &str = "@modelcontextprotocol/inspector@2.12.0";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only clients that have this in their names
    only: Option<String>,
    /// Use this binary, and build none
    #[arg(long, value_name = "FILE")]
    mcpt: Option<PathBuf>,
}

/// A client, and whether it can cancel a call.
struct Client {
    name: &'static str,
    command: Command,
    cancels: bool,
}

/// Runs them; fails when one sees anything else than the others.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mcpt = match &arguments.mcpt {
        Some(file) => file.clone(),
        None => build()?,
    };
    let packages = npm_install("clients")?;
    let folder = std::env::temp_dir().join(format!("mcpt-clients-{}", std::process::id()));
    cache::remove(&folder)?;
    let files = folder.join("files");
    fs::create_dir_all(&files).with_context(|| format!("making {}", files.display()))?;
    fs::write(files.join("a.txt"), "a").context("a file for the server of files")?;
    let mut running = Vec::new();
    let mut front = None;
    for (name, address, server) in servers(&mcpt, &packages, &files)? {
        running.push(Program::start(server, address)?);
        let server = format!("{name}=http://{address}/mcp");
        match &mut front {
            None => front = Some((free_address("127.0.0.1")?, Vec::from([server]))),
            Some((_, others)) => others.extend(["--server".to_owned(), server]),
        }
    }
    let (address, named) = front.context("no servers")?;
    let [first, others @ ..] = &named[..] else {
        bail!("no servers");
    };
    let mut gateway = gateway(&mcpt, &folder, address, first);
    gateway.args(others);
    running.push(Program::start(gateway, address)?);
    let url = format!("http://{address}/mcp");

    let mut all_well = true;
    let is_wanted = |name: &str| {
        arguments
            .only
            .as_ref()
            .is_none_or(|only| name.contains(only))
    };
    for mut client in clients(&packages, &url, &files)? {
        if !is_wanted(client.name) {
            continue;
        }
        let wanted = wanted(client.cancels);
        let seen = seen(&mut client.command);
        let well = seen.as_ref().is_ok_and(|seen| *seen == wanted);
        all_well &= well;
        report::result(match seen {
            Ok(_) if well => format!("{}: well", client.name),
            Ok(seen) => format!("{}: sees {seen}\n  instead of {wanted}", client.name),
            Err(error) => format!("{}: {error:#}", client.name),
        });
    }
    if is_wanted("Inspector") {
        let inspected = inspect(&url);
        all_well &= inspected.is_ok();
        report::result(match inspected {
            Ok(()) => "Inspector: well".to_owned(),
            Err(error) => format!("Inspector: {error:#}"),
        });
    }
    drop(running);
    cache::remove(&folder)?;
    Ok(if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The servers, each with its address.
fn servers(
    mcpt: &Path,
    packages: &Path,
    files: &Path,
) -> anyhow::Result<Vec<(&'static str, SocketAddr, Command)>> {
    let (node, sdk) = (node()?, python_sdk::install()?);
    let modules = packages.join("node_modules/@modelcontextprotocol");
    let bridge = |address: SocketAddr| {
        let mut bridge = Command::new(mcpt);
        bridge.args(["bridge", "--listen", &address.to_string(), "--"]);
        bridge.env("PYTHONPATH", &sdk).env("MCPT_LOG", "warn");
        bridge
    };
    let addresses = [(); 5].map(|()| free_address("127.0.0.1"));
    let [demo, everything, filesystem, time, eras] = addresses;
    let (demo, everything, filesystem, time, eras) =
        (demo?, everything?, filesystem?, time?, eras?);
    let mut servers = Vec::new();
    let mut command = Command::new(mcpt);
    command.args(["demo", "--listen", &demo.to_string()]);
    servers.push(("demo", demo, command));
    let mut command = bridge(everything);
    command.arg(&node);
    command.arg(modules.join("server-everything/dist/index.js"));
    servers.push(("everything", everything, command));
    let mut command = bridge(filesystem);
    command.arg(&node);
    command.arg(modules.join("server-filesystem/dist/index.js"));
    command.arg(files);
    servers.push(("filesystem", filesystem, command));
    let mut command = bridge(time);
    command.args(["python3", "-m", "mcp_server_time"]);
    servers.push(("time", time, command));
    let mut command = Command::new("python3");
    command.arg(script("eras.py")).args(["server", "sessions"]);
    command.arg(eras.port().to_string()).env("PYTHONPATH", &sdk);
    servers.push(("eras", eras, command));
    Ok(servers)
}

fn clients(packages: &Path, url: &str, files: &Path) -> anyhow::Result<Vec<Client>> {
    let (node, sdk) = (node()?, python_sdk::install()?);
    let mut clients = Vec::new();
    let mut add = |name, mut command: Command, cancels| {
        command.arg(url).arg(files);
        clients.push(Client {
            name,
            command,
            cancels,
        });
    };
    for (name, era) in [
        ("Python SDK 2, with sessions", "sessions"),
        ("Python SDK 2, 2026-07-28", "stateless"),
    ] {
        let mut command = Command::new("python3");
        command.arg(script("all_as_one.py")).arg(era);
        command.env("PYTHONPATH", &sdk);
        add(name, command, true);
    }
    let uv = wheels::install("uv")?;
    let mut command = Command::new(uv.first().context("the wheel of uv has no uv")?);
    command.args([
        "run",
        "--quiet",
        "--no-project",
        "--with",
        "mcp<2",
        "python3",
    ]);
    command.arg(script("all_as_one.py")).arg("sessions");
    add("Python SDK 1", command, false);
    for (name, version) in [("TypeScript SDK 1", "1"), ("TypeScript SDK 2", "2")] {
        let mut command = Command::new(&node);
        command.arg(script("all_as_one.mjs")).arg(version);
        command.env("MCPT_CLIENTS", packages);
        add(name, command, true);
    }
    let go = go_tools::build("clients")?.join("all-as-one");
    add("Go SDK", Command::new(go), true);
    Ok(clients)
}

fn script(name: &str) -> PathBuf {
    cache::repository().join("tests/clients").join(name)
}

fn node() -> anyhow::Result<PathBuf> {
    let node = wheels::install("node")?;
    node.first()
        .cloned()
        .context("the wheel of Node has no node")
}

/// What a client prints.
fn seen(client: &mut Command) -> anyhow::Result<Value> {
    // What they say beside it is of interest when they fail.
    client.stdin(Stdio::null()).env("PATH", path()?);
    let text = command::output(client)?;
    let last = text.trim_end().lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("no JSON: {text}"))
}

/// That of whoever runs packages.
fn path() -> anyhow::Result<std::ffi::OsString> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::iter::once(tools::package_runners()?).chain(std::env::split_paths(&inherited));
    Ok(std::env::join_paths(folders)?)
}

/// What each of them is to see.
fn wanted(cancels: bool) -> Value {
    let mut wanted = json!({
        "lacks": [],
        "demo": ["café ✓"],
        "everything": ["Echo: hi"],
        "time": false,
        "filesystem": ["[FILE] a.txt"],
        "error": [true, true],
        "progress": true,
        "greet": ["Hello, Ada!"],
        "sample": ["It says Paris"],
        "prompt": ["Say hello to Ada"],
        "resource": ["a note"],
    });
    if cancels {
        wanted["cancel"] = json!(true);
    }
    wanted
}

/// The Inspector's command line: it lists and calls.
fn inspect(url: &str) -> anyhow::Result<()> {
    let ask = |words: &[&str]| {
        let mut inspector = Command::new("npx");
        inspector.env("PATH", path()?);
        inspector.args(["--yes", INSPECTOR, "--cli", url, "--transport", "http"]);
        inspector.args(words).stdin(Stdio::null());
        command::output(&mut inspector)
    };
    let listed = ask(&["--method", "tools/list"])?;
    for tool in ["demo_echo", "everything_echo", "time_get_current_time"] {
        if !listed.contains(tool) {
            bail!("no {tool} among {listed}");
        }
    }
    let call = ["--method", "tools/call", "--tool-name", "demo_echo"];
    let called = ask(&[&call[..], &["--tool-arg", "message=ahoy"]].concat())?;
    if !called.contains("ahoy") {
        bail!("demo_echo answers {called}");
    }
    Ok(())
}
