//! The image of `mcpt` itself: one static binary.

use oci_image::Tree;

use super::oci::Image;
use super::recipe::Recipe;
use crate::cache::Key;
use crate::dist::{self, Profile};

/// `localhost/mcpt:VERSION`.
pub(super) fn image(profile: Profile) -> anyhow::Result<Recipe> {
    let program = dist::build(profile)?;
    let key = Key::new()
        .with(include_str!("mcpt.rs"))
        .with(include_str!("../../../crates/mcpt-image/src/own.rs"))
        .with_file(&program)?;
    Ok(Recipe::new(key, move |_| {
        let mut tree = Tree::default();
        tree.program(mcpt_image::PROGRAM, &program);
        Ok(Image {
            name: mcpt_image::reference(),
            settings: mcpt_image::settings(),
            tree,
        })
    }))
}
