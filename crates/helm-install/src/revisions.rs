//! Which revision of a release a command means: the one that runs, the one to go back to, or none. Pure.
//!
//! A deletion that failed or was interrupted leaves its record as `failed`, from which stock Helm goes on too. What the revision
//! was before stays beside that: the commands that follow mean what they would have meant without the deletion.

use helm_release::{Info, Status};
use jiff::Timestamp;

use crate::{records::Record, takeover};

/// Field of a record's `info` in which Helm 4 keeps what was rolled back to.
pub const ROLLBACK_REVISION: &str = "rollback_revision";

/// Field of a record's `info` that holds its status from before the deletion began.
const STATUS_BEFORE_DELETION: &str = "status_before_deletion";

/// Writes down that the deletion has begun, in Helm's words.
pub fn begin_deletion(info: &mut Info) {
    let before = status_in(info).as_str();
    let other = &mut info.other;
    other.insert(STATUS_BEFORE_DELETION.to_owned(), before.into());
    info.status = Status::Uninstalling;
    "Deletion in progress (or silently failed)".clone_into(&mut info.description);
    info.deleted = Some(Timestamp::now().to_string());
}

/// Whether a deletion began when this was the last revision.
pub fn deletion_began(record: &Record) -> bool {
    let deleted = record.release.info.deleted.as_deref();
    deleted.is_some_and(|time| !time.is_empty())
}

/// Whether the release was uninstalled, and Helm told to keep its history.
pub fn is_uninstalled(record: &Record) -> bool {
    record.release.info.status == Status::Uninstalled
}

/// Status, as if no deletion had failed.
fn status_in(info: &Info) -> Status {
    let before = info.other.get(STATUS_BEFORE_DELETION);
    let before = before.and_then(|status| serde_json::from_value(status.clone()).ok());
    before
        .filter(|_| info.status == Status::Failed)
        .unwrap_or(info.status)
}

fn status(record: &Record) -> Status {
    status_in(&record.release.info)
}

/// Whether the release ended with this revision. Helm calls it superseded when it installs another one in its place.
fn ended(record: &Record) -> bool {
    match status(record) {
        Status::Uninstalled => true,
        Status::Superseded => deletion_began(record),
        _ => false,
    }
}

/// The revisions since the release was uninstalled last: of older ones nothing is there.
pub fn since_the_end(history: &[Record]) -> &[Record] {
    let end = history.iter().rposition(ended);
    let (_, since) = history.split_at(end.map_or(0, |at| at + 1));
    since
}

/// The newest revision that runs. What a deletion that failed has left of it counts.
pub fn running(history: &[Record]) -> Option<&Record> {
    let newest = since_the_end(history).iter().rev();
    newest.into_iter().find(|r| status(r) == Status::Deployed)
}

/// Whether a command came to its end with this revision.
pub fn ran(record: &Record) -> bool {
    matches!(
        status(record),
        Status::Deployed | Status::Superseded | Status::Uninstalled
    )
}

/// The revision that a rollback without a number means: the newest before the current one that ran. A deletion is undone, and a
/// rollback that was interrupted is taken up again, so that the same command finishes it.
pub fn previous(history: &[Record]) -> Option<&Record> {
    let (last, earlier) = history.split_last()?;
    if takeover::was_interrupted(&last.release, Status::PendingRollback) {
        let to = last.release.info.other.get(ROLLBACK_REVISION);
        let to = to.and_then(serde_json::Value::as_u64)?;
        return earlier
            .iter()
            .find(|record| u64::from(record.release.version) == to);
    }
    if deletion_began(last) {
        // Older Helms leave what ran as it was when a later revision had failed.
        let deployed = |record: &&Record| status(record) == Status::Deployed;
        let newest = || history.iter().rev();
        return newest()
            .find(deployed)
            .or_else(|| newest().find(|r| ran(r)));
    }
    earlier.iter().rev().find(|record| ran(record))
}

/// Whether undoing what follows means removing: no command before it came to its end, or the last one was to delete everything.
/// What a deploy that failed left may well run, and so may what a clean-up spared; both are put back.
pub fn is_first(history: &[Record]) -> bool {
    let interrupted =
        |record: &Record| takeover::was_interrupted(&record.release, Status::PendingInstall);
    let since = since_the_end(history);
    since.last().is_some_and(deletion_began) || since.iter().all(interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::history;

    /// What each command means, after everything that may have happened before.
    #[test]
    fn revisions_that_commands_mean() {
        for (text, runs, before, first) in [
            ("", None, None, true),
            ("deployed", Some(1), None, false),
            ("failed", None, None, false),
            ("failed deployed", Some(2), None, false),
            ("superseded deployed", Some(2), Some(1), false),
            ("superseded failed deployed", Some(3), Some(1), false),
            // A failed update: back to what runs.
            ("superseded deployed failed", Some(2), Some(2), false),
            ("superseded deployed failed failed", Some(2), Some(2), false),
            // Interrupted: of the first deployment nothing ever ran; the rollback was on its way to 1.
            ("dead-pending-install", None, None, true),
            ("dead-pending-install failed", None, None, false),
            (
                "superseded deployed dead-pending-upgrade",
                Some(2),
                Some(2),
                false,
            ),
            (
                "superseded deployed dead-pending-rollback>1",
                Some(2),
                Some(1),
                false,
            ),
            // A deletion that failed or was interrupted: what ran before it.
            ("deployed/failed", Some(1), Some(1), true),
            ("superseded deployed/interrupted", Some(2), Some(2), true),
            ("deployed failed/failed", Some(1), Some(1), true),
            ("failed/failed", None, None, true),
            ("superseded superseded failed/failed", None, Some(2), true),
            ("dead-pending-install/failed", None, None, true),
            // It had no record before: there is nothing to go back to.
            ("unknown/failed", None, None, true),
            // A deploy after it.
            ("superseded deployed/failed failed", Some(2), Some(2), false),
            ("deployed/failed deployed", Some(2), Some(1), false),
            (
                "deployed/failed superseded deployed",
                Some(3),
                Some(2),
                false,
            ),
            // Uninstalled with its history kept: nothing runs, and a rollback undoes that.
            ("uninstalled/helm", None, Some(1), true),
            ("superseded uninstalled/helm", None, Some(2), true),
            ("deployed uninstalled/helm", None, Some(1), true),
            ("uninstalled/helm/failed", None, Some(1), true),
            ("uninstalled/helm failed", None, Some(1), false),
            ("uninstalled/helm dead-pending-install", None, Some(1), true),
            (
                "superseded uninstalled/helm deployed",
                Some(3),
                Some(2),
                false,
            ),
            ("superseded superseded/helm", None, Some(2), true),
            (
                "superseded superseded/helm deployed failed",
                Some(3),
                Some(3),
                false,
            ),
        ] {
            let history = history(text);
            let version = |record: Option<&Record>| record.map(|r| r.release.version);
            let found = (
                version(running(&history)),
                version(previous(&history)),
                is_first(&history),
            );
            assert_eq!(found, (runs, before, first), "{text}");
        }
    }
}
