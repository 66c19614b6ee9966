//! Messages of older clients that have come to another replica of the gateway than the one that has their stream: they are passed
//! on to that one, sealed with the session key.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, Uri,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use mcpt_gateway_api::OLDER_PATH;
use mcpt_routing::Carried;
use serde::{Deserialize, Serialize};

use super::{OlderClients, OlderId, meant_by, session};
use crate::{passing::ToPass, refusal::Refusal, relay::GatewayBody};

/// Largest message between replicas, in bytes: that of a client, sealed.
pub(crate) const MAX_MESSAGE: usize = 64 * 1024 * 1024;
/// What the answer of the replica that has the stream bears.
const HERE: HeaderName = HeaderName::from_static("mcpt-older");
/// What of its answer's head goes on.
const PASSED: [HeaderName; 3] = [CONTENT_TYPE, WWW_AUTHENTICATE, RETRY_AFTER];

/// What one replica passes on to another.
#[derive(Serialize, Deserialize)]
struct Passed {
    /// Path and query.
    uri: String,
    headers: Vec<(String, Vec<u8>)>,
    body: String,
}

impl Passed {
    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(Bytes::from(self.body.clone())));
        *request.uri_mut() = self.uri.parse().ok()?;
        *request.method_mut() = hyper::Method::POST;
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().ok()?;
            let value = HeaderValue::from_bytes(value).ok()?;
            request.headers_mut().append(name, value);
        }
        Some(request)
    }
}

impl OlderClients {
    /// Passes a message on to the replica that has the stream of its session; what that answers.
    pub(super) async fn pass_on(
        &self,
        id: OlderId,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response<GatewayBody> {
        let passed = self.answer_elsewhere(id, uri, headers, body).await;
        passed.unwrap_or_else(|refusal| refusal.response(None))
    }

    async fn answer_elsewhere(
        &self,
        id: OlderId,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<GatewayBody>, Refusal> {
        let unsealable = |error: &dyn std::error::Error| Refusal::Unsealable(error.to_string());
        let message = str::from_utf8(&body).map_err(|_| Refusal::NoMessage)?;
        let passed = Passed {
            uri: uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
            body: message.to_owned(),
        };
        // It may wait there for long, and is in what goes there.
        drop(body);
        let text = serde_json::to_vec(&passed).map_err(|error| unsealable(&error))?;
        drop(passed);
        let sealed = self.keys.seal_carried(Carried::OlderMessage, &text);
        let sealed = sealed.map_err(|error| unsealable(&error))?;
        let to_pass = ToPass {
            path: OLDER_PATH,
            sealed,
            here: HERE,
            // It waits there for those before it.
            answer_within: None,
            // Its streams have ended with it.
            gone: Refusal::UnknownSession,
        };
        let answer = to_pass.to(id.replica, &self.others).await?;
        let (head, body) = answer.into_parts();
        let mut response = Response::new(GatewayBody::passed(body, None));
        *response.status_mut() = head.status;
        for name in PASSED {
            if let Some(value) = head.headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Ok(response)
    }

    /// Takes a message that another replica has passed on; `None` when that is none with the same keys.
    pub(crate) async fn passed(self: &Arc<Self>, sealed: &[u8]) -> Option<Response<GatewayBody>> {
        let text = self.keys.open_carried(Carried::OlderMessage, sealed)?;
        let passed: Passed = serde_json::from_slice(&text).ok()?;
        let request = passed.request()?;
        let room = session::asks(passed.body.as_bytes()).then(|| self.room.call());
        let mut response = match room.transpose() {
            Ok(room) => {
                let answer = self.taken_here(request, passed.body).await;
                answer.map(|body| body.taking(room))
            }
            Err(full) => full.response(None),
        };
        response
            .headers_mut()
            .insert(HERE, HeaderValue::from_static("here"));
        Some(response)
    }

    async fn taken_here(
        &self,
        request: Request<Full<Bytes>>,
        body: String,
    ) -> Response<GatewayBody> {
        let id = self.named(request.uri());
        let id = id.filter(|id| id.replica == self.replica);
        let stages = id.and_then(|id| self.stages_of(id));
        let (Some(id), Some(stages), Some(meant)) = (id, stages, meant_by(request.uri())) else {
            return Refusal::UnknownSession.response(None);
        };
        match stages.recognised_at(&meant, request).await {
            Ok(request) => self.take(id, request.into_parts().0, body.into()).await,
            Err(answer) => answer.response,
        }
    }
}
