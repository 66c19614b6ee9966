//! Sessions that only one replica of the gateway can go on with: those with servers of the older transport, whose stream is in it.
//! The session id says which replica that is; any other passes requests on to it, sealed with the session key, and its answers
//! back as they come.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    http::request::Parts,
};
use mcpt_gateway_api::OLDER_SESSIONS_PATH;
use mcpt_protocol::header::SESSION_ID;
use mcpt_routing::{Carried, Server};
use serde::{Deserialize, Serialize};

use super::{Exchange, handling::asks, request_class::request_id};
use crate::{
    access::{PassedOwner, principal_of, told_as},
    noted::Noted,
    passing::ToPass,
    refusal::Refusal,
    relay::{Answer, GatewayBody, Until},
    upstream::Upstream,
};

/// Largest message between replicas about a session, in bytes: that of a client, sealed.
pub(crate) const MAX_SESSION_REQUEST: usize = 64 * 1024 * 1024;
/// How much longer than its server the other replica may take until its answer begins.
const ON_THE_WAY: Duration = Duration::from_secs(5);
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
    /// How the server is told for whom it is asked.
    #[serde(default)]
    caller: Option<String>,
    message: String,
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
        if let Some(id) = self.owner {
            let told_as = self.caller.clone();
            parts.extensions.insert(PassedOwner { id, told_as });
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
    /// [`Refusal::SessionGone`] when that replica is gone, [`Refusal::ReplicaSilent`] when it does not answer now.
    pub(super) async fn ask_elsewhere(
        &self,
        replica: u64,
        server: &Server<Upstream>,
        parts: &Parts,
        message: Bytes,
    ) -> Result<Answer, Refusal> {
        let unsealable = |error: &dyn Error| Refusal::Unsealable(error.to_string());
        let text = str::from_utf8(&message).map_err(|_| Refusal::NoMessage)?;
        let key = server.key();
        let request = SessionRequest {
            namespace: key.namespace.to_string(),
            server: key.name.to_string(),
            owner: principal_of(&parts.extensions),
            method: parts.method.to_string(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
            caller: told_as(&parts.extensions, key),
            message: text.to_owned(),
        };
        // The call may take long; the message is in what goes there.
        drop(message);
        let text = serde_json::to_vec(&request).map_err(|error| unsealable(&error))?;
        drop(request);
        let sealed = self.keys.seal_carried(Carried::OlderRequest, &text);
        let sealed = sealed.map_err(|error| unsealable(&error))?;
        drop(text);
        let stream = parts.method == Method::GET;
        let limit = self.answer_within(server).filter(|_| !stream);
        let to_pass = ToPass {
            path: OLDER_SESSIONS_PATH,
            sealed,
            here: HERE,
            answer_within: limit.map(|limit| limit + ON_THE_WAY),
            gone: Refusal::SessionGone,
        };
        let answer = to_pass.to(replica, &self.others).await?;
        let (head, body) = answer.into_parts();
        let until = stream.then(|| Until::told(&self.closing, Bytes::new()));
        let mut response = Response::new(GatewayBody::passed(body, until));
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
        let room = match parts.method {
            Method::GET => self.passed.stream().map(Some),
            Method::POST if asks(request.message.as_bytes()) => self.passed.call().map(Some),
            _ => Ok(None),
        };
        let mut response = match (server, room) {
            (Some(server), Ok(room)) => {
                let message = Bytes::from(request.message);
                let noted = Noted::default();
                let answer = self.message(&server, parts, message, &noted).await;
                answer.response.map(|body| body.taking(room))
            }
            (Some(_), Err(full)) => {
                full.response(request_id(request.message.as_bytes()).as_deref())
            }
            (None, _) => Refusal::SessionGone.response(None),
        };
        let here = HeaderValue::from_static("here");
        response.headers_mut().insert(HERE, here);
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_message_fits_between_replicas() {
        let message = "\"\\".repeat(1000);
        let request = SessionRequest {
            namespace: "ns".to_owned(),
            server: "demo".to_owned(),
            owner: None,
            method: "POST".to_owned(),
            headers: Vec::new(),
            caller: None,
            message: message.clone(),
        };
        let text = serde_json::to_vec(&request).unwrap();
        // Sealed it is longer by a third, and a message may grow to three times its size in all.
        assert!(text.len() < message.len() * 2 + 200, "{}", text.len());
    }

    #[test]
    fn ids_tell_which_replica_alone_can_go_on() {
        let id = named(0x1f, "own.id");
        assert_eq!(holder(&id), Some((0x1f, "own.id")));
        for other in ["own", "mcpt-older.", "mcpt-older.x.y", "mcpt-older.1f"] {
            assert_eq!(holder(other), None, "{other}");
        }
    }
}
