//! [`Gateway`]: listening, connections, and an orderly end.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use hyper::{Method, Request, body::Incoming, service::service_fn};
use mcpt_http::{Connections, Workers};
use mcpt_protocol::HostRules;
use mcpt_routing::{Asker, Rounds};
use rustls::ServerConfig;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    GatewayConfig, LockConfig, LockError,
    access::{Access, Follower, Lock},
    aggregate::{Aggregate, Replicas},
    directory::Directory,
    exchange::{BodyBudget, Exchange},
    limits::LimitsFile,
    metrics::Metrics,
    metrics_api::{self, MetricsApiError},
    older_clients::OlderClients,
    pages::{Pages, PeerReport},
    passing::MOST_PASSED,
    peers::{self, PeerAddresses},
    sets::KnownSets,
    sources,
    stages::Stages,
    starting::Starters,
    target::Targets,
    translate::Translation,
};

/// Most connections to the gateway's own pages, beside those of what other replicas have passed on.
const ADMIN_CONNECTIONS: usize = 256;
/// How long they may take to end when the gateway does.
const PAGES_END_WITHIN: Duration = Duration::from_secs(1);
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
    /// What its lock needs is not usable.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The API of metrics cannot be served.
    #[error(transparent)]
    MetricsApi(#[from] MetricsApiError),
    /// The listener could not be given to the runtime.
    #[error("cannot serve HTTP")]
    Serve(#[source] io::Error),
}

/// A gateway that listens but does not serve yet.
#[derive(Debug)]
pub struct Gateway {
    clients: Bound,
    admin: Bound,
    metrics_api: Option<(Bound, Arc<ServerConfig>)>,
    lock: (Lock, Vec<Follower>),
    limits: LimitsFile,
    sets: Arc<KnownSets>,
    config: GatewayConfig,
}

#[derive(Debug)]
struct Bound {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl Bound {
    fn to(address: SocketAddr) -> Result<Self, GatewayError> {
        let listen = || {
            let listener = mcpt_http::listen(address)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        listen().map_err(|source| GatewayError::Listen { address, source })
    }
}

impl Gateway {
    /// Takes the addresses. Clients can connect from now on; they are answered once [`Gateway::serve`] runs.
    ///
    /// # Errors
    /// [`GatewayError::Lock`] and [`GatewayError::MetricsApi`] when a file that they need is not usable, [`GatewayError::Listen`] when an address cannot be had.
    pub fn bind(config: GatewayConfig) -> Result<Self, GatewayError> {
        let lock = Lock::new(config.lock.as_ref(), &config.default_namespace)?;
        let issuers = config.lock.as_ref().map(LockConfig::issuers);
        let limits = LimitsFile::open(
            config.limits.as_deref(),
            &config.default_namespace,
            issuers.unwrap_or_default(),
        )
        .map_err(|source| LockError::Limits {
            file: config.limits.clone().unwrap_or_default(),
            source,
        })?;
        let sets = KnownSets::open(config.sets.as_deref(), &config.default_namespace);
        let sets = sets.map_err(|source| LockError::Sets {
            file: config.sets.clone().unwrap_or_default(),
            source,
        })?;
        let metrics_api = config.metrics_api.as_ref();
        let metrics_api = metrics_api.map(|api| {
            let tls = metrics_api::tls(api)?;
            Ok::<_, GatewayError>((Bound::to(api.listen)?, tls))
        });
        Ok(Self {
            lock,
            limits,
            sets: Arc::new(sets),
            metrics_api: metrics_api.transpose()?,
            clients: Bound::to(config.listen)?,
            admin: Bound::to(config.admin)?,
            config,
        })
    }

    /// Where it listens for clients.
    pub fn address(&self) -> SocketAddr {
        self.clients.address
    }

    /// Where it listens for those who ask for metrics as an API of Kubernetes.
    pub fn metrics_api_address(&self) -> Option<SocketAddr> {
        self.metrics_api.as_ref().map(|(bound, _)| bound.address)
    }

    /// Where its own pages are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address
    }

    /// Serves until `shutdown` completes. Then open streams end, so that their clients turn to another gateway; each answer
    /// closes its connection; and once all clients have left or had time enough to do so, nothing new is accepted and
    /// requests in progress finish within the grace. The gateway's own pages are there to the end.
    ///
    /// # Errors
    /// [`GatewayError::Serve`] when a listener is not usable.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), GatewayError> {
        let (clients, admin) = (self.clients.address, self.admin.address);
        let listener = TcpListener::from_std(self.clients.listener).map_err(GatewayError::Serve)?;
        let pages = TcpListener::from_std(self.admin.listener).map_err(GatewayError::Serve)?;
        let metrics_api = self.metrics_api.map(|(api, tls)| {
            let listener = TcpListener::from_std(api.listener)?;
            Ok((listener, tls, api.address))
        });
        let metrics_api = metrics_api.transpose().map_err(GatewayError::Serve)?;
        let workers = match NonZeroUsize::new(self.config.workers) {
            Some(count) => Workers::start(count).map_err(GatewayError::Serve)?,
            None => Workers::default(),
        };
        let connections = Connections::at_most(self.config.max_connections);
        let grace = self.config.drain_grace;
        let mut background = JoinSet::new();
        let (stages, closing) = stages(
            self.config,
            self.lock,
            self.limits,
            self.sets,
            admin.port(),
            &mut background,
        );
        let to_pages = Connections::at_most(ADMIN_CONNECTIONS + MOST_PASSED);
        let served = serve_pages(to_pages.clone(), pages, admin, Arc::clone(&stages.pages));
        background.spawn(served);
        if let Some((listener, tls, address)) = metrics_api {
            tracing::info!(%address, "metrics API listens");
            let pages = Arc::clone(&stages.pages);
            background.spawn(metrics_api::serve(listener, tls, pages));
        }
        tracing::info!(address = %clients, %admin, "gateway listens");

        let exchange = Arc::clone(&stages.exchange);
        let replicas = Arc::clone(&stages.pages.replicas);
        let service = service_fn(move |request| {
            let stages = Arc::clone(&stages);
            // On the heap: HTTP keeps room for an answer with each connection, also with those that ask nothing.
            Box::pin(async move { Ok::<_, Infallible>(stages.answer(request).await) })
        });
        let end = async {
            shutdown.await;
            tracing::info!(connections = connections.open(), "gateway drains");
            closing.cancel();
            let drained = async {
                drop(tokio::time::timeout(grace / 2, connections.leave()).await);
                connections.stop();
                connections.closed().await;
                // Those whose clients are at other replicas.
                exchange.passed.ends().await;
                exchange.end_sessions_of_own().await;
            };
            if tokio::time::timeout(grace, drained).await.is_err() {
                tracing::warn!("requests still in progress are cut off");
            }
            replicas.leave().await;
            to_pages.stop();
            drop(tokio::time::timeout(PAGES_END_WITHIN, to_pages.closed()).await);
        };
        tokio::join!(connections.serve_on(&workers, listener, service), end);
        Ok(())
    }
}

/// Serves the gateway's own pages.
async fn serve_pages(
    connections: Connections,
    listener: TcpListener,
    address: SocketAddr,
    pages: Arc<Pages>,
) {
    let rules = HostRules::for_listener(address);
    let access = Arc::new(Access::new(rules, Arc::default()));
    let service = service_fn(move |request: Request<Incoming>| {
        let (pages, access) = (Arc::clone(&pages), Arc::clone(&access));
        async move {
            let told = PeerReport::at(request.uri().path()).is_some();
            let told = told && request.method() == Method::POST;
            Ok::<_, Infallible>(if told {
                pages.take(&access, request).await
            } else {
                pages.answer(&access, &request)
            })
        }
    });
    connections.serve(listener, service).await;
}

/// Puts the stages together, and begins what goes on beside them for as long as `background` is kept; with what ends
/// streams that have no end of their own.
fn stages(
    config: GatewayConfig,
    (lock, followers): (Lock, Vec<Follower>),
    limits: LimitsFile,
    sets: Arc<KnownSets>,
    admin_port: u16,
    background: &mut JoinSet<()>,
) -> (Arc<Stages>, CancellationToken) {
    let names = config.sources.iter().map(|source| source.name());
    let directory = Arc::new(Directory::new(names, config.session_idle));
    let metrics = Arc::<Metrics>::default();
    let bodies = Arc::new(BodyBudget::new(config.max_body));
    let peers_heard = Arc::new(AtomicBool::new(config.peers.is_none()));
    let closing = CancellationToken::new();
    let (rounds, others) = (Arc::<Rounds>::default(), Arc::<PeerAddresses>::default());
    let starters = config.sources.iter().filter_map(|source| source.starter());
    let starters = Arc::new(Starters::new(starters.collect()));
    for (index, source) in config.sources.into_iter().enumerate() {
        let changes = sources::begin(index, source, &directory);
        background.spawn(sources::follow(index, changes, Arc::clone(&directory)));
    }
    for follower in followers {
        background.spawn(follower.follow());
    }
    let default_namespace = config.default_namespace;
    let (log, keys) = (config.access_log.map(Arc::new), Arc::new(config.keys));
    let audit = config.audit.map(Arc::new);
    let replicas = Replicas::new(Arc::clone(&keys), Arc::clone(&others), admin_port);
    let limiter = Arc::new(limits.count(&keys, &replicas));
    let exchange = Arc::new(Exchange {
        directory: Arc::clone(&directory),
        keys: Arc::clone(&keys),
        handling: config.handling,
        bodies: Arc::clone(&bodies),
        answers: Arc::default(),
        unreachable_hint: config.unreachable_hint,
        rounds: Arc::clone(&rounds),
        translation: Arc::<Translation>::default(),
        others,
        passed: Arc::default(),
        limiter: Arc::clone(&limiter),
        audit: audit.clone(),
        closing: closing.clone(),
        listening: Arc::default(),
        starters,
        asker: Asker::Client,
    });
    if !exchange.starters.is_empty() {
        let exchange = Arc::clone(&exchange);
        background.spawn(exchange.stop_idle(Arc::clone(&peers_heard)));
    }
    let aggregate = Arc::new(Aggregate::new(
        &exchange,
        default_namespace.clone(),
        Arc::clone(&replicas),
        Arc::clone(&sets),
    ));
    if let Some(peers) = config.peers {
        let heard = Arc::clone(&peers_heard);
        let (known, directory) = (Arc::clone(&exchange.others), Arc::clone(&directory));
        let replicas = Arc::clone(&replicas);
        background.spawn(peers::exchange(peers, known, directory, replicas, heard));
    }
    background.spawn(sweep(Arc::clone(&exchange), Arc::clone(&aggregate)));
    let older_clients = Arc::new(OlderClients::new(&exchange));
    let stages = Stages {
        access: Access::new(config.access, Arc::clone(&sets)),
        lock,
        sets: Arc::clone(&sets),
        targets: Targets::new(Arc::clone(&directory), default_namespace.clone()),
        exchange: Arc::clone(&exchange),
        aggregate,
        older_clients: Arc::clone(&older_clients),
        metrics: Arc::clone(&metrics),
        log: log.clone(),
        audit: audit.clone(),
        pages: Arc::new(Pages {
            directory,
            exchange,
            older_clients,
            metrics,
            log,
            keys: Arc::clone(&keys),
            bodies,
            rounds,
            replicas,
            shares: limiter.shares(),
            audit: audit.clone(),
            sets,
            default_namespace,
            peers_heard,
            closing: closing.clone(),
        }),
    };
    (Arc::new(stages), closing)
}

async fn sweep(exchange: Arc<Exchange>, aggregate: Arc<Aggregate>) {
    let mut turns = tokio::time::interval(SWEEP_EVERY);
    loop {
        turns.tick().await;
        exchange.directory.sweep();
        exchange.sweep_translation().await;
        aggregate.sweep();
        if let Some(shares) = exchange.limiter.shares() {
            shares.sweep();
        }
    }
}
