//! [`Stages`]: what a request walks through, in one direction.
//!
//! ```text
//! listener and limits -> access -> route -> target -> exchange -> relay of the answer -> metrics
//! ```
//! Each stage knows the ones before it only by what they hand on. Any of them may end the walk with a [`Refusal`].

use std::{sync::Arc, time::Instant};

use hyper::{Request, Response, body::Incoming};
use mcpt_routing::Server;

use crate::{
    access::{Access, WebPage},
    exchange::Exchange,
    metrics::{Metrics, Outcome},
    pages::Pages,
    refusal::Refusal,
    relay::GatewayBody,
    route::Route,
    target::Targets,
    upstream::Upstream,
};

/// The stages of one gateway.
#[derive(Debug)]
pub(crate) struct Stages {
    pub(crate) access: Access,
    pub(crate) targets: Targets,
    pub(crate) exchange: Exchange,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pages: Arc<Pages>,
}

impl Stages {
    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<GatewayBody> {
        if let Route::Probe(page) = Route::of(request.uri().path()) {
            return self.pages.show(page);
        }
        let page = WebPage::of(&request);
        let mut answer = match self.access.check(&request) {
            Ok(()) => match self.access.preflight(&request) {
                Some(answer) => return answer,
                None => self.admitted(request).await,
            },
            Err(refused) => {
                self.metrics.nowhere();
                Refusal::Access(refused).response(None)
            }
        };
        self.access.share(&page, &mut answer);
        answer
    }

    /// Answers a request that may come in.
    async fn admitted(&self, request: Request<Incoming>) -> Response<GatewayBody> {
        let target = match Route::of(request.uri().path()) {
            Route::Probe(page) => return self.pages.show(page),
            Route::Server { namespace, name } => self.targets.find(namespace, name),
            Route::Nothing => Err(Refusal::UnknownPath),
        };
        match target {
            Ok(server) => self.exchange_with(&server, request).await,
            Err(refusal) => {
                self.metrics.nowhere();
                self.exchange.refuse(refusal, request).await.response
            }
        }
    }

    async fn exchange_with(
        &self,
        server: &Arc<Server<Upstream>>,
        request: Request<Incoming>,
    ) -> Response<GatewayBody> {
        let begin = Instant::now();
        let answer = self.exchange.with(server, request).await;
        let latency = (answer.outcome == Outcome::Answered).then(|| begin.elapsed());
        self.metrics.record(server.key(), answer.outcome, latency);
        answer.response
    }
}
