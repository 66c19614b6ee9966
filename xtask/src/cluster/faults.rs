//! Faults made on purpose: components that stand still or end, and come back.
//!
//! For suites that hurt the cluster; whatever they leave behind, the next `up` mends.

use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::{CONTROL_PLANE, Layout, MAX_NODES, Node};
use super::machine::{Component, Machine};
use super::state::{Process, Record, State};
use super::{control_plane, node, wait};
use crate::go_tools;

/// How long the end of a killed component may take.
const END: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Fault {
    /// Let a component stand still: its connections stay open, but nothing is answered
    Freeze { component: String },
    /// Let it go on
    Thaw { component: String },
    /// End it at once; nothing starts it again but `start`
    Kill { component: String },
    /// Start it again after `kill`
    Start { component: String },
}

pub(crate) fn run(layout: &Layout, fault: &Fault) -> anyhow::Result<()> {
    let state = State::read(&layout.state())?.context("there is no cluster")?;
    match fault {
        Fault::Freeze { component } => signal(&state, component, Signal::SIGSTOP).map(drop),
        Fault::Thaw { component } => signal(&state, component, Signal::SIGCONT).map(drop),
        Fault::Kill { component } => {
            // The program holds its ports until the kernel has taken it apart, which for a large one is
            // later than the end of the process that entered the machine.
            let killed = signal(&state, component, Signal::SIGKILL)?;
            wait::until(END, || Ok(!killed.iter().any(|process| process.is_alive())))
                .with_context(|| format!("{component} does not end"))
        }
        Fault::Start { component } => start(layout, state, component),
    }
}

fn record<'a>(state: &'a State, name: &str) -> anyhow::Result<&'a Record> {
    let found = state.components.iter().find(|record| record.name == name);
    found.with_context(|| {
        let names: Vec<_> = state.components.iter().map(|r| r.name.as_str()).collect();
        format!(
            "there is no component {name}; there are {}",
            names.join(", ")
        )
    })
}

/// Signals the component's program, and the process that entered the machine for it, which is the one recorded: that stands
/// still by itself when the program does, but does not notice when it goes on or ends then. Returns both.
fn signal(state: &State, name: &str, signal: Signal) -> anyhow::Result<[Process; 2]> {
    let record = record(state, name)?;
    let program = Some(record.process)
        .filter(|_| state.is_alive(record))
        .and_then(Process::child)
        .with_context(|| format!("{name} does not run"))?;
    let both = [Process::of(program)?, record.process];
    for process in both {
        match kill(Pid::from_raw(i32::try_from(process.pid)?), signal) {
            Ok(()) | Err(nix::Error::ESRCH) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot signal {name}")),
        }
    }
    Ok(both)
}

fn start(layout: &Layout, mut state: State, name: &str) -> anyhow::Result<()> {
    if state.is_alive(record(&state, name)?) {
        bail!("{name} runs");
    }
    let (machine, component) = component(layout, name)?;
    let machine = Machine::recorded(&state, &machine)?;
    state.components.retain(|record| record.name != name);
    machine.spawn(layout, &mut state, &component)
}

/// The component of that name and the machine that it belongs in.
fn component(layout: &Layout, name: &str) -> anyhow::Result<(String, Component)> {
    let binaries = go_tools::build("kubernetes")?;
    if name == "kube-apiserver" {
        let component = control_plane::api_server(layout, &binaries)?;
        return Ok((CONTROL_PLANE.to_owned(), component));
    }
    let kubelet = |node| (Node::name(node), node::kubelet(layout, node, &binaries));
    Node::all(MAX_NODES)
        .map(kubelet)
        .find(|(_, component)| component.name == name)
        .with_context(|| {
            format!("{name} cannot be started again: only kube-apiserver and kubelet-N can")
        })
}
