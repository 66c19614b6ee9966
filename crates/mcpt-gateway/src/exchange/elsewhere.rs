//! Sessions that only one replica of the gateway can go on with: those with servers of the older transport, whose stream is in it.
//! The session id says which replica that is; any other passes requests on to it, sealed with the session key, and its answers
//! back as they come.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response,
    header::{
        CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    },
    http::request::Parts,
};
use mcpt_gateway_api::OLDER_SESSIONS_PATH;
use mcpt_http::client::{self, ExchangeError};
use mcpt_protocol::header::SESSION_ID;
use mcpt_routing::{Carried, ServerKey};
use serde::{Deserialize, Serialize};

use super::Exchange;
use crate::{
    access::{PassedOwner, principal_of},
    noted::Noted,
    refusal::Refusal,
    relay::{Answer, GatewayBody},
};

/// Largest message between replicas about a session, in bytes: that of a client, sealed.
pub(crate) const MAX_SESSION_REQUEST: usize = 64 * 1024 * 1024;
/// What the ids of such sessions begin with; after it the number of the replica, a dot and the id that it is called by there.
const HERE_ALONE: &str = "mcpt-older.";
/// What the answer of the replica that has the session bears.
const HERE: HeaderName = HeaderName::from_static("mcpt-older");
/// What of its answer's head goes on.
const PASSED: [HeaderName; 5] = [
    CONTENT_TYPE,
    CACHE_CONTROL,
    SESSION_ID,
    WWW_AUTHENTICATE,
    RETRY_AFTER,
];

/// What one replica passes on to another.
#[derive(Serialize, Deserialize)]
struct SessionRequest {
    namespace: String,
    server: String,
    /// Whom the gateway knows that asks.
    owner: Option<[u8; 32]>,
    method: String,
    headers: Vec<(String, Vec<u8>)>,
    message: Vec<u8>,
}

impl SessionRequest {
    fn parts(&self) -> Option<Parts> {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = Method::from_bytes(self.method.as_bytes()).ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().ok()?;
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        parts.headers = headers;
        if let Some(owner) = self.owner {
            parts.extensions.insert(PassedOwner(owner));
        }
        Some(parts)
    }
}

/// What a session is called that `replica` alone can go on with.
pub(super) fn named(replica: u64, id: &str) -> String {
    format!("{HERE_ALONE}{replica:016x}.{id}")
}

/// The replica that alone can go on with a session, and what that is called there; `None`: any can.
pub(super) fn holder(named: &str) -> Option<(u64, &str)> {
    let (replica, id) = named.strip_prefix(HERE_ALONE)?.split_once('.')?;
    Some((u64::from_str_radix(replica, 16).ok()?, id))
}

impl Exchange {
    /// Passes a request in a session on to the replica that has it; its answer.
    ///
    /// # Errors
    /// [`Refusal::SessionGone`] when that replica is gone.
    pub(super) async fn ask_elsewhere(
        &self,
        replica: u64,
        server: &ServerKey,
        parts: &Parts,
        message: &Bytes,
    ) -> Result<Answer, Refusal> {
        let unsealable = |error: &dyn Error| Refusal::Unsealable(error.to_string());
        let request = SessionRequest {
            namespace: server.namespace.to_string(),
            server: server.name.to_string(),
            owner: principal_of(&parts.extensions),
            method: parts.method.to_string(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
            message: message.to_vec(),
        };
        let text = serde_json::to_vec(&request).map_err(|error| unsealable(&error))?;
        let sealed = self.keys.seal_carried(Carried::OlderRequest, &text);
        let sealed = sealed.map_err(|error| unsealable(&error))?;
        let holder = self.others.who_has_rounds(replica).await;
        let holder = holder.ok_or(Refusal::SessionGone)?;
        let request = Request::post(OLDER_SESSIONS_PATH)
            .header(HOST, holder.to_string())
            .body(Full::new(Bytes::from(sealed)));
        let request = request.map_err(|error| unsealable(&error))?;
        let answer = client::exchange(&holder.ip().to_string(), holder.port(), request).await;
        let answer = answer.map_err(|error| {
            tracing::warn!(address = %holder, %error, "another replica of the gateway does not go on with a session");
            match error {
                ExchangeError::Connect(_) => Refusal::SessionGone,
                ExchangeError::NotHttp(_) | ExchangeError::Lost(_) | ExchangeError::TooLong(_) => {
                    Refusal::Broken
                }
            }
        })?;
        let (head, body) = answer.into_parts();
        if !head.headers.contains_key(HERE) {
            return Err(Refusal::SessionGone);
        }
        let mut response = Response::new(GatewayBody::Passed(Box::new(body)));
        *response.status_mut() = head.status;
        for name in PASSED {
            for value in head.headers.get_all(&name) {
                response.headers_mut().append(name.clone(), value.clone());
            }
        }
        Ok(Answer::streamed(response))
    }

    /// Goes on with a session of this replica for another one, which has a request for it; `None` when that is none with the
    /// same keys.
    pub(crate) async fn asked_elsewhere(
        self: &Arc<Self>,
        sealed: &[u8],
    ) -> Option<Response<GatewayBody>> {
        let text = self.keys.open_carried(Carried::OlderRequest, sealed)?;
        let request: SessionRequest = serde_json::from_slice(&text).ok()?;
        let parts = request.parts()?;
        let server = self.directory.server(&request.namespace, &request.server);
        let answer = match server {
            Some(server) => {
                let message = Bytes::from(request.message);
                let noted = Noted::default();
                self.message(&server, parts, message, &noted).await
            }
            None => Answer::refusal(&Refusal::SessionGone, None),
        };
        let mut response = answer.response;
        let here = HeaderValue::from_static("here");
        response.headers_mut().insert(HERE, here);
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_which_replica_alone_can_go_on() {
        let id = named(0x1f, "own.id");
        assert_eq!(holder(&id), Some((0x1f, "own.id")));
        for other in ["own", "mcpt-older.", "mcpt-older.x.y", "mcpt-older.1f"] {
            assert_eq!(holder(other), None, "{other}");
        }
    }
}
