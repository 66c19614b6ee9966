//! A server that answers as the test says, and keeps what it was asked.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};

use crate::harness::PATIENCE;

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// `null` when there was no body.
    pub(crate) message: Value,
}

impl ReceivedRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The method of its message.
    pub(crate) fn what(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }
}

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// How it answers.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Its messages, as events if `open` is said.
    pub(crate) messages: Vec<Value>,
    /// Whether the stream goes on.
    pub(crate) open: Option<bool>,
    /// What the stream begins with, byte for byte.
    pub(crate) first: String,
}

impl Reply {
    pub(crate) fn json(status: u16, message: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            messages: vec![message],
            open: None,
            first: String::new(),
        }
    }

    pub(crate) fn nothing(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            messages: Vec::new(),
            open: None,
            first: String::new(),
        }
    }

    pub(crate) fn events(messages: Vec<Value>, open: bool) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            messages,
            open: Some(open),
            first: String::new(),
        }
    }

    /// A stream of this text alone.
    pub(crate) fn stream(text: &str) -> Self {
        Self {
            first: text.to_owned(),
            ..Self::events(Vec::new(), false)
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// The server.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<ReceivedRequest>>>,
    changes: watch::Sender<usize>,
    /// Open streams that were given up.
    left: watch::Sender<usize>,
}

impl Recorded {
    pub(crate) async fn start(
        answer: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            changes: watch::Sender::new(0),
            left: watch::Sender::new(0),
        };
        let (serving, answer) = (server.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, answer) = (serving.clone(), Arc::clone(&answer));
                let service = service_fn(move |request| {
                    let (server, answer) = (server.clone(), Arc::clone(&answer));
                    async move { Ok::<_, Infallible>(server.answer(request, &*answer).await) }
                });
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(serving.await) });
            }
        });
        server
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        answer: &(impl Fn(&ReceivedRequest) -> Reply + Sync),
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let asked = ReceivedRequest {
            method: parts.method,
            headers: parts.headers,
            message: serde_json::from_slice(&body).unwrap_or_default(),
        };
        let reply = answer(&asked);
        self.asked.lock().unwrap().push(asked);
        self.changes.send_modify(|changes| *changes += 1);
        let mut response = Response::builder().status(reply.status);
        for (name, value) in &reply.headers {
            response = response.header(*name, value);
        }
        let kind = match reply.open {
            Some(_) => "text/event-stream",
            None => "application/json",
        };
        if !reply.messages.is_empty() || reply.open.is_some() {
            response = response.header("Content-Type", kind);
        }
        let text = |message: Value| match reply.open {
            Some(_) => format!("data: {message}\n\n"),
            None => message.to_string(),
        };
        let messages = reply.messages.into_iter().map(text);
        let first = Some(reply.first).filter(|first| !first.is_empty());
        let pieces: Vec<_> = first.into_iter().chain(messages).collect();
        let pieces = stream::iter(pieces).map(|text| Ok(Frame::data(Bytes::from(text))));
        let left = self.left.clone();
        let rest = async move {
            let _leaving = Leaving(left);
            std::future::pending::<Result<Frame<Bytes>, Infallible>>().await
        };
        let body = if reply.open == Some(true) {
            pieces.chain(stream::once(rest)).boxed()
        } else {
            pieces.boxed()
        };
        response.body(StreamBody::new(body)).unwrap()
    }

    /// All that it was asked.
    pub(crate) fn asked(&self) -> Vec<ReceivedRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// What it was asked by messages of this method.
    pub(crate) fn asked_for(&self, what: &str) -> Vec<ReceivedRequest> {
        let asked = self.asked().into_iter();
        asked.filter(|asked| asked.what() == what).collect()
    }

    /// Waits until something that it was asked is so.
    pub(crate) async fn is_asked(&self, so: impl Fn(&ReceivedRequest) -> bool) -> ReceivedRequest {
        let mut changes = self.changes.subscribe();
        let found = async {
            loop {
                if let Some(found) = self.asked().into_iter().find(&so) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap()
    }

    /// Waits until so many of its open streams were given up.
    pub(crate) async fn is_left(&self, times: usize) {
        let mut left = self.left.subscribe();
        let enough = left.wait_for(|left| *left >= times);
        drop(
            tokio::time::timeout(PATIENCE, enough)
                .await
                .unwrap()
                .unwrap(),
        );
    }
}

struct Leaving(watch::Sender<usize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.send_modify(|left| *left += 1);
    }
}
