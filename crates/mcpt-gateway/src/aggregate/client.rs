//! [`Client`]: what a client said of itself when its session began, kept in the id of the session: it is said to each server
//! that the session comes to have to do with.

use std::borrow::Cow;

use mcpt_protocol::{LEGACY_VERSIONS, Message, NEWEST_LEGACY};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Longest text that is kept: what a session id has room for.
const MAX_KEPT: usize = 1300;

/// A client of the session era.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Client {
    /// The version that it was told.
    pub(super) protocol_version: String,
    /// What it can do, as it said.
    capabilities: Box<RawValue>,
    /// Who it is, as it said.
    #[serde(rename = "clientInfo")]
    who: Box<RawValue>,
    /// The set of servers that its session is with, which is no server's business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<String>,
}

/// Why no session can begin with a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnfitClient {
    #[error("initialize without capabilities and clientInfo")]
    Incomplete,
    #[error("the client says more of itself than a session id has room for")]
    TooMuch,
}

impl Client {
    /// The client that sends this `initialize`.
    ///
    /// # Errors
    /// [`UnfitClient`] when no server could be told who it is.
    pub(super) fn of(initialize: &Message<'_>, set: Option<&str>) -> Result<Self, UnfitClient> {
        let object = |name| {
            let value = initialize.param(name)?.raw();
            value.get().starts_with('{').then(|| value.to_owned())
        };
        let asked = initialize.params().protocol_version;
        let known = asked.filter(|asked| LEGACY_VERSIONS.contains(&&**asked));
        let (capabilities, who) = object("capabilities")
            .zip(object("clientInfo"))
            .ok_or(UnfitClient::Incomplete)?;
        let client = Self {
            protocol_version: known.map_or(NEWEST_LEGACY.to_owned(), Cow::into_owned),
            capabilities,
            who,
            set: set.map(str::to_owned),
        };
        if client.kept().len() <= MAX_KEPT {
            return Ok(client);
        }
        let brief = client.brief()?;
        if brief.kept().len() > MAX_KEPT {
            return Err(UnfitClient::TooMuch);
        }
        Ok(brief)
    }

    /// Reads what was kept.
    pub(super) fn read(kept: &[u8]) -> Option<Self> {
        serde_json::from_slice(kept).ok()
    }

    /// What is kept of it.
    pub(super) fn kept(&self) -> String {
        // Raw JSON and texts into memory: it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The parameters of its `initialize`.
    pub(super) fn params(&self) -> String {
        let all = Self {
            set: None,
            ..self.clone()
        };
        all.kept()
    }

    /// Without icons and whatever else it says of itself that servers need not know.
    fn brief(self) -> Result<Self, UnfitClient> {
        #[derive(Serialize, Deserialize)]
        struct Name<'a> {
            #[serde(borrow)]
            name: &'a RawValue,
            #[serde(borrow)]
            version: &'a RawValue,
        }
        let name: Name<'_> =
            serde_json::from_str(self.who.get()).map_err(|_| UnfitClient::Incomplete)?;
        let who = serde_json::value::to_raw_value(&name).map_err(|_| UnfitClient::Incomplete)?;
        Ok(Self { who, ..self })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(params: &serde_json::Value) -> Result<Client, UnfitClient> {
        let text = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        Client::of(
            &Message::parse(text.to_string().as_bytes()).unwrap(),
            Some("team"),
        )
    }

    #[test]
    fn what_is_kept_is_said_again() {
        for (asked, told) in [
            ("2025-03-26", "2025-03-26"),
            ("1999-01-01", NEWEST_LEGACY),
            ("2026-07-28", NEWEST_LEGACY),
        ] {
            let params = json!({"protocolVersion": asked, "capabilities": {"roots": {}},
                "clientInfo": {"name": "x", "version": "1", "later": 1.0}});
            let kept = of(&params).unwrap().kept();
            let read = Client::read(kept.as_bytes()).unwrap();
            assert_eq!(read.protocol_version, told);
            assert_eq!(read.set.as_deref(), Some("team"));
            let read: serde_json::Value = serde_json::from_str(&read.params()).unwrap();
            assert!(read.get("set").is_none(), "{read}");
            assert_eq!(read["capabilities"], params["capabilities"]);
            assert_eq!(read["clientInfo"], params["clientInfo"]);
        }
    }

    #[test]
    fn what_has_no_room_is_left_out_or_refused() {
        let long = "x".repeat(MAX_KEPT);
        let mut params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "x", "version": "1", "icons": [{"src": long}]}});
        let brief = of(&params).unwrap().kept();
        assert!(
            brief.contains(r#""clientInfo":{"name":"x","version":"1"}"#),
            "{brief}"
        );
        params["capabilities"] = json!({"experimental": {"x": long}});
        assert_eq!(of(&params).unwrap_err(), UnfitClient::TooMuch);
        params["capabilities"] = json!(7);
        assert_eq!(of(&params).unwrap_err(), UnfitClient::Incomplete);
        assert_eq!(of(&json!({})).unwrap_err(), UnfitClient::Incomplete);
    }
}
