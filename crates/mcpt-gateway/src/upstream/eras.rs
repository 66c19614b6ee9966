//! [`Eras`]: which eras an endpoint speaks, as far as that was found out.
//!
//! An endpoint is one instance of one version of a server, so that nothing of it is taken for another's. What was found is
//! forgotten after a while all the same, and when the endpoint could not be reached: behind an address that stays the same
//! there may be another program then, and one that speaks more than its predecessor would go on to be translated for good.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::{Mutex, MutexGuard};

/// How long it is believed, in milliseconds.
const BELIEVED_MS: u64 = 5 * 60 * 1000;
/// How long nobody asks again when the answer said nothing.
const UNDECIDED_MS: u64 = 1000;

/// What is known; each in two bits, and above them when it was found out.
#[derive(Debug, Default)]
pub(crate) struct Eras {
    known: AtomicU64,
    asking: Mutex<()>,
}

/// Whether an endpoint knows 2026-07-28.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stateless {
    /// Nobody has asked.
    NotAsked,
    /// It was asked, and its answer says nothing about it.
    Undecided,
    /// It does.
    Yes,
    /// Only versions with sessions.
    No,
}

/// How clients with sessions are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// Nobody has tried.
    NotTried,
    /// By the endpoint itself.
    Itself,
    /// By the gateway: the endpoint takes no sessions, or none in which it could ask its client anything.
    Translated,
}

impl Eras {
    /// Whether it knows 2026-07-28, at `now` in milliseconds.
    pub(crate) fn stateless(&self, now: u64) -> Stateless {
        let known = self.known.load(Relaxed);
        let (at, bits) = (known >> 4, known & 3);
        let believed = if bits == 3 { UNDECIDED_MS } else { BELIEVED_MS };
        if now.saturating_sub(at) > believed {
            return Stateless::NotAsked;
        }
        match bits {
            0 => Stateless::NotAsked,
            1 => Stateless::Yes,
            2 => Stateless::No,
            _ => Stateless::Undecided,
        }
    }

    /// How clients with sessions are served.
    pub(crate) fn sessions(&self, now: u64) -> Sessions {
        let known = self.known.load(Relaxed);
        if now.saturating_sub(known >> 4) > BELIEVED_MS {
            return Sessions::NotTried;
        }
        match (known >> 2) & 3 {
            1 => Sessions::Itself,
            2 => Sessions::Translated,
            _ => Sessions::NotTried,
        }
    }

    /// Notes whether it knows 2026-07-28.
    pub(crate) fn found(&self, stateless: Stateless, now: u64) {
        let bits = match stateless {
            Stateless::NotAsked => 0,
            Stateless::Yes => 1,
            Stateless::No => 2,
            Stateless::Undecided => 3,
        };
        self.note(3, bits, now);
    }

    /// Notes how clients with sessions are served.
    pub(crate) fn tried(&self, sessions: Sessions, now: u64) {
        let bits = match sessions {
            Sessions::NotTried => 0,
            Sessions::Itself => 1,
            Sessions::Translated => 2,
        };
        self.note(3 << 2, bits << 2, now);
    }

    fn note(&self, mask: u64, bits: u64, now: u64) {
        let noted = |known: u64| {
            // What is too old to be believed is not made young by the other one.
            let fresh = now.saturating_sub(known >> 4) <= BELIEVED_MS;
            let others = if fresh { known & 15 & !mask } else { 0 };
            (now << 4) | others | bits
        };
        let mut known = self.known.load(Relaxed);
        while let Err(other) =
            self.known
                .compare_exchange_weak(known, noted(known), Relaxed, Relaxed)
        {
            known = other;
        }
    }

    /// Knows nothing any more.
    pub(crate) fn forget(&self) {
        // Read first: this is also called for each failure of an endpoint that is gone.
        if self.known.load(Relaxed) != 0 {
            self.known.store(0, Relaxed);
        }
    }

    /// Whoever has this asks; others wait for the answer.
    pub(crate) async fn ask_alone(&self) -> MutexGuard<'_, ()> {
        self.asking.lock().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_believed_for_a_while() {
        let eras = Eras::default();
        assert_eq!(eras.stateless(5), Stateless::NotAsked);
        eras.found(Stateless::No, 5);
        eras.tried(Sessions::Itself, 6);
        assert_eq!(eras.stateless(6 + BELIEVED_MS), Stateless::No);
        assert_eq!(eras.sessions(6 + BELIEVED_MS), Sessions::Itself);
        assert_eq!(eras.stateless(7 + BELIEVED_MS), Stateless::NotAsked);
        assert_eq!(eras.sessions(7 + BELIEVED_MS), Sessions::NotTried);
        eras.found(Stateless::Yes, 7 + BELIEVED_MS);
        assert_eq!(eras.sessions(7 + BELIEVED_MS), Sessions::NotTried);
        eras.found(Stateless::Undecided, 9 + BELIEVED_MS);
        assert_eq!(eras.stateless(9 + BELIEVED_MS), Stateless::Undecided);
        assert_eq!(
            eras.stateless(10 + BELIEVED_MS + UNDECIDED_MS),
            Stateless::NotAsked
        );
        eras.tried(Sessions::Translated, 9 + BELIEVED_MS);
        assert_eq!(eras.sessions(9 + BELIEVED_MS), Sessions::Translated);
        eras.forget();
        assert_eq!(eras.sessions(9 + BELIEVED_MS), Sessions::NotTried);
    }
}
