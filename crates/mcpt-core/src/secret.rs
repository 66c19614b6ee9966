//! Values that must never be printed.

use std::fmt::{self, Write as _};

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

/// Shortest text that [`redact`] looks for within words, in characters. Shorter ones stand in any text by chance: what is left of a
/// message without each of its `1` or `a` says nothing, and hides nothing that could not be guessed.
const SHORTEST_WITHIN: usize = 4;

/// Replaces the secrets in a text that a server wrote: whole ones, and each line of a secret of several lines by itself, since
/// programs print those one at a time, and each as it stands in the JSON of a structured log. One of fewer than four characters is replaced where it stands as a word of its own, not
/// as a part of another one; such a line of a longer secret is left.
pub fn redact<'a>(text: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for secret in secrets {
        let whole = secret.expose();
        let lines = whole.lines().map(str::trim).filter(|line| is_long(line));
        for part in lines.chain([whole.trim()]) {
            parts.extend(in_json(part));
            parts.push(part.to_owned());
        }
    }
    parts.retain(|part| !part.is_empty());
    // A secret may be a part of another one.
    parts.sort_unstable_by_key(|part| std::cmp::Reverse(part.len()));
    parts.dedup();
    parts.iter().fold(text.to_owned(), |text, part| {
        if !text.contains(part) {
            text
        } else if is_long(part) {
            text.replace(part, REDACTED)
        } else {
            replace_words(&text, part)
        }
    })
}

/// How an encoder writes a text within quotes of JSON.
struct Encoder {
    /// What it writes as `\u` with four digits, beside what all of them must.
    escapes: &'static str,
    /// Whether it writes ASCII alone.
    ascii: bool,
    /// Whether these digits are in upper case.
    upper: bool,
    /// Whether it writes `/` as `\/`.
    slash: bool,
}

/// Those of the languages that servers are written in, and of the libraries that they log with.
const ENCODERS: [Encoder; 8] = [
    // Node.js, Rust, and most others.
    encoder("", false, false, false),
    // Go.
    encoder("&<>\u{2028}\u{2029}", false, false, false),
    // Python.
    encoder("", true, false, false),
    // PHP.
    encoder("", true, false, true),
    encoder("", false, false, true),
    // Java: Jackson, Gson.
    encoder("", true, true, false),
    encoder("&<>='\u{2028}\u{2029}", false, false, false),
    // .NET.
    encoder("&<>'\"+`", true, true, false),
];

const fn encoder(escapes: &'static str, ascii: bool, upper: bool, slash: bool) -> Encoder {
    Encoder {
        escapes,
        ascii,
        upper,
        slash,
    }
}

impl Encoder {
    fn write(&self, text: &str) -> String {
        let mut written = String::with_capacity(text.len());
        for c in text.chars() {
            let short = match c {
                '"' => Some("\\\""),
                '\\' => Some("\\\\"),
                '\n' => Some("\\n"),
                '\r' => Some("\\r"),
                '\t' => Some("\\t"),
                '\u{8}' => Some("\\b"),
                '\u{c}' => Some("\\f"),
                '/' if self.slash => Some("\\/"),
                _ => None,
            };
            if self.escapes.contains(c) || short.is_none() && c < ' ' || self.ascii && !c.is_ascii()
            {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = if self.upper {
                        write!(written, "\\u{unit:04X}")
                    } else {
                        write!(written, "\\u{unit:04x}")
                    };
                }
            } else if let Some(short) = short {
                written.push_str(short);
            } else {
                written.push(c);
            }
        }
        written
    }
}

/// A text as JSON has it within quotes, in the forms of all encoders. None of one that is the same there.
fn in_json(text: &str) -> Vec<String> {
    let mut forms: Vec<String> = ENCODERS.iter().map(|one| one.write(text)).collect();
    forms.retain(|form| form != text);
    forms
}

fn is_long(text: &str) -> bool {
    text.chars().count() >= SHORTEST_WITHIN
}

/// A text with another one in the place of this word, wherever neither a letter nor a digit is beside it.
fn replace_words(text: &str, word: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut kept = 0;
    for (at, _) in text.match_indices(word) {
        let end = at + word.len();
        let before = text[..at].chars().next_back();
        let behind = text[end..].chars().next();
        if ![before, behind]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric)
        {
            replaced.push_str(&text[kept..at]);
            replaced.push_str(REDACTED);
            kept = end;
        }
    }
    replaced.push_str(&text[kept..]);
    replaced
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
            (
                "\"abc\": abc, abcd, Xabc",
                "\"[redacted]\": [redacted], abcd, Xabc",
            ),
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

    /// Structured logs have values of variables within JSON.
    #[test]
    fn secrets_in_json_are_replaced() {
        let secrets =
            ["pa\"ss\\word", "schön!", "one\ntwo-lines\n", "p&ss<w0rd'/+"].map(Secret::new);
        let text = |value: &str| serde_json::json!({"msg": value}).to_string();
        for (text, expected) in [
            (text("no pa\"ss\\word"), "{\"msg\":\"no [redacted]\"}"),
            (text("schön!"), "{\"msg\":\"[redacted]\"}"),
            (
                "{\"msg\":\"sch\\u00f6n!\"}".to_owned(),
                "{\"msg\":\"[redacted]\"}",
            ),
            (text("one\ntwo-lines"), "{\"msg\":\"[redacted]\"}"),
            (
                "{\"msg\":\"bad p\\u0026ss\\u003cw0rd'/+\"}".to_owned(),
                "{\"msg\":\"bad [redacted]\"}",
            ),
            (
                "{\"msg\":\"bad p\\u0026ss\\u003Cw0rd\\u0027/\\u002B\"}".to_owned(),
                "{\"msg\":\"bad [redacted]\"}",
            ),
            (
                "{\"msg\":\"bad p&ss<w0rd'\\/+\"}".to_owned(),
                "{\"msg\":\"bad [redacted]\"}",
            ),
            (
                "{\"msg\":\"sch\\u00F6n!\"}".to_owned(),
                "{\"msg\":\"[redacted]\"}",
            ),
        ] {
            assert_eq!(redact(&text, &secrets), expected, "{text}");
        }
    }

    #[test]
    fn a_secret_of_one_character_leaves_a_text_that_can_be_read() {
        let secrets = ["a", "1", "-", "é"].map(Secret::new);
        for (text, expected) in [
            ("a pod has no port 8123", "[redacted] pod has no port 8123"),
            ("exit code 1", "exit code [redacted]"),
            ("aaa-1a é", "aaa-1a [redacted]"),
            ("", ""),
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
