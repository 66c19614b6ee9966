//! Speaking MCP to a deployed server: the way to it and the client at its end.

use std::time::Duration;

use mcpt_client::Client;
use mcpt_core::{Connection, Failure, ServerName};

use crate::{args::Global, place, user_config::UserConfig};

/// A client and the way that it speaks over.
#[derive(Debug)]
pub(crate) struct Speaker {
    /// The client.
    pub(crate) client: Client,
    _way: Connection,
}

impl Speaker {
    /// Reaches a server wherever it runs.
    pub(crate) async fn reach(
        global: &Global,
        config: &UserConfig,
        name: &ServerName,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let backend = place::of_server(global, config, name).await?;
        let way = backend.connect(name).await?;
        let client = Client::connect_named(&way.url, way.host.as_deref(), timeout).await;
        let client = client.map_err(|error| {
            error
                .into_failure(format!("cannot speak MCP to {name}"))
                .hint(backend.command(&format!("status {name}")))
        })?;
        Ok(Self { client, _way: way })
    }
}
