//! Imports image archives into the nodes' containerd.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use anyhow::{Context, bail};

use super::layout::Node;
use super::machine::Machine;
use super::state::State;
use crate::{command, go_tools};

/// Imports the archives into each node of a running cluster.
pub(crate) fn load(state: &State, archives: &[PathBuf]) -> anyhow::Result<()> {
    let nodes = Node::all(state.nodes)
        .map(|node| Machine::recorded(state, &node.name()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    import(&nodes, archives)
}

/// Imports the archives into the given nodes, all at once.
pub(crate) fn import(nodes: &[Machine], archives: &[PathBuf]) -> anyhow::Result<()> {
    let ctr = go_tools::build("containerd")?.join("ctr");
    thread::scope(|scope| {
        let imports: Vec<_> = nodes
            .iter()
            .map(|node| {
                let ctr = &ctr;
                scope.spawn(move || {
                    archives
                        .iter()
                        .try_for_each(|archive| import_one(node, ctr, archive))
                })
            })
            .collect();
        imports
            .into_iter()
            .try_for_each(|import| match import.join() {
                Ok(result) => result,
                Err(_) => bail!("an import panicked"),
            })
    })
}

/// The archive is read from standard input: the node sees other folders at `/run` and `/var`.
fn import_one(node: &Machine, ctr: &Path, archive: &Path) -> anyhow::Result<()> {
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let mut import = node.enter(&["--mount"]);
    import
        .arg(ctr)
        .args(["--namespace", "k8s.io", "images", "import", "-"]);
    let output = import
        .stdin(file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot run {}", command::shown(&import)))?;
    if !output.status.success() {
        bail!(
            "{} does not take {}: {}",
            node.name,
            archive.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
