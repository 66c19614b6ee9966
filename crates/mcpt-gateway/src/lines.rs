//! [`Lines`]: lines for a file or a pipe, written by a thread of their own. A disk that does not keep up costs lines, never
//! answers; who must not lose one asks for room before.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Most lines that wait to be written.
const MOST_WAITING: usize = 16 * 1024;
/// Most bytes that are written at once.
const AT_ONCE: usize = 64 * 1024;
/// How long the last lines may take when the gateway ends: a reader that has stopped to read must not keep it.
const LAST_LINES: Duration = Duration::from_secs(2);
/// How soon what could not be written is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often it is looked whether a file is still the one of its name.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where lines are written.
#[derive(Debug)]
pub(crate) struct Lines {
    waiting: Option<Sender<String>>,
    /// Closed when all is written.
    written: Mutex<Receiver<()>>,
    state: Arc<State>,
}

/// What the thread that writes and those who have lines know of each other.
#[derive(Debug, Default)]
struct State {
    /// Lines that wait, and those that have asked for room.
    taken: AtomicUsize,
    lost: AtomicU64,
    /// Whether what was written last did not arrive.
    broken: AtomicBool,
    /// Whether nobody has further lines.
    closing: AtomicBool,
}

/// Room for one line.
#[derive(Debug)]
pub(crate) struct Room {
    waiting: Sender<String>,
    state: Arc<State>,
    used: bool,
}

impl Lines {
    /// Lines that are written there.
    ///
    /// # Errors
    /// What the system says when there can be no further thread.
    pub(crate) fn to(name: &'static str, place: impl Write + Send + 'static) -> io::Result<Self> {
        let (waiting, lines) = channel();
        let (writing, written) = channel::<()>();
        let state = Arc::<State>::default();
        let writer = thread::Builder::new().name(name.to_owned());
        let told = Arc::clone(&state);
        writer.spawn(move || {
            write_all(name, &lines, place, &told);
            drop(writing);
        })?;
        Ok(Self {
            waiting: Some(waiting),
            written: Mutex::new(written),
            state,
        })
    }

    /// Room for a line, if there is any and lines arrive.
    pub(crate) fn room(&self) -> Option<Room> {
        let waiting = self.waiting.clone()?;
        if self.state.broken.load(Acquire) {
            return None;
        }
        self.take(waiting)
    }

    fn take(&self, waiting: Sender<String>) -> Option<Room> {
        let before = self.state.taken.fetch_add(1, AcqRel);
        let room = Room {
            waiting,
            state: Arc::clone(&self.state),
            used: false,
        };
        // Given back when it is one too many.
        (before < MOST_WAITING).then_some(room)
    }

    /// Takes a line, if there is room for it.
    pub(crate) fn write(&self, line: String) {
        match self.waiting.clone().and_then(|waiting| self.take(waiting)) {
            Some(room) => room.write(line),
            None => {
                self.state.lost.fetch_add(1, Relaxed);
            }
        }
    }

    /// How many lines found no room or did not arrive.
    pub(crate) fn lost(&self) -> u64 {
        self.state.lost.load(Relaxed)
    }
}

impl Room {
    /// Writes a line into it.
    pub(crate) fn write(mut self, line: String) {
        if self.waiting.send(line).is_ok() {
            self.used = true;
        } else {
            self.state.lost.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.used {
            self.state.taken.fetch_sub(1, AcqRel);
        }
    }
}

/// What was said is written before it ends.
impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.waiting.take());
        self.state.closing.store(true, Release);
        let written = self.written.get_mut();
        let written = written.unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent there: it is either closed or late.
        let _ = written.recv_timeout(LAST_LINES);
    }
}

fn write_all(name: &str, waiting: &Receiver<String>, mut place: impl Write, state: &State) {
    while let Ok(first) = waiting.recv() {
        let mut text = first.into_bytes();
        text.push(b'\n');
        let mut lines = 1;
        while text.len() < AT_ONCE
            && let Ok(next) = waiting.try_recv()
        {
            text.extend_from_slice(next.as_bytes());
            text.push(b'\n');
            lines += 1;
        }
        state.taken.fetch_sub(lines, AcqRel);
        while let Err(error) = place.write_all(&text).and_then(|()| place.flush()) {
            if !state.broken.swap(true, AcqRel) {
                tracing::error!(%error, "the {name} cannot be written: it is tried again and again");
                // A part of a line may stand there.
                text.insert(0, b'\n');
            }
            thread::park_timeout(AGAIN);
            if state.closing.load(Acquire) {
                state.lost.fetch_add(lines as u64, Relaxed);
                return;
            }
        }
        state.broken.store(false, Release);
    }
}

/// A file that is written at its end. Whoever moves it away gets no further line in it: another one is made of its name.
#[derive(Debug)]
pub(crate) struct AppendedFile {
    path: PathBuf,
    file: File,
    looked: Instant,
}

impl AppendedFile {
    /// The file, which only its owner reads if it is new.
    ///
    /// # Errors
    /// What the system says when it cannot be had.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: opened(path)?,
            path: path.to_owned(),
            looked: Instant::now(),
        })
    }

    fn look(&mut self) -> io::Result<()> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        let (here, named) = (self.file.metadata()?, std::fs::metadata(&self.path));
        let same =
            |named: std::fs::Metadata| (named.dev(), named.ino()) == (here.dev(), here.ino());
        if !named.is_ok_and(same) {
            self.file = opened(&self.path)?;
        }
        self.looked = Instant::now();
        Ok(())
    }
}

impl Write for AppendedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.look()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn opened(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// A place that takes each piece when the test says so, and how.
    struct Told(Receiver<io::Result<()>>, Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _gone = self.1.send(String::from_utf8_lossy(bytes).into_owned());
            self.0.recv().unwrap_or(Ok(()))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_place_that_does_not_take_them_costs_lines_and_room() {
        let (tell, told) = sync_channel(0);
        let (seen, saw) = channel();
        let lines = Lines::to("test", Told(told, seen)).unwrap();
        lines.write("a".to_owned());
        // It is being written from here on.
        assert_eq!(saw.recv().unwrap(), "a\n");
        let kept: Vec<_> = std::iter::from_fn(|| lines.room()).collect();
        assert_eq!(kept.len(), MOST_WAITING);
        lines.write("b".to_owned());
        assert_eq!(lines.lost(), 1);
        drop(kept);
        assert!(lines.room().is_some());
        tell.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        // It is tried again, and who must not lose a line has no room meanwhile.
        assert_eq!(saw.recv().unwrap(), "\na\n");
        assert!(lines.room().is_none());
        tell.send(Ok(())).unwrap();
        lines.write("c".to_owned());
        assert_eq!(saw.recv().unwrap(), "c\n");
        assert!(lines.room().is_some());
        assert_eq!(lines.lost(), 1);
        drop(tell);
        drop(lines);
        assert!(saw.recv().is_err());
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut file = AppendedFile::open(&path).unwrap();
        file.write_all(b"a\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.looked = Instant::now().checked_sub(LOOK_EVERY).unwrap();
        file.write_all(b"b\n").unwrap();
        assert_eq!(std::fs::read(&moved).unwrap(), b"a\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"b\n");
    }
}
