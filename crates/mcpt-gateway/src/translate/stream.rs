//! [`Outlet`] and [`Streamed`]: messages on their way to a client from a task that goes on by itself.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    body::Frame,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
};
use mcpt_protocol::{media, sse};
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::messages::Login;
use crate::relay::{Answer, GatewayBody};

/// Messages that may wait for a client that does not read.
const WAITING: usize = 16;

/// Where a task says what its client gets.
#[derive(Debug, Clone)]
pub(super) struct Outlet(mpsc::Sender<Piece>);

/// What a task says.
#[derive(Debug)]
enum Piece {
    /// A message that others follow.
    Message(String),
    /// The answer, and the status that it has if nothing came before it.
    Answer(StatusCode, String),
    /// An answer that asks for another login.
    Login(Login, String),
    /// Nothing but a sign of life.
    Alive,
}

/// Where the messages of a task come out.
#[derive(Debug)]
pub(super) struct Inlet(mpsc::Receiver<Piece>);

/// The two ends.
pub(super) fn channel() -> (Outlet, Inlet) {
    let (outlet, inlet) = mpsc::channel(WAITING);
    (Outlet(outlet), Inlet(inlet))
}

impl Outlet {
    /// Says a message that others follow; `false` when the client is gone.
    pub(super) async fn message(&self, text: String) -> bool {
        self.0.send(Piece::Message(text)).await.is_ok()
    }

    /// Says the answer.
    pub(super) async fn answer(&self, status: StatusCode, text: String) {
        // A client that is gone needs none.
        drop(self.0.send(Piece::Answer(status, text)).await);
    }

    /// Says that the server wants another login.
    pub(super) async fn login(&self, login: Login, text: String) {
        drop(self.0.send(Piece::Login(login, text)).await);
    }

    /// Says that a silent stream lives; `false` when the client is gone.
    pub(super) async fn alive(&self) -> bool {
        self.0.send(Piece::Alive).await.is_ok()
    }

    /// Completes when the client is gone.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }
}

impl Inlet {
    /// The response: JSON if the first thing that is said is the answer, else a stream of events. `guard` is kept until it is
    /// over or given up.
    pub(super) async fn response(mut self, guard: Option<DropGuard>) -> Answer {
        match self.0.recv().await {
            Some(Piece::Answer(status, text)) => {
                guard.map(DropGuard::disarm);
                whole(status, Some(text))
            }
            Some(Piece::Login(login, text)) => {
                guard.map(DropGuard::disarm);
                wants_login(login, text)
            }
            first => self.events(first, guard),
        }
    }

    /// A stream of events from the beginning.
    pub(super) fn stream(self, guard: Option<DropGuard>) -> Answer {
        self.events(Some(Piece::Alive), guard)
    }

    fn events(self, first: Option<Piece>, guard: Option<DropGuard>) -> Answer {
        let streamed = Streamed {
            first: first.map(event),
            rest: self.0,
            _guard: guard,
        };
        let mut response = Response::new(GatewayBody::Streamed(Box::new(streamed)));
        let headers = response.headers_mut();
        let events = HeaderValue::from_static(media::EVENT_STREAM);
        headers.insert(CONTENT_TYPE, events);
        let uncached = HeaderValue::from_static("no-cache, no-transform");
        headers.insert(CACHE_CONTROL, uncached);
        Answer::streamed(response)
    }
}

/// A body of events that a task makes.
#[derive(Debug)]
pub(crate) struct Streamed {
    first: Option<Bytes>,
    rest: mpsc::Receiver<Piece>,
    /// Tells the task when nobody reads any more.
    _guard: Option<DropGuard>,
}

fn event(piece: Piece) -> Bytes {
    match piece {
        Piece::Message(text) | Piece::Answer(_, text) | Piece::Login(_, text) => {
            let frame = sse::Frame::new(text.len(), |out| out.extend_from_slice(text.as_bytes()));
            Bytes::from(frame.into_event())
        }
        Piece::Alive => Bytes::from_static(sse::KEEP_ALIVE),
    }
}

impl Streamed {
    /// The next piece, as any body's.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let piece = ready!(self.rest.poll_recv(context));
        Poll::Ready(piece.map(|piece| Ok(Frame::data(event(piece)))))
    }
}

/// A response that asks for another login, as the server has asked.
pub(super) fn wants_login(login: Login, text: String) -> Answer {
    let mut answer = whole(login.status, Some(text));
    if let Some(challenge) = login.challenge {
        let headers = answer.response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// A response of one message, or of none.
pub(super) fn whole(status: StatusCode, text: Option<String>) -> Answer {
    let is_message = text.is_some();
    let mut response = Response::new(Bytes::from(text.unwrap_or_default()));
    *response.status_mut() = status;
    if is_message {
        let json = HeaderValue::from_static(media::JSON);
        response.headers_mut().insert(CONTENT_TYPE, json);
    }
    Answer::own(response)
}
