//! Protocol versions and the two eras that they belong to.
//!
//! A version of an era that is there is one more line here. A third era takes a further [`Era`], its way of being told from the
//! others ([`crate::era_of_request`]), and what its messages become in both others and theirs in it ([`crate::translate`]).
//!
//! A date after [`MODERN_VERSION`] is of the stateless era, since what is sent without a session can only be judged by its
//! rules. That it is spoken is not said by that: where requests are translated, [`crate::translate::new::Call`] refuses each
//! version but [`MODERN_VERSION`] with the error that names [`SPOKEN`], and a client goes on with one of these.

/// Versions with `initialize` and sessions, oldest first.
pub const LEGACY_VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", NEWEST_LEGACY];
/// Newest version with `initialize` and sessions.
pub const NEWEST_LEGACY: &str = "2025-11-25";
/// The version without handshake and sessions.
pub const MODERN_VERSION: &str = "2026-07-28";
/// The versions that every server has behind a gateway or a bridge, whichever it speaks itself: the newest of each era.
pub const SPOKEN: [&str; 2] = [MODERN_VERSION, NEWEST_LEGACY];
/// The only version with batches.
pub const BATCH_VERSION: &str = "2025-03-26";

/// The two ways in which MCP clients and servers meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// `initialize`, sessions, server-to-client requests: up to 2025-11-25.
    Legacy,
    /// Every request stands alone: from 2026-07-28 on.
    Modern,
}

/// Era of a version. Versions are dates and order as text; `None` for a text that is no version of
/// either era.
pub fn era_of_version(version: &str) -> Option<Era> {
    if LEGACY_VERSIONS.contains(&version) {
        Some(Era::Legacy)
    } else if is_date(version) && version >= MODERN_VERSION {
        Some(Era::Modern)
    } else {
        None
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras() {
        for (version, era) in [
            ("2024-11-05", Some(Era::Legacy)),
            ("2025-11-25", Some(Era::Legacy)),
            ("2025-12-01", None),
            ("2026-07-28", Some(Era::Modern)),
            ("2027-01-01", Some(Era::Modern)),
            ("draft", None),
            ("9999", None),
            ("", None),
        ] {
            assert_eq!(era_of_version(version), era, "{version}");
        }
    }
}
