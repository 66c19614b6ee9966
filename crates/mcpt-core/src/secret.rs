//! Values that must never be printed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// What stands where a secret would have been printed.
pub const REDACTED: &str = "[redacted]";

/// A secret text: `Debug` and `Display` print [`REDACTED`], memory is wiped on drop, and it has no `Serialize`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text over.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The text itself, for the one place that must hand it on.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret} {secret:?}"),
            format!("{REDACTED} {REDACTED}")
        );
        assert_eq!(secret.expose(), "hunter2");
    }
}
