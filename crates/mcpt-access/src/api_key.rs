//! [`ApiKey`]: a key that was just drawn, shown once.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcpt_core::Secret;

use crate::{InvalidName, Principal, digest::Digest};

/// What keys of ours begin with, by which scanners of leaked secrets know them.
const PREFIX: &str = "mcpt_";

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// The name of its owner or of a group is none.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The system gave no random bytes.
    #[error("no random bytes from the system")]
    Random(#[source] getrandom::Error),
}

/// A new key, and the line by which a file of keys knows it.
#[derive(Debug)]
pub struct ApiKey {
    key: Secret,
    line: String,
}

impl ApiKey {
    /// Draws a key of 256 random bits: `mcpt_` and 43 characters of base64url.
    ///
    /// # Errors
    /// [`DrawError`].
    pub fn draw(name: &str, groups: &[String]) -> Result<Self, DrawError> {
        Principal::of_key(name, groups)?;
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(DrawError::Random)?;
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let mut line = format!("{name} sha256:{}", Digest::of(&[key.as_bytes()]));
        if !groups.is_empty() {
            line.push(' ');
            line.push_str(&groups.join(","));
        }
        Ok(Self {
            key: Secret::new(key),
            line,
        })
    }

    /// The key itself, for its owner.
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// `NAME sha256:DIGEST [GROUP,…]`, without an end of line: nothing in it must be kept from anybody.
    pub fn line(&self) -> &str {
        &self.line
    }
}
