//! [`ReadyState`]: what the bridge says at `/readyz`, for programs; the text beside it is for people.

use std::str::FromStr;

use hyper::header::{HeaderName, HeaderValue};

/// Whether a server behind a bridge takes sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyState {
    /// It does.
    Ready,
    /// The first look at the server has not ended.
    Starting,
    /// The last look at it has failed; there will be another one.
    Failing,
    /// It ends.
    Draining,
}

/// A text names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a state of readiness")]
pub struct UnknownState;

impl ReadyState {
    /// The header that carries it.
    pub const HEADER: HeaderName = HeaderName::from_static("mcpt-ready-state");

    const ALL: [Self; 4] = [Self::Ready, Self::Starting, Self::Failing, Self::Draining];

    /// Its name in the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Failing => "failing",
            Self::Draining => "draining",
        }
    }

    /// The header's value.
    pub fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }
}

impl FromStr for ReadyState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or(UnknownState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_out_and_back() {
        for state in ReadyState::ALL {
            assert_eq!(state.value().to_str().unwrap().parse(), Ok(state));
        }
        assert_eq!("Ready".parse::<ReadyState>(), Err(UnknownState));
    }
}
