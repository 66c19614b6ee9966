//! Stops a cluster, whole or half made, and removes everything of it.

use std::time::Duration;

use anyhow::Context;

use super::cgroups::Hierarchies;
use super::layout::{Layout, MAX_NODES, Node};
use super::state::{Process, State, current_boot};
use super::wait;
use crate::{cache, report};

/// Takes down whatever is left of the cluster; nothing to do is fine.
pub(crate) fn down(layout: &Layout) -> anyhow::Result<()> {
    if let Some(state) = State::read(&layout.state())? {
        report::progress("stopping the cluster");
        stop(&state)?;
    }
    let hierarchies = Hierarchies::detect()?;
    for node in Node::all(MAX_NODES) {
        hierarchies.remove(&layout.cgroup(node))?;
    }
    cache::remove(&layout.run)
}

/// Ends the machines, and with them all that runs in them. The control plane goes last but is not
/// waited for: nothing of the cluster outlives `down`, so that nothing is gained by draining.
pub(crate) fn stop(state: &State) -> anyhow::Result<()> {
    if current_boot()? != state.boot {
        return Ok(());
    }
    let alive = || {
        state
            .machines
            .iter()
            .chain(&state.components)
            .filter(|r| state.is_alive(r))
    };
    for record in state
        .machines
        .iter()
        .rev()
        .filter(|record| state.is_alive(record))
    {
        // The first process holds the namespaces; its parent, which is recorded, ends after it.
        match record.process.child() {
            Some(init) => Process::of(init).map_or(Ok(()), Process::kill)?,
            None => record.process.kill()?,
        }
    }
    // What entered a machine ends with it, but not while it stands still (see `faults`).
    for record in state.components.iter().filter(|r| state.is_alive(r)) {
        record.process.kill()?;
    }
    wait::until(Duration::from_secs(20), || Ok(alive().next().is_none())).with_context(|| {
        let names: Vec<_> = alive().map(|record| record.name.as_str()).collect();
        format!("cannot end {}", names.join(", "))
    })
}
