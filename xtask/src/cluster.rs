//! `cargo xtask cluster`: a real multi-node Kubernetes in namespaces of its own.
//!
//! Everything is built from pinned Go modules. One cluster per cache folder; its files are in
//! `cluster` there, and nothing of it is elsewhere except its cgroups, which `down` removes.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use nix::sched::{CloneFlags, setns};

use crate::lock::Lock;
use crate::{command, go_tools, report, tools};

mod addons;
mod boot;
pub(crate) mod cgroups;
mod control_plane;
mod faults;
mod images;
pub(crate) mod layout;
pub(crate) mod machine;
mod network;
mod node;
mod pki;
pub(crate) mod state;
pub(crate) mod teardown;
pub(crate) mod wait;

use layout::{CONTROL_PLANE, Layout, MAX_NODES};
use machine::Machine;
use state::State;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Boot the cluster, or leave it as it is when it already runs
    Up {
        /// How many nodes it has
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_NODES)))]
        nodes: u8,
    },
    /// Stop the cluster and remove everything of it
    Down,
    /// Show what runs; fails when the cluster is not whole
    Status,
    /// Run a command where the cluster can be reached, with KUBECONFIG set
    Exec {
        /// The command with its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Import image archives into every node
    Load {
        /// OCI archives
        #[arg(required = true, value_name = "IMAGE.tar")]
        archives: Vec<PathBuf>,
    },
    /// Print the environment of `exec` as export lines for a shell
    Env,
    /// Hurt a component on purpose
    #[command(hide = true)]
    Fault {
        #[command(subcommand)]
        fault: faults::Fault,
    },
}

pub(crate) fn run(action: Action) -> anyhow::Result<ExitCode> {
    let layout = Layout::new()?;
    if !nix::unistd::geteuid().is_root() {
        bail!("the test cluster needs root: it makes namespaces and mounts");
    }
    match action {
        Action::Up { nodes } => {
            boot::up(&layout, nodes)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Down => {
            let _lock = Lock::take(&layout.lock(), "the cluster")?;
            teardown::down(&layout)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Status => status(&layout),
        Action::Exec { command } => exec(&layout, &command),
        Action::Load { archives } => {
            images::load(&running(&layout)?, &archives)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Env => {
            for (name, value) in environment(&layout, &running(&layout)?)? {
                report::result(format_args!("export {name}='{value}'"));
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Fault { fault } => {
            let _lock = Lock::take(&layout.lock(), "the cluster")?;
            faults::run(&layout, &fault)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The state of the cluster, if it runs.
fn running(layout: &Layout) -> anyhow::Result<State> {
    let hint = "start it with: cargo xtask cluster up";
    let state = State::read(&layout.state())?;
    let state = state.with_context(|| format!("there is no cluster; {hint}"))?;
    let dead = state.dead();
    if !dead.is_empty() {
        bail!("the cluster is broken ({} ended); {hint}", dead.join(", "));
    }
    if !state.ready {
        bail!("the cluster has not come up; {hint}");
    }
    Ok(state)
}

fn status(layout: &Layout) -> anyhow::Result<ExitCode> {
    let Some(state) = State::read(&layout.state())? else {
        report::result("no cluster");
        return Ok(ExitCode::FAILURE);
    };
    for record in state.machines.iter().chain(&state.components) {
        let condition = if state.is_alive(record) {
            "runs"
        } else {
            "has ended"
        };
        report::result(format_args!("{:<26} {condition}", record.name));
    }
    if !state.ready || !state.dead().is_empty() {
        report::result("not whole; mend it with: cargo xtask cluster up");
        return Ok(ExitCode::FAILURE);
    }
    let nodes = command::output(
        kubectl(layout, &Machine::recorded(&state, CONTROL_PLANE)?)?.args([
            "get",
            "nodes",
            "--output=wide",
        ]),
    )?;
    report::result(nodes.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Becomes the command, inside the control plane's network namespace: signals and the exit code are
/// its own.
fn exec(layout: &Layout, words: &[String]) -> anyhow::Result<ExitCode> {
    let state = running(layout)?;
    let [program, arguments @ ..] = words else {
        bail!("no command is given")
    };
    let network = network_namespace(&Machine::recorded(&state, CONTROL_PLANE)?);
    let file = std::fs::File::open(&network).with_context(|| format!("cannot open {network}"))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {network}"))?;
    let error = Command::new(program)
        .args(arguments)
        .envs(OFFLINE.iter().copied())
        .envs(environment(layout, &state)?)
        .exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}

/// Settings by which programs use what they have fetched before: from the cluster's network no registry
/// can be reached.
const OFFLINE: &[(&str, &str)] = &[
    ("CARGO_NET_OFFLINE", "true"),
    ("UV_OFFLINE", "1"),
    ("npm_config_offline", "true"),
];

/// What a command needs to use the cluster.
fn environment(layout: &Layout, state: &State) -> anyhow::Result<Vec<(&'static str, String)>> {
    let control_plane = Machine::recorded(state, CONTROL_PLANE)?;
    let path = std::env::var("PATH").unwrap_or_default();
    let own = std::env::current_exe().context("path of xtask")?;
    Ok(vec![
        // For suites that hurt the cluster: `$MCPT_XTASK cluster fault`.
        ("MCPT_XTASK", layout::text(&own)),
        ("KUBECONFIG", layout::text(&layout.kubeconfig("admin"))),
        ("MCPT_CLUSTER_AUDIT_LOG", layout::text(&layout.audit_log())),
        ("MCPT_CLUSTER_NETWORK", network_namespace(&control_plane)),
        ("PATH", format!("{}:{path}", tools::links()?.display())),
    ])
}

fn network_namespace(machine: &Machine) -> String {
    format!("/proc/{}/ns/net", machine.init)
}

/// kubectl as the cluster's administrator.
fn kubectl(layout: &Layout, control_plane: &Machine) -> anyhow::Result<Command> {
    let mut command = control_plane.enter(&["--net"]);
    command
        .arg(go_tools::build("kubernetes")?.join("kubectl"))
        .arg(format!(
            "--kubeconfig={}",
            layout.kubeconfig("admin").display()
        ));
    Ok(command)
}
