//! [`Gateway`]: listening, connections, and an orderly end.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use hyper::service::service_fn;
use mcpt_http::Connections;
use mcpt_routing::{Discovery, RoutingTable, SessionLedger};
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    GatewayConfig,
    glance::Glances,
    metrics::Metrics,
    peers, proxy,
    shared::{Shared, SourceState},
    sources,
};

/// How often what was not used for a while is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Why the gateway could not run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The listener could not be given to the runtime.
    #[error("cannot serve HTTP")]
    Serve(#[source] io::Error),
}

/// A gateway that listens but does not serve yet.
#[derive(Debug)]
pub struct Gateway {
    listener: std::net::TcpListener,
    address: SocketAddr,
    config: GatewayConfig,
}

impl Gateway {
    /// Takes the address. Clients can connect from now on; they are answered once [`Gateway::serve`] runs.
    ///
    /// # Errors
    /// [`GatewayError::Listen`] when it cannot be had.
    pub fn bind(config: GatewayConfig) -> Result<Self, GatewayError> {
        let listen = || {
            let listener = std::net::TcpListener::bind(config.listen)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listen().map_err(|source| GatewayError::Listen {
            address: config.listen,
            source,
        })?;
        Ok(Self {
            listener,
            address,
            config,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` completes. Then open streams end, so that their clients turn to another gateway; each answer
    /// closes its connection; and once all clients have left or had time enough to do so, nothing new is accepted and
    /// requests in progress finish within the grace.
    ///
    /// # Errors
    /// [`GatewayError::Serve`] when the listener is not usable.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), GatewayError> {
        let listener = TcpListener::from_std(self.listener).map_err(GatewayError::Serve)?;
        let grace = self.config.drain_grace;
        let peers = self.config.peers.clone();
        let (shared, sources) = shared(self.config);
        let mut background = JoinSet::new();
        if let Some(peers) = peers {
            background.spawn(peers::exchange(peers, Arc::clone(&shared)));
        }
        for (index, source) in sources.into_iter().enumerate() {
            let changes = sources::begin(index, source, &shared);
            background.spawn(sources::follow(index, changes, Arc::clone(&shared)));
        }
        background.spawn(sweep(Arc::clone(&shared)));
        tracing::info!(address = %self.address, "gateway listens");

        let connections = Connections::default();
        let service = {
            let shared = Arc::clone(&shared);
            service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(proxy::handle(&shared, request).await) }
            })
        };
        let end = async {
            shutdown.await;
            tracing::info!(connections = connections.open(), "gateway drains");
            shared.closing.cancel();
            let drained = async {
                drop(tokio::time::timeout(grace / 2, connections.leave()).await);
                connections.stop();
                connections.closed().await;
            };
            if tokio::time::timeout(grace, drained).await.is_err() {
                tracing::warn!("requests still in progress are cut off");
            }
        };
        tokio::join!(connections.serve(listener, service), end);
        Ok(())
    }
}

fn shared(config: GatewayConfig) -> (Arc<Shared>, Vec<Box<dyn Discovery>>) {
    let sources = config.sources;
    let shared = Shared {
        table: RoutingTable::new(sources.len()),
        ledger: SessionLedger::new(config.session_idle.as_millis() as u64),
        keys: config.keys,
        metrics: Metrics::default(),
        access: config.access,
        default_namespace: config.default_namespace,
        policy: config.policy,
        glances: Glances::new(config.max_body),
        unreachable_hint: config.unreachable_hint,
        sources: sources
            .iter()
            .map(|source| source.name())
            .map(SourceState::new)
            .collect(),
        peers_told: AtomicBool::new(config.peers.is_none()),
        closing: CancellationToken::new(),
        changed: Notify::new(),
        started: Instant::now(),
    };
    (Arc::new(shared), sources)
}

async fn sweep(shared: Arc<Shared>) {
    let mut turns = tokio::time::interval(SWEEP_EVERY);
    loop {
        turns.tick().await;
        shared.sweep();
    }
}
