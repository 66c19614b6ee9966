//! [`Gateway`]: listening, connections, and an orderly end.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use hyper::service::service_fn;
use mcpt_http::Connections;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    GatewayConfig,
    access::Access,
    directory::Directory,
    exchange::{BodyBudget, Exchange},
    metrics::Metrics,
    pages::Pages,
    peers, sources,
    stages::Stages,
    target::Targets,
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
            let listener = mcpt_http::listen(config.listen)?;
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
        let mut background = JoinSet::new();
        let (stages, closing) = stages(self.config, &mut background);
        tracing::info!(address = %self.address, "gateway listens");

        let connections = Connections::default();
        let service = service_fn(move |request| {
            let stages = Arc::clone(&stages);
            async move { Ok::<_, Infallible>(stages.answer(request).await) }
        });
        let end = async {
            shutdown.await;
            tracing::info!(connections = connections.open(), "gateway drains");
            closing.cancel();
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

/// Puts the stages together, and begins what goes on beside them for as long as `background` is kept; with what ends
/// streams that have no end of their own.
fn stages(config: GatewayConfig, background: &mut JoinSet<()>) -> (Arc<Stages>, CancellationToken) {
    let names = config.sources.iter().map(|source| source.name());
    let directory = Arc::new(Directory::new(names, config.session_idle));
    let metrics = Arc::<Metrics>::default();
    let bodies = Arc::new(BodyBudget::new(config.max_body));
    let peers_heard = Arc::new(AtomicBool::new(config.peers.is_none()));
    let closing = CancellationToken::new();
    if let Some(peers) = config.peers {
        let heard = Arc::clone(&peers_heard);
        background.spawn(peers::exchange(peers, Arc::clone(&directory), heard));
    }
    for (index, source) in config.sources.into_iter().enumerate() {
        let changes = sources::begin(index, source, &directory);
        background.spawn(sources::follow(index, changes, Arc::clone(&directory)));
    }
    background.spawn(sweep(Arc::clone(&directory)));
    let default_namespace = config.default_namespace;
    let stages = Stages {
        access: Access::new(config.access),
        targets: Targets::new(Arc::clone(&directory), default_namespace.clone()),
        exchange: Exchange {
            directory: Arc::clone(&directory),
            keys: config.keys,
            policy: config.policy,
            bodies: Arc::clone(&bodies),
            unreachable_hint: config.unreachable_hint,
            closing: closing.clone(),
        },
        metrics: Arc::clone(&metrics),
        pages: Pages {
            directory,
            metrics,
            bodies,
            default_namespace,
            peers_heard,
            closing: closing.clone(),
        },
    };
    (Arc::new(stages), closing)
}

async fn sweep(directory: Arc<Directory>) {
    let mut turns = tokio::time::interval(SWEEP_EVERY);
    loop {
        turns.tick().await;
        directory.sweep();
    }
}
