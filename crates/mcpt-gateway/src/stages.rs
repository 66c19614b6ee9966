//! [`Stages`]: what a request walks through, in one direction.
//!
//! ```text
//! listener and limits -> access -> route -> target -> exchange -> relay of the answer -> metrics
//! ```
//! Each stage knows the ones before it only by what they hand on. Any of them may end the walk with a [`Refusal`].

use std::{error::Error, sync::Arc, time::Instant};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Body, Incoming},
    header::WWW_AUTHENTICATE,
};
use mcpt_access::Permission;
use mcpt_aggregate::ServerSet;
use mcpt_routing::Server;

use crate::{
    access::{self, Access, Caller, CredentialFault, Lock, WebPage},
    access_log::AccessLog,
    aggregate::Aggregate,
    audit::{AuditLog, Call},
    destination::{Called, Destination},
    exchange::Exchange,
    metrics::{Metrics, Outcome},
    noted::Noted,
    observed::Observed,
    older_clients::{self, OlderClients},
    outer::OuterUrl,
    pages::Pages,
    protected,
    refusal::Refusal,
    relay::Answer,
    route::Route,
    sets::{KnownSets, NamedHost},
    target::Targets,
    upstream::Upstream,
    walk::{Walk, trace_of},
};

/// A body that is read no further than to refuse its request.
pub(crate) trait Refusable:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin
{
}

impl<B> Refusable for B where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin
{
}

/// The stages of one gateway.
#[derive(Debug)]
pub(crate) struct Stages {
    pub(crate) access: Access,
    pub(crate) lock: Lock,
    pub(crate) sets: Arc<KnownSets>,
    pub(crate) targets: Targets,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) aggregate: Arc<Aggregate>,
    pub(crate) older_clients: Arc<OlderClients>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pages: Arc<Pages>,
    pub(crate) log: Option<Arc<AccessLog>>,
    pub(crate) audit: Option<Arc<AuditLog>>,
}

impl Stages {
    /// Answers one request.
    pub(crate) async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Response<Observed> {
        if let Route::Probe(page) = Route::of(request.uri().path()) {
            return Observed::unseen(self.pages.show(page));
        }
        let page = WebPage::of(&request);
        let checked = self.access.check(&request);
        if checked.is_ok()
            && let Some(answer) = self.access.preflight(&request)
        {
            return Observed::unseen(answer);
        }
        if checked.is_ok()
            && let Some(meant) = older_clients::meant_by(request.uri())
        {
            // On the heap: other requests need no room for it.
            let answered = self.older_clients.answer(self, meant, request);
            let mut answer = Box::pin(answered).await;
            self.access.share(&page, &mut answer);
            return Observed::unseen(answer);
        }
        let mut walk = Walk::of(&request, &self.metrics, self.log.as_ref());
        let recorded = checked.map(|()| self.recorded(&request));
        let mut answer = match recorded {
            Ok(Ok(call)) => {
                walk.call = call;
                self.admitted(request, &walk.noted).await
            }
            Ok(Err(unrecorded)) => {
                self.metrics.nowhere();
                self.exchange.refuse(unrecorded, request).await
            }
            Err(refused) => {
                self.metrics.nowhere();
                Answer::refusal(&Refusal::Access(refused), None)
            }
        };
        self.access.share(&page, &mut answer.response);
        walk.answered(answer)
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
    async fn admitted(&self, request: Request<Incoming>, noted: &Noted) -> Answer {
        let called = Called::by(&request, &self.sets);
        if !self.lock.is_locked() || called.place.is_for_all() {
            return self.routed(called, request, noted).await;
        }
        let request = match self.recognised(called.host.as_ref(), request).await {
            Ok(request) => request,
            Err(answer) => return *answer,
        };
        if let Some(caller) = request.extensions().get::<Caller>() {
            noted.note_caller(caller.clone());
        }
        self.routed(called, request, noted).await
    }

    /// Recognises who has sent a request, unless that was done: its extensions have him, and nothing that a client sends has any.
    ///
    /// # Errors
    /// What he is answered whom nobody knows.
    async fn recognised<B: Refusable>(
        &self,
        host: Option<&NamedHost>,
        request: Request<B>,
    ) -> Result<Request<B>, Box<Answer>> {
        if request.extensions().get::<Caller>().is_some() {
            return Ok(request);
        }
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path();
        let admitted = self
            .lock
            .admit(path, host, &mut parts.headers, &mut parts.extensions)
            .await;
        let request = Request::from_parts(parts, body);
        match admitted {
            Ok(()) => Ok(request),
            Err(fault) => Err(Box::new(self.unrecognised(fault, host, request).await)),
        }
    }

    /// The same for a request that means another path than it has, at which there must be servers.
    ///
    /// # Errors
    /// What he is answered whom nobody knows, or who calls what is not there.
    pub(crate) async fn recognised_at<B: Refusable>(
        &self,
        meant: &Uri,
        request: Request<B>,
    ) -> Result<Request<B>, Box<Answer>> {
        let mut inside = Request::new(());
        *inside.uri_mut() = meant.clone();
        inside.headers_mut().clone_from(request.headers());
        let Called { place, host } = Called::by(&inside, &self.sets);
        let request = self.recognised(host.as_ref(), request).await?;
        let found = match place {
            Destination::Together(_) => Ok(()),
            Destination::Server(named) => {
                let found = self.targets.find(named.namespace.as_deref(), &named.name);
                found.map(drop)
            }
            Destination::Metadata(_) | Destination::MetadataTogether | Destination::Nothing => {
                Err(Refusal::UnknownPath)
            }
        };
        match found {
            Ok(()) => Ok(request),
            Err(refusal) => Err(Box::new(self.exchange.refuse(refusal, request).await)),
        }
    }

    /// Answers a request of somebody who was let in, or one that anybody may send.
    async fn routed(&self, called: Called, request: Request<Incoming>, noted: &Noted) -> Answer {
        let Called { place, host } = called;
        let recognised = !self.lock.is_locked() || request.extensions().get::<Caller>().is_some();
        if !recognised && !place.is_for_all() {
            let fault = CredentialFault::Missing;
            return self.unrecognised(fault, host.as_ref(), request).await;
        }
        let about = matches!(place, Destination::Metadata(_));
        let target = match place {
            Destination::Together(set) => return self.aggregated(request, set, noted).await,
            // What a server says of a login, no client of a locked gateway can act on.
            Destination::Metadata(_) | Destination::MetadataTogether if self.lock.is_locked() => {
                return self.metadata(host.as_ref(), request).await;
            }
            Destination::Server(named) | Destination::Metadata(named) => {
                self.targets.find(named.namespace.as_deref(), &named.name)
            }
            Destination::MetadataTogether | Destination::Nothing => Err(Refusal::UnknownPath),
        };
        match target {
            Ok(server) => {
                noted.note_server(&server);
                self.exchange_with(server, request, about, noted).await
            }
            Err(refusal) => {
                self.metrics.nowhere();
                self.exchange.refuse(refusal, request).await
            }
        }
    }

    /// Answers somebody who has no credentials that would let him in.
    async fn unrecognised<B: Refusable>(
        &self,
        fault: CredentialFault,
        host: Option<&NamedHost>,
        request: Request<B>,
    ) -> Answer {
        self.metrics.nowhere();
        let outer = OuterUrl::of(&request, &self.access);
        let path = request.uri().path();
        let challenge = self.lock.challenge(fault, path, outer.as_ref(), host);
        let refusal = Refusal::Credentials(fault);
        let mut answer = self.exchange.refuse(refusal, request).await;
        if let Some(challenge) = challenge {
            let headers = answer.response.headers_mut();
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        answer
    }

    /// Answers for several servers as one: those of a set, or all.
    async fn aggregated(
        &self,
        request: Request<Incoming>,
        set: Option<Arc<ServerSet>>,
        noted: &Noted,
    ) -> Answer {
        // On the heap: requests for single servers need no room for it.
        let begin = Instant::now();
        let answer = Box::pin(self.aggregate.answer(request, set, noted)).await;
        let latency = (answer.outcome == Outcome::Answered).then(|| begin.elapsed());
        if let Some(server) = noted.server() {
            self.metrics.of(server).record(answer.outcome, latency);
        }
        answer
    }

    /// The server's answer, as far as the client may have it.
    async fn asked(
        &self,
        server: &Arc<Server<Upstream>>,
        request: Request<Incoming>,
        noted: &Noted,
    ) -> Answer {
        match access::permission(request.extensions(), server.key()) {
            Permission::Everything if !self.exchange.reads(request.extensions(), server.key()) => {
                self.exchange.with(server, request, noted).await
            }
            // On the heap: requests that go on unread need no room for it.
            permission => {
                let permitted = self.exchange.permitted(server, request, permission, noted);
                Box::pin(permitted).await
            }
        }
    }

    /// Tells how clients of a gateway with a lock get a token.
    async fn metadata(&self, host: Option<&NamedHost>, request: Request<Incoming>) -> Answer {
        let outer = OuterUrl::of(&request, &self.access);
        let path = request.uri().path();
        let refusal = match self.lock.metadata(path, outer.as_ref(), host) {
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
        noted: &Noted,
    ) -> Answer {
        let begin = Instant::now();
        let outer = OuterUrl::of(&request, &self.access);
        let mut answer = if about {
            // On the heap: calls need no room for it.
            Box::pin(self.exchange.metadata(&server, outer.as_ref(), request)).await
        } else {
            if let Some(outer) = &outer {
                outer.tell(request.headers_mut());
            }
            self.asked(&server, request, noted).await
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
        self.metrics
            .of(server.key())
            .record(answer.outcome, latency);
        answer
    }
}
