//! Clients and servers of different eras: whose message becomes what is said in `mcpt_protocol::translate`, here are the
//! connections to it.
//!
//! A client with sessions in front of a server of 2026-07-28 ([`old`]): the gateway answers `initialize`, and the session id
//! that it gives carries what the client said then. Each request goes to any endpoint.
//!
//! A client of 2026-07-28 in front of a server with sessions ([`new`]): the gateway opens sessions and lends one to each
//! request ([`leases`]). A call whose server asks its client something stays open while the client answers ([`parked`]), in the
//! replica of the gateway that has it ([`passed`]).

mod across;
mod ask;
mod discovery;
mod leases;
mod messages;
mod new;
mod new_calls;
mod old;
mod old_calls;
mod old_listening;
mod old_sessions;
mod parked;
mod passed;
mod probe;
mod stream;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::{
    HeaderMap,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};
use mcpt_protocol::{
    header::{LAST_EVENT_ID, METHOD, NAME, PROTOCOL_VERSION, SESSION_ID},
    media,
};

pub(crate) use self::{
    across::{Across, Beginning},
    discovery::Discovery,
    old::{LEVELS, OldClient},
    passed::MAX_ROUND,
    stream::Streamed,
};
use self::{leases::Leases, old_sessions::OldSessions, parked::Parking};

/// What the gateway keeps for clients and servers of different eras.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    leases: Leases,
    parking: Parking,
    sessions: OldSessions,
    /// Ids of requests to servers.
    ids: AtomicU64,
}

impl Translation {
    fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Relaxed) + 1
    }
}

/// The headers of a client's request that go on with a message of the gateway's own: none of those that are about the message.
fn carried(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    crate::headers::for_upstream(&mut headers);
    for name in [
        // The gateway reads the answer.
        ACCEPT_ENCODING,
        CONTENT_LENGTH,
        SESSION_ID,
        LAST_EVENT_ID,
        PROTOCOL_VERSION,
        METHOD,
        NAME,
    ] {
        headers.remove(name);
    }
    let parameters: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("mcp-param-"))
        .cloned()
        .collect();
    for name in parameters {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::JSON));
    let accepted = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(ACCEPT, accepted);
    headers
}
