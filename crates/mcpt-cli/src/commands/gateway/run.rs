//! `mcpt gateway run`: serves until it is told to end.

use std::{
    io,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use clap::Args;
use mcpt_core::{BackendName, Capability, Failure, FailureKind, Namespace, Secret};
use mcpt_gateway::{
    AccessLog, DescribedServers, Gateway, GatewayConfig, GatewayError, LockConfig, LockError,
    Peers, StaticServer, StaticServers,
};
use mcpt_routing::{Balance, Handling, ServerKey, SessionKeys};

use super::{audit::AuditOptions, lock::LockOptions, metrics_api::MetricsApiOptions};
use crate::{
    args::Global,
    backends,
    commands::listen::Listen,
    duration,
    ending::Ending,
    log, messages, output, place,
    runtime::{self, Termination},
    user_config::UserConfig,
    user_file,
};

/// Namespace of servers that are named without one.
const DEFAULT_NAMESPACE: &str = "mcp-servers";

/// Arguments of `mcpt gateway run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Servers are at /mcp/NAME and /mcp/NAMESPACE/NAME, as they come and go: those named with --server \
        and those of the backend. That is all of this machine or engine, and where servers have \
        namespaces all of one (--namespace, else the context's or the pod's) or, with \
        --all-namespaces, of the cluster; /mcp/NAME is then one of that namespace. /mcp is all of them as one.
/healthz and /readyz tell how the gateway is; at the address of --admin-listen /metrics, /api/v1/servers and \
        /api/v1/endpoints tell more.

Examples:
  mcpt gateway run
  mcpt gateway run -b process --also docker
  mcpt gateway run --server demo=http://10.0.0.1:8080/mcp,http://10.0.0.2:8080/mcp
  mcpt gateway run -b kubernetes --all-namespaces --listen [::]:8080 --keys keys.txt"
)]
pub(super) struct Run {
    #[command(flatten)]
    listen: Listen,
    /// Address and port of the gateway's own pages: /healthz, /readyz, /metrics and /api/v1. The last
    /// line of output says where they are
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    admin_listen: SocketAddr,
    /// Most connections of clients at once. By default as many as half of the files that the system lets it open
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<NonZeroUsize>,
    /// A server and the URLs of its instances; can be repeated. An instance whose URL ends with #weight=2 gets twice as much as
    /// others
    #[arg(long = "server", value_name = "[NAMESPACE/]NAME=URL[,URL...]")]
    servers: Vec<StaticServer>,
    /// File that describes servers: the URLs of those that are to be served, also by https, and headers, tokens and
    /// certificates that these or servers of the backend want to see. Files that it names are followed
    #[arg(long = "servers", value_name = "FILE")]
    described: Option<PathBuf>,
    /// File of named sets of servers, each as one at /mcp/set/NAME with tools and names of its choice, and of hosts at whose
    /// /mcp a set or a server is shown. Changes of the file hold at once
    #[arg(long, value_name = "FILE")]
    sets: Option<PathBuf>,
    /// The servers of this backend, too; can be repeated. Where several have a server of a name, the first of them with a ready
    /// instance is served: a server that moves from one to another keeps its URL
    #[arg(long, value_name = "BACKEND")]
    also: Vec<BackendName>,
    /// Servers of all namespaces of the cluster
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// File with the keys of session ids, one a line, each of at least 32 characters; the first makes new ids. Gateways
    /// with the same file continue each other's sessions. Without one: a random key, for this run alone
    #[arg(long, value_name = "FILE", env = "MCPT_SESSION_KEY_FILE")]
    session_key_file: Option<PathBuf>,
    #[command(flatten)]
    lock: Box<LockOptions>,
    /// Which instance new sessions go to, and requests that belong to none: where the fewest sessions are (least-sessions), or
    /// the fewest requests (least-requests), one after the other (round-robin), or those with the same value of a
    /// header to the same one (hash:HEADER). A server's annotation mcpt.io/balance comes first
    #[arg(long, value_name = "POLICY", default_value = "least-sessions")]
    balance: Balance,
    /// Most requests in progress at one server; further ones get 503. Its annotation mcpt.io/max-requests comes first
    #[arg(long, value_name = "NUMBER")]
    max_requests: Option<NonZeroU32>,
    /// How long a server may take until its answer begins; later the client gets 504. Its annotation mcpt.io/answer-within
    /// comes first
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    answer_within: Option<Duration>,
    /// Where the other replicas' own pages are: a host whose addresses are those of all replicas, and the port of
    /// --admin-listen. New sessions then go where the fewest
    /// are of all that come by any of them
    #[arg(long, value_name = "HOST:PORT")]
    peers: Option<Peers>,
    /// Accept this Host header too: a name, `.example.com` for all below it, `*` for all; can be repeated. Loopback names
    /// always are, and unless it listens on loopback IP addresses and names of private networks
    #[arg(
        long = "allowed-host",
        value_name = "HOST",
        env = "MCPT_ALLOWED_HOSTS",
        value_delimiter = ','
    )]
    allowed_hosts: Vec<String>,
    /// Accept requests of web pages from this origin too, like `https://app.example.com`; can be repeated
    #[arg(
        long = "allowed-origin",
        value_name = "ORIGIN",
        env = "MCPT_ALLOWED_ORIGINS",
        value_delimiter = ','
    )]
    allowed_origins: Vec<String>,
    /// Say each request when it is over as a line of JSON in this file; - is standard output. Neither session ids nor tokens
    /// nor arguments of tools are in it
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    #[command(flatten)]
    audit: AuditOptions,
    #[command(flatten)]
    metrics_api: Box<MetricsApiOptions>,
    /// How long requests in progress may go on once it is told to end
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration::parse)]
    drain: Duration,
}

impl Run {
    /// Serves until it is told to end.
    pub(super) fn run(self, global: &Global) -> Result<(), Ending> {
        log::start_for_server(global.verbose);
        let user = UserConfig::load()?;
        let keys = self.keys(global)?;
        runtime::until_told(async |mut shutdown| {
            let config = tokio::select! {
                config = self.config(global, &user, keys) => config?,
                () = &mut shutdown => return Ok(()),
            };
            let (config, named) = config;
            self.serve(config, named, shutdown).await
        })
    }

    /// How it serves, with the servers that were named for it.
    async fn config(
        &self,
        global: &Global,
        user: &UserConfig,
        keys: SessionKeys,
    ) -> Result<(GatewayConfig, Vec<ServerKey>), Failure> {
        let named = global.namespace.clone().or_else(|| user.namespace.clone());
        let namespace = match named {
            Some(namespace) => namespace,
            None => {
                Namespace::new(DEFAULT_NAMESPACE).map_err(|error| failed().caused_by(&error))?
            }
        };
        let mut config = GatewayConfig::new(self.listen.address(), namespace, keys);
        let described = self.described()?;
        let servers: Vec<_> = self.servers.iter().chain(&described.servers).collect();
        let driver = place::driver(global, user)?;
        for (index, name) in self.also.iter().enumerate() {
            if *name == driver.name() || self.also[..index].contains(name) {
                return Err(Failure::new(FailureKind::Usage, "cannot use --also")
                    .because(format!("the servers of {name} are served already")));
            }
        }
        if self.all_namespaces && !driver.capabilities().has(Capability::Namespaces) {
            let why = backends::lacking(driver, Capability::Namespaces);
            messages::warning(global, &format!("--all-namespaces means nothing: {why}"));
        }
        let there = place::place(global, user, driver);
        let found = driver.discover(&there, &config.default_namespace, self.all_namespaces);
        match found.await {
            Ok(discovered) => {
                if let Some(namespace) = discovered.namespace {
                    config.default_namespace = namespace;
                }
                config.unreachable_hint = discovered.unreachable_hint;
                let source = described.around(discovered.source, &config.default_namespace);
                config.sources.push(source);
            }
            Err(failure) if servers.is_empty() => return Err(failure),
            Err(failure) => messages::warning(
                global,
                &format!(
                    "only the servers named with --server and --servers are served: {failure}"
                ),
            ),
        }
        for name in &self.also {
            let driver = global.backends.get(name, "--also")?;
            let there = place::place(global, user, driver);
            let found = driver.discover(&there, &config.default_namespace, self.all_namespaces);
            match found.await {
                Ok(discovered) => {
                    let hint = config.unreachable_hint.or(discovered.unreachable_hint);
                    config.unreachable_hint = hint;
                    let default = &config.default_namespace;
                    if let Some(other) = discovered.namespace.filter(|one| one != default) {
                        let text = format!("servers of {name} are at /mcp/{other}/NAME alone");
                        messages::warning(global, &text);
                    }
                    config
                        .sources
                        .push(described.around(discovered.source, default));
                }
                Err(failure) => {
                    let text = format!("the servers of {name} are not served: {failure}");
                    messages::warning(global, &text);
                }
            }
        }
        let servers = StaticServers::new(servers, &config.default_namespace);
        let named = servers.keys().cloned().collect();
        config.sources.insert(0, Box::new(servers));
        config.access = config
            .access
            .allow_hosts(said(&self.allowed_hosts))
            .allow_hosts(self.lock.public_host())
            .allow_origins(said(&self.allowed_origins));
        config.handling = Handling {
            balance: Some(self.balance.clone()),
            max_requests: self.max_requests,
            answer_within: self.answer_within,
            ..Handling::default()
        };
        config.lock = self.lock(global)?;
        config.limits = self.lock.limits();
        config.sets.clone_from(&self.sets);
        config.admin = self.admin_listen;
        config.max_connections = self.max_connections()?;
        // Where the system does not say how many it has, one does the work.
        config.workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        config.peers = match &self.peers {
            Some(peers) => Some(peers.clone()),
            None => mcpt_process::pages_of_gateway_before()
                .map_err(|error| {
                    failed()
                        .because("the gateway whose place it takes cannot be found")
                        .caused_by(&error)
                })?
                .map(Peers::before),
        };
        config.drain_grace = self.drain;
        config.access_log = self.access_log()?;
        config.audit = self.audit.log()?;
        config.metrics_api = self.metrics_api.api();
        Ok((config, named))
    }

    async fn serve(
        &self,
        config: GatewayConfig,
        named: Vec<ServerKey>,
        shutdown: Termination,
    ) -> Result<(), Ending> {
        let namespace = config.default_namespace.clone();
        let gateway = Gateway::bind(config).map_err(|error| match &error {
            GatewayError::Lock(LockError::Keys { .. }) => failed_by_keys().caused_by(&error),
            GatewayError::Lock(_) | GatewayError::MetricsApi(_) => {
                Failure::new(FailureKind::Usage, "cannot start the gateway").caused_by(&error)
            }
            _ => failed().caused_by(&error),
        })?;
        let admin = gateway.admin_address();
        mcpt_process::note_gateway_pages(admin).map_err(|error| {
            failed()
                .because("its pages cannot be noted")
                .caused_by(&error)
        })?;
        let base = format!("http://{}/mcp", gateway.address());
        output::line(&format!("{base}/NAME"))?;
        for key in &named {
            output::line(&if key.namespace == namespace {
                format!("{base}/{}", key.name)
            } else {
                format!("{base}/{key}")
            })?;
        }
        output::line(&format!("http://{admin}/metrics"))?;
        gateway.serve(shutdown).await.map_err(|error| {
            Failure::new(FailureKind::Failed, "the gateway failed")
                .caused_by(&error)
                .into()
        })
    }

    fn described(&self) -> Result<DescribedServers, Failure> {
        let Some(file) = &self.described else {
            return Ok(DescribedServers::default());
        };
        DescribedServers::read(file).map_err(|error| {
            let what = format!("cannot use the servers of {}", file.display());
            Failure::new(FailureKind::Usage, what).caused_by(&error)
        })
    }

    /// What lets clients in. Who runs a gateway for others without that is told so.
    fn lock(&self, global: &Global) -> Result<Option<LockConfig>, Failure> {
        let lock = self.lock.config()?;
        let address = self.listen.address();
        if lock.is_none() && !self.lock.open && !address.ip().is_loopback() {
            messages::warning(
                global,
                &format!(
                    "whoever reaches {address} may call every server: --keys FILE lets only those in who have a key, \
                     --open says that it is meant"
                ),
            );
        }
        Ok(lock)
    }

    /// Half of the descriptors: each client may need a connection to a server. Some are for everything else.
    fn max_connections(&self) -> Result<usize, Failure> {
        let descriptors = mcpt_gateway::raise_descriptor_limit().map_err(|error| {
            Failure::new(FailureKind::Failed, "cannot raise the limit of open files")
                .caused_by(&error)
        })?;
        let fit = mcpt_gateway::connections_within(descriptors);
        Ok(self.max_connections.map_or(fit, NonZeroUsize::get))
    }

    fn access_log(&self) -> Result<Option<AccessLog>, Failure> {
        let Some(file) = &self.access_log else {
            return Ok(None);
        };
        let log = if file == Path::new("-") {
            AccessLog::to(io::stdout())
        } else {
            AccessLog::file(file)
        };
        log.map(Some).map_err(|error| {
            let what = format!("cannot write the access log {}", file.display());
            Failure::new(FailureKind::Usage, what).caused_by(&error)
        })
    }

    fn keys(&self, global: &Global) -> Result<SessionKeys, Failure> {
        let Some(file) = &self.session_key_file else {
            if !global.quiet {
                messages::line(
                    "random session key: sessions end with this gateway, and no other can continue them",
                );
            }
            return SessionKeys::random().map_err(|error| failed().caused_by(&error));
        };
        let unusable = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(
                FailureKind::Usage,
                format!("cannot use the session key file {}", file.display()),
            )
            .caused_by(error)
            .hint("openssl rand -base64 32 makes a key")
        };
        let text = user_file::read(file).map_err(|error| unusable(&error))?;
        if others_may_use(file) {
            messages::warning(
                global,
                &format!(
                    "everybody on this machine may read or write the session keys: chmod 600 {}",
                    file.display()
                ),
            );
        }
        SessionKeys::parse(&Secret::new(text)).map_err(|error| unusable(&error))
    }
}

/// Whether the modes of a file let everybody read or write it. With the keys anybody makes session ids for any instance.
fn others_may_use(file: &Path) -> bool {
    let modes = std::fs::metadata(file).map(|file| file.permissions().mode());
    // What it holds was read, so it is there.
    modes.is_ok_and(|modes| modes & 0o006 != 0)
}

fn failed_by_keys() -> Failure {
    Failure::new(FailureKind::Usage, "cannot start the gateway")
        .hint("mcpt gateway key new NAME --keys FILE makes a key")
}

fn failed() -> Failure {
    Failure::new(FailureKind::Failed, "cannot start the gateway")
}

/// The entries of a list that an empty variable may have made.
fn said(entries: &[String]) -> impl Iterator<Item = &str> {
    entries
        .iter()
        .map(|entry| entry.trim())
        .filter(|entry| !entry.is_empty())
}
