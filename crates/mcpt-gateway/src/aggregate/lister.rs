//! Asks one server for all that it has, in a session of the gateway's own.

use std::{sync::Arc, time::Duration};

use mcpt_aggregate::{ListKind, Listing, Page, UnusablePage};
use mcpt_protocol::{
    Message,
    handshake::{Initialized, UnusableResult, initialize_request, request},
};
use mcpt_routing::Server;
use serde_json::{Value, json, value::RawValue};

use super::inner::{self, In, Read};
use crate::{answers::Unread, exchange::Exchange, upstream::Upstream};

/// How long a server may take for all of its lists. One that is started for each session takes seconds for that alone.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most parts of a list that are asked for.
const MAX_PAGES: usize = 1000;

/// What a server has, and what it says about that.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) listing: Listing,
    /// What it tells models about itself.
    pub(super) instructions: Option<String>,
    /// The session, where the server will tell of changes in it.
    pub(super) session: Option<OwnSession>,
}

/// A session of the gateway's own.
#[derive(Debug)]
pub(super) struct OwnSession {
    id: Option<String>,
    version: String,
}

/// Why a server's lists are not known, in words that clients may read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotListed {
    #[error("it has not answered within {} seconds", PATIENCE.as_secs())]
    Late,
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error(transparent)]
    Unusable(#[from] UnusableResult),
    #[error(transparent)]
    UnusablePage(#[from] UnusablePage),
    #[error("{0}")]
    Refused(String),
    #[error("its answer to {0} is HTTP {1}")]
    Status(&'static str, u16),
}

impl OwnSession {
    pub(super) fn within(&self) -> In<'_> {
        In {
            session: self.id.as_deref(),
            version: &self.version,
        }
    }
}

/// Asks a server for all that it has.
pub(super) async fn list(
    exchange: &Arc<Exchange>,
    server: &Arc<Server<Upstream>>,
) -> Result<Listed, NotListed> {
    let listed = tokio::time::timeout(PATIENCE, list_in_session(exchange, server)).await;
    listed.unwrap_or(Err(NotListed::Late))
}

async fn list_in_session(
    exchange: &Arc<Exchange>,
    server: &Arc<Server<Upstream>>,
) -> Result<Listed, NotListed> {
    let hello = initialize_request(0, "mcpt-gateway", env!("CARGO_PKG_VERSION"));
    // Whatever keeps the lists away, it ends then.
    let begun = inner::begin(exchange, server, hello, None).await?;
    let id = begun.read.session.clone();
    let result = result(&begun.read, "initialize")?;
    let initialized = Initialized::read(&result)?;
    let session = OwnSession {
        id,
        version: initialized.protocol_version,
    };
    let said: Value = serde_json::from_str(result.get()).unwrap_or_default();
    let listed = listing(exchange, server, &session, &said["capabilities"]).await;
    let tells = ListKind::ALL
        .iter()
        .any(|kind| said["capabilities"][kind.capability()]["listChanged"] == Value::Bool(true));
    let listing = listed?;
    let session = tells.then(|| {
        begun.keep();
        session
    });
    Ok(Listed {
        listing,
        instructions: said["instructions"].as_str().map(str::to_owned),
        session,
    })
}

async fn listing(
    exchange: &Arc<Exchange>,
    server: &Arc<Server<Upstream>>,
    session: &OwnSession,
    capabilities: &Value,
) -> Result<Listing, NotListed> {
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let within = Some(session.within());
    inner::ask(exchange, server, initialized.to_string(), None, within).await?;
    let mut listing = Listing::default();
    let mut id = 0;
    for kind in ListKind::ALL {
        if !capabilities[kind.capability()].is_object() {
            continue;
        }
        let mut params = json!({});
        for page in 0.. {
            id += 1;
            let asked = request(id, kind.method(), &params);
            let read = inner::ask(exchange, server, asked, None, within).await?;
            let result = match result(&read, kind.method()) {
                Ok(result) => result,
                // Servers have resources without templates, and say so in this way.
                Err(NotListed::Refused(_)) if kind == ListKind::Templates => break,
                Err(error) => return Err(error),
            };
            let Some(cursor) = listing.take(kind, Page::read(kind, &result)?) else {
                break;
            };
            if page == MAX_PAGES {
                listing.cut();
                break;
            }
            params = json!({"cursor": cursor});
        }
    }
    Ok(listing)
}

/// The result in an answer.
fn result(read: &Read, method: &'static str) -> Result<Box<RawValue>, NotListed> {
    let Some(response) = &read.response else {
        return Err(NotListed::Status(method, read.status.as_u16()));
    };
    let message = Message::parse(response).ok();
    let result = message.as_ref().and_then(Message::result);
    match (result, message.as_ref().and_then(Message::error)) {
        (Some(result), _) => Ok(result.to_owned()),
        (None, Some(error)) => Err(NotListed::Refused(error.message)),
        (None, None) => Err(NotListed::Status(method, read.status.as_u16())),
    }
}
