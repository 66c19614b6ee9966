//! [`Gateway`]: listening, connections, and an orderly end.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
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
/// How long connections are still served after the shutdown was asked for, each answer being the last on its connection.
/// To close one at any other moment may lose a request that is already on its way.
const LINGER: Duration = Duration::from_secs(1);
/// How long a new connection may then take to bring its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// Pause after a connection could not be accepted, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
        let linger = LINGER.min(grace / 2);
        let (shared, sources) = shared(self.config);
        let mut background = JoinSet::new();
        for (index, source) in sources.into_iter().enumerate() {
            let changes = sources::begin(index, source, &shared);
            background.spawn(sources::follow(index, changes, Arc::clone(&shared)));
        }
        background.spawn(sweep(Arc::clone(&shared)));
        tracing::info!(address = %self.address, "gateway listens");

        let clients = Clients::default();
        let accept_all = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => clients.serve(stream, &shared),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        let begin_of_end = async {
            shutdown.await;
            tracing::info!(connections = clients.tasks.len(), "gateway drains");
            shared.closing.cancel();
            clients.tasks.close();
            // Those who have not left by then are sent away.
            drop(tokio::time::timeout(linger, clients.tasks.wait()).await);
        };
        tokio::select! {
            () = accept_all => {}
            () = begin_of_end => {}
        }
        // Whoever is connected already but not accepted yet would find the connection broken.
        while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
            clients.serve(stream, &shared);
        }
        drop(listener);
        clients.send_away.cancel();
        if tokio::time::timeout(grace.saturating_sub(linger), clients.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("requests still in progress are cut off");
        }
        Ok(())
    }
}

/// The connections of all clients.
#[derive(Debug, Default)]
struct Clients {
    tasks: TaskTracker,
    /// Closes connections as soon as they are idle.
    send_away: CancellationToken,
}

impl Clients {
    fn serve(&self, stream: TcpStream, shared: &Arc<Shared>) {
        // Messages are small and must not wait for each other; a socket that refuses this works all the same.
        drop(stream.set_nodelay(true));
        let asked = Arc::new(AtomicBool::new(false));
        let service = {
            let (shared, asked) = (Arc::clone(shared), Arc::clone(&asked));
            service_fn(move |request| {
                asked.store(true, Relaxed);
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(proxy::handle(&shared, request).await) }
            })
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let send_away = self.send_away.clone().cancelled_owned();
        self.tasks.spawn(async move {
            let mut connection = pin!(connection);
            let sent_away = async {
                send_away.await;
                if !asked.load(Relaxed) {
                    // One that is new has a request on the way, whose answer will close it.
                    tokio::time::sleep(FIRST_REQUEST).await;
                }
            };
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = sent_away => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            // Clients may leave at any moment.
            if let Err(error) = ended {
                tracing::trace!(%error, "connection of a client ended");
            }
        });
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
