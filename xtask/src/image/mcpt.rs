//! The image of `mcpt` itself: one static binary.

use std::process::Command;

use anyhow::Context;

use super::oci::Image;
use super::recipe::Recipe;
use super::servers::USER;
use super::tree::Tree;
use crate::cache::{self, Key};
use crate::command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// `localhost/mcpt:VERSION`. Cargo decides what has to be built again; its target folder is in the
/// cache, so that a fresh clone compiles no dependency twice.
pub(super) fn image() -> anyhow::Result<Recipe> {
    let target = cache::folder()?.join("target");
    command::show(
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--package=mcpt", "--profile=image"])
            .args(["--target", TARGET])
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .current_dir(cache::repository()),
    )
    .context("cannot build mcpt for the image")?;
    let program = target.join(TARGET).join("image/mcpt");
    let key = Key::new()
        .with(include_str!("mcpt.rs"))
        .with_file(&program)?;
    Ok(Recipe::new(key, move |_| {
        let mut tree = Tree::default();
        tree.program("mcpt", &program);
        Ok(Image {
            name: format!("localhost/mcpt:{}", env!("CARGO_PKG_VERSION")),
            entrypoint: vec!["/mcpt".to_owned()],
            user: format!("{USER}:{USER}"),
            tree,
            ..Image::default()
        })
    }))
}
