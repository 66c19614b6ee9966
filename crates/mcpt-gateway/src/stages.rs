//! [`Stages`]: what a request walks through, in one direction.
//!
//! ```text
//! listener and limits -> access -> route -> target -> exchange -> relay of the answer -> metrics
//! ```
//! Each stage knows the ones before it only by what they hand on. Any of them may end the walk with a [`Refusal`].

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use hyper::{Method, Request, Response, StatusCode, body::Incoming, header::WWW_AUTHENTICATE};
use mcpt_access::Permission;
use mcpt_protocol::{Subject, media};
use mcpt_routing::Server;

use crate::{
    access::{self, Access, Caller, CredentialFault, Lock, WebPage},
    access_log::{AccessLog, Entry},
    aggregate::Aggregate,
    audit::{AuditLog, Call},
    exchange::Exchange,
    metrics::{Metrics, Outcome, ServerMetrics},
    observed::{Observed, Record, Until},
    outer::OuterUrl,
    pages::Pages,
    protected,
    refusal::Refusal,
    relay::Answer,
    route::Route,
    target::Targets,
    trace::{self, TRACEPARENT},
    upstream::Upstream,
};

/// The stages of one gateway.
#[derive(Debug)]
pub(crate) struct Stages {
    pub(crate) access: Access,
    pub(crate) lock: Lock,
    pub(crate) targets: Targets,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) aggregate: Arc<Aggregate>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pages: Arc<Pages>,
    pub(crate) log: Option<Arc<AccessLog>>,
    pub(crate) audit: Option<Arc<AuditLog>>,
}

/// An answer with what is to be said of it: to whom it goes, which server has given it and where that is counted, if one was
/// asked.
struct Told {
    answer: Answer,
    caller: Option<Caller>,
    asked: Option<(Arc<Server<Upstream>>, Arc<ServerMetrics>)>,
}

impl Told {
    /// The gateway's own, before any server was asked.
    fn nobody(answer: Answer) -> Self {
        Self {
            answer,
            caller: None,
            asked: None,
        }
    }
}

impl Stages {
    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Observed> {
        if let Route::Probe(page) = Route::of(request.uri().path()) {
            return Observed::unseen(self.pages.show(page));
        }
        let begin = Instant::now();
        let page = WebPage::of(&request);
        let operation = request.method() == Method::POST;
        let listens = request.method() == Method::GET;
        let subject = Subject::of_headers(request.headers());
        let mut entry = self.log.as_ref().map(|_| Box::new(entry(&request)));
        let mut call = None;
        let told = match self.access.check(&request) {
            Ok(()) => {
                if let Some(answer) = self.access.preflight(&request) {
                    return Observed::unseen(answer);
                }
                match self.recorded(&request) {
                    Ok(begun) => {
                        call = begun;
                        self.admitted(request).await
                    }
                    Err(unrecorded) => {
                        self.metrics.nowhere();
                        Told::nobody(self.exchange.refuse(unrecorded, request).await)
                    }
                }
            }
            Err(refused) => {
                self.metrics.nowhere();
                Told::nobody(Answer::refusal(&Refusal::Access(refused), None))
            }
        };
        let Told {
            answer,
            caller,
            asked,
        } = told;
        let mut response = answer.response;
        let kept = answer.kept.map(|kept| *kept).unwrap_or_default();
        if let Some(call) = &mut call {
            call.principal = caller.as_ref().map(|caller| Arc::clone(caller.principal()));
            call.server = asked.as_ref().map(|(server, _)| server.key().clone());
            call.status = response.status();
            call.arguments = kept.arguments;
        }
        self.access.share(&page, &mut response);
        if let Some(entry) = &mut entry {
            entry.begun(&response, asked.as_ref().map(|(server, _)| server.key()));
        }
        let subject = answer.subject.or(subject);
        let listens = listens || subject.method() == Some("subscriptions/listen");
        // What somebody hears who may not any more: the one exchange that has no end at which he would be asked again.
        let until = caller
            .filter(|_| listens && media::is_type(response.headers(), media::EVENT_STREAM))
            .map(|caller| {
                let server = asked.as_ref().map(|(server, _)| server.key().clone());
                Until::told(caller.revoked(server))
            });
        let record = Record {
            begin,
            subject,
            error: answer.outcome.error(),
            server: asked.map(|(_, metrics)| metrics).filter(|_| operation),
            log: self.log.clone().zip(entry),
            call,
            held: kept.held,
        };
        Observed::seen(response, record, until)
    }

    /// Begins to record a request, if requests are.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`] when it cannot be recorded and must be.
    fn recorded(&self, request: &Request<Incoming>) -> Result<Option<Box<Call>>, Refusal> {
        let Some(audit) = &self.audit else {
            return Ok(None);
        };
        let call = audit.begin(request.method().as_str(), trace_of(request));
        let call = call.ok_or(Refusal::Unrecorded)?;
        Ok(Some(Box::new(call)))
    }

    /// Answers a request that may come in.
    async fn admitted(&self, request: Request<Incoming>) -> Told {
        let for_all = Route::of(request.uri().path()).is_for_all();
        let request = if for_all || !self.lock.is_locked() {
            request
        } else {
            let (mut parts, body) = request.into_parts();
            let path = parts.uri.path();
            let admitted = self
                .lock
                .admit(path, &mut parts.headers, &mut parts.extensions);
            let admitted = admitted.await;
            let request = Request::from_parts(parts, body);
            if let Err(fault) = admitted {
                return Told::nobody(self.unrecognised(fault, request).await);
            }
            request
        };
        let caller = request.extensions().get::<Caller>().cloned();
        let told = self.routed(request).await;
        Told { caller, ..told }
    }

    /// Answers a request of somebody who was let in.
    async fn routed(&self, request: Request<Incoming>) -> Told {
        let route = Route::of(request.uri().path());
        let target = match route {
            Route::All => return self.aggregated(request).await,
            // What a server says of a login, no client of a locked gateway can act on.
            Route::Metadata { .. } | Route::MetadataOfAll if self.lock.is_locked() => {
                return Told::nobody(self.metadata(request).await);
            }
            Route::Server { namespace, name } | Route::Metadata { namespace, name } => {
                self.targets.find(namespace, name)
            }
            Route::Probe(_) | Route::MetadataOfAll | Route::Nothing => Err(Refusal::UnknownPath),
        };
        let about = matches!(route, Route::Metadata { .. });
        match target {
            Ok(server) => self.exchange_with(server, request, about).await,
            Err(refusal) => {
                self.metrics.nowhere();
                Told::nobody(self.exchange.refuse(refusal, request).await)
            }
        }
    }

    /// Answers somebody who has no credentials that would let him in.
    async fn unrecognised(&self, fault: CredentialFault, request: Request<Incoming>) -> Answer {
        self.metrics.nowhere();
        let outer = OuterUrl::of(&request, &self.access);
        let path = request.uri().path();
        let challenge = self.lock.challenge(fault, path, outer.as_ref());
        let refusal = Refusal::Credentials(fault);
        let mut answer = self.exchange.refuse(refusal, request).await;
        if let Some(challenge) = challenge {
            let headers = answer.response.headers_mut();
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        answer
    }

    /// Answers for all servers as one.
    async fn aggregated(&self, request: Request<Incoming>) -> Told {
        // On the heap: requests for single servers need no room for it.
        let begin = Instant::now();
        let (answer, server) = Box::pin(self.aggregate.answer(request)).await;
        let latency = (answer.outcome == Outcome::Answered).then(|| begin.elapsed());
        let asked = server.map(|server| {
            let metrics = self.metrics.of(server.key());
            metrics.record(answer.outcome, latency);
            (server, metrics)
        });
        Told {
            answer,
            caller: None,
            asked,
        }
    }

    /// The server's answer, as far as the client may have it.
    async fn asked(&self, server: &Arc<Server<Upstream>>, request: Request<Incoming>) -> Answer {
        match access::permission(request.extensions(), server.key()) {
            Permission::Everything if !self.exchange.reads(request.extensions(), server.key()) => {
                self.exchange.with(server, request).await
            }
            // On the heap: requests that go on unread need no room for it.
            permission => Box::pin(self.exchange.permitted(server, request, permission)).await,
        }
    }

    /// Tells how clients of a gateway with a lock get a token.
    async fn metadata(&self, request: Request<Incoming>) -> Answer {
        let outer = OuterUrl::of(&request, &self.access);
        let path = request.uri().path();
        let refusal = match self.lock.metadata(path, outer.as_ref()) {
            Some(_) if request.method() != Method::GET => Refusal::Method { allow: "GET" },
            Some(metadata) => return Answer::page("application/json", metadata),
            None => Refusal::NoMetadata(path.to_owned()),
        };
        self.exchange.refuse(refusal, request).await
    }

    async fn exchange_with(
        &self,
        server: Arc<Server<Upstream>>,
        mut request: Request<Incoming>,
        about: bool,
    ) -> Told {
        let begin = Instant::now();
        let outer = OuterUrl::of(&request, &self.access);
        let mut answer = if about {
            // On the heap: calls need no room for it.
            Box::pin(self.exchange.metadata(&server, outer.as_ref(), request)).await
        } else {
            if let Some(outer) = &outer {
                outer.tell(request.headers_mut());
            }
            self.asked(&server, request).await
        };
        if self.lock.is_locked() {
            if answer.response.status() == StatusCode::UNAUTHORIZED {
                answer = Answer::refusal(&Refusal::WantsLogin(server.key().to_string()), None);
            }
            answer.response.headers_mut().remove(WWW_AUTHENTICATE);
        }
        if answer.response.headers().contains_key(WWW_AUTHENTICATE)
            && let Some(outer) = &outer
        {
            let keys = &self.exchange.keys;
            protected::tell_client(&mut answer.response, &server, outer, keys);
        }
        let latency = (answer.outcome == Outcome::Answered).then(|| begin.elapsed());
        let metrics = self.metrics.of(server.key());
        metrics.record(answer.outcome, latency);
        Told {
            answer,
            caller: None,
            asked: Some((server, metrics)),
        }
    }
}

/// What the access log says of a request.
fn entry(request: &Request<Incoming>) -> Entry {
    Entry {
        time: SystemTime::now(),
        route: None,
        http_method: request.method().to_string(),
        status: 0,
        endpoint: None,
        trace: trace_of(request),
        bytes: 0,
    }
}

/// The trace that a request belongs to.
fn trace_of(request: &Request<Incoming>) -> Option<String> {
    let trace = request.headers().get(TRACEPARENT)?;
    trace::trace_id(trace.to_str().ok()?).map(str::to_owned)
}
