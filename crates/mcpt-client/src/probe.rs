//! [`probe`]: one small real MCP exchange, for readiness and liveness checks.

use std::time::Duration;

use crate::ClientError;

/// What answered a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// Protocol version that was agreed on.
    pub protocol_version: String,
    /// Name of the server's software, if it says.
    pub server_name: Option<String>,
}

/// Asks the server at `url` for one MCP exchange and ends the session it made, if any.
///
/// # Errors
/// [`ClientError`] that says what answered instead.
pub async fn probe(url: &str, timeout: Duration) -> Result<ProbeAnswer, ClientError> {
    let _ = timeout;
    Err(ClientError::Connect {
        url: url.to_owned(),
        reason: "no client".to_owned(),
    })
}
