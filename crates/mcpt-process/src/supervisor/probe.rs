//! Whether the server answers: looks of the supervisor while it waits for the first answer.

use std::time::Duration;

use mcpt_client::ClientError;
use tokio::{net::TcpStream, time::sleep};

use crate::wire::Endpoint;

/// How long one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two looks. Nothing tells when a foreign program has opened its port.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// Pause after a wrong answer: long enough for the bridge to have started its server anew.
pub(super) const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Path of the bridge's endpoint.
const BRIDGE_PATH: &str = "/mcp";
/// What the bridge says at `/readyz` until its first look at its server has ended.
const BRIDGE_STARTING: &str = "the server is starting";

/// What a look shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Its port is closed.
    Closed,
    /// Its port is open; it was not asked anything.
    Open,
    /// It has answered as an MCP server does.
    Ready,
    /// It was asked, and the answer is not there yet.
    NotYet(String),
    /// Something answered, but not as an MCP server does.
    Refused(String),
}

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Whether anything listens.
    Port,
    /// Whether it answers.
    Answer,
}

/// Looks once, after a pause.
pub(super) async fn look(endpoint: Endpoint, port: u16, what: Look, pause: Duration) -> Seen {
    sleep(pause).await;
    match (what, &endpoint) {
        (Look::Port, _) => match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(_) => Seen::Open,
            Err(_) => Seen::Closed,
        },
        (Look::Answer, Endpoint::Stdio) => bridge(port).await,
        (Look::Answer, Endpoint::Http { .. }) => server(&url(&endpoint, port)).await,
    }
}

async fn server(url: &str) -> Seen {
    match mcpt_client::probe(url, TIMEOUT).await {
        Ok(_) => Seen::Ready,
        Err(ClientError::Connect { reason, .. }) => Seen::NotYet(format!(
            "it listens on its port, but ends connections: {reason}"
        )),
        Err(error @ ClientError::TimedOut { .. }) => Seen::NotYet(error.to_string()),
        Err(error) => Seen::Refused(error.to_string()),
    }
}

/// The bridge has asked its server for itself, and says what came of it. Its first line is the reason, the others are in
/// the log.
async fn bridge(port: u16) -> Seen {
    let url = format!("http://127.0.0.1:{port}/readyz");
    match mcpt_client::health(&url, TIMEOUT).await {
        Ok((200, _)) => Seen::Ready,
        Ok((_, text)) => {
            let reason = text.lines().next().unwrap_or_default().to_owned();
            if reason == BRIDGE_STARTING {
                Seen::NotYet(reason)
            } else {
                Seen::Refused(reason)
            }
        }
        Err(error) => Seen::NotYet(error.to_string()),
    }
}

/// URL of the MCP endpoint.
pub(super) fn url(endpoint: &Endpoint, port: u16) -> String {
    let path = match endpoint {
        Endpoint::Stdio => BRIDGE_PATH,
        Endpoint::Http { path, .. } => path,
    };
    format!("http://127.0.0.1:{port}{path}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_words_of_the_bridge() {
        assert_eq!(super::BRIDGE_STARTING, mcpt_bridge::STARTING);
    }
}
