//! Which eras an endpoint speaks: asked by `server/discover`, which changes nothing at a server behind HTTP.
//!
//! Only what an answer certainly says counts. A login that is wanted, a fault of the server and a connection that breaks say
//! nothing about versions; then the client's own request goes on as it is.

use std::time::Duration;

use bytes::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode, header::HeaderValue};
use mcpt_protocol::{
    Message, handshake,
    header::{METHOD, PROTOCOL_VERSION, SESSION_ID},
};
use mcpt_routing::InFlight;

use super::{ask, carried};
use crate::{
    exchange::{Exchange, RequestBody, Taken},
    upstream::{SendError, Stateless, Upstream},
};

/// How long an endpoint may take to say it.
const PATIENCE: Duration = Duration::from_secs(5);

impl Exchange {
    /// Whether an endpoint knows 2026-07-28. It is asked once for all who want to know, on behalf of the client with these
    /// headers.
    pub(crate) async fn stateless_at(
        &self,
        endpoint: &InFlight<Upstream>,
        headers: &HeaderMap,
    ) -> Stateless {
        let eras = endpoint.link().eras();
        let known = eras.stateless(self.directory.now());
        if known != Stateless::NotAsked {
            return known;
        }
        let _alone = eras.ask_alone().await;
        let known = eras.stateless(self.directory.now());
        if known != Stateless::NotAsked {
            return known;
        }
        let asked = tokio::time::timeout(PATIENCE, self.ask_for_eras(endpoint, headers)).await;
        let found = asked.unwrap_or(Stateless::Undecided);
        tracing::debug!(endpoint = %endpoint.address(), ?found, "asked whether it knows 2026-07-28");
        eras.found(found, self.directory.now());
        found
    }

    async fn ask_for_eras(&self, endpoint: &InFlight<Upstream>, headers: &HeaderMap) -> Stateless {
        let name = env!("CARGO_PKG_NAME");
        let id = self.translation.next_id();
        let body = handshake::discover_request(id, name, env!("CARGO_PKG_VERSION"));
        let mut headers = carried(headers);
        let version = mcpt_protocol::MODERN_VERSION.parse();
        let method = handshake::DISCOVER.parse();
        if let (Ok(version), Ok(method)) = (version, method) {
            headers.insert(PROTOCOL_VERSION, version);
            headers.insert(METHOD, method);
        }
        let request = ask::post(headers.clone(), Bytes::from(body));
        let in_flight = endpoint.endpoint().begin();
        let response = match in_flight.link().send(request).await {
            Ok(answered) => answered,
            Err(error) => {
                if matches!(error, SendError::Unreachable { .. } | SendError::Broken(_)) {
                    in_flight.unreachable(self.directory.now());
                }
                return Stateless::Undecided;
            }
        };
        let status = response.status();
        if let Some(session) = response.headers().get(SESSION_ID).cloned() {
            headers.remove(METHOD);
            headers.remove(PROTOCOL_VERSION);
            end(endpoint, headers, session);
        }
        let taken = Taken {
            response,
            in_flight,
        };
        let mut messages = self.messages_of(taken);
        let answer = ask::answer_to(&mut messages, &id.into()).await.ok();
        judged(status, answer.as_deref())
    }
}

/// Ends a session that nobody has asked for: some servers begin one with whatever comes first. `headers` are those of a message
/// of the gateway's own.
pub(super) fn end(endpoint: &InFlight<Upstream>, mut headers: HeaderMap, session: HeaderValue) {
    headers.insert(SESSION_ID, session);
    crate::headers::without_body(&mut headers);
    let mut delete = Request::new(RequestBody::none());
    *delete.method_mut() = Method::DELETE;
    *delete.headers_mut() = headers;
    let ends = endpoint.endpoint().begin();
    // It is the server's matter then, as if a client had gone away.
    tokio::spawn(async move { drop(ends.link().send(delete).await) });
}

/// Whether an answer with this status says nothing about versions.
pub(super) fn says_nothing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 407 | 408 | 421 | 429 | 500..)
}

/// What an answer to `server/discover` says.
pub(super) fn judged(status: StatusCode, answer: Option<&str>) -> Stateless {
    if says_nothing(status) {
        return Stateless::Undecided;
    }
    let message = answer.and_then(|text| Message::parse(text.as_bytes()).ok());
    let Some(message) = message else {
        // It refused what it does not know. An answer that broke off says nothing.
        return if status.is_client_error() {
            Stateless::No
        } else {
            Stateless::Undecided
        };
    };
    match handshake::knows_stateless(&message) {
        Some(true) => Stateless::Yes,
        Some(false) => Stateless::No,
        None => Stateless::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_say_about_eras() {
        let error = |code: i32, data: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"m","data":{data}}}}}"#
            )
        };
        let result = |versions: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"supportedVersions":{versions}}}}}"#)
        };
        for (status, answer, says) in [
            (200, Some(result(r#"["2026-07-28"]"#)), Stateless::Yes),
            (200, Some(result(r#"["2025-11-25"]"#)), Stateless::No),
            (
                400,
                Some(error(-32022, r#"{"supported":["2026-07-28"]}"#)),
                Stateless::Yes,
            ),
            (
                400,
                Some(error(-32022, r#"{"supported":["2025-11-25"]}"#)),
                Stateless::No,
            ),
            (400, Some(error(-32022, "null")), Stateless::No),
            (400, Some(error(-32020, "null")), Stateless::Yes),
            (404, Some(error(-32601, "null")), Stateless::No),
            (400, Some(error(-32000, "null")), Stateless::No),
            (200, Some(error(-32602, "null")), Stateless::No),
            (404, None, Stateless::No),
            (400, Some("Bad Request".to_owned()), Stateless::No),
            (200, None, Stateless::Undecided),
            (401, None, Stateless::Undecided),
            (403, Some(error(-32601, "null")), Stateless::Undecided),
            (503, None, Stateless::Undecided),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                judged(status, answer.as_deref()),
                says,
                "{status} {answer:?}"
            );
        }
    }
}
