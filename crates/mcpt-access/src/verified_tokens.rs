//! [`VerifiedTokens`]: tokens whose signature was found good, so that each is verified once and not with each call.

use std::collections::HashMap;

use crate::{Verified, digest::Digest};

/// Half of the tokens that are remembered at most.
const HALF: usize = 8 * 1024;

/// Tokens that were verified, by their SHA-256, for as long as their issuer's keys stay the same. It forgets the half of them
/// that was not asked for lately when there are too many.
#[derive(Debug, Default)]
pub struct VerifiedTokens {
    recent: HashMap<Digest, Verified>,
    older: HashMap<Digest, Verified>,
}

impl VerifiedTokens {
    /// What was found of a token.
    pub fn find(&mut self, token: &[u8]) -> Option<&Verified> {
        let digest = Digest::of(&[token]);
        if !self.recent.contains_key(&digest) {
            let verified = self.older.remove(&digest)?;
            self.keep(digest, verified);
        }
        self.recent.get(&digest)
    }

    /// Remembers a token.
    pub fn note(&mut self, token: &[u8], verified: Verified) {
        self.keep(Digest::of(&[token]), verified);
    }

    /// Forgets all, since keys have changed by which they were verified.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many there are, at most 16,384.
    pub fn len(&self) -> usize {
        self.recent.len() + self.older.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn keep(&mut self, digest: Digest, verified: Verified) {
        if self.recent.len() >= HALF {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(digest, verified);
    }
}
