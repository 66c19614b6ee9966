//! [`Rotated`]: what files say that somebody exchanges while the gateway runs: tokens, certificates.
//!
//! They are looked at when they are needed, once a second at most; a look that finds them as they were costs a `stat` each.
//! What can be used no more is told in the log, and what was read before holds: a slip of the pen ends no call.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Shortest time between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Largest file in bytes, far beyond any bundle of certificates.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Why credentials cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UnusableCredentials {
    /// A file cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// It.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file has nothing of what should be in it.
    #[error("{} has no {what}", file.display())]
    Content {
        /// It.
        file: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// The certificates do not fit together, or the system has none.
    #[error("no TLS is possible with them")]
    Tls(#[source] rustls::Error),
    /// No header has such a name or value.
    #[error("{0} is no header that a request can have")]
    Header(String),
    /// No server has such a name.
    #[error("{0} is not the name of a server")]
    ServerName(String),
}

/// Tells one state of a file from another.
type Stamp = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// How files become what they say.
type Make<T> = Box<dyn Fn(&[Content<'_>]) -> Result<T, UnusableCredentials> + Send + Sync>;

/// A file with what is in it.
pub(super) struct Content<'a> {
    pub(super) file: &'a Path,
    pub(super) bytes: Vec<u8>,
}

/// What files say, as of the last look.
pub(super) struct Rotated<T> {
    files: Vec<PathBuf>,
    make: Make<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    looked: Option<Instant>,
    stamps: Vec<Stamp>,
    now: Option<Arc<T>>,
    fault: Option<UnusableCredentials>,
}

impl<T> std::fmt::Debug for Rotated<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotated")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl<T> Rotated<T> {
    pub(super) fn new(
        files: Vec<PathBuf>,
        make: impl Fn(&[Content<'_>]) -> Result<T, UnusableCredentials> + Send + Sync + 'static,
    ) -> Self {
        Self {
            files,
            make: Box::new(make),
            state: Mutex::new(State {
                looked: None,
                stamps: Vec::new(),
                now: None,
                fault: None,
            }),
        }
    }

    /// What they say.
    ///
    /// # Errors
    /// [`UnusableCredentials`] when they have never said anything usable.
    pub(super) fn now(&self) -> Result<Arc<T>, UnusableCredentials> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.is_none_or(|looked| looked.elapsed() >= EVERY) {
            self.look(&mut state);
            state.looked = Some(Instant::now());
        }
        match (&state.now, &state.fault) {
            (Some(now), _) => Ok(Arc::clone(now)),
            (None, Some(fault)) => Err(fault.clone()),
            // A look leaves one of them.
            (None, None) => Err(UnusableCredentials::Header(String::new())),
        }
    }

    fn look(&self, state: &mut State<T>) {
        let stamps: Vec<_> = self.files.iter().map(|file| stamp(file)).collect();
        if state.looked.is_some() && stamps == state.stamps {
            return;
        }
        let read: Result<Vec<_>, _> = self.files.iter().map(|file| read(file)).collect();
        // What could not be read is looked at again, though it is the same.
        state.stamps = if read.is_ok() { stamps } else { Vec::new() };
        match read.and_then(|files| (self.make)(&files)) {
            Ok(now) => {
                if state.looked.is_some() {
                    tracing::info!(files = ?self.files, "credentials for a server were read again");
                }
                state.now = Some(Arc::new(now));
                state.fault = None;
            }
            Err(fault) => {
                let error: &(dyn std::error::Error + 'static) = &fault;
                tracing::error!(
                    error,
                    "credentials for a server cannot be used: what they were before holds"
                );
                state.fault = Some(fault);
            }
        }
    }
}

fn stamp(file: &Path) -> Stamp {
    let of = |file: Metadata| {
        (
            file.dev(),
            file.ino(),
            file.size(),
            file.mtime(),
            file.mtime_nsec(),
            file.ctime(),
            file.ctime_nsec(),
        )
    };
    fs::metadata(file).ok().map(of)
}

fn read(file: &Path) -> Result<Content<'_>, UnusableCredentials> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(file)?
            .take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Content { file, bytes }),
        Err(source) => Err(UnusableCredentials::Read {
            file: file.to_owned(),
            source: Arc::new(source),
        }),
    }
}
