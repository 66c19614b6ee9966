//! How a server that is an OAuth resource says so (RFC 9728), and how that is told of another address than its own.
//!
//! A client that gets 401 reads `resource_metadata` of `WWW-Authenticate`, or asks the well-known path of the URL that it
//! called; what it finds there must name that very URL as `resource`. A server behind a proxy knows another one.

use serde_json::{Map, Value};

/// What paths of metadata begin with.
pub const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// Where the metadata of the resource at `path` is, on the same host (RFC 9728, section 3.1).
pub fn metadata_path(path: &str) -> String {
    let path = if path == "/" { "" } else { path };
    format!("{PROTECTED_RESOURCE}{path}")
}

/// A `WWW-Authenticate` header with each `resource_metadata` that `elsewhere` has another URL for replaced by that; all else
/// stays as it was sent. `None` when nothing is to be replaced.
pub fn with_metadata_at(
    challenge: &str,
    elsewhere: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let bytes = challenge.as_bytes();
    let (mut out, mut done, mut at) = (String::new(), 0, 0);
    while let Some(byte) = bytes.get(at) {
        if *byte == b'"' {
            at = end_of_quoted(bytes, at);
            continue;
        }
        let begin = at;
        at += run(bytes, at, is_token);
        if at == begin {
            at += 1;
            continue;
        }
        if !challenge[begin..at].eq_ignore_ascii_case("resource_metadata") {
            continue;
        }
        let Some(value) = begin_of_value(bytes, at) else {
            continue;
        };
        at = match bytes.get(value) {
            Some(b'"') => end_of_quoted(bytes, value),
            _ => value + run(bytes, value, |b| !matches!(b, b' ' | b'\t' | b',')),
        };
        if let Some(url) = elsewhere(&unquoted(&challenge[value..at])) {
            out.push_str(&challenge[done..value]);
            out.push_str(&quoted(&url));
            done = at;
        }
    }
    (done > 0).then(|| out + &challenge[done..])
}

/// Metadata with another `resource` if `elsewhere` has one for it. `None` when nothing is to be replaced, also since it is
/// no JSON object.
pub fn with_resource(
    metadata: &[u8],
    elsewhere: impl Fn(&str) -> Option<String>,
) -> Option<Vec<u8>> {
    let mut fields: Map<String, Value> = serde_json::from_slice(metadata).ok()?;
    let moved = elsewhere(fields.get("resource")?.as_str()?)?;
    fields.insert("resource".to_owned(), Value::String(moved));
    serde_json::to_vec(&fields).ok()
}

/// How many bytes from `at` on are such ones.
fn run(bytes: &[u8], at: usize, such: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().take_while(|b| such(**b)).count()
}

/// RFC 9110, section 5.6.2.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Where the value of a parameter begins whose name ends at `at`.
fn begin_of_value(bytes: &[u8], at: usize) -> Option<usize> {
    let blank = |b| matches!(b, b' ' | b'\t');
    let equals = at + run(bytes, at, blank);
    (bytes.get(equals) == Some(&b'=')).then(|| equals + 1 + run(bytes, equals + 1, blank))
}

/// Where a quoted text that begins at `at` is over.
fn end_of_quoted(bytes: &[u8], at: usize) -> usize {
    let mut escaped = false;
    for (place, byte) in bytes.iter().enumerate().skip(at + 1) {
        match byte {
            b'"' if !escaped => return place + 1,
            b'\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    bytes.len()
}

fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let inside = inside.strip_suffix('"').unwrap_or(inside);
    let (mut text, mut escaped) = (String::new(), false);
    for character in inside.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            text.push(character);
            escaped = false;
        }
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn well_known_paths() {
        for (path, wanted) in [
            ("/mcp", "/.well-known/oauth-protected-resource/mcp"),
            ("/a/b/", "/.well-known/oauth-protected-resource/a/b/"),
            ("/", "/.well-known/oauth-protected-resource"),
        ] {
            assert_eq!(metadata_path(path), wanted);
        }
    }

    #[test]
    fn only_the_metadata_of_a_challenge_is_replaced() {
        let moved = |url: &str| (url == "http://in/x").then(|| "http://out/y".to_owned());
        for (challenge, wanted) in [
            (
                r#"Bearer resource_metadata="http://in/x""#,
                Some(r#"Bearer resource_metadata="http://out/y""#),
            ),
            (
                r#"Bearer realm="a, resource_metadata=\"http://in/x\"", Resource_Metadata = "http:\//in/x", scope="b c""#,
                Some(
                    r#"Bearer realm="a, resource_metadata=\"http://in/x\"", Resource_Metadata = "http://out/y", scope="b c""#,
                ),
            ),
            (
                "DPoP algs=\"ES256\", Bearer resource_metadata=http://in/x, error=\"e\"",
                Some("DPoP algs=\"ES256\", Bearer resource_metadata=\"http://out/y\", error=\"e\""),
            ),
            (r#"Bearer resource_metadata="http://other/x""#, None),
            (r#"Bearer x_resource_metadata="http://in/x""#, None),
            (r#"Bearer realm="resource_metadata""#, None),
            ("Bearer resource_metadata", None),
            (
                "Bearer resource_metadata=\"http://in/x",
                Some("Bearer resource_metadata=\"http://out/y\""),
            ),
            ("", None),
        ] {
            let replaced = with_metadata_at(challenge, moved);
            assert_eq!(replaced.as_deref(), wanted, "{challenge}");
        }
    }

    #[test]
    fn only_the_resource_of_metadata_is_replaced() {
        let moved = |url: &str| (url == "http://in/").then(|| "http://out/y".to_owned());
        let replaced = with_resource(
            br#"{"resource":"http://in/","authorization_servers":["http://in/"],"x":[1.0]}"#,
            moved,
        );
        let replaced: Value = serde_json::from_slice(&replaced.unwrap()).unwrap();
        assert_eq!(replaced["resource"], "http://out/y");
        assert_eq!(replaced["authorization_servers"][0], "http://in/");
        for other in [
            r#"{"resource":"http://x/"}"#,
            r#"{"resource":1}"#,
            "{}",
            "[]",
            "<",
        ] {
            assert_eq!(with_resource(other.as_bytes(), moved), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_challenge_is_taken_and_nothing_else_is_lost(challenge in "[ -~\u{e9}]{0,80}") {
            let same = with_metadata_at(&challenge, |_| None);
            prop_assert_eq!(same, None);
            let whole = format!("Bearer scope=\"s\", {challenge}");
            let replaced = with_metadata_at(&whole, |_| Some("u".to_owned()));
            prop_assert!(replaced.is_none_or(|r| r.starts_with("Bearer scope=\"s\", ")));
        }

        #[test]
        fn each_metadata_that_is_quoted_is_read_again(url in "[ -~]{0,40}") {
            let challenge = format!("Bearer resource_metadata={}, a=b", quoted(&url));
            let seen = with_metadata_at(&challenge, |seen| Some(format!("{seen}!")));
            prop_assert_eq!(seen, Some(format!("Bearer resource_metadata={}, a=b", quoted(&format!("{url}!")))));
        }
    }
}
