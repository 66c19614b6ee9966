//! JSON laid out for people, with all that it says left exactly as it was written.

/// A JSON text with each member on a line of its own, indented by two blanks per level. Order, numbers
/// and texts stay as they are, byte for byte; only blanks between them change. What is not JSON comes
/// back in some form, never as an error.
pub fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut rest = json.trim_start();
    while let Some(first) = rest.chars().next() {
        let token = rest.get(..token_length(rest, first)).unwrap_or(rest);
        rest = rest.get(token.len()..).unwrap_or_default().trim_start();
        match first {
            '{' | '[' => {
                out.push(first);
                if rest.starts_with(['}', ']']) {
                    continue;
                }
                depth += 1;
                new_line(&mut out, depth);
            }
            '}' | ']' => {
                if !out.ends_with(['{', '[']) {
                    depth = depth.saturating_sub(1);
                    new_line(&mut out, depth);
                }
                out.push(first);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push_str(token),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// Length in bytes of the token that `text` begins with, by its first character.
fn token_length(text: &str, first: char) -> usize {
    match first {
        '"' => {
            let mut escaped = false;
            for (at, c) in text.char_indices().skip(1) {
                match c {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '"' => return at + 1,
                    _ => {}
                }
            }
            text.len()
        }
        '{' | '}' | '[' | ']' | ',' | ':' => 1,
        _ => text
            .find(|c: char| c.is_whitespace() || "{}[],:\"".contains(c))
            .unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn nothing_changes_but_blanks() {
        for (json, expected) in [
            (
                r#"{"z":12345678901234567890123,"a" :[1.0,1e5, {}, [ ]],"z":"\u0041: {,"}"#,
                "{\n  \"z\": 12345678901234567890123,\n  \"a\": [\n    1.0,\n    1e5,\n    {},\n    []\n  ],\n  \"z\": \"\\u0041: {,\"\n}",
            ),
            (" null ", "null"),
            (r#""a\"b\\""#, r#""a\"b\\""#),
            ("", ""),
        ] {
            assert_eq!(indented(json), expected, "{json}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|fields| json!(
                    fields.into_iter().collect::<serde_json::Map<_, _>>()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn laid_out_as_serde_does(value in value()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(&indented(&value.to_string()), &pretty);
            prop_assert_eq!(&indented(&pretty), &pretty);
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = indented(&text);
        }
    }
}
