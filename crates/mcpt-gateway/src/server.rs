//! [`Gateway`]: listening, connections, and an orderly end.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use mcpt_routing::{Discovery, RoutingTable, SessionLedger};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    GatewayConfig,
    metrics::Metrics,
    proxy,
    shared::{Shared, SourceState},
    sources,
};

/// How long a client may take from one request's end to the next one's complete head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How often what was not used for a while is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long connections are still served after the shutdown was asked for, each answer being the last on its connection.
/// To close one at any other moment may lose a request that is already on its way.
const LINGER: Duration = Duration::from_secs(1);

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

    /// Serves until `shutdown` completes. Then open streams are closed, clients are asked to close their connections,
    /// nothing new is accepted after a moment, and requests in progress finish within the grace.
    ///
    /// # Errors
    /// [`GatewayError::Serve`] when the listener is not usable.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), GatewayError> {
        let listener = TcpListener::from_std(self.listener).map_err(GatewayError::Serve)?;
        let grace = self.config.drain_grace;
        let (shared, sources) = shared(self.config);
        let mut background = JoinSet::new();
        for (index, source) in sources.into_iter().enumerate() {
            let changes = sources::begin(index, source, &shared);
            background.spawn(sources::follow(index, changes, Arc::clone(&shared)));
        }
        background.spawn(sweep(Arc::clone(&shared)));
        tracing::info!(address = %self.address, "gateway listens");

        let connections = GracefulShutdown::new();
        let open = TaskTracker::new();
        let accepting = async {
            loop {
                let stream = accept(&listener).await;
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(proxy::handle(&shared, request).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                let connection = connections.watch(connection);
                open.spawn(async move {
                    // Clients may leave at any moment.
                    if let Err(error) = connection.await {
                        tracing::trace!(%error, "connection of a client ended");
                    }
                });
            }
        };
        let leaving = async {
            shutdown.await;
            tracing::info!(connections = open.len(), "gateway drains");
            shared.closing.cancel();
            open.close();
            // Those that are still there then have been silent.
            drop(tokio::time::timeout(LINGER, open.wait()).await);
        };
        tokio::select! {
            never = accepting => never,
            () = leaving => {}
        }
        drop(listener);
        if tokio::time::timeout(grace, connections.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("requests still in progress are cut off");
        }
        Ok(())
    }
}

/// The next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Messages are small and must not wait for each other; a socket that refuses this works all the same.
                drop(stream.set_nodelay(true));
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
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
        max_body: config.max_body,
        unreachable_hint: config.unreachable_hint,
        sources: sources
            .iter()
            .map(|source| SourceState {
                name: source.name(),
                told: false.into(),
            })
            .collect(),
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
