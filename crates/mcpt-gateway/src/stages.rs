//! [`Stages`]: what a request walks through, in one direction.
//!
//! ```text
//! listener and limits -> access -> route -> target -> exchange -> relay of the answer -> metrics
//! ```
//! Each stage knows the ones before it only by what they hand on. Any of them may end the walk with a [`Refusal`].

use std::{sync::Arc, time::Instant};

use hyper::{Request, Response, body::Incoming, header::WWW_AUTHENTICATE};
use mcpt_routing::Server;

use crate::{
    access::{Access, WebPage},
    exchange::Exchange,
    metrics::{Metrics, Outcome},
    outer::OuterUrl,
    pages::Pages,
    protected,
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
    pub(crate) exchange: Arc<Exchange>,
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
        let route = Route::of(request.uri().path());
        let target = match route {
            Route::Probe(page) => return self.pages.show(page),
            Route::Server { namespace, name } | Route::Metadata { namespace, name } => {
                self.targets.find(namespace, name)
            }
            Route::Nothing => Err(Refusal::UnknownPath),
        };
        let about = matches!(route, Route::Metadata { .. });
        match target {
            Ok(server) => self.exchange_with(&server, request, about).await,
            Err(refusal) => {
                self.metrics.nowhere();
                self.exchange.refuse(refusal, request).await.response
            }
        }
    }

    async fn exchange_with(
        &self,
        server: &Arc<Server<Upstream>>,
        mut request: Request<Incoming>,
        about: bool,
    ) -> Response<GatewayBody> {
        let begin = Instant::now();
        let outer = OuterUrl::of(&request, &self.access);
        let mut answer = if about {
            self.exchange
                .metadata(server, outer.as_ref(), request)
                .await
        } else {
            if let Some(outer) = &outer {
                outer.tell(request.headers_mut());
            }
            self.exchange.with(server, request).await
        };
        if answer.response.headers().contains_key(WWW_AUTHENTICATE)
            && let Some(outer) = &outer
        {
            let keys = &self.exchange.keys;
            protected::tell_client(&mut answer.response, server, outer, keys);
        }
        let latency = (answer.outcome == Outcome::Answered).then(|| begin.elapsed());
        self.metrics.record(server.key(), answer.outcome, latency);
        answer.response
    }
}
