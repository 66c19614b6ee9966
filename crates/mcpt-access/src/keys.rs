//! [`Keys`]: the API keys of a gateway, by their digests.
//!
//! A file of them has one key a line, `NAME sha256:DIGEST [GROUP,GROUP…]`; empty lines and those that begin with `#` say
//! nothing. The digest is plain SHA-256, in hexadecimal digits: a key of 256 random bits is not found by trying, however fast
//! that goes, and a slow hash would cost each call what it costs an attacker. Passwords have no place in it.

use std::{collections::HashMap, sync::Arc};

use crate::{Principal, digest::Digest};

/// Shortest key that is looked up, in bytes. What is shorter can be guessed, and so is no key even if a file has its digest.
const SHORTEST: usize = 20;

/// Why a line is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It has too few or too many words.
    #[error("NAME sha256:DIGEST [GROUP,GROUP...] is wanted")]
    Form,
    /// The name of the owner or of a group is none.
    #[error("a name in it has characters that names do not have")]
    Name,
    /// What stands where the digest belongs is none. It may be the key itself, so it is not shown.
    #[error("the second word is not sha256: and 64 hexadecimal digits")]
    Digest,
    /// Two lines have the same digest.
    #[error("it is the key of another line")]
    Twice,
}

/// Why a text is no file of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct InvalidKeys {
    /// Number of the first line that is none, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub fault: KeyFault,
}

/// Tells a key from others: its digest.
#[derive(Debug, Clone)]
pub struct KeyId(Digest);

/// API keys: whose each one is.
#[derive(Default)]
pub struct Keys {
    owners: HashMap<Digest, Arc<Principal>>,
}

/// Digests are no secret, but nobody needs them.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<_> = self.owners.values().map(|owner| owner.name()).collect();
        names.sort_unstable();
        f.debug_tuple("Keys").field(&names).finish()
    }
}

impl Keys {
    /// Reads a file of keys. One without any is a lock that nobody opens.
    ///
    /// # Errors
    /// [`InvalidKeys`] at the first line that is none. No part of a line is in it.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let mut keys = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |fault| InvalidKeys {
                line: index + 1,
                fault,
            };
            let (digest, owner) = read(line).map_err(at)?;
            if keys.owners.insert(digest, Arc::new(owner)).is_some() {
                return Err(at(KeyFault::Twice));
            }
        }
        Ok(keys)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// What a key is recognised by later on, without being kept.
    pub fn id_of(key: &[u8]) -> KeyId {
        KeyId(Digest::of(&[key]))
    }

    /// Whose the key with this id is, if it still is one.
    pub fn owner_by(&self, id: &KeyId) -> Option<&Arc<Principal>> {
        self.owners.get(&id.0)
    }

    /// Whose key it is; `None` when it is none. The time that it takes says nothing about keys that are: it is their digests
    /// that are compared, and each as a whole.
    pub fn owner_of(&self, key: &[u8]) -> Option<&Arc<Principal>> {
        if key.len() < SHORTEST {
            return None;
        }
        self.owners.get(&Digest::of(&[key]))
    }
}

fn read(line: &str) -> Result<(Digest, Principal), KeyFault> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(digest), groups, None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(KeyFault::Form);
    };
    let digest = digest.strip_prefix("sha256:").and_then(Digest::from_hex);
    let digest = digest.ok_or(KeyFault::Digest)?;
    let groups = groups.into_iter().flat_map(|groups| groups.split(','));
    let owner = Principal::of_key(name, groups).map_err(|_| KeyFault::Name)?;
    Ok((digest, owner))
}
