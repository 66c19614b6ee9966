//! Server-sent events: framing, and response bodies made of them.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{
        HeaderName, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;

/// How often a silent stream says that it lives: below the idle timeouts of common proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_COMMENT: &[u8] = b": keep-alive\n\n";
const BEFORE: &[u8] = b"event: message\ndata: ";
const AFTER: &[u8] = b"\n\n";

/// One message, framed as an event. The message itself is a slice of it, so that it is copied once whether it leaves as
/// an event or as a JSON body.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    frame: Bytes,
    answer: bool,
}

impl Event {
    /// Frames a notification or a request; `write` appends it as a single line.
    pub(crate) fn message(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::frame(write, false)
    }

    /// Frames the answer to a request.
    pub(crate) fn answer(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::frame(write, true)
    }

    fn frame(write: impl FnOnce(&mut Vec<u8>), answer: bool) -> Self {
        let mut out = Vec::from(BEFORE);
        write(&mut out);
        out.extend_from_slice(AFTER);
        Self {
            frame: out.into(),
            answer,
        }
    }

    /// Whether it answers a request: then nothing more can come for that one.
    pub(crate) fn is_answer(&self) -> bool {
        self.answer
    }

    /// The message without its frame.
    pub(crate) fn json(&self) -> Bytes {
        self.frame
            .slice(BEFORE.len()..self.frame.len() - AFTER.len())
    }
}

/// A response that sends `first` and then what comes from `events`. `held` lives as long as the body.
pub(crate) fn response(
    first: Option<Event>,
    events: mpsc::Receiver<Event>,
    held: impl Send + 'static,
) -> Response {
    let state = (first, events, held);
    let body = stream::unfold(state, |(first, mut events, held)| async move {
        let bytes = match first {
            Some(event) => event.frame,
            None => match tokio::time::timeout(KEEP_ALIVE, events.recv()).await {
                Ok(Some(event)) => event.frame,
                Ok(None) => return None,
                Err(_) => Bytes::from_static(KEEP_ALIVE_COMMENT),
            },
        };
        Some((Ok::<_, Infallible>(bytes), (None, events, held)))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (StatusCode::OK, headers, Body::from_stream(body)).into_response()
}
