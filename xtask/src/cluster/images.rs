//! Imports image archives into the nodes' containerd.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, bail};

use super::layout::Node;
use super::machine::Machine;
use super::state::State;
use oci_image::Archived;

use crate::image::oci;
use crate::{command, go_tools};

/// Imports the archives into each node of a running cluster.
pub(crate) fn load(state: &State, archives: &[PathBuf]) -> anyhow::Result<()> {
    let nodes = Node::all(state.nodes)
        .map(|node| Machine::recorded(state, &node.name()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    import(&nodes, archives)
}

/// Imports the archives into the given nodes, all at once. What a node has is left as it is.
pub(crate) fn import(nodes: &[Machine], archives: &[PathBuf]) -> anyhow::Result<()> {
    let ctr = go_tools::build("containerd")?.join("ctr");
    let archives = archives
        .iter()
        .map(|archive| Ok((archive.as_path(), oci::references(archive)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let imports: Vec<_> = nodes
            .iter()
            .map(|node| scope.spawn(|| import_missing(node, &ctr, &archives)))
            .collect();
        imports
            .into_iter()
            .try_for_each(|import| match import.join() {
                Ok(result) => result,
                Err(_) => bail!("an import panicked"),
            })
    })
}

fn import_missing(
    node: &Machine,
    ctr: &Path,
    archives: &[(&Path, Vec<Archived>)],
) -> anyhow::Result<()> {
    let listing = command::output(ctr_images(node, ctr).arg("list"))?;
    let present = present(&listing);
    for (archive, images) in archives {
        if images.is_empty() || images.iter().any(|image| !present.contains(image)) {
            import_one(node, ctr, archive)?;
        }
    }
    Ok(())
}

/// The images in a listing of ctr: name, media type and digest begin each line after the title.
fn present(listing: &str) -> Vec<Archived> {
    let lines = listing
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter_map(|fields| match fields[..] {
            [name, _, digest, ..] => Some(Archived {
                name: name.to_owned(),
                digest: digest.to_owned(),
            }),
            _ => None,
        })
        .collect()
}

/// The archive is read from standard input: the node sees other folders at `/run` and `/var`.
fn import_one(node: &Machine, ctr: &Path, archive: &Path) -> anyhow::Result<()> {
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let mut import = ctr_images(node, ctr);
    let output = import
        .args(["import", "-"])
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

/// The kubelet's images are in containerd's namespace `k8s.io`.
fn ctr_images(node: &Machine, ctr: &Path) -> Command {
    let mut command = node.enter(&["--mount"]);
    command.arg(ctr).args(["--namespace", "k8s.io", "images"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read() {
        let listing = "REF TYPE DIGEST SIZE PLATFORMS LABELS\n\
            localhost/a:1 application/vnd.oci.image.manifest.v1+json sha256:1 2.0 MiB linux/amd64 -\n";
        let expected = Archived {
            name: "localhost/a:1".to_owned(),
            digest: "sha256:1".to_owned(),
        };
        assert_eq!(present(listing), [expected]);
    }
}
