//! The image of the running binary.

use std::{
    io,
    path::{Path, PathBuf},
};

use oci_image::{Compression, Error, Image, Layer, Settings, Tree};

use crate::elf::{architecture, is_static};

/// The user, and the group, that it runs as: nobody on the machine.
pub const USER: u32 = 65532;
/// The binary in it.
pub const PROGRAM: &str = "/mcpt";

/// Why the running binary cannot be put into containers.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It needs libraries that only this machine is sure to have.
    #[error("this mcpt is no static program for Linux, so it runs in no container ({})", .0.display())]
    Dynamic(PathBuf),
    /// It cannot be read.
    #[error("cannot read {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
}

/// Its full name for this version, which is in no registry: `localhost/mcpt:VERSION`.
pub fn reference() -> String {
    format!("localhost/mcpt:{}", env!("CARGO_PKG_VERSION"))
}

/// How it is run.
pub fn settings() -> Settings {
    Settings {
        entrypoint: vec![PROGRAM.to_owned()],
        user: format!("{USER}:{USER}"),
        ..Settings::default()
    }
}

/// The running binary, if it runs in any container.
///
/// # Errors
/// [`Unfit`].
pub fn program() -> Result<Vec<u8>, Unfit> {
    let path =
        std::env::current_exe().map_err(|error| Unfit::Unreadable("itself".into(), error))?;
    program_at(&path)
}

/// Another binary, if it runs in any container.
///
/// # Errors
/// [`Unfit`].
pub fn program_at(path: &Path) -> Result<Vec<u8>, Unfit> {
    let program = std::fs::read(path).map_err(|error| Unfit::Unreadable(path.to_owned(), error))?;
    if is_static(&program) {
        Ok(program)
    } else {
        Err(Unfit::Dynamic(path.to_owned()))
    }
}

/// The image of a binary, for the machines that the binary is for: the same bytes for the same binary.
///
/// # Errors
/// None that can happen: all is in memory.
pub fn image(program: &[u8], compression: Compression) -> Result<Image, Error> {
    let mut tree = Tree::default();
    tree.file(PROGRAM, program, 0o755);
    let settings = Settings {
        architecture: architecture(program).unwrap_or_default().to_owned(),
        ..settings()
    };
    Image::new(&settings, vec![Layer::of(&tree, compression)?])
}
