//! For tests: an API server that answers by a script, where what it takes cannot be provoked for real at the moment that counts.

#![expect(clippy::unwrap_used, reason = "tests panic")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::{Body, Client};
use serde_json::{Value, json};

use crate::{Cluster, ServerVersion};

/// What a request gets that is never answered.
pub const NEVER: (u16, String) = (0, String::new());

/// Ends a text after which the answer goes on, but nothing comes any more.
pub const SILENCE: char = '\0';

/// A cluster whose answer to each request, such as `GET /api/v1/pods?limit=1` with its JSON, is a status and a text.
///
/// # Panics
/// When a request has no body that can be read, as its client never makes them.
pub fn cluster(answer: impl FnMut(&str, &Value) -> (u16, String) + Send + 'static) -> Cluster {
    let answer = Arc::new(Mutex::new(answer));
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = Arc::clone(&answer);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let (code, text) =
                answer.lock().unwrap()(&format!("{} {}", head.method, head.uri), &body);
            if code == NEVER.0 {
                std::future::pending::<()>().await;
            }
            let (text, goes_on) = match text.strip_suffix(SILENCE) {
                Some(text) => (text.to_owned(), true),
                None => (text, false),
            };
            let end = async move {
                if goes_on {
                    std::future::pending::<()>().await;
                }
                None
            };
            let body = Body::from(text.into_bytes()).with_trailers(end);
            let response = Response::builder().status(code);
            Ok::<_, Infallible>(response.body(body).unwrap())
        }
    });
    Cluster {
        client: Client::new(service, "ns"),
        namespace: "ns".to_owned(),
        address: "https://scripted".to_owned(),
        version: ServerVersion::new("v1.37.0".to_owned(), "37"),
    }
}

/// A refusal, as the API server words it.
pub fn refusal(code: u16, reason: &str) -> (u16, String) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
        "message": reason});
    (code, status.to_string())
}
