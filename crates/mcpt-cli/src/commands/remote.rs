//! `mcpt remote NAME`: a server that runs elsewhere, at a port of this machine, with the headers that it wants to see. Started by
//! `mcpt deploy`, which puts what it needs into the environment; never by hand.

use std::{collections::BTreeMap, env, num::NonZeroU32, path::PathBuf, sync::Arc};

use clap::Args;
use mcpt_core::{Failure, FailureKind, Namespace, RemoteVariable, Secret, ServerName};
use mcpt_gateway::{Gateway, GatewayConfig, StaticServer, StaticServers};
use mcpt_routing::{Address, CredentialHeader, Credentials, HeaderSource, HiddenText, SessionKeys};

use super::listen::Listen;
use crate::{args::Global, ending::Ending, log, runtime};

/// Namespace of its one server.
const NAMESPACE: &str = "default";

/// Arguments of `mcpt remote`.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// Name of the server
    #[arg(value_name = "NAME")]
    name: ServerName,
    #[command(flatten)]
    listen: Listen,
}

impl Remote {
    /// Serves until it is told to end.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        log::start_for_server(global.verbose);
        let config = self.config()?;
        runtime::until_told(async |shutdown| {
            let gateway = Gateway::bind(config).map_err(|error| failed().caused_by(&error))?;
            let served = gateway.serve(shutdown).await;
            Ok(served.map_err(|error| failed().caused_by(&error))?)
        })
    }

    fn config(&self) -> Result<GatewayConfig, Failure> {
        let namespace = Namespace::new(NAMESPACE).map_err(|error| failed().caused_by(&error))?;
        let keys = SessionKeys::random().map_err(|error| failed().caused_by(&error))?;
        let mut config = GatewayConfig::new(self.listen.address(), namespace, keys);
        let descriptors =
            mcpt_gateway::raise_descriptor_limit().map_err(|error| failed().caused_by(&error))?;
        config.max_connections = mcpt_gateway::connections_within(descriptors);
        let server = StaticServer {
            namespace: None,
            name: self.name.clone(),
            addresses: vec![(address()?, NonZeroU32::MIN)],
        };
        let servers = StaticServers::new([&server], &config.default_namespace);
        config.sources.push(Box::new(servers));
        Ok(config)
    }
}

/// Where the server is, and what it is shown.
fn address() -> Result<Address, Failure> {
    let url = text(RemoteVariable::Url)?;
    let url = url.ok_or_else(|| lacking(RemoteVariable::Url, "it is not set"))?;
    let address = Address::parse(&url).map_err(|error| failed().caused_by(&error))?;
    let headers = match text(RemoteVariable::Headers)? {
        Some(text) => serde_json::from_str::<BTreeMap<String, String>>(&text)
            // What is wrong with it may have a secret in it.
            .map_err(|_| lacking(RemoteVariable::Headers, "it is no map of texts"))?,
        None => BTreeMap::new(),
    };
    let headers = headers.into_iter().map(|(name, value)| CredentialHeader {
        name,
        value: HeaderSource::Hidden(HiddenText(Secret::new(value))),
    });
    let credentials = Credentials {
        headers: headers.collect(),
        authority: text(RemoteVariable::Authority)?.map(PathBuf::from),
        ..Credentials::default()
    };
    Ok(address.with_credentials(Arc::new(credentials)))
}

fn text(variable: RemoteVariable) -> Result<Option<String>, Failure> {
    match env::var(variable.name()) {
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(lacking(variable, "it is no text")),
    }
}

fn lacking(variable: RemoteVariable, why: &str) -> Failure {
    failed().because(format!("the variable {}: {why}", variable.name()))
}

fn failed() -> Failure {
    Failure::new(
        FailureKind::Failed,
        "the server cannot be put behind a port",
    )
}
