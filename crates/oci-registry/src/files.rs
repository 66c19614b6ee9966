//! Files that are there whole or not at all.

use std::io::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::Error;

/// Writes a file whole or not at all, with the folders that it is in. `private` files are for the user alone; others keep the
/// mode that they have. Of a link its target is written.
///
/// # Errors
/// [`Error::File`] when it cannot be written, or something else than a file is there.
pub fn write_whole(path: &Path, content: &[u8], private: bool) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
    let there = fs::canonicalize(path).ok();
    let path = there.as_deref().unwrap_or(path);
    let mut mode = if private { 0o600 } else { 0o644 };
    if let Ok(meta) = fs::metadata(path) {
        if !meta.is_file() {
            let other = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
            return Err(Error::file(path)(other));
        }
        if !private {
            mode = meta.permissions().mode() & 0o777;
        }
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(if private { 0o700 } else { 0o755 })
        .create(folder)
        .map_err(Error::file(folder))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(mode)
        .open(&partial)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| {
        // It may not even have been made.
        drop(fs::remove_file(&partial));
        Error::file(path)(error)
    })
}
