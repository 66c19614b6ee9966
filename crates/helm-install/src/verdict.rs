//! Whether a pending release is being worked on, or was left by a killed command and may be taken over. Pure.
//!
//! The record of a running operation carries a heartbeat annotation that its command renews. Clocks of machines differ, so
//! a heartbeat is judged by whether it changes while one looks, not by its time; only one that is very old is believed to
//! be dead at once. When the command ran on this machine, its process tells.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How often a working command renews it.
pub(crate) const BEAT: Duration = Duration::from_secs(5);

/// How long it must stay unchanged under watch before its command counts as dead: three beats.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(15);

/// How long its command goes on without a beat that succeeded; clearly shorter than [`DEAD_AFTER`], so that it has given up
/// before another one acts.
pub(crate) const GIVES_UP_AFTER: Duration = Duration::from_secs(10);

/// Age at which it counts as dead without watching; far above the difference between any two clocks that are kept.
const LONG_DEAD: SignedDuration = SignedDuration::from_secs(120);

/// What to do about a pending release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another command works on it.
    Busy,
    /// Its command is dead.
    Dead,
    /// Look on for this long, then judge again.
    Watch(Duration),
}

/// Judges a pending record: its heartbeat when first seen, its heartbeat now, how long it has been looked at, and whether
/// its process lives, if that can be seen.
pub(crate) fn judge(
    first: Option<&str>,
    now_is: Option<&str>,
    watched: Duration,
    now: Timestamp,
    process: Option<bool>,
) -> Verdict {
    // Only a tool's own operations have a heartbeat; nobody can tell whether another tool is still at work.
    let (Some(first), Some(current)) = (first, now_is) else {
        return Verdict::Busy;
    };
    if first != current || process == Some(true) {
        return Verdict::Busy;
    }
    if process == Some(false) {
        return Verdict::Dead;
    }
    let age = current
        .parse::<Timestamp>()
        .map(|beat| now.duration_since(beat));
    // A text that is no time was not written by the tool.
    let Ok(age) = age else { return Verdict::Busy };
    if age > LONG_DEAD || watched >= DEAD_AFTER {
        Verdict::Dead
    } else {
        Verdict::Watch(DEAD_AFTER.saturating_sub(watched))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let recent = Some("2026-11-23T11:59:58Z");
        let newer = Some("2026-11-23T12:00:03Z");
        let future = Some("2026-11-23T13:00:00Z");
        let old = Some("2026-11-23T11:00:00Z");
        let secs = Duration::from_secs;
        for (first, current, watched, verdict) in [
            (recent, recent, secs(0), Verdict::Watch(secs(15))),
            (recent, recent, secs(6), Verdict::Watch(secs(9))),
            (recent, recent, secs(15), Verdict::Dead),
            (recent, newer, secs(3), Verdict::Busy),
            (old, old, secs(0), Verdict::Dead),
            // The other machine's clock is an hour ahead.
            (future, future, secs(0), Verdict::Watch(secs(15))),
            (future, future, secs(15), Verdict::Dead),
            // Not made by mcpt, or it became another tool's.
            (None, None, secs(60), Verdict::Busy),
            (recent, None, secs(1), Verdict::Busy),
            (
                Some("yesterday"),
                Some("yesterday"),
                secs(60),
                Verdict::Busy,
            ),
        ] {
            assert_eq!(
                judge(first, current, watched, now, None),
                verdict,
                "{first:?} {current:?} {watched:?}"
            );
        }
    }

    #[test]
    fn a_process_that_can_be_seen_decides() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let beat = Some("2026-11-23T11:59:58Z");
        let verdict = |process| judge(beat, beat, Duration::ZERO, now, process);
        assert_eq!(verdict(Some(true)), Verdict::Busy);
        assert_eq!(verdict(Some(false)), Verdict::Dead);
        // Another tool rewrote the record since.
        assert_eq!(
            judge(beat, None, Duration::ZERO, now, Some(false)),
            Verdict::Busy
        );
    }
}
