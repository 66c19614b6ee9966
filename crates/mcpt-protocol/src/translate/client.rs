//! [`Client`]: what a client says of itself, once per session or with each request.

use super::{META_CAPABILITIES, META_CLIENT, META_VERSION, Object, quoted};
use crate::{LEGACY_VERSIONS, MODERN_VERSION, Message, NEWEST_LEGACY, handshake};

/// Longest text of all that is kept of a client, so that a session id can carry it.
const MOST: usize = 900;

/// Who a client is and what it can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The version that is spoken with it.
    version: String,
    /// Its capabilities, a JSON object.
    capabilities: String,
    /// Its name and version, a JSON object.
    info: Option<String>,
}

impl Client {
    /// That of an `initialize` request, which gets the version that it offers or else the newest that it may know; `None` if
    /// the message is something else or lacks capabilities.
    pub fn of_initialize(message: &Message<'_>) -> Option<Self> {
        if message.method() != Some(handshake::INITIALIZE) {
            return None;
        }
        let offered = message.params().protocol_version?;
        let known = LEGACY_VERSIONS.contains(&&*offered);
        let version = if known { &*offered } else { NEWEST_LEGACY };
        let object = |name| {
            let part = message.param(name)?;
            Object::read(part.text()).map(|object| object.to_string())
        };
        Some(Self {
            version: version.to_owned(),
            capabilities: object("capabilities")?,
            info: object("clientInfo"),
        })
    }

    /// That of a request of 2026-07-28, by its `_meta`; `None` if that does not say what the client can do.
    pub(crate) fn of_meta(meta: &Object<'_>) -> Option<Self> {
        let object = |name| meta.object(name).map(|object| object.to_string());
        Some(Self {
            version: NEWEST_LEGACY.to_owned(),
            capabilities: object(META_CAPABILITIES)?,
            info: object(META_CLIENT),
        })
    }

    /// A text that [`Client::read`] reads. What is too long for a session id is left out of it: all of the name but the name
    /// itself, then the name, then capabilities that no server asks for.
    pub fn to_text(&self) -> String {
        let text = |client: &Self| {
            let mut object = Object::default();
            object.set("v", quoted(&client.version));
            object.set("c", client.capabilities.clone());
            if let Some(info) = &client.info {
                object.set("i", info.clone());
            }
            object.to_string()
        };
        let mut shown = self.clone();
        let shorten: [fn(&mut Self); 3] = [
            |client| {
                let short = client.info.as_deref();
                client.info = short.map(|info| only(info, &["name", "version"]));
            },
            |client| client.info = None,
            |client| {
                let asked = ["elicitation", "roots", "sampling"];
                client.capabilities = only(&client.capabilities, &asked);
            },
        ];
        let mut whole = text(&shown);
        for shorten in shorten {
            if whole.len() > MOST {
                shorten(&mut shown);
                whole = text(&shown);
            }
        }
        whole
    }

    /// The reverse; `None` if it is no such text.
    pub fn read(text: &str) -> Option<Self> {
        let object = Object::read(text)?;
        object.object("c")?;
        Some(Self {
            version: object.text("v")?,
            capabilities: object.get("c")?.to_owned(),
            info: object.get("i").map(str::to_owned),
        })
    }

    /// The version that is spoken with it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether it has said that it can answer requests of this method. `ping` needs no saying so.
    pub fn answers(&self, method: &str) -> bool {
        let needed = match method {
            "elicitation/create" => "elicitation",
            "sampling/createMessage" => "sampling",
            "roots/list" => "roots",
            _ => return false,
        };
        let capabilities = Object::read(&self.capabilities);
        capabilities.is_some_and(|all| all.object(needed).is_some())
    }

    /// Whether a server may ask it anything.
    pub fn can_be_asked(&self) -> bool {
        ["elicitation/create", "sampling/createMessage", "roots/list"]
            .iter()
            .any(|method| self.answers(method))
    }

    /// The text of its `initialize` request.
    pub fn initialize_request(&self, id: u64) -> String {
        let mut capabilities = Object::read(&self.capabilities).unwrap_or_default();
        // Those of 2026-07-28 are an extension that no session knows.
        without_tasks(&mut capabilities);
        let mut params = Object::default();
        params.set("protocolVersion", quoted(NEWEST_LEGACY));
        params.set("capabilities", capabilities.to_string());
        let unnamed = r#"{"name":"unknown","version":"0"}"#;
        params.set("clientInfo", self.info.as_deref().unwrap_or(unnamed));
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{params}}}"#)
    }

    /// Says it in `_meta`, as 2026-07-28 wants it of each request.
    pub(crate) fn tell(&self, meta: &mut Object<'_>) {
        let mut capabilities = Object::read(&self.capabilities).unwrap_or_default();
        // Tasks of 2025-11-25 are others.
        without_tasks(&mut capabilities);
        meta.set(META_VERSION, quoted(MODERN_VERSION));
        meta.set(META_CAPABILITIES, capabilities.to_string());
        if let Some(info) = &self.info {
            meta.set(META_CLIENT, info.clone());
        }
    }
}

/// Takes out what the two eras mean differently by the same name.
pub(crate) fn without_tasks(capabilities: &mut Object<'_>) {
    capabilities.take("tasks");
    let extensions = capabilities.take("extensions");
    let mut extensions = extensions.as_deref().and_then(Object::read);
    if let Some(extensions) = &mut extensions {
        extensions.take("io.modelcontextprotocol/tasks");
    }
    if let Some(left) = extensions.filter(|left| !left.is_empty()) {
        let left = left.to_string();
        capabilities.set("extensions", left);
    }
}

/// An object with some of its fields.
fn only(json: &str, names: &[&str]) -> String {
    let mut kept = Object::default();
    if let Some(object) = Object::read(json) {
        for (name, value) in object.fields().filter(|(name, _)| names.contains(name)) {
            kept.set(name, value.to_owned());
        }
    }
    kept.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn initialize(params: &str) -> Option<Client> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{params}}}"#);
        Client::of_initialize(&Message::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn what_it_said_is_carried() {
        let client = initialize(
            r#"{"protocolVersion":"2025-06-18","capabilities":{"sampling":{},"roots":{"listChanged":true}},"clientInfo":{"name":"n","version":"1.0"}}"#,
        )
        .unwrap();
        assert_eq!(Client::read(&client.to_text()), Some(client.clone()));
        assert_eq!(client.version(), "2025-06-18");
        assert!(client.answers("sampling/createMessage") && client.answers("roots/list"));
        assert!(!client.answers("elicitation/create") && !client.answers("tools/call"));
        let future = initialize(r#"{"protocolVersion":"2199-01-01","capabilities":{}}"#).unwrap();
        assert_eq!(future.version(), NEWEST_LEGACY);
        assert!(!future.can_be_asked());
        for lacking in [
            r#"{"capabilities":{}}"#,
            r#"{"protocolVersion":"2025-06-18"}"#,
            "[]",
        ] {
            assert_eq!(initialize(lacking), None, "{lacking}");
        }
        for text in ["", "{}", r#"{"v":1,"c":{}}"#, r#"{"v":"1","c":1}"#] {
            assert_eq!(Client::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_carried_fits() {
        let long = "x".repeat(2 * MOST);
        let params = format!(
            r#"{{"protocolVersion":"2025-11-25","capabilities":{{"elicitation":{{}},"experimental":{{"a":"{long}"}}}},"clientInfo":{{"name":"n","version":"1","icons":["{long}"]}}}}"#
        );
        let text = initialize(&params).unwrap().to_text();
        assert!(text.len() <= MOST, "{}", text.len());
        assert!(Client::read(&text).unwrap().answers("elicitation/create"));
    }

    #[test]
    fn tasks_mean_something_else_in_each_era() {
        let client = initialize(
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tasks":{},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{}}}}"#,
        )
        .unwrap();
        let mut meta = Object::default();
        client.tell(&mut meta);
        assert_eq!(
            meta.get(META_CAPABILITIES),
            Some(r#"{"extensions":{"io.modelcontextprotocol/ui":{}}}"#)
        );
        assert!(!client.initialize_request(1).contains("tasks"));
    }
}
