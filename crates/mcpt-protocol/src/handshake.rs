//! The first exchange with a server: `server/discover`, or `initialize` where a server does not know
//! that, and reading their answers as strictly as clients do.

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{Era, ErrorCode, MODERN_VERSION, Message, NEWEST_LEGACY, era_of_version};

/// Method that asks a server of the stateless era what it is.
pub const DISCOVER: &str = "server/discover";
/// Method that begins a session.
pub const INITIALIZE: &str = "initialize";

/// The text of a request.
pub fn request(id: u64, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

/// The text of `server/discover` from a client of this name and version without any capabilities.
pub fn discover_request(id: u64, name: &str, version: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": name, "version": version},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(id, DISCOVER, &json!({"_meta": meta}))
}

/// The text of `initialize` from a client of this name and version without any capabilities. It offers
/// the newest version with sessions.
pub fn initialize_request(id: u64, name: &str, version: &str) -> String {
    let params = json!({
        "protocolVersion": NEWEST_LEGACY,
        "capabilities": {},
        "clientInfo": {"name": name, "version": version},
    });
    request(id, INITIALIZE, &params)
}

/// A result that no client can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its answer to {method} {fault}")]
pub struct UnusableResult {
    method: &'static str,
    fault: &'static str,
}

/// What a server answers to `initialize`, as far as it is needed to know that a session can begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialized {
    /// The version that it chose.
    pub protocol_version: String,
    /// Name of its software.
    pub server_name: String,
}

impl Initialized {
    /// Reads a result. Clients refuse one that lacks its version, its capabilities or its name, and so
    /// does this: whoever says that a server is ready says that a client can use it.
    ///
    /// # Errors
    /// [`UnusableResult`] that says what is wrong.
    pub fn read(result: &RawValue) -> Result<Self, UnusableResult> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            #[serde(default)]
            protocol_version: Value,
            #[serde(default)]
            capabilities: Value,
            #[serde(default)]
            server_info: Value,
        }
        let unusable = |fault| UnusableResult {
            method: INITIALIZE,
            fault,
        };
        let fields: Fields =
            serde_json::from_str(result.get()).map_err(|_| unusable("is no object"))?;
        let version = fields.protocol_version.as_str().filter(|v| !v.is_empty());
        let version = version.ok_or(unusable("names no protocol version"))?;
        if era_of_version(version) == Some(Era::Modern) {
            return Err(unusable("names a protocol version that has no initialize"));
        }
        if !fields.capabilities.is_object() {
            return Err(unusable("names no capabilities"));
        }
        let name = fields.server_info.get("name").and_then(Value::as_str);
        Ok(Self {
            protocol_version: version.to_owned(),
            server_name: name.ok_or(unusable("does not say who it is"))?.to_owned(),
        })
    }
}

/// What a server answers to `server/discover`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// The first version of the stateless era that it supports; `None` when it offers only older ones.
    pub modern_version: Option<String>,
    /// Name of its software, if it says.
    pub server_name: Option<String>,
}

impl Discovered {
    /// Reads a result; one that lists no versions is like one without any of the stateless era.
    pub fn read(result: &RawValue) -> Self {
        let result: Value = serde_json::from_str(result.get()).unwrap_or_default();
        let versions = result.get("supportedVersions").and_then(Value::as_array);
        let modern = versions
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find(|version| era_of_version(version) == Some(Era::Modern));
        let name = result.pointer("/_meta/io.modelcontextprotocol~1serverInfo/name");
        Self {
            modern_version: modern.map(str::to_owned),
            server_name: name.and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// Whether the answer to `server/discover` says that its server knows a version of the stateless era; `None` when it says
/// nothing of that.
pub fn knows_stateless(answer: &Message<'_>) -> Option<bool> {
    if let Some(result) = answer.result() {
        return Some(Discovered::read(result).modern_version.is_some());
    }
    let error = answer.error()?;
    let is = |code: ErrorCode| error.code == i64::from(code.0);
    if is(ErrorCode::HEADER_MISMATCH) || is(ErrorCode::MISSING_CLIENT_CAPABILITY) {
        return Some(true);
    }
    if is(ErrorCode::UNSUPPORTED_PROTOCOL_VERSION) {
        #[derive(Deserialize)]
        struct Data {
            supported: Vec<String>,
        }
        let data = error.data.as_deref().map(RawValue::get);
        let data = data.and_then(|data| serde_json::from_str::<Data>(data).ok());
        let supported = data.map(|data| data.supported).unwrap_or_default();
        let modern = |version: &String| era_of_version(version) == Some(Era::Modern);
        return Some(supported.iter().any(modern));
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Message};

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn requests_are_messages() {
        for (text, method) in [
            (discover_request(7, "n", "1"), DISCOVER),
            (initialize_request(7, "n", "1"), INITIALIZE),
        ] {
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(message.method(), Some(method));
            assert!(matches!(message.kind(), Kind::Request { id, .. } if id.text() == "7"));
        }
        let discover = discover_request(1, "n", "1");
        let params = Message::parse(discover.as_bytes()).unwrap().params();
        assert_eq!(params.meta_protocol_version.as_deref(), Some("2026-07-28"));
    }

    #[test]
    fn answers_to_initialize() {
        let good = r#"{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"a","version":"1"}}"#;
        let initialized = Initialized::read(&raw(good)).unwrap();
        assert_eq!(initialized.protocol_version, "2025-06-18");
        assert_eq!(initialized.server_name, "a");
        for (result, fault) in [
            ("null".to_owned(), "is no object"),
            ("[]".to_owned(), "names no protocol version"),
            ("{}".to_owned(), "names no protocol version"),
            (
                good.replace("\"2025-06-18\"", "7"),
                "names no protocol version",
            ),
            (
                good.replace("2025-06-18", "2026-07-28"),
                "names a protocol version that has no initialize",
            ),
            (good.replace("{},", "[],"), "names no capabilities"),
            (good.replace("name", "nome"), "does not say who it is"),
        ] {
            let error = Initialized::read(&raw(&result)).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("its answer to initialize {fault}"),
                "{result}"
            );
        }
    }

    #[test]
    fn answers_to_discover() {
        for (result, version, name) in [
            (
                r#"{"supportedVersions":["2025-11-25","2026-07-28"],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"a"}}}"#,
                Some("2026-07-28"),
                Some("a"),
            ),
            (r#"{"supportedVersions":["2025-11-25"]}"#, None, None),
            (r#"{"supportedVersions":"2026-07-28"}"#, None, None),
            ("3", None, None),
        ] {
            let discovered = Discovered::read(&raw(result));
            assert_eq!(discovered.modern_version.as_deref(), version, "{result}");
            assert_eq!(discovered.server_name.as_deref(), name, "{result}");
        }
    }
}
