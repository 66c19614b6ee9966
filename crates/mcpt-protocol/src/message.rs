//! [`Message`]: one JSON-RPC message, parsed as far as routing needs it and rewritten in place.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer as _,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{MessageId, Part, RpcError, translate::Object};

/// Why a text is not one JSON-RPC message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMessage {
    /// It is not JSON, or not UTF-8.
    #[error("not valid JSON: {0}")]
    NotJson(String),
    /// It is a batch: an array of messages.
    #[error("a batch, where one message is expected")]
    Batch,
    /// It is JSON, but no message of JSON-RPC 2.0.
    #[error("not a JSON-RPC 2.0 message: {0}")]
    NotJsonRpc(&'static str),
}

/// What sort of message it is.
#[derive(Debug, Clone)]
pub enum Kind<'a> {
    /// Asks for a response.
    Request {
        /// Its id: a string or a number, in any form.
        id: Part<'a>,
        /// Its method.
        method: Cow<'a, str>,
    },
    /// Asks for nothing.
    Notification {
        /// Its method.
        method: Cow<'a, str>,
    },
    /// Answers a request, with a result or an error.
    Response {
        /// Id of the request; `None` when an error names none, by `null` or by silence.
        id: Option<Part<'a>>,
        /// Whether it is an error.
        is_error: bool,
    },
}

/// One message: its text, and what of it matters for routing.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    text: &'a str,
    kind: Kind<'a>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Tells `null` from an absent field, which an `Option` alone does not.
fn present<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(input).map(Some)
}

impl<'a> Message<'a> {
    /// Parses the envelope of one message.
    ///
    /// # Errors
    /// [`MalformedMessage`] when it is not exactly one message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MalformedMessage> {
        let text = str::from_utf8(bytes).map_err(|e| MalformedMessage::NotJson(e.to_string()))?;
        match text.trim_start().as_bytes().first() {
            Some(b'[') => return Err(MalformedMessage::Batch),
            Some(b'{') => {}
            _ => {
                return Err(match serde_json::from_str::<&RawValue>(text) {
                    Ok(_) => MalformedMessage::NotJsonRpc("not an object"),
                    Err(e) => MalformedMessage::NotJson(e.to_string()),
                });
            }
        }
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|e| {
            if e.is_data() {
                MalformedMessage::NotJsonRpc(
                    "a field of the envelope is duplicate or of a wrong type",
                )
            } else {
                MalformedMessage::NotJson(e.to_string())
            }
        })?;
        if envelope.jsonrpc.as_deref() != Some("2.0") {
            return Err(MalformedMessage::NotJsonRpc("jsonrpc is not \"2.0\""));
        }
        let id = envelope.id.map(|raw| Part::within(text, raw));
        let answers = envelope.result.is_some() || envelope.error.is_some();
        let kind = match (envelope.method, id) {
            (Some(_), _) if answers => {
                return Err(MalformedMessage::NotJsonRpc(
                    "both a request and a response",
                ));
            }
            (Some(method), None) => Kind::Notification { method },
            (Some(method), Some(id)) if is_request_id(id) => Kind::Request { id, method },
            (Some(_), Some(_)) => {
                return Err(MalformedMessage::NotJsonRpc(
                    "the id is neither string nor number",
                ));
            }
            (None, id) if answers => {
                if envelope.result.is_some() && envelope.error.is_some() {
                    return Err(MalformedMessage::NotJsonRpc("both a result and an error"));
                }
                let is_error = envelope.error.is_some();
                match id.filter(|id| !is_null(*id)) {
                    Some(id) if is_request_id(id) => Kind::Response {
                        id: Some(id),
                        is_error,
                    },
                    None if is_error => Kind::Response { id: None, is_error },
                    _ => {
                        return Err(MalformedMessage::NotJsonRpc(
                            "neither a method nor an answer to an id",
                        ));
                    }
                }
            }
            (None, _) => {
                return Err(MalformedMessage::NotJsonRpc(
                    "neither a method nor an answer to an id",
                ));
            }
        };
        Ok(Self {
            text,
            kind,
            params: envelope.params,
            result: envelope.result,
            error: envelope.error,
        })
    }

    /// What sort of message it is.
    pub fn kind(&self) -> &Kind<'a> {
        &self.kind
    }

    /// Its method, unless it is a response.
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => Some(method),
            Kind::Response { .. } => None,
        }
    }

    /// What routing may need of its parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
            .and_then(|params| Params::parse(self.text, params))
            .unwrap_or_default()
    }

    /// One of its parameters; the last one of several of that name.
    pub fn param(&self, name: &str) -> Option<Part<'a>> {
        let params = self.params?.get();
        let mut all: BTreeMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(params).ok()?;
        Some(Part::within(self.text, all.remove(name)?))
    }

    /// All of its parameters, if they are an object.
    pub fn params_object(&self) -> Option<Object<'a>> {
        Object::read(self.params?.get())
    }

    /// Its error, if it is one and an object.
    pub(crate) fn error_object(&self) -> Option<Object<'a>> {
        Object::read(self.error?.get())
    }

    /// Its result, as sent.
    pub fn result(&self) -> Option<&'a RawValue> {
        self.result
    }

    /// `_meta["io.modelcontextprotocol/subscriptionId"]` of its result: which listening has ended.
    pub fn result_subscription(&self) -> Option<Part<'a>> {
        #[derive(Deserialize)]
        struct Ended<'a> {
            #[serde(borrow, rename = "_meta")]
            meta: Option<&'a RawValue>,
        }
        let ended: Ended<'a> = serde_json::from_str(self.result?.get()).ok()?;
        let meta: RawMeta<'a> = serde_json::from_str(ended.meta?.get()).ok()?;
        let part = Part::within(self.text, meta.subscription?);
        is_request_id(part).then_some(part)
    }

    /// Its error, if it is one.
    pub fn error(&self) -> Option<RpcError> {
        self.error.map(RpcError::read)
    }

    /// Whether it is the answer to the request `id`, as the one who sent that sees it.
    pub fn answers(&self, id: &MessageId) -> bool {
        match &self.kind {
            Kind::Response { id: Some(part), .. } => MessageId::of(*part).as_ref() == Some(id),
            _ => false,
        }
    }

    /// Its whole text, as sent.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Appends the message to `out` with some values replaced by other JSON texts, and all else byte for byte as sent,
    /// except that line ends between values become blanks: the result is always one line.
    ///
    /// The parts must be of this message; the replacements must be JSON themselves.
    pub fn write_line(&self, replacements: &[(Part<'_>, &str)], out: &mut Vec<u8>) {
        let mut sorted: Vec<_> = replacements
            .iter()
            .map(|(part, with)| (part.range(), *with))
            .collect();
        sorted.sort_by_key(|(range, _)| range.start);
        let begin = out.len();
        out.reserve(self.text.len() + 32);
        let mut done = 0;
        for (range, with) in sorted {
            out.extend_from_slice(
                self.text
                    .get(done..range.start)
                    .unwrap_or_default()
                    .as_bytes(),
            );
            out.extend_from_slice(with.as_bytes());
            done = range.end;
        }
        out.extend_from_slice(self.text.get(done..).unwrap_or_default().as_bytes());
        // JSON strings cannot hold raw line ends, so each one stands between values.
        for byte in out.iter_mut().skip(begin) {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
}

fn is_request_id(id: Part<'_>) -> bool {
    matches!(
        id.text().as_bytes().first(),
        Some(b'"' | b'-' | b'0'..=b'9')
    )
}

fn is_null(id: Part<'_>) -> bool {
    id.text() == "null"
}

/// The few parameters that routing looks at. A parameter of an unexpected type counts as absent.
#[derive(Debug, Clone, Default)]
pub struct Params<'a> {
    /// `_meta.progressToken` of a request: how the caller names its progress.
    pub meta_progress_token: Option<Part<'a>>,
    /// `_meta["io.modelcontextprotocol/protocolVersion"]` of a request: the sign of the stateless era.
    pub meta_protocol_version: Option<Cow<'a, str>>,
    /// `_meta["io.modelcontextprotocol/subscriptionId"]` of a notification: which listening it is for.
    pub meta_subscription: Option<Part<'a>>,
    /// `_meta["io.modelcontextprotocol/logLevel"]` of a request: it wants log messages.
    pub meta_log_level: Option<Part<'a>>,
    /// `progressToken` of `notifications/progress`.
    pub progress_token: Option<Part<'a>>,
    /// `requestId` of `notifications/cancelled`.
    pub request_id: Option<Part<'a>>,
    /// `protocolVersion` of `initialize`.
    pub protocol_version: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawParams<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestId")]
    request_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "protocolVersion")]
    protocol_version: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawMeta<'a> {
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/subscriptionId")]
    subscription: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<&'a RawValue>,
}

impl<'a> Params<'a> {
    /// `None` when the parameters are not an object, or name one of the fields twice.
    fn parse(source: &'a str, params: &'a RawValue) -> Option<Self> {
        let raw: RawParams<'a> = serde_json::from_str(params.get()).ok()?;
        let meta: Option<RawMeta<'a>> = raw.meta.and_then(|m| serde_json::from_str(m.get()).ok());
        let token =
            |raw: &'a RawValue| Some(Part::within(source, raw)).filter(|t| is_request_id(*t));
        let text = |raw: &'a RawValue| {
            serde_json::from_str::<Text<'a>>(raw.get())
                .ok()
                .map(|t| t.0)
        };
        Some(Self {
            meta_progress_token: meta.as_ref().and_then(|m| m.progress_token).and_then(token),
            meta_protocol_version: meta
                .as_ref()
                .and_then(|m| m.protocol_version)
                .and_then(text),
            meta_subscription: meta.as_ref().and_then(|m| m.subscription).and_then(token),
            meta_log_level: meta
                .as_ref()
                .and_then(|m| m.log_level)
                .map(|raw| Part::within(source, raw)),
            progress_token: raw.progress_token.and_then(token),
            request_id: raw.request_id.and_then(token),
            protocol_version: raw.protocol_version.and_then(text),
        })
    }
}

/// A string, borrowed when it has no escapes.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The messages of a batch of at most `max`, each as its text.
///
/// # Errors
/// [`MalformedMessage`] when the text is not a JSON array, or one of none or of more messages: no more than `max` are looked
/// at, since two bytes make a message.
pub fn split_batch(bytes: &[u8], max: usize) -> Result<Vec<&[u8]>, MalformedMessage> {
    struct Texts<'a> {
        texts: Vec<&'a [u8]>,
        max: usize,
    }
    impl<'de> Visitor<'de> for Texts<'de> {
        type Value = Vec<&'de [u8]>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "an array of at most {} messages", self.max)
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut all: A) -> Result<Self::Value, A::Error> {
            while let Some(text) = all.next_element::<&'de RawValue>()? {
                if self.texts.len() == self.max {
                    return Err(A::Error::invalid_length(self.max + 1, &self));
                }
                self.texts.push(text.get().as_bytes());
            }
            Ok(self.texts)
        }
    }
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let texts = Vec::new();
    let texts = input.deserialize_seq(Texts { texts, max });
    match texts.and_then(|texts| input.end().map(|()| texts)) {
        Ok(texts) if texts.is_empty() => {
            Err(MalformedMessage::NotJsonRpc("a batch without messages"))
        }
        Ok(texts) => Ok(texts),
        Err(e) if e.is_data() => Err(MalformedMessage::NotJsonRpc(
            "no batch, or one of too many messages",
        )),
        Err(e) => Err(MalformedMessage::NotJson(e.to_string())),
    }
}

#[cfg(test)]
mod tests;
