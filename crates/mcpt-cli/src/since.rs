//! Since when something is to be shown: a time, or how long ago it was.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::duration;

/// The text is neither a time nor a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoTime;

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected how long ago (90s, 10m, 1h30m) or a time (2026-11-30T10:00:00Z)")
    }
}

impl std::error::Error for NoTime {}

/// Reads a time (RFC 3339), or a duration before now; to the second.
pub(crate) fn parse(text: &str) -> Result<Timestamp, NoTime> {
    let time = text.parse::<Timestamp>().or_else(|_| {
        let ago: Duration = duration::parse(text).map_err(|_| NoTime)?;
        Timestamp::now().checked_sub(ago).map_err(|_| NoTime)
    })?;
    Timestamp::from_second(time.as_second()).map_err(|_| NoTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations() {
        let time = parse("2026-11-30T10:00:00.9+01:00").unwrap();
        assert_eq!(time.to_string(), "2026-11-30T09:00:00Z");
        let before = Timestamp::now().as_second();
        let ago = before - parse("1h30m").unwrap().as_second();
        assert!((5398..=5400).contains(&ago), "{ago}");
        for text in [
            "",
            "yesterday",
            "-5m",
            "10",
            "99999999999999999h",
            "2026-11-30",
        ] {
            assert_eq!(parse(text).is_err(), text != "10", "{text}");
        }
    }
}
