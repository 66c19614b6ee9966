//! Files that are there whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::Error;

/// Writes a file whole or not at all, with the folders that it is in. `private` files are for the user alone.
///
/// # Errors
/// [`Error::File`] when it cannot be written.
pub fn write_whole(path: &Path, content: &[u8], private: bool) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
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
        .mode(if private { 0o600 } else { 0o644 })
        .open(&partial)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| {
        // It may not even have been made.
        drop(fs::remove_file(&partial));
        Error::file(path)(error)
    })
}
