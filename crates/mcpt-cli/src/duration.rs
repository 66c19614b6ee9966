//! Durations as `kubectl --timeout` takes them: `30s`, `5m`, `1h30m`; a bare number counts seconds.

use std::{fmt, time::Duration};

/// Why a text is no duration that can be waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoDuration {
    Unread,
    Zero,
}

impl fmt::Display for NoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unread => "expected a duration like 90s, 5m or 1h30m",
            Self::Zero => "it must be longer than nothing",
        })
    }
}

impl std::error::Error for NoDuration {}

/// Reads a duration above zero.
pub(crate) fn parse(text: &str) -> Result<Duration, NoDuration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| NoDuration::Unread)?;
        let letters = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let milliseconds = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1000),
            "" if text == rest => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => None,
        };
        total += Duration::from_millis(milliseconds.ok_or(NoDuration::Unread)?);
        rest = tail;
    }
    if text.is_empty() {
        Err(NoDuration::Unread)
    } else if total.is_zero() {
        Err(NoDuration::Zero)
    } else {
        Ok(total)
    }
}

/// How long ago an RFC 3339 time was, as kubectl shows ages: `5s`, `3m`, `7h`, `12d`.
pub(crate) fn age(time: &str) -> String {
    let Ok(time) = time.parse::<jiff::Timestamp>() else {
        return String::new();
    };
    let seconds = jiff::Timestamp::now()
        .as_second()
        .saturating_sub(time.as_second())
        .max(0);
    short(seconds.unsigned_abs())
}

fn short(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("1h30m", 5400),
            ("90", 90),
            ("2000ms", 2),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "0",
            "0s",
            "m",
            "5x",
            "-1s",
            "1h30",
            "1.5s",
            "99999999999999999999s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("0s"), Err(NoDuration::Zero));
    }

    #[test]
    fn ages() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7200, "2h"),
            (200_000, "2d"),
        ] {
            assert_eq!(short(seconds), text);
        }
        assert_eq!(age("yesterday"), "");
        assert!(age("2020-01-01T00:00:00Z").ends_with('d'));
    }
}
