//! [`Arguments`]: what a tool was called with, without what looks like a secret.

use mcpt_core::REDACTED;
use mcpt_protocol::Message;
use mcpt_source::{is_secret_name, is_secret_value};
use serde_json::{Value, value::RawValue};

/// Longest arguments that are recorded, in bytes.
const LONGEST: usize = 16 * 1024;

/// The arguments of one call.
#[derive(Debug)]
pub(crate) enum Arguments {
    /// They, as JSON.
    Told(Box<RawValue>),
    /// They are longer than is recorded: so many bytes.
    LeftOut(usize),
}

impl Arguments {
    /// Those of a message that has some.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        let message = Message::parse(message).ok()?;
        let arguments = message.param("arguments")?;
        let text = arguments.text();
        if text.len() > LONGEST {
            return Some(Self::LeftOut(text.len()));
        }
        let mut value: Value = serde_json::from_str(text).ok()?;
        redact(&mut value);
        let told = serde_json::value::to_raw_value(&value).ok()?;
        Some(Self::Told(told))
    }

    pub(super) fn text(&self) -> Option<&RawValue> {
        match self {
            Self::Told(text) => Some(text),
            Self::LeftOut(_) => None,
        }
    }

    pub(super) fn left_out(&self) -> Option<usize> {
        match self {
            Self::Told(_) => None,
            Self::LeftOut(bytes) => Some(*bytes),
        }
    }
}

/// Takes out what looks like a secret, by its name or by itself, and any word of a text that does.
fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let open = matches!(value, Value::Null | Value::Bool(_));
                if is_secret_name(name) && !open {
                    *value = Value::from(REDACTED);
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::String(text) => {
            if is_secret_value(text) {
                REDACTED.clone_into(text);
            } else if text.split_whitespace().any(is_secret_value) {
                *text = words_without_secrets(text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn words_without_secrets(text: &str) -> String {
    let pieces = text.split_inclusive(char::is_whitespace);
    let told = pieces.map(|piece| {
        let word = piece.trim_end();
        if is_secret_value(word) {
            piece.replacen(word, REDACTED, 1)
        } else {
            piece.to_owned()
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(arguments: &Value) -> Option<String> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "x", "arguments": arguments}});
        let arguments = Arguments::of(message.to_string().as_bytes())?;
        arguments.text().map(|text| text.get().to_owned())
    }

    #[test]
    fn what_looks_like_a_secret_is_not_told() {
        let token = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
        for (arguments, wanted) in [
            (
                json!({"city": "Oslo", "n": 3}),
                json!({"city": "Oslo", "n": 3}),
            ),
            (
                json!({"password": "x", "apiKey": 7, "token": null}),
                json!({"password": REDACTED, "apiKey": REDACTED, "token": null}),
            ),
            (
                json!({"credentials": {"a": "b"}, "list": [{"secret": ["x"]}]}),
                json!({"credentials": REDACTED, "list": [{"secret": REDACTED}]}),
            ),
            (json!({"q": token}), json!({"q": REDACTED})),
            (
                json!({"q": format!("use {token}\nnow")}),
                json!({"q": format!("use {REDACTED}\nnow")}),
            ),
            (
                json!({"url": "postgres://me:pw@host/db"}),
                json!({"url": REDACTED}),
            ),
        ] {
            assert_eq!(told(&arguments), Some(wanted.to_string()));
        }
        let long = json!({"text": "x ".repeat(LONGEST)});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"arguments": long}});
        let left_out = Arguments::of(message.to_string().as_bytes()).unwrap();
        assert_eq!(left_out.left_out(), Some(long.to_string().len()));
        let none = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        assert!(Arguments::of(none).is_none());
    }
}
