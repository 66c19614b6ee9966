//! [`Followed`]: what a file says, and again whenever it changes.

use std::{
    ffi::OsStr,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use mcpt_access::{InvalidKeys, InvalidLimits, InvalidRules};
use mcpt_aggregate::InvalidSets;
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::watch;

/// Largest file in bytes: some 100,000 keys.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// The link by which Kubernetes replaces all files of a mounted Secret at once.
const KUBERNETES_DATA: &str = "..data";

/// Why a file of keys, of rules, of limits or of sets is not usable.
#[derive(Debug, thiserror::Error)]
pub enum AccessFileError {
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// It is larger than any such file.
    #[error("it is larger than {MOST_BYTES} bytes")]
    TooLarge,
    /// It is no text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// A line of it is no key.
    #[error(transparent)]
    Keys(#[from] InvalidKeys),
    /// It has no rules.
    #[error(transparent)]
    Rules(#[from] InvalidRules),
    /// It has no limits.
    #[error(transparent)]
    Limits(#[from] InvalidLimits),
    /// It has no sets of servers.
    #[error(transparent)]
    Sets(#[from] InvalidSets),
    /// Its changes cannot be followed.
    #[error("cannot watch it for changes")]
    Watch(#[source] notify::Error),
}

/// What a file says, as it is now. A change that leaves it unusable is told in the log and changes nothing: a lock neither
/// falls open nor locks everybody out by a slip of the pen.
#[derive(Debug)]
pub(crate) struct Followed<T> {
    now: Arc<ArcSwap<T>>,
    changes: watch::Sender<()>,
    /// Follows the file for as long as it lives.
    _watcher: RecommendedWatcher,
}

/// How a file becomes what it says.
type Parse<T> = Box<dyn Fn(&str) -> Result<T, AccessFileError> + Send>;

/// One reader of a file. Of two events the later one has the say.
struct Reader<T> {
    file: PathBuf,
    parse: Parse<T>,
    now: Arc<ArcSwap<T>>,
    changes: watch::Sender<()>,
}

impl<T: Send + Sync + 'static> Followed<T> {
    /// Reads a file, and follows it from then on, by a thread of its own.
    ///
    /// # Errors
    /// [`AccessFileError`] when it is not usable now.
    pub(crate) fn open(
        file: &Path,
        parse: impl Fn(&str) -> Result<T, AccessFileError> + Send + 'static,
    ) -> Result<Self, AccessFileError> {
        let now = Arc::new(ArcSwap::from_pointee(parse(&read(file)?)?));
        let changes = watch::Sender::default();
        let reader = Arc::new(Mutex::new(Reader {
            file: file.to_owned(),
            parse: Box::new(parse),
            now: Arc::clone(&now),
            changes: changes.clone(),
        }));
        let changed = {
            let (reader, file) = (Arc::clone(&reader), file.to_owned());
            move |event| {
                if is_about(&event, file.file_name()) && !is_unwritten(&event, &file) {
                    reader
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .again();
                }
            }
        };
        let mut watcher = notify::recommended_watcher(changed).map_err(AccessFileError::Watch)?;
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // The folder, since a file that is replaced is another one.
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .map_err(AccessFileError::Watch)?;
        // It may have changed before it was watched.
        reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .again();
        Ok(Self {
            now,
            changes,
            _watcher: watcher,
        })
    }

    /// Tells of each change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(crate) fn now(&self) -> arc_swap::Guard<Arc<T>> {
        self.now.load()
    }
}

impl<T> Reader<T> {
    fn again(&self) {
        match read(&self.file).and_then(|text| (self.parse)(&text)) {
            Ok(new) => {
                tracing::info!(file = %self.file.display(), "the file was read again");
                self.now.store(Arc::new(new));
                self.changes.send_replace(());
            }
            Err(error) => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, file = %self.file.display(), "the file is not usable: what it said before still holds");
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

fn read(path: &Path) -> Result<String, AccessFileError> {
    let file = std::fs::File::open(path).map_err(AccessFileError::Read)?;
    let mut bytes = Vec::new();
    let mut file = file.take(MOST_BYTES + 1);
    file.read_to_end(&mut bytes)
        .map_err(AccessFileError::Read)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(AccessFileError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| AccessFileError::NotUtf8)
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
