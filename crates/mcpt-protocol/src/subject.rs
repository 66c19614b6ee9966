//! [`Subject`]: what a message is about, for those who count and log messages: its method and the tool that it calls.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderMap, HeaderName};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{header, methods::McpMethod};

/// What stands for each method and tool that has no name of its own here, as OpenTelemetry has it for methods of HTTP.
pub const OTHER: &str = "_OTHER";
/// Longest name of a tool, as MCP has it.
const LONGEST_TOOL: usize = 128;

const TOOLS_CALL: &str = "tools/call";

/// What a message is about, as far as that is known. Whoever counts by it need not fear for memory by methods: those that
/// nobody knows are one. Names of tools are the sender's, of visible ASCII and at most 128 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    method: Option<&'static str>,
    tool: Option<Arc<str>>,
}

impl Subject {
    /// Reads it off a body, in one pass unless that calls a tool; `None` when it is not one JSON text. An answer and a batch
    /// are about nothing that is known here.
    pub fn read(body: &[u8]) -> Option<Self> {
        let Ok(message) = serde_json::from_slice::<Outer<'_>>(body) else {
            // Whatever else it may be, one JSON text or not.
            let json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
            return json.then(Self::default);
        };
        let method = message.method.and_then(text).map(|method| known(&method));
        let called = message.params.filter(|_| method == Some(TOOLS_CALL));
        let called = called.and_then(|params| serde_json::from_str::<Inner<'_>>(params.get()).ok());
        let name = called.and_then(|params| text(params.name?));
        Some(Self {
            method,
            tool: name.map(|name| tool(&name)),
        })
    }

    /// What the headers of a request say of it (2026-07-28), which its server compares with the body.
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let value = |name: &HeaderName| {
            let value = header::single(headers, name).ok().flatten()?;
            value.to_str().ok()
        };
        let method = value(&header::METHOD).map(known);
        Self {
            method,
            tool: value(&header::NAME)
                .filter(|_| method == Some(TOOLS_CALL))
                .map(tool),
        }
    }

    /// A call of a tool.
    pub fn call(name: &str) -> Self {
        Self {
            method: Some(TOOLS_CALL),
            tool: Some(tool(name)),
        }
    }

    /// Its method, if it is known what it is; [`OTHER`] for one that nobody knows.
    pub fn method(&self) -> Option<&'static str> {
        self.method
    }

    /// The tool that it calls; [`OTHER`] for what is no tool's name.
    pub fn tool(&self) -> Option<&Arc<str>> {
        self.tool.as_ref()
    }

    /// This one, or the other one where nothing is known of this.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.method.is_some() { self } else { other }
    }
}

fn known(method: &str) -> &'static str {
    McpMethod::find(method).map_or(OTHER, |method| method.name)
}

fn tool(name: &str) -> Arc<str> {
    let fit =
        (1..=LONGEST_TOOL).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    Arc::from(if fit { name } else { OTHER })
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
}

/// A string; `None` for a value of another type.
fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(value.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn bodies() {
        let long = "x".repeat(LONGEST_TOOL + 1);
        let named = |name: &str| format!(r#"{{"method":"tools/call","params":{{"name":{name}}}}}"#);
        for (body, method, tool) in [
            (
                named(r#""echo""#).as_str(),
                Some("tools/call"),
                Some("echo"),
            ),
            (&named(r#""\u0065cho""#), Some("tools/call"), Some("echo")),
            (&named(r#""two words""#), Some("tools/call"), Some(OTHER)),
            (
                &named(&format!("{long:?}")),
                Some("tools/call"),
                Some(OTHER),
            ),
            (&named("7"), Some("tools/call"), None),
            (
                r#"{"params":{"name":"p"},"method":"prompts/get"}"#,
                Some("prompts/get"),
                None,
            ),
            (
                r#"{"method":"tools\/call","params":[]}"#,
                Some("tools/call"),
                None,
            ),
            (r#"{"method":"some/body"}"#, Some(OTHER), None),
            (r#"{"method":7}"#, None, None),
            (r#"{"result":{}}"#, None, None),
            ("[]", None, None),
            (" 7 ", None, None),
        ] {
            let subject = Subject::read(body.as_bytes());
            let subject = subject.unwrap_or_else(|| unreachable!("{body} is JSON"));
            assert_eq!(subject.method(), method, "{body}");
            assert_eq!(subject.tool().map(AsRef::as_ref), tool, "{body}");
        }
        for body in ["", "{} {}", "{\"method\":", "no"] {
            assert_eq!(Subject::read(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn headers() {
        let mut headers = HeaderMap::new();
        assert_eq!(Subject::of_headers(&headers), Subject::default());
        headers.insert(header::METHOD, HeaderValue::from_static("tools/call"));
        headers.insert(header::NAME, HeaderValue::from_static("echo"));
        assert_eq!(Subject::of_headers(&headers), Subject::call("echo"));
        headers.append(header::METHOD, HeaderValue::from_static("ping"));
        assert_eq!(Subject::of_headers(&headers), Subject::default());
    }
}
