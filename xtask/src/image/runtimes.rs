//! Images that packages are installed and run with: an interpreter, the installer of its packages, and a shell for what
//! packages have scripts for. What users have for that are the public images of Node and uv.

use std::path::Path;

use anyhow::{Context, bail};
use oci_image::{Settings, Tree};

use super::debian;
use super::machine::{BUSYBOX_PROGRAM, shell};
use super::oci::Image;
use super::recipe::Recipe;
use super::servers::{PYTHON, root};
use crate::cache::Key;
use crate::wheels;

/// The image with Node and npm.
const NODE: &str = "localhost/mcpt-runtime-node:24";
/// The image with Python and uv.
const PYTHON_3_11: &str = "localhost/mcpt-runtime-python:3.11";

/// Node and npm, of the wheel that the tests run too.
pub(super) fn node() -> anyhow::Result<Recipe> {
    let programs = wheels::install("node")?;
    let [node, npm, ..] = &programs[..] else {
        bail!("the wheel of Node has no npm")
    };
    let node = node.clone();
    let modules = npm.ancestors().nth(3).context("npm is in no folder")?;
    let modules = modules.to_owned();
    let key = key(debian::LIBRARIES)?.with(node.as_os_str().as_encoded_bytes());
    Ok(Recipe::new(key, move |work| {
        let mut tree = base(debian::LIBRARIES, work)?;
        tree.program("usr/local/bin/node", &node);
        tree.copy(
            "usr/local/lib/node_modules/npm",
            &modules.join("npm"),
            &|_| false,
        )?;
        tree.link(
            "usr/local/bin/npm",
            "../lib/node_modules/npm/bin/npm-cli.js",
        );
        Ok(image(NODE, tree))
    }))
}

/// Debian's Python, and uv of the wheel that the tests run too.
pub(super) fn python() -> anyhow::Result<Recipe> {
    let programs = wheels::install("uv")?;
    let [uv, ..] = &programs[..] else {
        bail!("the wheel of uv has no uv")
    };
    let uv = uv.clone();
    let key = key(PYTHON)?.with(uv.as_os_str().as_encoded_bytes());
    Ok(Recipe::new(key, move |work| {
        let mut tree = base(PYTHON, work)?;
        tree.link("usr/bin/python3", "python3.11");
        tree.program("usr/local/bin/uv", &uv);
        Ok(image(PYTHON_3_11, tree))
    }))
}

fn key(packages: &[&str]) -> anyhow::Result<Key> {
    debian::with_packages(Key::new(), packages)?
        .with(include_str!("runtimes.rs"))
        .with_file(Path::new(BUSYBOX_PROGRAM))
}

fn base(packages: &[&str], work: &Path) -> anyhow::Result<Tree> {
    let mut tree = root(&debian::unpack(packages, &work.join("debian"))?)?;
    shell(&mut tree, Path::new(BUSYBOX_PROGRAM))?;
    tree.link("usr/bin/env", "../../bin/busybox");
    Ok(tree)
}

fn image(name: &str, tree: Tree) -> Image {
    Image {
        name: name.to_owned(),
        settings: Settings {
            arguments: vec!["/bin/sh".to_owned()],
            ..Settings::default()
        },
        tree,
    }
}
