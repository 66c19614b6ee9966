//! [`Principal`]: somebody who was recognised.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::digest::Digest;

/// Longest name of a principal or a group, in characters.
const LONGEST: usize = 128;

/// A name that a file of keys cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to 128 letters, digits and any of . _ @ + : / -, and begins with a letter or digit"
)]
pub struct InvalidName;

/// Whether a text can be the name of a principal or a group: `A-Z a-z 0-9 . _ @ + : / -`, at most 128 characters, the first
/// one a letter or digit.
pub fn is_name(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"._@+:/-".contains(&b);
    text.len() <= LONGEST
        && text.bytes().all(inside)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// Somebody who was recognised, by whatever means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    issuer: Option<String>,
    groups: BTreeSet<String>,
    scopes: BTreeSet<String>,
    id: [u8; 32],
}

impl Principal {
    /// The owner of API keys. All keys of one name are of one principal, so that a session outlives the key that began it.
    ///
    /// # Errors
    /// [`InvalidName`] when the name or that of a group is none.
    pub fn of_key(
        name: &str,
        groups: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, InvalidName> {
        let groups: BTreeSet<String> = groups.into_iter().map(Into::into).collect();
        if !is_name(name) || !groups.iter().all(|group| is_name(group)) {
            return Err(InvalidName);
        }
        Ok(Self {
            name: name.to_owned(),
            issuer: None,
            groups,
            scopes: BTreeSet::new(),
            id: Digest::of(&[b"mcpt principal: key\0", name.as_bytes()]).bytes(),
        })
    }

    /// The subject of tokens of an issuer (`iss` and `sub`), with what the token says that it may.
    pub fn of_token(
        issuer: &str,
        subject: &str,
        groups: impl IntoIterator<Item = String>,
        scopes: impl IntoIterator<Item = String>,
    ) -> Self {
        // Neither is told where it ends, so the length of the first one is.
        let length = (issuer.len() as u64).to_be_bytes();
        let parts: [&[u8]; 4] = [
            b"mcpt principal: token\0",
            &length,
            issuer.as_bytes(),
            subject.as_bytes(),
        ];
        Self {
            name: subject.to_owned(),
            issuer: Some(issuer.to_owned()),
            groups: groups.into_iter().collect(),
            scopes: scopes.into_iter().collect(),
            id: Digest::of(&parts).bytes(),
        }
    }

    /// What people call it; in no way unique among those who are recognised by other means.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose token said so; `None` for the owner of an API key.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The scopes of its token.
    pub fn scopes(&self) -> &BTreeSet<String> {
        &self.scopes
    }

    /// The groups that it is in.
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// What tells it from all others: SHA-256 of how it was recognised and as whom.
    pub fn id(&self) -> [u8; 32] {
        self.id
    }

    /// What tells it from all others at one place, and from nobody at another: 32 hexadecimal digits of a SHA-256. It does not
    /// say who it is.
    pub fn id_at(&self, place: &str) -> String {
        let parts: [&[u8]; 3] = [b"mcpt principal: at\0", &self.id, place.as_bytes()];
        let digest = Digest::of(&parts).bytes();
        let half = digest.iter().take(16);
        half.fold(String::new(), |mut text, byte| {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_at_a_place_tells_nothing_at_another() {
        let of = |name: &str| Principal::of_key(name, [""; 0]).unwrap();
        let id = of("ann").id_at("ns/demo");
        assert_eq!(id.len(), 32);
        assert_eq!(id, of("ann").id_at("ns/demo"));
        assert_ne!(id, of("ann").id_at("ns/other"));
        assert_ne!(id, of("bob").id_at("ns/demo"));
    }

    #[test]
    fn names() {
        for (text, good) in [
            ("alice", true),
            ("a.b-c_d@example.com", true),
            ("team/dev:1+2", true),
            ("", false),
            ("-a", false),
            ("*", false),
            ("a b", false),
            ("a,b", false),
            ("\u{e9}", false),
            (&"a".repeat(128), true),
            (&"a".repeat(129), false),
        ] {
            assert_eq!(is_name(text), good, "{text}");
        }
    }

    #[test]
    fn the_name_makes_the_principal() {
        let of = |name, groups: &[&str]| Principal::of_key(name, groups.iter().copied()).unwrap();
        assert_eq!(of("a", &[]).id(), of("a", &["g"]).id());
        assert_ne!(of("a", &[]).id(), of("b", &[]).id());
        assert_eq!(Principal::of_key("a", ["g h"]), Err(InvalidName));
        let token = |issuer, subject| Principal::of_token(issuer, subject, [], []).id();
        assert_ne!(token("a", "a"), of("a", &[]).id());
        assert_ne!(token("a", "bc"), token("ab", "c"));
    }
}
