//! `mcpt gateway run`: serves until it is told to end.

use std::{fs, path::PathBuf};

use clap::Args;
use mcpt_core::{BackendKind, Failure, FailureKind, Namespace, Secret};
use mcpt_gateway::{Gateway, GatewayConfig, StaticServer, StaticServers};
use mcpt_process::Processes;
use mcpt_routing::SessionKeys;

use crate::{
    args::Global, commands::listen::Listen, ending::Ending, log, messages, output, place, runtime,
    user_config::UserConfig,
};

/// Namespace of servers that are named without one.
const DEFAULT_NAMESPACE: &str = "mcp-servers";

/// Arguments of `mcpt gateway run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Servers are at /mcp/NAME and /mcp/NAMESPACE/NAME: those named with --server and, with the
process backend, all that are deployed on this machine, as they come and go.
/healthz, /readyz and /metrics tell how the gateway is.

Example:
  mcpt gateway run --server demo=http://10.0.0.1:8080/mcp,http://10.0.0.2:8080/mcp"
)]
pub(super) struct Run {
    #[command(flatten)]
    listen: Listen,
    /// A server and the URLs of its instances; can be repeated
    #[arg(long = "server", value_name = "[NAMESPACE/]NAME=URL[,URL...]")]
    servers: Vec<StaticServer>,
    /// File with the keys of session ids, one a line, each of at least 32 characters; the first makes new ids. Gateways
    /// with the same file continue each other's sessions. Without one: a random key, for this run alone
    #[arg(long, value_name = "FILE", env = "MCPT_SESSION_KEY_FILE")]
    session_key_file: Option<PathBuf>,
}

impl Run {
    /// Serves until it is told to end.
    pub(super) fn run(self, global: &Global) -> Result<(), Ending> {
        log::start_for_server(global.verbose);
        let user = UserConfig::load()?;
        let namespace = match global.namespace.clone().or_else(|| user.namespace.clone()) {
            Some(namespace) => namespace,
            None => {
                Namespace::new(DEFAULT_NAMESPACE).map_err(|error| failed().caused_by(&error))?
            }
        };
        let keys = self.keys(global)?;
        let mut config = GatewayConfig::new(self.listen.address(), namespace.clone(), keys);
        let servers = StaticServers::new(&self.servers, &namespace);
        config.sources.push(Box::new(servers.clone()));
        match place::kind(global, &user) {
            BackendKind::Process => {
                let processes = Processes::new()?;
                config
                    .sources
                    .push(Box::new(processes.discovery(&namespace)));
            }
            BackendKind::Kubernetes => {
                return Err(Failure::new(
                    FailureKind::Usage,
                    "the gateway cannot find servers on Kubernetes",
                )
                .hint("name them with --server NAME=URL, and leave --backend kubernetes out")
                .into());
            }
        }
        let gateway = Gateway::bind(config).map_err(|error| failed().caused_by(&error))?;
        let base = format!("http://{}/mcp", gateway.address());
        output::line(&format!("{base}/NAME"))?;
        for key in servers.keys() {
            output::line(&if key.namespace == namespace {
                format!("{base}/{}", key.name)
            } else {
                format!("{base}/{key}")
            })?;
        }
        runtime::serve("the gateway failed", |shutdown| gateway.serve(shutdown))
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
        let text = fs::read_to_string(file).map_err(|error| unusable(&error))?;
        SessionKeys::parse(&Secret::new(text)).map_err(|error| unusable(&error))
    }
}

fn failed() -> Failure {
    Failure::new(FailureKind::Failed, "cannot start the gateway")
}
