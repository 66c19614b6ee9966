//! The stage that counts: how often somebody may call, and how many of his calls may go on at once.

mod account;
mod shares;

use std::{path::Path, sync::Arc};

use mcpt_access::{Context, Limit, Limits};
use mcpt_core::Namespace;
use mcpt_routing::{ServerKey, SessionKeys};

use self::shares::Ask;
pub(crate) use self::shares::{Held, MAX_SHARES, Shares};
use crate::{
    access::{AccessFileError, Caller, Followed},
    aggregate::Replicas,
    refusal::Refusal,
};

/// Counts calls against what a file says.
#[derive(Debug)]
pub(crate) struct Limiter(Option<Counting>);

#[derive(Debug)]
struct Counting {
    limits: Followed<Limits>,
    shares: Arc<Shares>,
}

/// What a file says, before those are known who count together.
#[derive(Debug)]
pub(crate) struct LimitsFile(Option<Followed<Limits>>);

impl LimitsFile {
    /// Reads a file, if one is named, and follows it.
    ///
    /// # Errors
    /// [`AccessFileError`] when it is not usable now.
    pub(crate) fn open(
        file: Option<&Path>,
        namespace: &Namespace,
        issuers: Vec<String>,
    ) -> Result<Self, AccessFileError> {
        let namespace = namespace.clone();
        let parse = move |text: &str| {
            let context = Context {
                default_namespace: namespace.as_str(),
                issuers: &issuers,
            };
            Ok(Limits::parse(text, context)?)
        };
        let limits = file.map(|file| Followed::open(file, parse));
        limits.transpose().map(Self)
    }

    /// What counts by it, together with the other replicas of the gateway; and what these are given, if there is a file.
    pub(crate) fn count(self, keys: &Arc<SessionKeys>, replicas: &Arc<Replicas>) -> Limiter {
        Limiter(self.0.map(|limits| Counting {
            limits,
            shares: Arc::new(Shares::new(Arc::clone(keys), Arc::clone(replicas))),
        }))
    }
}

impl Limiter {
    /// What other replicas are given of, if there are limits.
    pub(crate) fn shares(&self) -> Option<Arc<Shares>> {
        self.0.as_ref().map(|counting| Arc::clone(&counting.shares))
    }

    /// Whether requests of somebody at a server are counted.
    pub(crate) fn counts(&self, caller: Option<&Caller>, server: &ServerKey) -> bool {
        self.0.as_ref().is_some_and(|counting| {
            let principal = caller.map(|caller| &**caller.principal());
            let limits = counting.limits.now();
            limits.any(principal, server.namespace.as_str(), server.name.as_str())
        })
    }

    /// Counts a request of somebody to a server, which calls `tool` if it calls one. What is given counts as going on until it
    /// is dropped.
    ///
    /// # Errors
    /// [`Refusal::Limited`].
    pub(crate) async fn admit(
        &self,
        caller: Option<&Caller>,
        server: &ServerKey,
        tool: Option<&str>,
    ) -> Result<Option<Held>, Refusal> {
        let Some(counting) = &self.0 else {
            return Ok(None);
        };
        let principal = caller.map(|caller| &**caller.principal());
        let limits = counting.limits.now().clone();
        let (namespace, name) = (server.namespace.as_str(), server.name.as_str());
        let about = limits.of(principal, namespace, name, tool);
        if about.is_empty() {
            return Ok(None);
        }
        let asks = about.into_iter().map(|limit| ask(limit, principal));
        counting.shares.take(asks.collect()).await.map(Some)
    }
}

fn ask(limit: &Limit, principal: Option<&mcpt_access::Principal>) -> Ask {
    Ask {
        account: limit.account(principal),
        rate: limit.rate,
        concurrent: limit.concurrent,
    }
}
