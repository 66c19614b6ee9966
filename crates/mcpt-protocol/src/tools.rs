//! Tools in messages: which one a request calls, and lists of them without some. For those who decide who may call what.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{Message, Part};

/// What a message from a client wants of tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolRequest {
    /// It calls this one; the empty name when it names none.
    Call(String),
    /// It wants to know which there are.
    List,
    /// Neither.
    Other,
}

/// A text that two readers could understand differently, of which one might call another tool than was judged: it is no
/// object, has a field twice, or one that some readers take for it (`Name`, since they do not heed case).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is a batch, or it cannot be said for certain which tool it is about")]
pub struct Ambiguous;

/// The fields of an object, each with its text.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        input.deserialize_map(All)
    }
}

/// Borrowed where it can be.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, Ambiguous> {
        serde_json::from_str(text).map_err(|_| Ambiguous)
    }

    /// A field that stands there once, and that no reader can take another one for.
    fn one(&self, name: &str) -> Result<Option<&'a RawValue>, Ambiguous> {
        let mut found = None;
        for (field, value) in &self.0 {
            if folded(field) != folded(name) {
                continue;
            }
            if field != name || found.is_some() {
                return Err(Ambiguous);
            }
            found = Some(*value);
        }
        Ok(found)
    }
}

/// Equal for texts that differ in case alone, by whatever rules: `K` is also U+212A, `s` also U+017F.
fn folded(text: &str) -> String {
    text.to_lowercase().to_uppercase()
}

fn text_of(value: &RawValue) -> Result<String, Ambiguous> {
    serde_json::from_str(value.get()).map_err(|_| Ambiguous)
}

impl ToolRequest {
    /// What the body of a POST wants.
    ///
    /// # Errors
    /// [`Ambiguous`].
    pub fn read(body: &[u8]) -> Result<Self, Ambiguous> {
        let fields = Fields::read(str::from_utf8(body).map_err(|_| Ambiguous)?)?;
        let Some(method) = fields.one("method")? else {
            return Ok(Self::Other);
        };
        match text_of(method)?.as_str() {
            "tools/list" => Ok(Self::List),
            "tools/call" => {
                let Some(params) = fields.one("params")? else {
                    return Ok(Self::Call(String::new()));
                };
                let name = Fields::read(params.get())?.one("name")?;
                name.map_or(Ok(String::new()), text_of).map(Self::Call)
            }
            _ => Ok(Self::Other),
        }
    }
}

/// An answer with a list of tools without those that `keep` does not want; `None` when it stays as it is, since it has no such
/// list or all of it is wanted. All else of it stays byte for byte.
///
/// # Errors
/// [`Ambiguous`] when its list cannot be read.
pub fn without_tools(
    answer: &str,
    keep: impl Fn(&str) -> bool,
) -> Result<Option<String>, Ambiguous> {
    let message = Message::parse(answer.as_bytes()).map_err(|_| Ambiguous)?;
    let Some(result) = message.result() else {
        return Ok(None);
    };
    let Ok(fields) = Fields::read(result.get()) else {
        return Ok(None);
    };
    let Some(list) = fields.one("tools")? else {
        return Ok(None);
    };
    let tools: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| Ambiguous)?;
    let named = |tool: &RawValue| {
        let name = Fields::read(tool.get())?.one("name")?;
        name.map_or(Err(Ambiguous), text_of)
    };
    let wanted = tools
        .iter()
        .filter(|tool| named(tool).is_ok_and(|name| keep(&name)));
    let wanted: Vec<&str> = wanted.map(|tool| tool.get()).collect();
    if wanted.len() == tools.len() {
        return Ok(None);
    }
    let mut left = Vec::with_capacity(answer.len());
    let place = Part::within(message.text(), list);
    message.write_line(&[(place, &format!("[{}]", wanted.join(",")))], &mut left);
    String::from_utf8(left).map(Some).map_err(|_| Ambiguous)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(name: &str) -> ToolRequest {
        ToolRequest::Call(name.to_owned())
    }

    #[test]
    fn what_is_called_is_certain_or_refused() {
        for (body, wanted) in [
            (
                r#"{"id":1,"method":"tools/call","params":{"name":"a","arguments":{"name":"b"}}}"#,
                Ok(call("a")),
            ),
            (
                r#"{"method":"tools\/call","params":{"n\u0061me":"\u0061"}}"#,
                Ok(call("a")),
            ),
            (r#"{"method":"tools/call","params":{}}"#, Ok(call(""))),
            (r#"{"method":"tools/call"}"#, Ok(call(""))),
            (r#"{"method":"tools/list"}"#, Ok(ToolRequest::List)),
            (
                r#"{"method":"ping","params":{"name":"a","name":"b"}}"#,
                Ok(ToolRequest::Other),
            ),
            (r#"{"id":1,"result":{}}"#, Ok(ToolRequest::Other)),
            (
                r#"{"method":"tools/call","params":{"name":"a","name":"b"}}"#,
                Err(Ambiguous),
            ),
            (
                r#"{"method":"tools/call","params":{"name":"a","Name":"b"}}"#,
                Err(Ambiguous),
            ),
            (
                r#"{"method":"tools/call","params":{"Name":"b"}}"#,
                Err(Ambiguous),
            ),
            (
                r#"{"method":"tools/call","params":{"name":"a"},"PARAMS":{"name":"b"}}"#,
                Err(Ambiguous),
            ),
            (
                "{\"method\":\"tools/call\",\"param\u{17f}\":{\"name\":\"b\"},\"params\":{\"name\":\"a\"}}",
                Err(Ambiguous),
            ),
            (
                r#"{"method":"ping","method":"tools/call","params":{"name":"a"}}"#,
                Err(Ambiguous),
            ),
            (
                r#"{"method":"ping","Method":"tools/call","params":{"name":"a"}}"#,
                Err(Ambiguous),
            ),
            (
                r#"{"method":"tools/call","params":{"name":["a"]}}"#,
                Err(Ambiguous),
            ),
            (r#"{"method":"tools/call","params":["a"]}"#, Err(Ambiguous)),
            (
                r#"[{"method":"tools/call","params":{"name":"a"}}]"#,
                Err(Ambiguous),
            ),
            (
                r#"{"method":"tools/call","params":{"name":"a"}} {}"#,
                Err(Ambiguous),
            ),
            ("", Err(Ambiguous)),
        ] {
            assert_eq!(ToolRequest::read(body.as_bytes()), wanted, "{body}");
        }
        assert_eq!(ToolRequest::read(b"{\"method\":\"\xff\"}"), Err(Ambiguous));
    }

    #[test]
    fn lists_lose_what_is_not_wanted_and_nothing_else() {
        let keep = |name: &str| name.starts_with("get");
        for (answer, wanted) in [
            (
                r#"{"jsonrpc":"2.0", "id":1.0,"result":{"tools":[{"name":"get","x":1e3}, {"name":"put"},{"name":"get2"}],"nextCursor":"c"}}"#,
                Ok(Some(
                    r#"{"jsonrpc":"2.0", "id":1.0,"result":{"tools":[{"name":"get","x":1e3},{"name":"get2"}],"nextCursor":"c"}}"#,
                )),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get"}]}}"#,
                Ok(None),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#,
                Ok(None),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#,
                Ok(None),
            ),
            (
                r#"{"jsonrpc":"2.0","method":"x","params":{"tools":[{"name":"put"}]}}"#,
                Ok(None),
            ),
            // Which one it is nobody can say.
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get","name":"put"},{},7]}}"#,
                Ok(Some(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#)),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[{"name":"put"}]}}"#,
                Err(Ambiguous),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{"name":"put"}}}"#,
                Err(Ambiguous),
            ),
            ("[]", Err(Ambiguous)),
        ] {
            let left = without_tools(answer, keep);
            assert_eq!(
                left,
                wanted.map(|wanted| wanted.map(str::to_owned)),
                "{answer}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ToolRequest::read(&bytes);
            let _ = without_tools(&String::from_utf8_lossy(&bytes), |_| false);
        }

        #[test]
        fn what_is_judged_is_what_others_read(name in "[a-zA-Z\"\\\\\u{17f}\u{212a}]{0,6}", field in "[Nn][aA]me|x") {
            let body = serde_json::json!({"method": "tools/call", "params": {"name": name, field: "y"}});
            match ToolRequest::read(body.to_string().as_bytes()) {
                Ok(ToolRequest::Call(read)) => prop_assert_eq!(&body["params"]["name"], &read),
                Ok(other) => prop_assert!(false, "{:?}", other),
                Err(Ambiguous) => {}
            }
        }
    }
}
