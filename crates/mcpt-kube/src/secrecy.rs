//! What no text that is shown may contain: secrets of plans and of charts' values, in the forms in which texts quote them.
//! Pure.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use mcpt_core::{Plan, Secret};
use serde_json::{Map, Value};

/// Where the built-in charts have secrets in their values.
const PLACES: [&[&str]; 2] = [&["secrets"], &["sessionKeys", "keys"]];

/// Shortest secret that is looked for in disguise, and shortest part of one, in characters: shorter ones stand in any text by
/// chance.
const SHORTEST: usize = 8;
/// Longest part of a secret that is looked for beside the whole.
const LONGEST_PART: usize = 128;

/// Those of a plan.
pub(crate) fn of_plan(plan: &Plan) -> Vec<Secret> {
    let settings = plan.package_settings.iter();
    let told = mcpt_package::credentials(settings.map(|(name, text)| (name, text.expose())));
    let secrets = plan.secrets.values().chain(&told);
    secrets.flat_map(|secret| forms(secret.expose())).collect()
}

/// Those in values as the built-in charts have them. Whatever is wrong with the values, no shape of them is taken for granted.
pub(crate) fn of_values(values: &Map<String, Value>) -> Vec<Secret> {
    let mut found = Vec::new();
    for place in PLACES {
        let mut steps = place.iter();
        let first = steps.next().and_then(|step| values.get(*step));
        let value = steps.fold(first, |value, step| value?.get(step));
        if let Some(value) = value {
            collect(value, &mut found);
        }
    }
    // Not all that installers are told is secret, and a host's name may stand in any text.
    let told = values
        .get("package")
        .and_then(|package| package.get("settings"));
    let told = told.and_then(Value::as_object).into_iter().flatten();
    let texts = told.filter_map(|(name, text)| Some((name, text.as_str()?)));
    let told = mcpt_package::credentials(texts);
    found.extend(told.iter().flat_map(|secret| forms(secret.expose())));
    found
}

/// These, and what a chart of somebody else makes of them: in capitals or without any, in base64 (also as a part of what is
/// encoded, and as URLs have it), and the begins and ends of all that.
pub(crate) fn disguised(secrets: Vec<Secret>) -> Vec<Secret> {
    let mut all = Vec::new();
    for secret in &secrets {
        let text = secret.expose().trim();
        if text.chars().count() < SHORTEST {
            continue;
        }
        let mut guises = vec![text.to_owned(), text.to_uppercase(), text.to_lowercase()];
        for before in 0..3 {
            let encoded = in_base64(text, before);
            guises.push(encoded.replace('+', "-").replace('/', "_"));
            guises.push(encoded);
        }
        all.extend(guises.iter().flat_map(|guise| parts(guise)));
        all.extend(guises.into_iter().map(Secret::new));
    }
    all.extend(secrets);
    all
}

/// What stands for a text in the base64 of something longer, in which so many bytes modulo three are before it: without the
/// characters that stand for something else too.
fn in_base64(text: &str, before: usize) -> String {
    let bytes = [vec![0; before], text.as_bytes().to_vec()].concat();
    let whole = bytes.len() / 3 * 4;
    let encoded = STANDARD_NO_PAD.encode(&bytes);
    let begin = [0, 2, 3].get(before).copied().unwrap_or_default();
    encoded.get(begin..whole).unwrap_or_default().to_owned()
}

/// The begins and ends of a text that are long enough. What many addresses begin with is no part of a secret: where one is a
/// URL, its scheme says nothing.
fn parts(text: &str) -> Vec<Secret> {
    let scheme = text
        .find("://")
        .map_or(0, |at| text[..at].chars().count() + 3);
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let count = bounds.len();
    let lengths = SHORTEST..count.min(LONGEST_PART);
    let begins = (lengths.start + scheme..lengths.end).map(|length| &text[..bounds[length]]);
    let ends = lengths.map(|length| &text[bounds[count - length]..]);
    begins.chain(ends).map(Secret::new).collect()
}

fn collect(value: &Value, found: &mut Vec<Secret>) {
    match value {
        Value::String(text) => found.extend(forms(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// As it is, as it stands inside JSON, and as Helm's schema validator puts it between single quotes.
fn forms(text: &str) -> [Secret; 3] {
    let json = Value::from(text).to_string();
    let inside = json.get(1..json.len() - 1).unwrap_or_default();
    let quoted = inside.replace("\\\"", "\"").replace('\'', "\\'");
    [text, inside, &quoted].map(Secret::new)
}

#[cfg(test)]
mod tests {
    use mcpt_core::redact;

    use super::*;

    #[test]
    fn what_a_chart_makes_of_a_secret_is_not_shown() {
        let token = "ghp_Xy7/Zq+12345678~abc";
        let encode = |text: String| STANDARD_NO_PAD.encode(text);
        let secrets = disguised(vec![Secret::new(token), Secret::new("short")]);
        for (text, shown) in [
            (format!("a {token} b"), "a [redacted] b"),
            (format!("a {} b", token.to_uppercase()), "a [redacted] b"),
            (format!("a {} b", token.to_lowercase()), "a [redacted] b"),
            (format!("a {} b", &token[..8]), "a [redacted] b"),
            (format!("a {}... b", &token[..15]), "a [redacted]... b"),
            (
                format!("a {} b", &token[token.len() - 9..]),
                "a [redacted] b",
            ),
            (
                format!("a {} b", &token.to_uppercase()[..10]),
                "a [redacted] b",
            ),
            (
                "a short b, a SHORT b".to_owned(),
                "a [redacted] b, a SHORT b",
            ),
            ("ghp_Xy7".to_owned(), "ghp_Xy7"),
        ] {
            assert_eq!(redact(&text, &secrets), shown, "{text}");
        }
        for before in ["", "u", "us", "use", "user:"] {
            for after in ["", "@", "@h", "@host"] {
                for text in [encode(format!("{before}{token}{after}"))] {
                    for text in [text.replace('+', "-").replace('/', "_"), text] {
                        let shown = redact(&text, &secrets);
                        assert!(shown.contains("[redacted]"), "{shown}");
                        // What is left stands for less than six bytes of it, and for those around it.
                        let left = shown.replace("[redacted]", "").len();
                        assert!(left <= 8 + (before.len() + after.len()) * 2, "{shown}");
                    }
                }
            }
        }
        let cut = &encode(token.to_owned())[..12];
        assert_eq!(redact(cut, &secrets), "[redacted]");
    }

    #[test]
    fn the_scheme_of_a_secret_url_is_no_secret() {
        let secrets = disguised(vec![Secret::new("postgres://user:pass@host/db")]);
        let image = "image: postgres:16, at postgres://else";
        assert_eq!(redact(image, &secrets), image);
        assert_eq!(redact("postgres://user:pas", &secrets), "[redacted]");
    }
}
