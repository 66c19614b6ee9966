//! The images that the test cluster itself runs: pause, coredns and busybox.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use oci_image::{Settings, Tree};

use super::oci::Image;
use super::recipe::Recipe;
use crate::cache::{self, Key};
use crate::lock::Lock;
use crate::{command, go_tools};

/// The name of the image that holds a pod's namespaces.
pub(crate) const PAUSE: &str = "localhost/pause:1";
/// The name of the image of the cluster's DNS server.
pub(crate) const COREDNS: &str = "localhost/coredns:1";
/// The name of the image of a registry, for tests of what the nodes pull.
const REGISTRY: &str = "localhost/registry:1";
/// The name of the image with a shell, for helper pods and tests.
pub(crate) const BUSYBOX: &str = "localhost/busybox:1";

/// Where Debian has the program that is a shell and its tools.
pub(super) const BUSYBOX_PROGRAM: &str = "/usr/bin/busybox";

/// Builds the static program that waits and reaps; also the first process of a cluster machine.
pub(crate) fn pause_program() -> anyhow::Result<PathBuf> {
    let source = cache::repository().join("xtask/images/pause.c");
    let compiler = command::output(Command::new("cc").arg("--version"))?;
    let key = Key::new().with_file(&source)?.with(&compiler).finish();
    let tools = cache::folder()?.join("tools");
    let program = tools.join(format!("pause-{key}"));
    let _lock = Lock::take(&tools.join("pause.lock"), "pause")?;
    if !program.is_file() {
        let partial = tools.join(".pause");
        command::output(
            Command::new("cc")
                .args(["-static", "-Os", "-s", "-Wall", "-Werror", "-o"])
                .arg(&partial)
                .arg(&source),
        )?;
        std::fs::rename(&partial, &program)
            .with_context(|| format!("cannot write {}", program.display()))?;
    }
    Ok(program)
}

pub(super) fn pause() -> anyhow::Result<Recipe> {
    let program = pause_program()?;
    let key = Key::new()
        .with(include_str!("machine.rs"))
        .with_file(&program)?;
    Ok(Recipe::new(key, move |_| {
        Ok(single(PAUSE, "pause", &program))
    }))
}

pub(super) fn coredns() -> anyhow::Result<Recipe> {
    let program = go_tools::build("coredns")?.join("coredns");
    // The folder's name has the key of everything that the program depends on.
    let path = program.as_os_str().as_encoded_bytes();
    let key = Key::new().with(include_str!("machine.rs")).with(path);
    Ok(Recipe::new(key, move |_| {
        Ok(single(COREDNS, "coredns", &program))
    }))
}

pub(super) fn registry() -> anyhow::Result<Recipe> {
    let program = go_tools::build("registry")?.join("registry");
    let path = program.as_os_str().as_encoded_bytes();
    let key = Key::new().with(include_str!("machine.rs")).with(path);
    Ok(Recipe::new(key, move |_| {
        Ok(single(REGISTRY, "registry", &program))
    }))
}

pub(super) fn busybox() -> anyhow::Result<Recipe> {
    let program = Path::new(BUSYBOX_PROGRAM);
    let key = Key::new()
        .with(include_str!("machine.rs"))
        .with_file(program)?;
    Ok(Recipe::new(key, move |_| {
        let mut tree = Tree::default();
        shell(&mut tree, program)?;
        tree.directory("tmp", 0o1777);
        Ok(Image {
            name: BUSYBOX.to_owned(),
            settings: Settings {
                arguments: vec!["/bin/sh".to_owned()],
                ..Settings::default()
            },
            tree,
        })
    }))
}

/// Adds a shell and its tools.
pub(super) fn shell(tree: &mut Tree, program: &Path) -> anyhow::Result<()> {
    let applets = command::output(Command::new(program).arg("--list"))?;
    tree.program("bin/busybox", program);
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        tree.link(&format!("bin/{applet}"), "busybox");
    }
    Ok(())
}

fn single(name: &str, program: &str, source: &Path) -> Image {
    let mut tree = Tree::default();
    tree.program(program, source);
    Image {
        name: name.to_owned(),
        settings: Settings {
            entrypoint: vec![format!("/{program}")],
            ..Settings::default()
        },
        tree,
    }
}
