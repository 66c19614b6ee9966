//! The image of `mcpt` itself: one static binary.

use super::oci::Image;
use super::recipe::Recipe;
use super::servers::USER;
use super::tree::Tree;
use crate::cache::Key;
use crate::dist::{self, Profile};

/// `localhost/mcpt:VERSION`.
pub(super) fn image(profile: Profile) -> anyhow::Result<Recipe> {
    let program = dist::build(profile)?;
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
