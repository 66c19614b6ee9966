//! Files that the user names: wherever they are, but within bounds.

use std::fs::File;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Metadata, OpenOptions, OpenOptionsExt};

use crate::Error;
use crate::folder::{in_path, kind, only_file, read_at_most};

/// The content of a regular file of at most `most` bytes; links are followed.
///
/// # Errors
/// When it cannot be read, is no regular file or too large.
pub fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let metadata = std::fs::metadata(path).map_err(in_path(path))?;
    only_file(kind(&Metadata::from_just_metadata(metadata)), path)?;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = cap_std::fs::File::open_ambient_with(path, &options, ambient_authority())
        .map_err(in_path(path))?;
    let metadata = file.metadata().map_err(in_path(path))?;
    only_file(kind(&metadata), path)?;
    read_at_most(file, metadata.len(), most, path)
}

/// What is at a place, at most `most` bytes of it: a file, or a pipe, as a shell's `<(…)` makes one.
///
/// # Errors
/// When it cannot be read or is too large.
pub fn read_named(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(in_path(path))?;
    let size = file.metadata().map_err(in_path(path))?.len();
    read_at_most(file, size, most, path)
}
