//! [`Observed`]: an answer's body as the last stage sees it: when it is over it is counted, and said in the access log.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use hyper::{
    Response,
    body::{Body, Frame, SizeHint},
};
use mcpt_protocol::Subject;

use crate::{
    access_log::{AccessLog, Entry},
    audit::Call,
    limits::Held,
    metrics::ServerMetrics,
    relay::GatewayBody,
};

/// A body on its way to a client.
#[derive(Debug)]
pub(crate) struct Observed {
    body: GatewayBody,
    record: Option<Record>,
    until: Option<Until>,
}

/// What ends a stream that has no end of its own.
pub(crate) struct Until(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Until {
    pub(crate) fn told(told: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(told))
    }
}

impl std::fmt::Debug for Until {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Until")
    }
}

/// What is to be said of an exchange when it is over.
#[derive(Debug)]
pub(crate) struct Record {
    /// When the request came.
    pub(crate) begin: Instant,
    /// What it was about.
    pub(crate) subject: Subject,
    /// What kept it from a good answer, if that is known from the answer's beginning.
    pub(crate) error: Option<&'static str>,
    /// Where it counts, if it is an operation of MCP.
    pub(crate) server: Option<Arc<ServerMetrics>>,
    /// Where it is said, and what else.
    pub(crate) log: Option<(Arc<AccessLog>, Box<Entry>)>,
    /// What is recorded of it.
    pub(crate) call: Option<Box<Call>>,
    /// Counts it as going on.
    pub(crate) held: Option<Held>,
}

impl Observed {
    /// An answer of which nothing is said.
    pub(crate) fn unseen(answer: Response<GatewayBody>) -> Response<Self> {
        answer.map(|body| Self {
            body,
            record: None,
            until: None,
        })
    }

    /// One of which something is said.
    pub(crate) fn seen(
        answer: Response<GatewayBody>,
        record: Record,
        until: Option<Until>,
    ) -> Response<Self> {
        answer.map(|body| Self {
            body,
            record: Some(record),
            until,
        })
    }
}

impl Record {
    /// The exchange is over; `ended` says whether its answer has come to its end.
    pub(crate) fn finish(self, ended: bool) {
        let time = self.begin.elapsed();
        // A client that leaves before the end has given the answer up.
        let error = self.error.or((!ended).then_some("cancelled"));
        if let Some(server) = &self.server {
            server.operation(&self.subject, error, time);
        }
        if let Some((log, entry)) = self.log {
            log.write(entry.line(&self.subject, error, time));
        }
        if let Some(call) = self.call {
            call.end(&self.subject, error, time);
        }
        drop(self.held);
    }
}

impl Body for Observed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        if let Some(Until(told)) = &mut this.until
            && told.as_mut().poll(context).is_ready()
        {
            this.until = None;
            this.body = GatewayBody::empty();
            if let Some(mut record) = this.record.take() {
                record.error = record.error.or(Some("refused"));
                record.finish(true);
            }
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut this.body).poll_frame(context);
        match &frame {
            Poll::Ready(None) => {
                if let Some(record) = this.record.take() {
                    record.finish(true);
                }
            }
            Poll::Ready(Some(Ok(frame))) => {
                let piece = frame.data_ref().map_or(0, Bytes::len);
                if let Some(Record {
                    log: Some((_, entry)),
                    ..
                }) = &mut this.record
                {
                    entry.bytes += piece as u64;
                }
            }
            Poll::Ready(Some(Err(_))) => {
                if let Some(record) = &mut this.record {
                    record.error = record.error.or(Some("broken"));
                }
            }
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body of known length is not polled past its last byte.
impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            record.finish(self.body.is_end_stream());
        }
    }
}
