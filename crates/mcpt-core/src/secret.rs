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

/// Words in the name of a setting or variable that mean a secret.
const SECRET_WORDS: [&str; 10] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "api_key",
    "apikey",
    "private_key",
    "access_key",
    "credential",
];

/// Whether a name sounds like that of a secret.
pub fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Shortest line of a secret that [`redact`] looks for by itself: shorter ones stand in any text by chance.
const SHORTEST_LINE: usize = 4;

/// Replaces the secrets in a text that a server wrote: whole ones of any length, and each line of a secret of several lines by
/// itself, since programs print those one at a time.
pub fn redact<'a>(text: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for secret in secrets {
        let whole = secret.expose();
        parts.push(whole.trim());
        let lines = whole.lines().map(str::trim);
        parts.extend(lines.filter(|line| line.chars().count() >= SHORTEST_LINE));
    }
    parts.retain(|part| !part.is_empty());
    // A secret may be a part of another one.
    parts.sort_unstable_by_key(|part| std::cmp::Reverse(part.len()));
    parts.dedup();
    parts.into_iter().fold(text.to_owned(), |text, part| {
        if text.contains(part) {
            text.replace(part, REDACTED)
        } else {
            text
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_texts_are_replaced() {
        let secrets = [
            "hunter2",
            "hunter2-longer",
            "abc",
            "",
            "-----KEY-----\nMIIEsecret\nxy\n-----END-----\n",
            "  padded\n",
        ]
        .map(Secret::new);
        for (text, expected) in [
            ("no secret", "no secret"),
            ("key hunter2, hunter2", "key [redacted], [redacted]"),
            ("hunter2-longer", "[redacted]"),
            ("is abc", "is [redacted]"),
            // A short line of a longer secret cannot be told from other text.
            ("xy\nMIIEsecret\ny", "xy\n[redacted]\ny"),
            (
                "<-----KEY-----\nMIIEsecret\nxy\n-----END----->",
                "<[redacted]>",
            ),
            ("padded!", "[redacted]!"),
        ] {
            assert_eq!(redact(text, &secrets), expected, "{text}");
        }
    }

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
