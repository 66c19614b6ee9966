//! JSON from elsewhere as YAML: order and numbers as they were sent, texts as Helm and kubectl print them.

use std::fmt::{self, Write as _};

use mcpt_core::Failure;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

use super::unprintable;

/// One YAML document that says what a JSON text says.
///
/// # Errors
/// When the text is not JSON.
pub(super) fn document(json: &str) -> Result<String, Failure> {
    let raw: &RawValue = serde_json::from_str(json).map_err(|error| unprintable(&error))?;
    let (Lines::After(lines) | Lines::Below(lines) | Lines::List(lines)) = lines_of(raw)?;
    Ok(lines.join("\n") + "\n")
}

/// The lines of a value, by where they stand when it has a key.
enum Lines {
    /// The first one after the key.
    After(Vec<String>),
    /// All below the key, indented.
    Below(Vec<String>),
    /// All below the key, at its own indentation.
    List(Vec<String>),
}

fn lines_of(raw: &RawValue) -> Result<Lines, Failure> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'_> = read(text)?;
            let mut lines = Vec::new();
            for (key, value) in members.0 {
                let key = key_text(&key)?;
                match lines_of(value)? {
                    Lines::After(value) => {
                        let mut value = value.into_iter();
                        lines.push(format!("{key}: {}", value.next().unwrap_or_default()));
                        lines.extend(value);
                    }
                    Lines::Below(value) => {
                        lines.push(format!("{key}:"));
                        lines.extend(value.into_iter().map(indented));
                    }
                    Lines::List(value) => {
                        lines.push(format!("{key}:"));
                        lines.extend(value);
                    }
                }
            }
            if lines.is_empty() {
                Lines::After(vec!["{}".to_owned()])
            } else {
                Lines::Below(lines)
            }
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = read(text)?;
            let mut lines = Vec::new();
            for item in items {
                let (Lines::After(item) | Lines::Below(item) | Lines::List(item)) = lines_of(item)?;
                let mut item = item.into_iter();
                lines.push(format!("- {}", item.next().unwrap_or_default()));
                lines.extend(item.map(indented));
            }
            if lines.is_empty() {
                Lines::After(vec!["[]".to_owned()])
            } else {
                Lines::List(lines)
            }
        }
        Some(b'"') => Lines::After(text_lines(&read::<String>(text)?)?),
        // Numbers, true, false and null are the same in YAML.
        _ => Lines::After(vec![text.to_owned()]),
    })
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| unprintable(&error))
}

fn indented(line: String) -> String {
    if line.is_empty() {
        line
    } else {
        format!("  {line}")
    }
}

fn text_lines(text: &str) -> Result<Vec<String>, Failure> {
    let yaml = goyaml::to_string(&Value::from(text)).map_err(|error| unprintable(&error))?;
    let yaml = yaml.strip_suffix('\n').unwrap_or(&yaml);
    let lines: Vec<String> = yaml.split('\n').map(str::to_owned).collect();
    let says_its_indentation = lines.first().is_some_and(|first| {
        first.starts_with(['|', '>']) && first.contains(|c: char| c.is_ascii_digit())
    });
    // It would have to say another one further in.
    if lines.len() > 1 && says_its_indentation {
        return Ok(vec![quoted(text)?]);
    }
    Ok(lines)
}

fn key_text(key: &str) -> Result<String, Failure> {
    let mut lines = text_lines(key)?;
    match lines.pop() {
        Some(line) if lines.is_empty() => Ok(line),
        _ => quoted(key),
    }
}

/// A text in double quotes, on one line. YAML knows JSON's escapes, but wants more characters escaped.
fn quoted(text: &str) -> Result<String, Failure> {
    let json = serde_json::to_string(text).map_err(|error| unprintable(&error))?;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                write!(out, "\\u{:04x}", u32::from(c)).map_err(|error| unprintable(&error))?;
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// The members of an object in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(InOrder).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn order_and_numbers_stay() {
        let json = r#"{"z":123456789012345678901234567890,"a":[1.0,[],{"k":null,"j":["x"]},[2]],"t":"one\ntwo\n","yes":{}}"#;
        assert_eq!(
            document(json).unwrap(),
            "z: 123456789012345678901234567890\n\
             a:\n- 1.0\n- []\n- k: null\n  j:\n  - x\n- - 2\n\
             t: |\n  one\n  two\n\
             \"yes\": {}\n"
        );
        assert_eq!(document("\"a: b\"").unwrap(), "'a: b'\n");
        assert_eq!(document(r#"[" a\nb"]"#).unwrap(), "- \" a\\nb\"\n");
        assert!(document("{").is_err());
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), "[a-z:#' \n-]{0,100}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z\n: ]{0,5}", inner), 0..4)
                    .prop_map(|members| json!(members.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(value in value()) {
            let yaml = document(&value.to_string()).unwrap();
            prop_assert_eq!(goyaml::from_str_exact(&yaml).unwrap(), value, "{}", yaml);
        }
    }
}
