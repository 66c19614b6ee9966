//! Messages on their way to clients, and response bodies made of them.

use std::{convert::Infallible, future::Future, pin::Pin, time::Duration};

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
use mcpt_http::Charge;
use mcpt_protocol::{
    ErrorCode, Part, error_response, media,
    sse::{Frame, KEEP_ALIVE, message_in},
};
use tokio::sync::mpsc;

use crate::replay::Reader;

/// How often a silent stream says that it lives: below the idle timeouts of common proxies.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// One message, framed as an event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    frame: Bytes,
    answer: bool,
    /// The status of a response that is this alone.
    status: StatusCode,
    /// What the bridge says in it, if it is an error of its own.
    own_error: Option<Box<str>>,
}

impl Event {
    /// A framed message, which holds `charge` as long as anybody has it.
    pub(crate) fn charged(frame: Frame, charge: Charge, answer: bool) -> Self {
        Self {
            frame: charge.hold(frame.into_event()),
            answer,
            status: StatusCode::OK,
            own_error: None,
        }
    }

    /// The bridge's own error as the answer to the request `id`. It is small and not charged.
    pub(crate) fn error(id: Option<Part<'_>>, code: ErrorCode, why: &str) -> Self {
        let text = error_response(id, code, why, None);
        Self {
            own_error: Some(why.into()),
            ..Self::own(&text, true)
        }
    }

    /// A small message of the bridge's own, which is not charged.
    pub(crate) fn own(text: &str, answer: bool) -> Self {
        let frame = Frame::new(text.len(), |out| out.extend_from_slice(text.as_bytes()));
        Self {
            frame: frame.into_event().into(),
            answer,
            status: StatusCode::OK,
            own_error: None,
        }
    }

    /// Where the older transport says that messages go.
    pub(crate) fn endpoint(path: &str) -> Self {
        Self {
            frame: format!("event: endpoint\ndata: {path}\n\n").into(),
            answer: false,
            status: StatusCode::OK,
            own_error: None,
        }
    }

    /// With the status of a response that is this alone.
    #[must_use]
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The status of a response that is this alone.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether it answers a request: then nothing more can come for that one.
    pub(crate) fn is_answer(&self) -> bool {
        self.answer
    }

    /// What the bridge says in it, if it is an error of its own.
    pub(crate) fn own_error(&self) -> Option<&str> {
        self.own_error.as_deref()
    }

    /// The message without its frame.
    pub(crate) fn json(&self) -> Bytes {
        message_in(&self.frame)
    }

    /// How long the message is.
    pub(crate) fn length(&self) -> usize {
        self.frame.len()
    }
}

/// Messages that are still on their way to the child; gives the error that their sender is to read if they do not get
/// there.
pub(crate) type Sending = Pin<Box<dyn Future<Output = Option<Event>> + Send>>;

/// A response that sends `first` and then what comes from `events`, while `sending` goes on. `held` lives as long as the
/// body.
pub(crate) fn response(
    first: Option<Event>,
    events: mpsc::Receiver<Event>,
    sending: Option<Sending>,
    held: impl Send + 'static,
) -> Response {
    let state = (first, events, sending, held);
    let body = stream::unfold(state, |(first, mut events, mut sending, held)| async move {
        let bytes = match first {
            Some(event) => event.frame,
            None => match tokio::time::timeout(KEEP_ALIVE_EVERY, next(&mut events, &mut sending))
                .await
            {
                Ok(Some(event)) => event.frame,
                Ok(None) => return None,
                Err(_) => Bytes::from_static(KEEP_ALIVE),
            },
        };
        Some((Ok::<_, Infallible>(bytes), (None, events, sending, held)))
    });
    streamed(Body::from_stream(body))
}

fn streamed(body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, media::EVENT_STREAM),
        (CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (StatusCode::OK, headers, body).into_response()
}

/// A response that sends what a reader reads, so that it can be taken up again. `beginning` is the id that its client knows
/// before the first event. `held` lives as long as the body.
pub(crate) fn recorded(
    beginning: Option<String>,
    reader: Reader,
    held: impl Send + 'static,
) -> Response {
    let first = beginning.map(|id| Bytes::from(format!("id: {id}\ndata:\n\n")));
    let state = (first, reader, held);
    let body = stream::unfold(state, |(ready, reader, held)| async move {
        if let Some(bytes) = ready {
            return Some((Ok::<_, Infallible>(bytes), (None, reader, held)));
        }
        let (bytes, then) = match tokio::time::timeout(KEEP_ALIVE_EVERY, reader.next()).await {
            Ok(Some((id, event))) => (Bytes::from(format!("id: {id}\n")), Some(event.frame)),
            Ok(None) => return None,
            Err(_) => (Bytes::from_static(KEEP_ALIVE), None),
        };
        Some((Ok(bytes), (then, reader, held)))
    });
    streamed(Body::from_stream(body))
}

/// The next event; `None` when there will be none.
async fn next(events: &mut mpsc::Receiver<Event>, sending: &mut Option<Sending>) -> Option<Event> {
    loop {
        let Some(unsent) = sending else {
            return events.recv().await;
        };
        let error = tokio::select! {
            biased;
            Some(event) = events.recv() => return Some(event),
            error = unsent => error,
        };
        *sending = None;
        if error.is_some() {
            return error;
        }
    }
}
