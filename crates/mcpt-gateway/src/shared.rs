//! [`Shared`]: what all connections of a gateway share.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use mcpt_core::Namespace;
use mcpt_protocol::AccessRules;
use mcpt_routing::{Change, Policy, RoutingTable, SessionKeys, SessionLedger};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{glance::Glances, metrics::Metrics, upstream::Upstream};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) table: RoutingTable<Upstream>,
    pub(crate) ledger: SessionLedger<Upstream>,
    pub(crate) keys: SessionKeys,
    pub(crate) metrics: Metrics,
    pub(crate) access: AccessRules,
    pub(crate) default_namespace: Namespace,
    pub(crate) policy: Policy,
    pub(crate) glances: Glances,
    pub(crate) unreachable_hint: Option<&'static str>,
    pub(crate) sources: Vec<SourceState>,
    /// Whether the peers were asked at least once, if there can be any.
    pub(crate) peers_told: AtomicBool,
    /// Ends streams that have no end of their own.
    pub(crate) closing: CancellationToken,
    /// Wakes those who wait for a change of the table.
    pub(crate) changed: Notify,
    pub(crate) started: Instant,
}

/// What is known of a source.
#[derive(Debug)]
pub(crate) struct SourceState {
    pub(crate) name: &'static str,
    /// Whether it has told all that it knows.
    pub(crate) told: AtomicBool,
}

impl SourceState {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            told: AtomicBool::new(false),
        }
    }
}

impl Shared {
    /// The routing's clock: milliseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Takes in what a source says.
    pub(crate) fn apply(&self, source: usize, change: Change) {
        let complete = matches!(change, Change::Snapshot(_));
        let applied = self.table.apply(source, change);
        for server in &applied.changed {
            let endpoints = server.endpoints().iter();
            for (endpoint, _) in endpoints.filter(|(_, conditions)| conditions.terminating) {
                endpoint.link().retire();
            }
            let ready = server.endpoints().iter().filter(|(_, c)| c.ready).count();
            let endpoints = server.endpoints().len();
            tracing::info!(server = %server.key(), endpoints, ready, "server changed");
        }
        for key in &applied.removed {
            tracing::info!(server = %key, "server removed");
        }
        if !applied.gone.is_empty() {
            self.ledger.forget(|endpoint| {
                applied
                    .gone
                    .iter()
                    .any(|gone| std::sync::Arc::ptr_eq(gone, endpoint))
            });
        }
        if complete && let Some(state) = self.sources.get(source) {
            state.told.store(true, Relaxed);
        }
        self.changed.notify_waiters();
    }

    /// The sources that have not told yet what they know.
    pub(crate) fn awaited(&self) -> Vec<&'static str> {
        self.sources
            .iter()
            .filter(|s| !s.told.load(Relaxed))
            .map(|s| s.name)
            .collect()
    }

    /// Waits until all sources have told what they know.
    pub(crate) async fn complete(&self) {
        loop {
            let changed = self.changed.notified();
            if self.awaited().is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Forgets what was not used for a while.
    pub(crate) fn sweep(&self) {
        self.ledger.sweep(self.now());
        for server in self.table.current().iter() {
            for (endpoint, _) in server.endpoints() {
                endpoint.link().close_idle();
            }
        }
    }
}

/// Seconds since 1970, for tickets.
pub(crate) fn unix_time() -> u32 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX)
}
