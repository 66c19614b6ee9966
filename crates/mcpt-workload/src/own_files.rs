//! Files that nobody else can have put there: each is opened without following a link, and must be a plain file of this user that
//! nobody else may write. A folder of state that others can write to is refused before anything in it is believed.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use nix::{libc, unistd::geteuid};

/// Others may write it.
const FOR_OTHERS: u32 = 0o022;
/// Only who made a file in it may remove it.
const STICKY: u32 = 0o1000;

/// Makes a folder, and those above it, for this user alone (0700).
///
/// # Errors
/// As [`check_folder`], and when it cannot be made.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    check_folder(path)
}

/// That a folder is one, not a link to one, of this user, and that nobody else can put anything into it. One that is not there
/// is fine.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] with what is wrong and what mends it.
pub fn check_folder(path: &Path) -> io::Result<()> {
    let Some(found) = found(fs::symlink_metadata(path))? else {
        return Ok(());
    };
    if !found.is_dir() {
        return Err(refused(path, "is a link or no folder: remove it"));
    }
    check(path, &found, FOR_OTHERS)
}

/// The same of the folder that the user has named: it may be a link, and in one that is sticky, like `/tmp`, others may have
/// files of their own.
///
/// # Errors
/// As [`check_folder`].
pub fn check_named_folder(path: &Path) -> io::Result<()> {
    let Some(found) = found(fs::metadata(path))? else {
        return Ok(());
    };
    if found.mode() & STICKY != 0 {
        return Ok(());
    }
    if found.uid() == 0 && !geteuid().is_root() && found.mode() & FOR_OTHERS == 0 {
        return Ok(());
    }
    check(path, &found, FOR_OTHERS)
}

/// Opens a file for reading.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] for one that may be somebody else's, and as opening itself.
pub fn open(path: &Path) -> io::Result<File> {
    opened(path, OpenOptions::new().read(true))
}

/// All of a file.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file for writing as it is, or makes it (0600).
///
/// # Errors
/// As [`open`].
pub fn open_to_write(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    opened(path, options.write(true).create(true).truncate(false))
}

/// Opens a file for adding to it, or makes it (0600).
///
/// # Errors
/// As [`open`].
pub fn open_to_append(path: &Path) -> io::Result<File> {
    opened(path, OpenOptions::new().append(true).create(true))
}

/// Writes a file in one step (0600): whoever reads it sees all of the old or all of the new text. What stands in its place, a link
/// too, is replaced and not written to.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    // A writer that was killed may have left it.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = opened(&partial, options.write(true).create_new(true))?;
    file.write_all(bytes)?;
    // Without it the new name can come to stand for an empty file when the machine loses its power.
    file.sync_all()?;
    fs::rename(&partial, path)
}

fn opened(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // A pipe that nobody writes to must not hang the one who opens it.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = match options.mode(0o600).custom_flags(flags).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(refused(path, "is a link: remove it"));
        }
        file => file?,
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(refused(path, "is no plain file: remove it"));
    }
    if found.nlink() > 1 {
        return Err(refused(path, "has a second name elsewhere: remove it"));
    }
    check(path, &found, FOR_OTHERS)?;
    Ok(file)
}

fn check(path: &Path, found: &Metadata, forbidden: u32) -> io::Result<()> {
    if found.uid() != geteuid().as_raw() {
        return Err(refused(path, "belongs to another user"));
    }
    if found.mode() & forbidden != 0 {
        let mend = format!("can be written by others: chmod go-w {}", path.display());
        return Err(refused(path, &mend));
    }
    Ok(())
}

fn found(metadata: io::Result<Metadata>) -> io::Result<Option<Metadata>> {
    match metadata {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        metadata => metadata.map(Some),
    }
}

fn refused(path: &Path, why: &str) -> io::Error {
    let text = format!("{} is not trusted: it {why}", path.display());
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn nothing_is_read_or_written_through_what_somebody_planted() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let victim = at("victim");
        fs::write(&victim, "precious").unwrap();
        set_mode(&victim, 0o600);
        symlink(&victim, at("link")).unwrap();
        fs::hard_link(&victim, at("second")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for planted in ["link", "second", "folder", "pipe"] {
            let planted = at(planted);
            assert!(open(&planted).is_err(), "{}", planted.display());
            assert!(open_to_write(&planted).is_err(), "{}", planted.display());
            assert!(open_to_append(&planted).is_err(), "{}", planted.display());
        }
        symlink(&victim, at("file.partial")).unwrap();
        symlink(&victim, at("file")).unwrap();
        replace(&at("file"), b"ours").unwrap();
        assert_eq!(read(&at("file")).unwrap(), b"ours");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn what_others_can_write_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let (folder, file) = (root.path().join("f"), root.path().join("f/x"));
        create_folder(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        replace(&file, b"ours").unwrap();
        check_folder(&folder).unwrap();
        set_mode(&file, 0o620);
        let error = open(&file).unwrap_err();
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        for mode in [0o770, 0o702] {
            set_mode(&folder, mode);
            let error = check_folder(&folder).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            assert!(check_named_folder(&folder).is_err());
        }
        set_mode(&folder, 0o1777);
        check_named_folder(&folder).unwrap();
        let link = root.path().join("to-folder");
        symlink(&folder, &link).unwrap();
        assert!(check_folder(&link).is_err());
        check_folder(&root.path().join("absent")).unwrap();
    }
}
