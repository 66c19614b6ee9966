//! What happened to a server's process: a file of bounded size that its supervisors write, over all runs, and `mcpt events` reads.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use mcpt_core::{EventStream, ServerEvent};
use mcpt_workload::{older, own_files};
use serde::{Deserialize, Serialize};

use crate::{
    folder::{RunFolder, ServerFolder},
    logs::Changes,
    state::{Phase, to_the_second},
};

/// Size at which the file is put aside, in bytes: some hundred events are kept, and as many before them.
const MAX_SIZE: u64 = 64 * 1024;

/// One thing that happened. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Happened {
    /// Microseconds since the epoch; by them a reader knows which ones it has seen.
    at: i64,
    warning: bool,
    reason: String,
    object: String,
    message: String,
}

impl Happened {
    /// Just now.
    pub(crate) fn now(warning: bool, reason: &str, object: String, message: String) -> Self {
        Self {
            at: Timestamp::now().as_microsecond(),
            warning,
            reason: reason.to_owned(),
            object,
            message,
        }
    }
}

impl From<Happened> for ServerEvent {
    fn from(happened: Happened) -> Self {
        let time = Timestamp::from_microsecond(happened.at).unwrap_or_default();
        Self {
            time: to_the_second(time),
            warning: happened.warning,
            reason: happened.reason,
            object: happened.object,
            message: happened.message,
            count: 1,
        }
    }
}

/// Whether it is worth a word that a phase begins after another one: whether it is a warning, and the word.
pub(crate) fn of(phase: Phase, before: Phase) -> Option<(bool, &'static str)> {
    let word = match phase {
        // A start is told when there is a process.
        Phase::Starting => return None,
        Phase::Ready => (false, "Ready"),
        Phase::Refusing => (true, "NotReady"),
        // Each of them is about another end.
        Phase::Restarting => return Some((true, "Ended")),
        Phase::StandingAside => (false, "StandingAside"),
        Phase::Stopped => (false, "Stopped"),
    };
    (phase != before).then_some(word)
}

/// Writes one down.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn add(folder: &ServerFolder, happened: &Happened) -> io::Result<()> {
    let path = folder.events_file();
    let mut line = serde_json::to_vec(happened).map_err(io::Error::other)?;
    line.push(b'\n');
    let mut file = own_files::open_to_append(&path)?;
    // At once, since two supervisors may write during an update.
    file.write_all(&line)?;
    if file.metadata()?.len() >= MAX_SIZE {
        fs::rename(&path, older(&path))?;
    }
    Ok(())
}

/// All that are known, the oldest first.
fn all(folder: &ServerFolder) -> io::Result<Vec<Happened>> {
    let path = folder.events_file();
    let mut found = read(&older(&path))?;
    found.extend(read(&path)?);
    found.sort_by_key(|happened| happened.at);
    Ok(found)
}

/// Those of one file. A line that a full disk cut off tells nothing.
fn read(path: &Path) -> io::Result<Vec<Happened>> {
    let text = match own_files::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let lines = text.split(|byte| *byte == b'\n');
    Ok(lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

/// Those of a server, and with `follow` those to come, until the server is deleted.
///
/// # Errors
/// When the files cannot be read or watched.
pub(crate) fn stream(run: &RunFolder, follow: bool) -> io::Result<EventStream> {
    // Watched before they are read, so that nothing in between is missed.
    let changes = follow.then(|| Changes::of(run)).transpose()?;
    let folder = run.server();
    let found = all(&folder)?;
    let last = found.last().map_or(i64::MIN, |happened| happened.at);
    let known = stream::iter(found);
    let events = match changes {
        None => known.boxed(),
        Some(changes) => known.chain(added(folder, changes, last)).boxed(),
    };
    Ok(events.map(|happened| Ok(happened.into())).boxed())
}

/// Those that come after one.
fn added(
    folder: ServerFolder,
    changes: Changes,
    last: i64,
) -> impl futures_util::Stream<Item = Happened> + Send {
    stream::unfold(
        (folder, changes, last),
        |(folder, mut changes, mut last)| async move {
            changes.next().await?;
            // What cannot be read now is read at the next change; a server that is gone has no current run.
            folder.current().ok().flatten()?;
            let mut found = all(&folder).unwrap_or_default();
            found.retain(|happened| happened.at > last);
            last = found.last().map_or(last, |happened| happened.at);
            Some((stream::iter(found), (folder, changes, last)))
        },
    )
    .flatten()
}

#[cfg(test)]
mod tests {
    use mcpt_core::ServerName;

    use super::*;
    use crate::folder::StateFolder;

    fn server(root: &Path) -> ServerFolder {
        let name = ServerName::new("demo").unwrap();
        let folder = StateFolder::new(root.to_owned()).server(&name);
        folder.create().unwrap();
        folder
    }

    fn happened(at: i64) -> Happened {
        Happened {
            at,
            warning: false,
            reason: "Started".to_owned(),
            object: "process/7".to_owned(),
            message: "x".repeat(100),
        }
    }

    #[test]
    fn the_last_ones_are_kept_and_the_disk_is_not_filled() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        for at in 0..5000 {
            add(&folder, &happened(at)).unwrap();
        }
        let kept = all(&folder).unwrap();
        assert!(kept.len() > 300, "{}", kept.len());
        let first = 5000 - i64::try_from(kept.len()).unwrap();
        let times: Vec<i64> = kept.iter().map(|one| one.at).collect();
        assert_eq!(times, (first..5000).collect::<Vec<_>>());
        for path in [folder.events_file(), older(&folder.events_file())] {
            let size = fs::metadata(&path).map_or(0, |found| found.len());
            assert!(size < MAX_SIZE + 1024, "{size}");
        }
        assert!(folder.is_ours().unwrap());
    }

    #[test]
    fn a_line_that_was_cut_off_hides_no_others() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        add(&folder, &happened(1)).unwrap();
        let mut file = own_files::open_to_append(&folder.events_file()).unwrap();
        file.write_all(b"{\"at\":2,\n").unwrap();
        add(&folder, &happened(3)).unwrap();
        assert_eq!(all(&folder).unwrap(), [happened(1), happened(3)]);
    }

    #[test]
    fn times_are_told_to_the_second() {
        let event = ServerEvent::from(happened(1_767_225_600_400_000));
        assert_eq!(event.time, "2026-01-01T00:00:00Z");
    }

    #[test]
    fn phases_in_words() {
        assert_eq!(of(Phase::Starting, Phase::Restarting), None);
        assert_eq!(of(Phase::Ready, Phase::Ready), None);
        assert_eq!(
            of(Phase::Restarting, Phase::Restarting),
            Some((true, "Ended"))
        );
    }
}
