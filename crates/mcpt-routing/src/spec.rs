//! What discovery says there is: servers with their endpoints.

use std::{fmt, num::NonZeroU32, sync::Arc};

use mcpt_core::{Namespace, ServerName, Sessions};

use crate::{Address, Handling};

/// Which server: its name within its namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey {
    /// Namespace; the gateway's default one for sources that know none.
    pub namespace: Namespace,
    /// Name of the server.
    pub name: ServerName,
}

/// `NAMESPACE/NAME`, as in URLs.
impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A server as a source knows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// Which server.
    pub key: ServerKey,
    /// Whether its sessions stay on the endpoint that began them.
    pub sessions: Sessions,
    /// How its requests are handled.
    pub handling: Handling,
    /// Its endpoints, each id once.
    pub endpoints: Vec<EndpointSpec>,
}

/// One instance of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSpec {
    /// What stays the same as long as the sessions in the instance live.
    pub id: EndpointId,
    /// Where it listens.
    pub address: Address,
    /// What may be sent to it.
    pub conditions: Conditions,
    /// How much it gets beside the others.
    pub weight: NonZeroU32,
}

/// Identity of an instance: a pod's uid, or the address where nothing better is known. It is part of each session id, and
/// every replica of the gateway must know the instance by the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(Arc<str>);

impl EndpointId {
    /// Longest id in bytes; a longer one is cut off, which no platform's ids come near.
    pub const MAX: usize = 255;

    /// Takes a text as id.
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(Self::MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(Arc::from(&text[..end]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The three conditions of an endpoint, as Kubernetes' `EndpointSlices` have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// New sessions may begin here.
    pub ready: bool,
    /// It answers, also while it terminates.
    pub serving: bool,
    /// It is about to end: what it has it keeps, but it gets nothing new.
    pub terminating: bool,
}

impl Conditions {
    /// Whether it gets what may go anywhere.
    pub fn take_new(&self) -> bool {
        self.ready && !self.terminating
    }

    /// Up, for as long as nobody says otherwise.
    pub const READY: Self = Self {
        ready: true,
        serving: true,
        terminating: false,
    };
    /// There, but not answering.
    pub const UNREADY: Self = Self {
        ready: false,
        serving: false,
        terminating: false,
    };
    /// On its way out, still answering.
    pub const DRAINING: Self = Self {
        ready: false,
        serving: true,
        terminating: true,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_are_cut_at_a_character() {
        assert_eq!(EndpointId::new(&"ä".repeat(200)).as_str().len(), 254);
    }
}
