//! Where packages are resolved: folders of the user's own.
//!
//! npm and uv look for what they are told in all folders above the one that they work in. Above one in `/tmp` anybody may have put
//! a `.python-version`, a `uv.toml` or an `.npmrc`, and with it say what runs or where packages come from.

use std::{
    env, fs,
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use tempfile::TempDir;

use crate::error::Cause;

/// A new folder below the user's cache that is removed when it is dropped.
///
/// # Errors
/// When there is no cache of the user, or nothing can be made in it.
pub(crate) fn folder(prefix: &str) -> Result<TempDir, Cause> {
    let made = cache().and_then(|cache| {
        let parent = cache.join("mcpt/resolve");
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&parent)?;
        tempfile::Builder::new().prefix(prefix).tempdir_in(parent)
    });
    made.map_err(Cause::io(
        "no folder to resolve in can be made in your cache",
    ))
}

fn cache() -> io::Result<PathBuf> {
    let variable = |name| env::var_os(name).map(PathBuf::from);
    let absolute = |path: &PathBuf| path.is_absolute();
    let cache = variable("XDG_CACHE_HOME").filter(absolute);
    let usual = || Some(variable("HOME").filter(absolute)?.join(".cache"));
    cache.or_else(usual).ok_or_else(|| {
        let why = "neither XDG_CACHE_HOME nor HOME is set to a folder";
        io::Error::new(ErrorKind::NotFound, why)
    })
}
