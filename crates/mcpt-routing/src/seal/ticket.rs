//! [`Ticket`]: what a session id says once it is open, and how it is put into bytes.

use mcpt_core::{Namespace, ServerName};

use super::MAX_UPSTREAM_SESSION;
use crate::{EndpointId, ServerKey};

/// Where a session lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Server that the session belongs to.
    pub server: ServerKey,
    /// Endpoint that began it.
    pub endpoint: EndpointId,
    /// When it began, in seconds since 1970.
    pub issued: u32,
    /// The endpoint's own session id: visible ASCII characters.
    pub upstream_session: String,
}

impl Ticket {
    /// Bytes; `None` when a part is too long.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let parts = [
            self.server.namespace.as_str(),
            self.server.name.as_str(),
            self.endpoint.as_str(),
        ];
        if self.upstream_session.len() > MAX_UPSTREAM_SESSION {
            return None;
        }
        // Room for the tag too, which is appended.
        let mut bytes = Vec::with_capacity(512 + self.upstream_session.len());
        bytes.extend_from_slice(&self.issued.to_be_bytes());
        for part in parts {
            bytes.push(u8::try_from(part.len()).ok()?);
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(self.upstream_session.as_bytes());
        Some(bytes)
    }

    /// The reverse; `None` when it is not what [`Ticket::encode`] made.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (issued, mut rest) = bytes.split_first_chunk::<4>()?;
        let mut part = || {
            let (length, after) = rest.split_first()?;
            let (text, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            str::from_utf8(text).ok()
        };
        let namespace = Namespace::new(part()?).ok()?;
        let name = ServerName::new(part()?).ok()?;
        let endpoint = EndpointId::new(part()?);
        let upstream_session = str::from_utf8(rest).ok()?;
        if !upstream_session.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        Some(Self {
            server: ServerKey { namespace, name },
            endpoint,
            issued: u32::from_be_bytes(*issued),
            upstream_session: upstream_session.to_owned(),
        })
    }
}
