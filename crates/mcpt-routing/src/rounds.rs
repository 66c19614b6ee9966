//! [`Rounds`]: which instance of a server has asked a client for more and waits for the next round (2026-07-28). What it handed
//! out, the `requestState`, is often sealed with a key that only that one process has.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};

use crate::{EndpointId, ServerKey};

/// Most states of one generation. The one before it is kept too: each state is known until as many others have come.
const MOST: usize = 32 * 1024;

/// What tells states apart: the beginning of a hash.
type Key = [u8; 16];

/// States by their hash, each with the instance that handed it out.
#[derive(Debug, Default)]
pub struct Rounds(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, EndpointId>,
    old: HashMap<Key, EndpointId>,
}

impl Rounds {
    /// Notes who handed out a state.
    pub fn asked(&self, server: &ServerKey, state: &str, endpoint: &EndpointId) {
        let mut all = self.locked();
        if all.young.len() >= MOST {
            all.old = std::mem::take(&mut all.young);
        }
        all.young.insert(key(server, state), endpoint.clone());
    }

    /// Who handed out a state; `None` when it is not known, or no more.
    pub fn who_asked(&self, server: &ServerKey, state: &str) -> Option<EndpointId> {
        let (all, key) = (self.locked(), key(server, state));
        all.young.get(&key).or_else(|| all.old.get(&key)).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(server: &ServerKey, state: &str) -> Key {
    // No name of a server has a blank.
    let hash = digest(&SHA256, format!("{server} {state}").as_bytes());
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    key
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
        let (rounds, first) = (Rounds::default(), EndpointId::new("a"));
        rounds.asked(&server("demo"), "first", &first);
        assert_eq!(rounds.who_asked(&server("other"), "first"), None);
        assert_eq!(rounds.who_asked(&server("demo"), "second"), None);
        for n in 0..2 * MOST {
            let known = rounds.who_asked(&server("demo"), "first");
            assert_eq!(known.as_ref(), Some(&first), "{n}");
            rounds.asked(&server("demo"), &n.to_string(), &EndpointId::new("b"));
        }
        assert_eq!(rounds.who_asked(&server("demo"), "first"), None);
        let all = rounds.locked();
        assert!(all.young.len() + all.old.len() <= 2 * MOST);
    }
}
