//! What happened to a server's process: a file of bounded size that its supervisors write, over all runs, and `mcpt events` reads.
//!
//! Each line has a number, since clocks are set back, and who writes one has the file locked, since two supervisors do it during an
//! update: of two that put the file aside at once the second would throw away what the first kept.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
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
    /// Its place among all of the server, from 1; 0 is of a version that did not count. By it a reader knows what it has seen.
    #[serde(default)]
    number: u64,
    /// Microseconds since the epoch.
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
            number: 0,
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
pub(crate) fn add(folder: &ServerFolder, happened: Happened) -> io::Result<()> {
    let path = folder.events_file();
    let mut file = locked(&path)?;
    let last = match last(&path)? {
        None => last(&older(&path))?,
        found => found,
    };
    let number = last.map_or(0, |last| last.number) + 1;
    let happened = Happened { number, ..happened };
    let mut line = serde_json::to_vec(&happened).map_err(io::Error::other)?;
    line.push(b'\n');
    file.write_all(&line)?;
    if file.metadata()?.len() >= MAX_SIZE {
        fs::rename(&path, older(&path))?;
    }
    Ok(())
}

/// The file, locked until it is closed: that which is in its place, and none that was put aside meanwhile.
fn locked(path: &Path) -> io::Result<File> {
    loop {
        let file = own_files::open_to_append(path)?;
        file.lock()?;
        let own = file.metadata()?.ino();
        match fs::symlink_metadata(path) {
            Ok(now) if now.ino() == own => return Ok(file),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
}

/// All that are known, the oldest first.
fn all(folder: &ServerFolder) -> io::Result<Vec<Happened>> {
    let path = folder.events_file();
    // In this order: what is put aside in between is seen twice, and not missed.
    let newer = read(&path)?;
    let mut found = read(&older(&path))?;
    let seen = found.last().map_or(0, |last| last.number);
    let unseen = |happened: &Happened| happened.number == 0 || happened.number > seen;
    found.extend(newer.into_iter().filter(unseen));
    Ok(found)
}

/// Those of one file. A line that a full disk cut off tells nothing.
fn read(path: &Path) -> io::Result<Vec<Happened>> {
    let text = text(path)?;
    let lines = text.split(|byte| *byte == b'\n');
    Ok(lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

/// The last one of a file.
fn last(path: &Path) -> io::Result<Option<Happened>> {
    let text = text(path)?;
    let mut lines = text.rsplit(|byte| *byte == b'\n');
    Ok(lines.find_map(|line| serde_json::from_slice(line).ok()))
}

fn text(path: &Path) -> io::Result<Vec<u8>> {
    match own_files::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        text => text,
    }
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
    let last = found.last().map_or(0, |happened| happened.number);
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
    last: u64,
) -> impl futures_util::Stream<Item = Happened> + Send {
    stream::unfold(
        (folder, changes, last),
        |(folder, mut changes, mut last)| async move {
            changes.next().await?;
            // What cannot be read now is read at the next change; a server that is gone has no current run.
            folder.current().ok().flatten()?;
            let mut found = all(&folder).unwrap_or_default();
            found.retain(|happened| happened.number > last);
            last = found.last().map_or(last, |happened| happened.number);
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
            number: 0,
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
        for at in 0..2000 {
            add(&folder, happened(at)).unwrap();
        }
        let kept = all(&folder).unwrap();
        assert!(kept.len() > 300, "{}", kept.len());
        let first = 2000 - i64::try_from(kept.len()).unwrap();
        let times: Vec<i64> = kept.iter().map(|one| one.at).collect();
        assert_eq!(times, (first..2000).collect::<Vec<_>>());
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
        add(&folder, happened(1)).unwrap();
        let mut file = own_files::open_to_append(&folder.events_file()).unwrap();
        file.write_all(b"{\"at\":2,\n").unwrap();
        add(&folder, happened(3)).unwrap();
        assert_eq!(numbers(&folder), [(1, 1), (2, 3)]);
    }

    /// Each with its number and its time.
    fn numbers(folder: &ServerFolder) -> Vec<(u64, i64)> {
        let all = all(folder).unwrap();
        all.iter().map(|one| (one.number, one.at)).collect()
    }

    #[test]
    fn a_clock_that_is_set_back_changes_no_order() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        for at in [100, 5, 50] {
            add(&folder, happened(at)).unwrap();
        }
        assert_eq!(numbers(&folder), [(1, 100), (2, 5), (3, 50)]);
    }

    /// Of what two supervisors write, so much of it that both put the file aside again and again, nothing is lost or told twice.
    #[test]
    fn supervisors_that_write_at_once_throw_nothing_away() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        let mut last = 0;
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        for at in 0..600 {
                            add(&folder, happened(at)).unwrap();
                        }
                    })
                })
                .collect();
            while !writers
                .iter()
                .all(std::thread::ScopedJoinHandle::is_finished)
            {
                let found = numbers(&folder);
                for pair in found.windows(2) {
                    assert_eq!(pair[0].0 + 1, pair[1].0);
                }
                let newest = found.last().map_or(0, |newest| newest.0);
                assert!(newest >= last, "{newest} after {last}");
                last = newest;
            }
        });
        assert_eq!(numbers(&folder).last().map(|newest| newest.0), Some(1200));
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
