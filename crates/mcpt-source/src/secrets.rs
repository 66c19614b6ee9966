//! Which values are secrets, by their names and by what they look like.
//!
//! What others wrote into command lines and clients' files is told apart liberally: a value that is taken for a secret and is
//! none costs a line in another file, one that is missed is shown.

use mcpt_core::sounds_secret;

/// Words of names, separated by `_`, that mean a secret beside those of [`sounds_secret`].
const WORDS: [&str; 15] = [
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "cookies",
    "creds",
    "dsn",
    "jwt",
    "key",
    "keys",
    "pat",
    "pass",
    "pin",
    "pw",
    "pwd",
];

/// Starts of the tokens that services give out.
const TOKENS: [&str; 41] = [
    "sk-",
    "sk_",
    "rk_",
    "pk_live",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxe",
    "xoxc-",
    "xoxd-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "eyJ",
    "SG.",
    "hf_",
    "npm_",
    "pypi-",
    "dop_v1_",
    "shpat_",
    "tvly-",
    "ntn_",
    "secret_",
    "lin_api_",
    "figd_",
    "gsk_",
    "xai-",
    "ATATT",
    "ATCTT",
    "fc-",
    "ctx7sk",
    "pplx-",
];

/// Shortest value that is one of [`TOKENS`] with more behind it.
const SHORTEST_TOKEN: usize = 12;
/// Shortest value that looks random.
const SHORTEST_RANDOM: usize = 16;
/// Bits per character from which on a value looks random.
const RANDOM: f64 = 3.0;

/// Whether a name, in any spelling (`apiKey`, `API-KEY`, `--api-key`), is that of a secret.
pub fn by_name(name: &str) -> bool {
    let words = words_of(name);
    // The folder where a command is given.
    if words == ["pwd"] {
        return false;
    }
    if sounds_secret(&words.join("_")) {
        return true;
    }
    // What is public by its name, or says where something is: `PUBLIC_KEY`, `KEY_FILE`, `AUTH_MODE`.
    let open = [
        "public", "path", "file", "dir", "folder", "mode", "type", "url", "uri", "name", "id",
        "host", "port", "enabled", "method", "scheme", "timeout",
    ];
    words.iter().any(|word| WORDS.contains(&word.as_str()))
        && !words
            .last()
            .is_some_and(|last| open.contains(&last.as_str()))
        && !words.iter().any(|word| word == "public")
}

/// The words of a name in small letters: `apiKey-ID` is `api`, `key`, `id`.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small_before = false;
    for c in name.chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && small_before {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        } else {
            words.push(String::new());
        }
        small_before = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a value looks like a secret, whatever it is called.
pub fn by_value(value: &str) -> bool {
    let value = value.trim();
    if value.contains("-----BEGIN") && value.contains("PRIVATE KEY") {
        return true;
    }
    if value.len() >= SHORTEST_TOKEN && TOKENS.iter().any(|start| value.starts_with(start)) {
        return true;
    }
    if has_password(value) {
        return true;
    }
    if value.starts_with(['{', '[']) {
        return in_json(value);
    }
    looks_random(value)
}

/// Whether an address has a password in it: `postgres://me:secret@host/db`.
fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty())
}

/// Whether a JSON document has a member that is a secret by its name or value.
fn in_json(value: &str) -> bool {
    fn any(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Object(members) => members.iter().any(|(name, value)| {
                any(value) || (by_name(name) && value.as_str().is_some_and(|text| !text.is_empty()))
            }),
            serde_json::Value::Array(items) => items.iter().any(any),
            serde_json::Value::String(text) => by_value(text),
            _ => false,
        }
    }
    serde_json::from_str(value).is_ok_and(|value| any(&value))
}

/// Whether a value looks as if it was drawn: letters and digits in one piece, without the shape of a word, a path or a host.
fn looks_random(value: &str) -> bool {
    let drawn = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    if value.len() < SHORTEST_RANDOM
        || !value.chars().all(drawn)
        || value.starts_with(['/', '-'])
        || !value.contains(|c: char| c.is_ascii_digit())
        || !value.contains(|c: char| c.is_ascii_alphabetic())
    {
        return false;
    }
    // Words and numbers with something between them are a name: `claude-3-5-sonnet`, `us-east-1`, `2025-06-18`.
    let pieces = value.split(['-', '_', '/', '+', '=']);
    let mixed = |piece: &str| {
        piece.contains(|c: char| c.is_ascii_digit())
            && piece.contains(|c: char| c.is_ascii_alphabetic())
    };
    let longest_mixed = pieces.filter(|piece| mixed(piece)).map(str::len).max();
    longest_mixed.is_some_and(|length| length >= 6) && entropy(value) >= RANDOM
}

/// Shannon entropy in bits per character.
fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 128];
    let mut all = 0_u32;
    for byte in value.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
            all += 1;
        }
    }
    let of = |count: u32| {
        let share = f64::from(count) / f64::from(all);
        -share * share.log2()
    };
    counts.into_iter().filter(|count| *count > 0).map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for (name, secret) in [
            ("API_KEY", true),
            ("apiKey", true),
            ("OPENAI_KEY", true),
            ("--api-key", true),
            ("GITHUB_PERSONAL_ACCESS_TOKEN", true),
            ("GITLAB_PAT", true),
            ("Authorization", true),
            ("X-Api-Key", true),
            ("DB_PASS", true),
            ("PGPASSWORD", true),
            ("clientSecret", true),
            ("COOKIE", true),
            ("SENTRY_DSN", true),
            ("DB_PWD", true),
            ("PWD", false),
            ("PUBLIC_KEY", false),
            ("KEY_FILE", false),
            ("AUTH_MODE", false),
            ("MONKEY", false),
            ("PATH", false),
            ("COMPASS_URL", false),
            ("KEYBOARD", false),
            ("AUTHOR", false),
            ("LOG_LEVEL", false),
        ] {
            assert_eq!(by_name(name), secret, "{name}");
        }
    }

    #[test]
    fn values_that_are_secrets() {
        for (value, secret) in [
            ("sk-ant-api03-abcdefghijkl", true),
            ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", true),
            ("xoxb-123456789012-abcdefghijkl", true),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x", true),
            ("AKIAIOSFODNN7EXAMPLE", true),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", true),
            ("postgres://me:hunter2@db/x", true),
            ("postgres://me@db/x", false),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", true),
            ("5f4dcc3b5aa765d61d8327deb882cf99", true),
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", true),
            (r#"{"apiKey":"x"}"#, true),
            (r#"{"depth":1}"#, false),
            ("claude-3-5-sonnet-20241022", false),
            ("us-east-1", false),
            ("2025-06-18", false),
            ("/home/me/projects/2024/server1", false),
            ("@modelcontextprotocol/server-everything", false),
            ("https://example.com/mcp", false),
            ("gpt-4o-mini-2024-07-18", false),
            ("hello world", false),
            ("--stdio", false),
            ("streamable-http", false),
        ] {
            assert_eq!(by_value(value), secret, "{value}");
        }
    }
}
