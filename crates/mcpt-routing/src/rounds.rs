//! [`Rounds`]: which instance of a server has asked a client for more and waits for the next round (2026-07-28). What it handed
//! out, the `requestState`, is often sealed with a key that only that one process has.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};

use crate::{EndpointId, ServerKey};

/// Most states of one generation. The one before it is kept too: each state is known until as many others have come.
const MOST: usize = 32 * 1024;

/// What tells states apart, to all gateways alike: the beginning of a hash of the server and the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoundKey(u128);

/// A text is no [`RoundKey`]: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("32 hexadecimal digits are wanted")]
pub struct InvalidRoundKey;

impl RoundKey {
    /// That of a state which an instance of a server has handed out.
    pub fn of(server: &ServerKey, state: &str) -> Self {
        // No name of a server has a blank.
        let hash = digest(&SHA256, format!("{server} {state}").as_bytes());
        let hash = hash.as_ref().first_chunk().copied().unwrap_or_default();
        Self(u128::from_be_bytes(hash))
    }
}

impl fmt::Display for RoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for RoundKey {
    type Err = InvalidRoundKey;

    fn from_str(text: &str) -> Result<Self, InvalidRoundKey> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let key = u128::from_str_radix(text, 16).ok().filter(|_| digits);
        key.map(Self).ok_or(InvalidRoundKey)
    }
}

/// States by their hash, each with the instance that handed it out.
#[derive(Debug, Default)]
pub struct Rounds(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<RoundKey, EndpointId>,
    old: HashMap<RoundKey, EndpointId>,
}

impl Rounds {
    /// Notes who handed out a state.
    pub fn asked(&self, state: RoundKey, endpoint: &EndpointId) {
        let mut all = self.locked();
        if all.young.len() >= MOST {
            all.old = std::mem::take(&mut all.young);
        }
        all.young.insert(state, endpoint.clone());
    }

    /// Who handed out a state; `None` when it is not known, or no more.
    pub fn who_asked(&self, state: RoundKey) -> Option<EndpointId> {
        let all = self.locked();
        let known = all.young.get(&state).or_else(|| all.old.get(&state));
        known.cloned()
    }

    fn locked(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mcpt_core::{Namespace, ServerName};

    use super::*;

    #[test]
    fn states_are_known_until_many_others_have_come() {
        let server = |name| ServerKey {
            namespace: Namespace::new("ns").unwrap(),
            name: ServerName::new(name).unwrap(),
        };
        let key = |name, state: &str| RoundKey::of(&server(name), state);
        let (rounds, first) = (Rounds::default(), EndpointId::new("a"));
        rounds.asked(key("demo", "first"), &first);
        assert_eq!(rounds.who_asked(key("other", "first")), None);
        assert_eq!(rounds.who_asked(key("demo", "second")), None);
        for n in 0..2 * MOST {
            let known = rounds.who_asked(key("demo", "first"));
            assert_eq!(known.as_ref(), Some(&first), "{n}");
            rounds.asked(key("demo", &n.to_string()), &EndpointId::new("b"));
        }
        assert_eq!(rounds.who_asked(key("demo", "first")), None);
        let all = rounds.locked();
        assert!(all.young.len() + all.old.len() <= 2 * MOST);
    }

    #[test]
    fn keys_are_read_again() {
        for key in [RoundKey(0), RoundKey(1), RoundKey(u128::MAX)] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        let short = "0".repeat(31);
        for text in [
            "",
            &short,
            &format!("+{short}"),
            &format!("{short}g"),
            &format!("{short}00"),
        ] {
            assert_eq!(text.parse::<RoundKey>(), Err(InvalidRoundKey), "{text}");
        }
    }
}
