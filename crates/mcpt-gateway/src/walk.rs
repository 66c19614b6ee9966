//! [`Walk`]: one request on its way through the stages, and what is told of it in the end. A client that leaves before an answer
//! begins is the end too: whatever waits for the answer is dropped then, and this with it.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use hyper::{Method, Request, body::Incoming};
use mcpt_protocol::media;

use crate::{
    access_log::{AccessLog, Entry},
    audit::Call,
    limits::Held,
    metrics::{Metrics, Outcome, ServerMetrics},
    noted::Noted,
    observed::{Observed, Record, Until},
    relay::{Answer, GatewayBody},
    trace::{self, TRACEPARENT},
};

/// A request that has come and was not answered yet.
#[derive(Debug)]
pub(crate) struct Walk {
    begin: Instant,
    /// Whether it may be an operation of MCP.
    operation: bool,
    /// Whether it only listens, by its method of HTTP.
    listens: bool,
    /// What the stages find out of it.
    pub(crate) noted: Noted,
    metrics: Arc<Metrics>,
    log: Option<(Arc<AccessLog>, Box<Entry>)>,
    /// Where it is recorded, if it is.
    pub(crate) call: Option<Box<Call>>,
    answered: bool,
}

impl Walk {
    /// That of a request, which is said in `log` when it is over.
    pub(crate) fn of(
        request: &Request<Incoming>,
        metrics: &Arc<Metrics>,
        log: Option<&Arc<AccessLog>>,
    ) -> Self {
        Self {
            begin: Instant::now(),
            operation: request.method() == Method::POST,
            listens: request.method() == Method::GET,
            noted: Noted::of(request.headers()),
            metrics: Arc::clone(metrics),
            log: log.map(|log| (Arc::clone(log), Box::new(entry(request)))),
            call: None,
            answered: false,
        }
    }

    /// The answer has begun: what is to be told is told at its end.
    pub(crate) fn answered(mut self, answer: Answer) -> hyper::Response<Observed> {
        self.answered = true;
        let response = answer.response;
        if let Some((_, entry)) = &mut self.log {
            entry.begun(&response);
        }
        if let Some(call) = &mut self.call {
            call.status = Some(response.status());
        }
        let kept = answer.kept.map(|kept| *kept).unwrap_or_default();
        let record = self.record(answer.outcome.error(), kept.held);
        let until = self.until(&record, &response);
        Observed::seen(response, record, until)
    }

    /// When somebody hears no more who may not any more: in the one exchange that has no end at which he would be asked again.
    fn until(&self, record: &Record, response: &hyper::Response<GatewayBody>) -> Option<Until> {
        let caller = self.noted.caller()?;
        let listens = self.listens || record.subject.method() == Some("subscriptions/listen");
        let stream = listens && media::is_type(response.headers(), media::EVENT_STREAM);
        let revoked = |server| Until::told(caller.clone().revoked(server));
        stream.then(|| revoked(self.noted.server().cloned()))
    }

    fn record(&mut self, error: Option<&'static str>, held: Option<Held>) -> Record {
        let server = self.noted.server().cloned();
        let mut call = self.call.take();
        if let Some(call) = &mut call {
            let caller = self.noted.caller();
            call.principal = caller.map(|caller| Arc::clone(caller.principal()));
            call.server.clone_from(&server);
            call.arguments = self.noted.take_arguments();
        }
        let mut log = self.log.take();
        if let Some((_, entry)) = &mut log {
            entry.route = server.as_ref().map(|server| format!("/mcp/{server}"));
        }
        Record {
            begin: self.begin,
            subject: self.noted.subject(),
            error,
            server: self.metrics_of_server().filter(|_| self.operation),
            log,
            call,
            held,
        }
    }

    fn metrics_of_server(&self) -> Option<Arc<ServerMetrics>> {
        Some(self.metrics.of(self.noted.server()?))
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        if let Some(server) = self.metrics_of_server() {
            server.record(Outcome::Cancelled, None);
        }
        self.record(Outcome::Cancelled.error(), None).finish(true);
    }
}

/// What the access log says of a request.
fn entry(request: &Request<Incoming>) -> Entry {
    Entry {
        time: SystemTime::now(),
        route: None,
        http_method: request.method().to_string(),
        status: None,
        endpoint: None,
        trace: trace_of(request),
        bytes: 0,
    }
}

/// The trace that a request belongs to.
pub(crate) fn trace_of(request: &Request<Incoming>) -> Option<String> {
    let trace = request.headers().get(TRACEPARENT)?;
    trace::trace_id(trace.to_str().ok()?).map(str::to_owned)
}
