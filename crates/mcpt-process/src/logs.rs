//! Reading the log of a server: what is there, and what is added.

use std::io;

use futures_util::stream::{self, StreamExt as _};
use mcpt_core::{Failure, FailureKind, LogLine, LogOptions, LogStream};
use mcpt_workload::LogReader;
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::{
    folder::{RunFolder, ServerFolder},
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
    let mut reader = LogReader::default();
    let mut lines = reader.read_all(&path, options.since)?;
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
    reader: LogReader,
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

/// A failure of reading logs.
pub(crate) fn failure(what: &str, error: &io::Error) -> Failure {
    Failure::new(FailureKind::Failed, what).caused_by(error)
}
