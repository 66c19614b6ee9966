//! Servers that run elsewhere.

use std::str::FromStr;

use indexmap::IndexMap;
use url::Url;

use super::{InvalidSource, SourceKind};
use crate::Text;

/// A server that runs elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Address of its MCP endpoint.
    pub url: Text,
    /// Headers of each request.
    pub headers: IndexMap<String, Text>,
    /// How it speaks, if that is known.
    pub kind: Option<RemoteKind>,
}

/// How a remote server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteKind {
    /// Streamable HTTP.
    StreamableHttp,
    /// The older transport with two endpoints, HTTP with server-sent events.
    Sse,
}

/// What stands for a setting while an address is checked.
const STAND_IN: &str = "0";

impl Remote {
    /// At this address.
    ///
    /// # Errors
    /// [`InvalidSource`], without the address, when it is none: an address may contain passwords and keys.
    pub fn new(url: Text) -> Result<Self, InvalidSource> {
        let wrong = |reason: &str| InvalidSource::new(SourceKind::Remote, "", reason);
        let filled = url
            .fill(|_| Some(STAND_IN))
            .map_err(|error| wrong(&error.to_string()))?;
        // An address that begins with a setting says nothing of its scheme yet.
        let begins_open = matches!(url.parts().first(), Some(crate::Part::Setting(_)));
        if begins_open {
            return Ok(Self::at(url));
        }
        let parsed = Url::parse(&filled).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong("servers are reached by http and https alone"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong(
                "a name and a password do not belong into an address: give them as a header",
            ));
        }
        if parsed.fragment().is_some() {
            return Err(wrong("what stands behind # is never sent"));
        }
        Ok(Self::at(url))
    }

    fn at(url: Text) -> Self {
        Self {
            url,
            headers: IndexMap::new(),
            kind: None,
        }
    }
}

impl FromStr for Remote {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        Self::new(Text::plain(text))
    }
}
