//! [`KeyFile`]: API keys from a file, and again whenever it changes.

use std::{
    ffi::OsStr,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use mcpt_access::{InvalidKeys, Keys};
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

/// Largest file in bytes: some 100,000 keys.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// The link by which Kubernetes replaces all files of a mounted Secret at once.
const KUBERNETES_DATA: &str = "..data";

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// It is larger than any file of keys.
    #[error("it is larger than {MOST_BYTES} bytes")]
    TooLarge,
    /// It is no text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// A line of it is no key.
    #[error(transparent)]
    Invalid(#[from] InvalidKeys),
    /// Its changes cannot be followed.
    #[error("cannot watch it for changes")]
    Watch(#[source] notify::Error),
}

/// The keys of a file, as it is now. A change that leaves it unusable is told in the log and changes nothing: a lock neither
/// falls open nor locks everybody out by a slip of the pen.
#[derive(Debug)]
pub(crate) struct KeyFile {
    keys: Arc<ArcSwap<Keys>>,
    /// Follows the file for as long as it lives.
    _watcher: RecommendedWatcher,
}

impl KeyFile {
    /// Reads a file, and follows it from then on, by a thread of its own.
    ///
    /// # Errors
    /// [`KeyFileError`] when it is not usable now.
    pub(super) fn open(path: &Path) -> Result<Self, KeyFileError> {
        let keys = Arc::new(ArcSwap::from_pointee(Keys::default()));
        let changed = follow(path.to_owned(), Arc::clone(&keys));
        let mut watcher = notify::recommended_watcher(changed).map_err(KeyFileError::Watch)?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // The folder, since a file that is replaced is another one. Before it is read, so that no change is missed.
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .map_err(KeyFileError::Watch)?;
        keys.store(Arc::new(read(path)?));
        Ok(Self {
            keys,
            _watcher: watcher,
        })
    }

    pub(super) fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.keys.load()
    }
}

/// What is done with each event of the folder.
fn follow(
    path: PathBuf,
    keys: Arc<ArcSwap<Keys>>,
) -> impl FnMut(notify::Result<Event>) + Send + 'static {
    move |event| {
        if !is_about(&event, path.file_name()) || is_unwritten(&event, &path) {
            return;
        }
        match read(&path) {
            Ok(new) => {
                tracing::info!(keys = new.len(), file = %path.display(), "keys were read again");
                keys.store(Arc::new(new));
            }
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, file = %path.display(), "the file of keys is not usable: those that it had still hold");
            }
        }
    }
}

/// Whether an event can have changed the file `name`. What cannot be told counts as one that can.
fn is_about(event: &notify::Result<Event>, name: Option<&OsStr>) -> bool {
    let Ok(event) = event else {
        return true;
    };
    let changes = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        // While it is written it is not whole: it will be closed.
        EventKind::Modify(kind) => matches!(kind, notify::event::ModifyKind::Name(_)),
        _ => true,
    };
    let named = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|file| Some(file) == name || file == KUBERNETES_DATA)
    };
    changes && (event.paths.is_empty() || event.paths.iter().any(named))
}

/// Whether a file was just made and has yet to be written and closed. A link has all that it will have.
fn is_unwritten(event: &notify::Result<Event>, path: &Path) -> bool {
    let made = event
        .as_ref()
        .is_ok_and(|event| matches!(event.kind, EventKind::Create(_)));
    made && std::fs::symlink_metadata(path).is_ok_and(|file| file.is_file())
}

fn read(path: &Path) -> Result<Keys, KeyFileError> {
    let file = std::fs::File::open(path).map_err(KeyFileError::Read)?;
    let mut bytes = Vec::new();
    let mut file = file.take(MOST_BYTES + 1);
    file.read_to_end(&mut bytes).map_err(KeyFileError::Read)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(KeyFileError::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| KeyFileError::NotUtf8)?;
    Ok(Keys::parse(&text)?)
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, ModifyKind, RemoveKind, RenameMode};

    use super::*;

    #[test]
    fn events_that_can_have_changed_it() {
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        for (kind, path, expected) in [
            (close, "/f/keys", true),
            (renamed, "/f/keys", true),
            (renamed, "/f/..data", true),
            (EventKind::Remove(RemoveKind::File), "/f/keys", true),
            (EventKind::Create(CreateKind::Any), "/f/keys", true),
            (written, "/f/keys", false),
            (close, "/f/other", false),
            (EventKind::Access(AccessKind::Read), "/f/keys", false),
        ] {
            let event = Ok(Event::new(kind).add_path(path.into()));
            let about = is_about(&event, Some(OsStr::new("keys")));
            assert_eq!(about, expected, "{kind:?} {path}");
        }
        assert!(is_about(&Err(notify::Error::generic("overflow")), None));
    }
}
