//! `mcpt front`: what has the port of a server that runs as containers. Started in a container by `mcpt deploy`, never by
//! hand.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use mcpt_core::{Failure, FailureKind, Namespace, ServerName};
use mcpt_docker::FrontEnd;
use mcpt_gateway::{Gateway, GatewayConfig};
use mcpt_routing::SessionKeys;

use crate::{args::Global, ending::Ending, log, runtime};

/// Port that it listens on, in its container.
const PORT: u16 = 8080;
/// What it was told, for its next start.
const KEPT: &str = "/front/told.json";
/// Namespace of its one server.
const NAMESPACE: &str = "default";

/// Arguments of `mcpt front`.
#[derive(Debug, Args)]
pub(crate) struct Front {
    /// Name of the server, or `-` to tell the front that runs here
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is told
    #[arg(value_name = "MESSAGE")]
    message: Option<String>,
}

impl Front {
    /// Serves until it is told to end, or tells the one that serves.
    pub(crate) fn run(self, global: &Global) -> Result<(), Ending> {
        if let Some(message) = &self.message {
            return Ok(mcpt_docker::tell(message).map_err(|error| failed().caused_by(&error))?);
        }
        log::start_for_server(global.verbose);
        let config = self.config()?;
        runtime::until_told(async |shutdown| {
            let gateway = Gateway::bind(config).map_err(|error| failed().caused_by(&error))?;
            let served = gateway.serve(shutdown).await;
            Ok(served.map_err(|error| failed().caused_by(&error))?)
        })
    }

    fn config(&self) -> Result<GatewayConfig, Failure> {
        let server = ServerName::new(&*self.name).map_err(|error| failed().caused_by(&error))?;
        let namespace = Namespace::new(NAMESPACE).map_err(|error| failed().caused_by(&error))?;
        let keys = SessionKeys::random().map_err(|error| failed().caused_by(&error))?;
        let front = FrontEnd::bind(server, namespace.clone(), KEPT.into())
            .map_err(|error| failed().caused_by(&error))?;
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        let mut config = GatewayConfig::new(listen, namespace, keys);
        let descriptors =
            mcpt_gateway::raise_descriptor_limit().map_err(|error| failed().caused_by(&error))?;
        config.max_connections = mcpt_gateway::connections_within(descriptors);
        config.sources.push(Box::new(front));
        Ok(config)
    }
}

fn failed() -> Failure {
    Failure::new(FailureKind::Failed, "the front failed")
}
