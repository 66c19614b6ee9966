//! [`Handling`]: how requests for a server are to be handled, as its annotations or a gateway's options say.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use crate::Policy;

/// Words before the name of the header that hashing goes by.
const HASH: &str = "hash:";

/// How requests for one server are handled. What is `None` is the gateway's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handling {
    /// Which endpoint gets what may go to any.
    pub balance: Option<Balance>,
    /// As many requests of clients may be in progress there at once that come by one gateway; streams that wait do not count.
    pub max_requests: Option<NonZeroU32>,
    /// An answer must have begun after this time.
    pub answer_within: Option<Duration>,
    /// All its instances are stopped when no client has called it for this time, and started by the next call. `None`: never.
    pub idle_timeout: Option<Duration>,
}

/// A policy, and what it goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// It.
    pub policy: Policy,
    /// For [`Policy::Hash`]: the header whose value says who belongs together, in lower case.
    pub header: Option<Arc<str>>,
}

/// A text says none of what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHandling {
    /// Of [`Balance`].
    #[error("least-sessions, least-requests, round-robin or hash:HEADER is wanted")]
    Balance,
    /// Of a number of requests.
    #[error("a number of requests, 1 or more, is wanted")]
    Requests,
    /// Of a time.
    #[error("a time in seconds is wanted, like 30s")]
    Time,
}

impl Handling {
    /// Reads the texts that are there.
    ///
    /// # Errors
    /// [`InvalidHandling`] for the first that is wrong.
    pub fn read(
        balance: Option<&str>,
        max_requests: Option<&str>,
        answer_within: Option<&str>,
        idle_timeout: Option<&str>,
    ) -> Result<Self, InvalidHandling> {
        let requests = |text: &str| text.parse().map_err(|_| InvalidHandling::Requests);
        Ok(Self {
            balance: balance.map(str::parse).transpose()?,
            max_requests: max_requests.map(requests).transpose()?,
            answer_within: answer_within.map(seconds).transpose()?,
            idle_timeout: idle_timeout.map(seconds).transpose()?,
        })
    }
}

impl std::str::FromStr for Balance {
    type Err = InvalidHandling;

    fn from_str(text: &str) -> Result<Self, InvalidHandling> {
        let policy = match text {
            // The second is what older versions call it.
            "least-sessions" | "least-loaded" => Policy::LeastLoaded,
            "least-requests" => Policy::LeastRequests,
            "round-robin" => Policy::RoundRobin,
            _ => {
                let header = text.strip_prefix(HASH).ok_or(InvalidHandling::Balance)?;
                let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
                if header.is_empty() || !header.bytes().all(name) {
                    return Err(InvalidHandling::Balance);
                }
                return Ok(Self {
                    policy: Policy::Hash,
                    header: Some(Arc::from(header.to_ascii_lowercase())),
                });
            }
        };
        Ok(Self {
            policy,
            header: None,
        })
    }
}

/// `30s`, or a number of seconds alone.
fn seconds(text: &str) -> Result<Duration, InvalidHandling> {
    let number = text.strip_suffix('s').unwrap_or(text);
    let seconds: NonZeroU32 = number.parse().map_err(|_| InvalidHandling::Time)?;
    Ok(Duration::from_secs(u64::from(seconds.get())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, policy, header) in [
            ("least-sessions", Policy::LeastLoaded, None),
            ("least-loaded", Policy::LeastLoaded, None),
            ("least-requests", Policy::LeastRequests, None),
            ("round-robin", Policy::RoundRobin, None),
            ("hash:X-User", Policy::Hash, Some("x-user")),
        ] {
            let balance: Balance = text.parse().unwrap();
            assert_eq!(
                (balance.policy, balance.header.as_deref()),
                (policy, header)
            );
        }
        for text in ["", "hash:", "hash:a b", "random"] {
            let read = Handling::read(Some(text), None, None, None);
            assert_eq!(read, Err(InvalidHandling::Balance), "{text}");
        }
        let read = Handling::read(None, Some("7"), Some("30s"), Some("600s")).unwrap();
        assert_eq!(read.max_requests.map(NonZeroU32::get), Some(7));
        assert_eq!(read.answer_within, Some(Duration::from_secs(30)));
        assert_eq!(read.idle_timeout, Some(Duration::from_mins(10)));
        for text in ["0", "-1", "x", ""] {
            assert!(
                Handling::read(None, Some(text), None, None).is_err(),
                "{text}"
            );
            for (answer_within, idle_timeout) in [(Some(text), None), (None, Some(text))] {
                let read = Handling::read(None, None, answer_within, idle_timeout);
                assert!(read.is_err(), "{text}");
            }
        }
    }
}
