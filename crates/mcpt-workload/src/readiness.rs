//! Whether a server that was just started answers: looks at it, until it does.

use std::{future::Future, net::SocketAddr, pin::Pin, time::Duration};

use mcpt_client::{ClientError, ReadyState};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, time::sleep};

use crate::ports::loopback;

/// How long one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two looks. Nothing tells when a foreign program has opened its port.
const PAUSE: Duration = Duration::from_millis(100);
/// Pause after a wrong answer: long enough for the bridge to have started its server anew.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Path of the endpoints of bridge and gateway.
pub const BRIDGE_PATH: &str = "/mcp";

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Endpoint {
    /// Through the bridge, which listens where it is told.
    Stdio,
    /// By itself.
    Http {
        /// Port when it cannot be told one.
        port: u16,
        /// Path of the MCP endpoint.
        path: String,
        /// Variable that tells it its port.
        #[serde(rename = "portEnv")]
        port_env: Option<String>,
    },
    /// The gateway of this machine, which says by itself whether it is ready.
    Gateway,
}

impl Endpoint {
    /// URL of the MCP endpoint at an address.
    #[must_use]
    pub fn url(&self, at: SocketAddr) -> String {
        let path = match self {
            Self::Stdio | Self::Gateway => BRIDGE_PATH,
            Self::Http { path, .. } => path,
        };
        format!("http://{at}{path}")
    }

    /// What it speaks, as users are told: `stdio` or `http`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http { .. } | Self::Gateway => "http",
        }
    }

    /// The variable that tells it the port which it is to listen on, if one does.
    #[must_use]
    pub fn port_variable(&self) -> Option<&str> {
        match self {
            Self::Stdio => None,
            Self::Http { port_env, .. } => port_env.as_deref(),
            Self::Gateway => Some("PORT"),
        }
    }

    /// How many answers may be wrong before the server counts as failed. The bridge says what it knows of its server; a
    /// server of its own may answer anything while it starts.
    fn patience(&self) -> u32 {
        match self {
            Self::Stdio => 3,
            Self::Http { .. } | Self::Gateway => 10,
        }
    }
}

/// What the looks show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It has answered as an MCP server does. There is nothing more to come.
    Ready,
    /// It has not yet, and what came instead.
    Waiting(String),
    /// It has answered again and again, but not as an MCP server does.
    Refusing(String),
}

/// What one look shows.
enum ProbeResult {
    /// Its port is closed.
    Closed,
    /// Its port is open; it was not asked anything.
    Open(SocketAddr),
    Ready,
    /// It was asked, and the answer is not there yet.
    NotYet(String),
    /// Something answered, but not as an MCP server does.
    Refused(String),
}

type Look = Pin<Box<dyn Future<Output = ProbeResult> + Send>>;

/// Looks at a server, one after the other.
pub struct Readiness {
    endpoint: Endpoint,
    port: u16,
    /// The look that is under way.
    look: Option<Look>,
    listens: Option<SocketAddr>,
    refusals: u32,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readiness")
            .field("endpoint", &self.endpoint)
            .field("port", &self.port)
            .field("listens", &self.listens)
            .finish_non_exhaustive()
    }
}

impl Readiness {
    /// Of a server of this machine that was told this port.
    #[must_use]
    pub fn new(endpoint: Endpoint, port: u16) -> Self {
        Self {
            look: Some(Box::pin(port_look(port, Duration::ZERO))),
            endpoint,
            port,
            listens: None,
            refusals: 0,
        }
    }

    /// Where it listens, once it does: on either of the addresses of `localhost`.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listens
    }

    /// What comes next; after [`News::Ready`] nothing ever does. Can be dropped and asked again: a look that is under way
    /// goes on.
    pub async fn next(&mut self) -> News {
        loop {
            let Some(look) = &mut self.look else {
                return std::future::pending().await;
            };
            let seen = look.await;
            self.look = None;
            if let Some(news) = self.take(seen) {
                return news;
            }
        }
    }

    fn take(&mut self, seen: ProbeResult) -> Option<News> {
        let (news, next): (_, Look) = match seen {
            ProbeResult::Ready => return Some(News::Ready),
            ProbeResult::Closed => (
                Some(News::Waiting("nothing listens on its port yet".to_owned())),
                Box::pin(port_look(self.port, PAUSE)),
            ),
            ProbeResult::Open(address) => {
                let before = self.listens.replace(address);
                let said = "it listens on its port, but has not answered yet";
                (
                    // Said once: what it answers says more.
                    (before != Some(address)).then(|| News::Waiting(said.to_owned())),
                    Box::pin(answer_look(self.endpoint.clone(), address)),
                )
            }
            ProbeResult::NotYet(why) => (
                Some(News::Waiting(why)),
                Box::pin(port_look(self.port, PAUSE)),
            ),
            ProbeResult::Refused(why) => {
                self.refusals += 1;
                let news = if self.refusals >= self.endpoint.patience() {
                    News::Refusing(why)
                } else {
                    News::Waiting(why)
                };
                (Some(news), Box::pin(port_look(self.port, REFUSED_PAUSE)))
            }
        };
        self.look = Some(next);
        news
    }
}

async fn port_look(port: u16, pause: Duration) -> ProbeResult {
    sleep(pause).await;
    for address in loopback(port) {
        if TcpStream::connect(address).await.is_ok() {
            return ProbeResult::Open(address);
        }
    }
    ProbeResult::Closed
}

async fn answer_look(endpoint: Endpoint, address: SocketAddr) -> ProbeResult {
    match endpoint {
        Endpoint::Stdio => bridge(address).await,
        Endpoint::Http { .. } => server(&endpoint.url(address)).await,
        Endpoint::Gateway => gateway(address).await,
    }
}

async fn server(url: &str) -> ProbeResult {
    match mcpt_client::probe(url, TIMEOUT).await {
        Ok(_) => ProbeResult::Ready,
        Err(ClientError::Connect { reason, .. }) => ProbeResult::NotYet(format!(
            "it listens on its port, but ends connections: {reason}"
        )),
        Err(error @ ClientError::TimedOut { .. }) => ProbeResult::NotYet(error.to_string()),
        Err(error) => ProbeResult::Refused(error.to_string()),
    }
}

/// The gateway says so when it knows the servers that are there.
async fn gateway(address: SocketAddr) -> ProbeResult {
    let url = format!("http://{address}/readyz");
    match mcpt_client::http_get(&url, TIMEOUT).await {
        Ok(_) => ProbeResult::Ready,
        Err(error) => ProbeResult::NotYet(error.to_string()),
    }
}

/// The bridge has asked its server for itself, and says what came of it. Its first line is the reason, the others are in
/// the log.
async fn bridge(address: SocketAddr) -> ProbeResult {
    let url = format!("http://{address}/readyz");
    match mcpt_client::http_page(&url, TIMEOUT).await {
        Ok(page) if page.status == 200 => ProbeResult::Ready,
        Ok(page) => {
            let reason = page.text.lines().next().unwrap_or_default().to_owned();
            if page.ready_state == Some(ReadyState::Starting) {
                ProbeResult::NotYet(reason)
            } else {
                ProbeResult::Refused(reason)
            }
        }
        Err(error) => ProbeResult::NotYet(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    fn http(port: u16) -> Endpoint {
        Endpoint::Http {
            port,
            path: "/mcp".to_owned(),
            port_env: None,
        }
    }

    /// Answers one request with this, and gives what a look makes of it.
    async fn look_at(answer: &str) -> ProbeResult {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answered = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /readyz "));
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        tokio::join!(bridge(address), answered).0
    }

    /// The words are for people; the header says what they mean.
    #[tokio::test]
    async fn what_the_bridge_says_is_told_by_its_header() {
        let answer = |status: &str, state: &str, text: &str| {
            let length = text.len();
            format!(
                "HTTP/1.1 {status}\r\n{}: {state}\r\ncontent-length: {length}\r\n\r\n{text}",
                ReadyState::HEADER
            )
        };
        let starting = answer("503 No", ReadyState::Starting.name(), "any words\nmore");
        assert!(matches!(look_at(&starting).await, ProbeResult::NotYet(why) if why == "any words"));
        let failing = answer(
            "503 No",
            ReadyState::Failing.name(),
            "the server is starting",
        );
        assert!(
            matches!(look_at(&failing).await, ProbeResult::Refused(why) if why == "the server is starting")
        );
        let ready = answer("200 OK", ReadyState::Ready.name(), "any");
        assert!(matches!(look_at(&ready).await, ProbeResult::Ready));
    }

    #[tokio::test]
    async fn a_server_that_listens_on_either_address_is_found() {
        for any in loopback(0) {
            // A machine without IPv6 has one address.
            let Ok(listener) = TcpListener::bind(any).await else {
                continue;
            };
            let address = listener.local_addr().unwrap();
            let mut readiness = Readiness::new(http(address.port()), address.port());
            assert_eq!(readiness.address(), None);
            let News::Waiting(why) = readiness.next().await else {
                panic!("it has not answered");
            };
            assert!(why.contains("listens on its port"), "{why}");
            assert_eq!(readiness.address(), Some(address));
        }
    }

    #[test]
    fn an_address_of_the_sixth_version_in_a_url() {
        let at = SocketAddr::from((Ipv6Addr::LOCALHOST, 80));
        assert_eq!(http(1).url(at), "http://[::1]:80/mcp");
    }

    #[tokio::test]
    async fn wrong_answers_are_forgiven_until_they_are_too_many() {
        let mut readiness = Readiness::new(http(1), 1);
        for _ in 0..9 {
            let news = readiness.take(ProbeResult::Refused("no".to_owned()));
            assert_eq!(news, Some(News::Waiting("no".to_owned())));
        }
        let news = readiness.take(ProbeResult::Refused("no".to_owned()));
        assert_eq!(news, Some(News::Refusing("no".to_owned())));
        assert_eq!(readiness.take(ProbeResult::Ready), Some(News::Ready));
    }
}
