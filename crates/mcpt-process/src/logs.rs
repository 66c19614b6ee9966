//! Reading the log of a server: what is there, and what is added.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use futures_util::stream::{self, StreamExt as _};
use mcpt_core::{Failure, FailureKind, LogLine, LogOptions, LogStream};
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::{
    folder::{RunFolder, ServerFolder},
    supervisor::log_file::older,
    watching::calls_for_a_look,
};

/// The lines that the options ask for.
///
/// # Errors
/// When the files cannot be read or watched.
pub(crate) fn stream(
    run: &RunFolder,
    replica: &str,
    options: &LogOptions,
) -> io::Result<LogStream> {
    let path = if options.previous {
        run.previous_log_file()
    } else {
        run.log_file()
    };
    // Watched before it is read, so that nothing added in between is missed.
    let changes = if options.follow && !options.previous {
        Some(Changes::of(run)?)
    } else {
        None
    };
    let mut reader = Reader::default();
    let mut lines = reader.read_all(&path)?;
    if changes.is_none() {
        lines.extend(reader.rest());
    }
    if let Some(tail) = options.tail {
        lines.drain(..lines.len().saturating_sub(tail as usize));
    }
    let replica = replica.to_owned();
    let found = stream::iter(lines);
    let lines = match changes {
        None => found.boxed(),
        Some(changes) => found.chain(added(run.server(), changes, reader)).boxed(),
    };
    Ok(lines
        .map(move |text| {
            Ok(LogLine {
                replica: replica.clone(),
                text,
            })
        })
        .boxed())
}

/// Lines as they are added, until the server is deleted. Follows restarts and updates.
fn added(
    server: ServerFolder,
    changes: Changes,
    reader: Reader,
) -> impl futures_util::Stream<Item = String> + Send {
    stream::unfold(
        (server, changes, reader),
        |(server, mut changes, mut reader)| async move {
            changes.next().await?;
            // What cannot be read now is read at the next change; a server that is gone has no current run.
            let current = server.current().ok().flatten()?;
            changes.follow(&current);
            let lines = reader.read_new(&current.log_file()).unwrap_or_default();
            Some((stream::iter(lines), (server, changes, reader)))
        },
    )
    .flatten()
}

/// Changes in the folder of a server and in that of its current run; not in the server's working directory.
/// What happens in the folders of a server and of its current run.
pub(crate) struct Changes {
    events: mpsc::Receiver<()>,
    watcher: notify::RecommendedWatcher,
    run: RunFolder,
}

impl Changes {
    pub(crate) fn of(run: &RunFolder) -> io::Result<Self> {
        // One waiting event is enough: it says that something changed since the last look.
        let (sender, events) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event| {
            if calls_for_a_look(&event) {
                let _ = sender.try_send(());
            }
        })
        .map_err(io::Error::other)?;
        for folder in [run.server().path(), run.path()] {
            watcher
                .watch(folder, RecursiveMode::NonRecursive)
                .map_err(io::Error::other)?;
        }
        Ok(Self {
            events,
            watcher,
            run: run.clone(),
        })
    }

    /// Watches the folder of the run that is current by now.
    fn follow(&mut self, run: &RunFolder) {
        if self.run != *run
            && self
                .watcher
                .watch(run.path(), RecursiveMode::NonRecursive)
                .is_ok()
        {
            self.run = run.clone();
        }
    }

    pub(crate) async fn next(&mut self) -> Option<()> {
        self.events.recv().await
    }
}

/// A place in a log that is written to, put aside and begun anew meanwhile.
#[derive(Debug, Default)]
struct Reader {
    file: Option<(PathBuf, File)>,
    /// The beginning of a line whose end has not been written yet.
    rest: Vec<u8>,
}

impl Reader {
    /// All lines of a log, its older part first.
    fn read_all(&mut self, path: &Path) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        for part in [older(path), path.to_owned()] {
            lines.extend(self.open(&part)?);
        }
        Ok(lines)
    }

    /// The lines that were added since.
    fn read_new(&mut self, path: &Path) -> io::Result<Vec<String>> {
        let mut lines = self.read_on()?;
        if !self.is_at(path) {
            lines.extend(self.rest());
            lines.extend(self.open(path)?);
        }
        Ok(lines)
    }

    /// What stands after the last line's end.
    fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.rest);
        (!rest.is_empty()).then(|| text(&rest))
    }

    fn open(&mut self, path: &Path) -> io::Result<Vec<String>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file?,
        };
        self.file = Some((path.to_owned(), file));
        self.read_on()
    }

    fn read_on(&mut self) -> io::Result<Vec<String>> {
        let Some((_, file)) = &mut self.file else {
            return Ok(Vec::new());
        };
        file.read_to_end(&mut self.rest)?;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        let whole = whole.strip_suffix(b"\n").unwrap_or(&whole);
        Ok(whole.split(|byte| *byte == b'\n').map(text).collect())
    }

    /// Whether what we read is still the file of that name.
    fn is_at(&self, path: &Path) -> bool {
        let Some((ours, file)) = &self.file else {
            return false;
        };
        let (Ok(open), Ok(there)) = (file.metadata(), path.metadata()) else {
            return false;
        };
        ours == path && (open.dev(), open.ino()) == (there.dev(), there.ino())
    }
}

fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

/// A failure of reading logs.
pub(crate) fn failure(what: &str, error: &io::Error) -> Failure {
    Failure::new(FailureKind::Failed, what).caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    #[test]
    fn a_log_that_moves_is_read_without_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.log");
        let append = |text: &str| {
            let mut file = fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&path)
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        fs::write(older(&path), "zero\n").unwrap();
        append("one\r\ntw");
        let mut reader = Reader::default();
        assert_eq!(reader.read_all(&path).unwrap(), ["zero", "one"]);
        append("o\nthree\n");
        assert_eq!(reader.read_new(&path).unwrap(), ["two", "three"]);
        assert!(reader.read_new(&path).unwrap().is_empty());
        append("four\n");
        fs::rename(&path, older(&path)).unwrap();
        append("five\nsi");
        assert_eq!(reader.read_new(&path).unwrap(), ["four", "five"]);
        assert_eq!(reader.rest().as_deref(), Some("si"));
    }
}
