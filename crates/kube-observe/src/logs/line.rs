//! Lines of a log as bytes, and which of them were told. Pure.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// A line's time and what follows it.
pub(super) fn timed(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let Some(end) = line.iter().position(|byte| *byte == b' ') else {
        return (None, line);
    };
    let time = std::str::from_utf8(&line[..end]).ok();
    match time.and_then(|time| time.parse().ok()) {
        Some(time) => (Some(time), &line[end + 1..]),
        None => (None, line),
    }
}

/// A line without its end. Not every server writes UTF-8.
pub(super) fn text(bytes: &[u8]) -> String {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

/// How far a log was told: by time, since a log that is read again begins with a whole second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogPosition {
    /// The latest time of a line.
    pub(super) last: Option<Timestamp>,
    /// Pieces of lines of this time that were told.
    pieces: u32,
}

impl LogPosition {
    /// The time to read from: a whole second, since that is what a request carries, and the one before it, since the `kube` crate
    /// rounds to the nearest and would leave out what was not told.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let seconds = TimestampRound::new()
            .smallest(Unit::Second)
            .mode(RoundMode::Floor);
        // Without a time the log is read from its beginning, and what was told is left out.
        self.last?.round(seconds).ok()
    }

    /// Notes a piece of a line of this time, unless `before` has it. That is what had been told when the log was opened; what it
    /// has of the last time is counted off.
    pub(super) fn is_new(&mut self, time: Option<Timestamp>, before: &mut Self) -> bool {
        let Some(time) = time else {
            return true;
        };
        if before.last > Some(time) {
            return false;
        }
        if before.last == Some(time) && before.pieces > 0 {
            before.pieces -= 1;
            return false;
        }
        if self.last < Some(time) {
            self.last = Some(time);
            self.pieces = 0;
        }
        self.pieces += u32::from(self.last == Some(time));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_without_their_ends() {
        for (bytes, expected) in [
            (b"a b\n".as_slice(), "a b"),
            (b"a\r\n", "a"),
            (b"no end", "no end"),
            (b"\xff\n", "\u{fffd}"),
            (b"\n", ""),
        ] {
            assert_eq!(text(bytes), expected);
        }
    }

    #[test]
    fn times_are_taken_from_lines() {
        let time: Timestamp = "2026-11-23T12:00:00.5Z".parse().unwrap();
        for (line, expected) in [
            (
                "2026-11-23T12:00:00.500000000Z a b\n",
                (Some(time), "a b\n"),
            ),
            ("2026-11-23T13:00:00.5+01:00 \n", (Some(time), "\n")),
            ("no time\n", (None, "no time\n")),
            ("x", (None, "x")),
        ] {
            let (time, rest) = timed(line.as_bytes());
            assert_eq!((time, std::str::from_utf8(rest).unwrap()), expected);
        }
    }

    #[test]
    fn a_log_is_read_again_from_no_later_than_what_was_told() {
        for (told, since) in [
            ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z"),
            ("2026-11-23T12:00:00.999999999Z", "2026-11-23T12:00:00Z"),
        ] {
            let mut so_far = LogPosition::default();
            assert!(so_far.is_new(told.parse().ok(), &mut LogPosition::default()));
            assert_eq!(so_far.since(), since.parse().ok(), "{told}");
        }
        assert_eq!(LogPosition::default().since(), None);
    }

    #[test]
    fn a_log_that_is_read_again_goes_on_where_it_was() {
        // Times, with what was cut off before the second reading.
        for (first, second, new) in [
            (&[1, 2][..], &[1, 2, 3][..], &[3][..]),
            (&[1, 2, 2], &[1, 2, 2, 2, 3], &[2, 3]),
            (&[2, 1], &[2, 1, 3], &[3]),
            (&[], &[1], &[1]),
        ] {
            let time = |second: &i64| Timestamp::from_second(*second).ok();
            let mut told = LogPosition::default();
            for second in first {
                assert!(told.is_new(time(second), &mut LogPosition::default()));
            }
            let mut before = told;
            let again = second.iter().copied();
            let again: Vec<i64> = again
                .filter(|second| told.is_new(time(second), &mut before))
                .collect();
            assert_eq!(again, new, "{first:?} {second:?}");
        }
        assert!(LogPosition::default().is_new(None, &mut LogPosition::default()));
    }
}
