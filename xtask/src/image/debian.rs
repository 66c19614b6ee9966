//! Files of Debian packages, for images: downloaded by apt, which checks them, and unpacked.
//!
//! Debian's mirrors have only the newest version of a package, so that a pinned one would soon be
//! gone; instead, the versions and hashes that apt offers are part of an image's key.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use oci_image::Tree;

use crate::cache::Key;
use crate::{command, report};

/// The C library and the loader, and what programs in C++ need.
pub(super) const LIBRARIES: &[&str] = &["libc6", "libgcc-s1", "libstdc++6"];

const UNUSED: &[&str] = &[
    "usr/share/binfmts",
    "usr/share/doc",
    "usr/share/lintian",
    "usr/share/man",
    "usr/lib/x86_64-linux-gnu/gconv",
];

/// Adds the names, versions and hashes of packages to a key.
pub(super) fn with_packages(key: Key, packages: &[&str]) -> anyhow::Result<Key> {
    let offer = || command::output(apt_get_download(packages).arg("--print-uris"));
    let offered = offer().or_else(|_| {
        report::progress("apt has no lists of packages; running apt-get update");
        command::output(Command::new("apt-get").args(["--quiet", "update"]))?;
        offer().context("apt does not offer the packages of Debian 12 that the image needs")
    })?;
    // A line has the address, the file's name with the version, its size and its hash.
    let mut files: Vec<_> = offered
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(_, file)| file)
        .collect();
    files.sort_unstable();
    Ok(key.with(files.join("\n")))
}

/// Unpacks packages in the empty folder `work` and returns the folder of their files.
pub(super) fn unpack(packages: &[&str], work: &Path) -> anyhow::Result<PathBuf> {
    let (archives, files) = (work.join("archives"), work.join("files"));
    std::fs::create_dir_all(&archives)
        .with_context(|| format!("cannot create {}", archives.display()))?;
    command::output(apt_get_download(packages).current_dir(&archives))?;
    for archive in std::fs::read_dir(&archives)? {
        let archive = archive?.path();
        command::output(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(archive)
                .arg(&files),
        )?;
    }
    Ok(files)
}

/// Adds unpacked files to a tree, without documentation.
pub(super) fn copy(files: &Path, tree: &mut Tree) -> anyhow::Result<()> {
    Ok(tree.copy("", files, &|path| UNUSED.contains(&path))?)
}

fn apt_get_download(packages: &[&str]) -> Command {
    let mut apt = Command::new("apt-get");
    // The folder for the downloads is not accessible to apt's own user.
    apt.args(["--quiet", "--option=APT::Sandbox::User=root", "download"])
        .args(packages);
    apt
}
