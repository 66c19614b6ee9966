//! [`Replicas`]: what replicas of a gateway tell each other of sessions at `/mcp`: each of them whenever it comes to have a leg,
//! and all of them to a replica that is new. Only who has the session keys can say or read it.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, body::Incoming, client::conn::http1::SendRequest, header::HOST,
};
use mcpt_gateway_api::LEGS_PATH;
use mcpt_http::client;
use mcpt_routing::{Carried, JOINED_PARTS, JoinedId, JoinedSessions, SessionKeys, ToldSession};
use serde::{Deserialize, Serialize};

use crate::peers::PeerAddresses;

/// How long a session is known that is not used.
const IDLE: Duration = Duration::from_hours(24);
/// How long another replica may take to take in what it is told: answers wait for it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a new one may take to hear of all sessions.
const ALL_WITHIN: Duration = Duration::from_secs(20);
/// Largest message in bytes, far beyond what a gateway tells at once.
pub(crate) const MAX_TOLD: usize = 64 * 1024 * 1024;
/// Most sessions in one message.
const AT_ONCE: usize = 2000;

/// What one replica tells another.
#[derive(Debug, Default, Serialize, Deserialize)]
struct PeerMessage {
    /// Who says it: a number that each draws for itself.
    by: u64,
    /// Where its own pages are, if it is new and has to be told of sessions from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<SocketAddr>,
    /// Where they were, if it is about to end: nobody waits for it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<SocketAddr>,
    #[serde(default)]
    sessions: Vec<ToldSession>,
}

/// The other replicas, as far as sessions are concerned.
#[derive(Debug)]
pub(crate) struct Replicas {
    keys: Arc<SessionKeys>,
    others: Arc<PeerAddresses>,
    sessions: Arc<JoinedSessions>,
    /// Of this one.
    by: u64,
    admin_port: u16,
    own: Mutex<Option<SocketAddr>>,
}

/// Why another replica was not told, or has not told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("it has not answered in time")]
    Late,
    #[error("cannot reach it")]
    Connect(#[source] std::io::Error),
    #[error("the exchange failed")]
    Exchange(#[from] client::ExchangeError),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it has other session keys")]
    Foreign,
}

impl From<hyper::Error> for Untold {
    fn from(error: hyper::Error) -> Self {
        Self::Exchange(error.into())
    }
}

impl Replicas {
    /// Of a gateway whose own pages are at a port.
    pub(crate) fn new(
        keys: Arc<SessionKeys>,
        others: Arc<PeerAddresses>,
        admin_port: u16,
    ) -> Arc<Self> {
        let by = RandomState::new().hash_one(());
        Arc::new(Self {
            keys,
            others,
            sessions: Arc::new(JoinedSessions::new(IDLE.as_millis() as u64)),
            by,
            admin_port,
            own: Mutex::default(),
        })
    }

    /// What is told of.
    pub(super) fn sessions(&self) -> Arc<JoinedSessions> {
        Arc::clone(&self.sessions)
    }

    /// Tells all others of a session, and waits until they know, but for no one for long.
    pub(crate) async fn tell(self: &Arc<Self>, id: JoinedId) {
        let others = self.others();
        if others.is_empty() {
            return;
        }
        let Some(text) = self.sealed(None, self.sessions.told(id).into_iter().collect()) else {
            return;
        };
        join_all(others.into_iter().map(async |address| {
            let told = async { send(&mut connected(address).await?.0, address, post(&text)).await };
            let told = tokio::time::timeout(PATIENCE, told).await;
            if let Err(error) = told.unwrap_or(Err(Untold::Late)) {
                tracing::warn!(%address, %error, "another replica of the gateway was not told of a session");
                // It is told of all of them once it answers again.
                self.others.lost(address);
                if matches!(error, Untold::Late) {
                    let this = Arc::clone(self);
                    tokio::spawn(async move { this.take_back(address).await });
                }
            }
        }))
        .await;
    }

    /// Waits for one that was late, which need not be asked by anybody else: once it answers it is told of all sessions, and of
    /// new ones as before.
    async fn take_back(&self, address: SocketAddr) {
        let path = format!("{LEGS_PATH}/0");
        let answers = async { send(&mut connected(address).await?.0, address, get(&path)).await };
        let answers = tokio::time::timeout(ALL_WITHIN, answers).await;
        match answers.unwrap_or(Err(Untold::Late)) {
            Ok(_) => {
                self.others.met(address);
                self.give_all(address).await;
            }
            Err(error) => {
                tracing::warn!(%address, %error, "another replica of the gateway is not told of sessions any more");
            }
        }
    }

    /// Tells all others that this one ends, so that none of them waits for an address that nobody answers at any more.
    pub(crate) async fn leave(&self) {
        let left = *self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(text) = left.and_then(|left| {
            self.sealed_told(&PeerMessage {
                by: self.by,
                left: Some(left),
                ..PeerMessage::default()
            })
        }) else {
            return;
        };
        join_all(self.others().into_iter().map(async |address| {
            let told = async { send(&mut connected(address).await?.0, address, post(&text)).await };
            let told = tokio::time::timeout(PATIENCE, told).await;
            if let Err(error) = told.unwrap_or(Err(Untold::Late)) {
                tracing::debug!(%address, %error, "another replica of the gateway was not told of the end of this one");
            }
        }))
        .await;
    }

    /// Asks all others for what they know of a session.
    pub(crate) async fn ask(&self, id: JoinedId, now: u64) {
        let path = format!("{LEGS_PATH}/of/{id}");
        let asked = self.others().into_iter().map(async |address| {
            let told = async {
                let mut connection = connected(address).await?.0;
                let answer = send(&mut connection, address, get(&path)).await?;
                self.take(&answer, now).ok_or(Untold::Foreign)
            };
            let told = tokio::time::timeout(PATIENCE, told).await;
            if let Err(error) = told.unwrap_or(Err(Untold::Late)) {
                tracing::debug!(%address, %error, "another replica of the gateway does not say what it knows of a session");
            }
        });
        join_all(asked).await;
    }

    /// Takes over all sessions of others, who tell of each new one from now on. To be awaited before the first client comes.
    pub(crate) async fn join(&self, addresses: &[SocketAddr], now: u64) {
        join_all(addresses.iter().map(async |address| {
            let joined = tokio::time::timeout(ALL_WITHIN, self.join_one(*address, now)).await;
            if let Err(error) = joined.unwrap_or(Err(Untold::Late)) {
                tracing::warn!(%address, %error, "sessions that another replica of the gateway has are not known here");
            }
        }))
        .await;
    }

    async fn join_one(&self, address: SocketAddr, now: u64) -> Result<(), Untold> {
        let (mut connection, here) = connected(address).await?;
        let at = SocketAddr::new(here, self.admin_port);
        let Some(hello) = self.sealed(Some(at), Vec::new()) else {
            return Ok(());
        };
        send(&mut connection, address, post(&hello)).await?;
        for part in 0..JOINED_PARTS {
            let path = format!("{LEGS_PATH}/{part}");
            let answer = send(&mut connection, address, get(&path)).await?;
            self.take(&answer, now).ok_or(Untold::Foreign)?;
        }
        Ok(())
    }

    /// Tells another replica all that is known here: it is new, or was away.
    pub(crate) async fn give_all(&self, address: SocketAddr) {
        let given = async {
            let mut connection = connected(address).await?.0;
            for sessions in self.sessions.all_told().chunks(AT_ONCE) {
                if let Some(text) = self.sealed(None, sessions.to_vec()) {
                    send(&mut connection, address, post(&text)).await?;
                }
            }
            Ok(())
        };
        let given = tokio::time::timeout(ALL_WITHIN, given).await;
        if let Err(error) = given.unwrap_or(Err(Untold::Late)) {
            tracing::warn!(%address, %error, "another replica of the gateway was not told of all sessions");
            self.others.lost(address);
        }
    }

    /// Takes in what another replica says; `None` when it is not one with the same keys.
    pub(crate) fn take(&self, sealed: &[u8], now: u64) -> Option<()> {
        let text = self.keys.open_carried(Carried::Legs, sealed)?;
        let told: PeerMessage = serde_json::from_slice(&text).ok()?;
        for session in told.sessions {
            self.sessions.merge(session, now);
        }
        if let Some(left) = told.left {
            self.others.left(left);
        }
        if let Some(at) = told.at {
            if told.by == self.by {
                *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
            } else {
                self.others.met(at);
            }
        }
        Some(())
    }

    /// What is told of a part of all sessions.
    pub(crate) fn part(&self, part: usize) -> Option<String> {
        self.sealed(None, self.sessions.part_told(part))
    }

    /// What is told of one.
    pub(crate) fn of(&self, id: JoinedId) -> Option<String> {
        self.sealed(None, self.sessions.told(id).into_iter().collect())
    }

    fn sealed(&self, at: Option<SocketAddr>, sessions: Vec<ToldSession>) -> Option<String> {
        self.sealed_told(&PeerMessage {
            by: self.by,
            at,
            left: None,
            sessions,
        })
    }

    fn sealed_told(&self, told: &PeerMessage) -> Option<String> {
        let text = serde_json::to_vec(told).ok()?;
        match self.keys.seal_carried(Carried::Legs, &text) {
            Ok(sealed) => Some(sealed),
            Err(error) => {
                tracing::error!(%error, "other replicas cannot be told of sessions");
                None
            }
        }
    }

    /// Where the other replicas are that answered lately.
    pub(crate) fn others(&self) -> Vec<SocketAddr> {
        let own = *self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others = self.others.alive();
        others.retain(|address| Some(*address) != own);
        others
    }
}

/// A connection, and the address that it has on this side.
async fn connected(address: SocketAddr) -> Result<(SendRequest<Full<Bytes>>, IpAddr), Untold> {
    let stream = client::connect(&address.ip().to_string(), address.port()).await;
    let stream = stream.map_err(Untold::Connect)?;
    let here = stream.local_addr().map_err(Untold::Connect)?.ip();
    Ok((client::speak(stream).await?, here))
}

fn get(path: &str) -> (hyper::Method, &str, Bytes) {
    (hyper::Method::GET, path, Bytes::new())
}

fn post(text: &str) -> (hyper::Method, &str, Bytes) {
    (
        hyper::Method::POST,
        LEGS_PATH,
        Bytes::copy_from_slice(text.as_bytes()),
    )
}

async fn send(
    connection: &mut SendRequest<Full<Bytes>>,
    address: SocketAddr,
    (method, path, body): (hyper::Method, &str, Bytes),
) -> Result<Bytes, Untold> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    // Paths of our own, and an address.
    if let (Ok(uri), Ok(host)) = (path.parse(), address.to_string().parse()) {
        *request.uri_mut() = uri;
        request.headers_mut().insert(HOST, host);
    }
    connection.ready().await?;
    let answer: Response<Incoming> = connection.send_request(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(Untold::Status(answer.status()));
    }
    Ok(client::body(answer, MAX_TOLD).await?)
}

#[cfg(test)]
mod tests {
    use mcpt_core::Secret;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn one_that_was_late_once_is_told_of_sessions_again() {
        let keys = Secret::new("the key that all replicas of this test have");
        let keys = Arc::new(SessionKeys::parse(&keys).unwrap());
        let one = Replicas::new(keys, Arc::default(), 8081);
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = other.local_addr().unwrap();
        let (answer, answers) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(async move {
            // It takes what is said to it first, and does not answer in time.
            let _late = other.accept().await.unwrap();
            answers.await.unwrap();
            while let Ok((mut stream, _)) = other.accept().await {
                let mut read = Vec::new();
                while !read.ends_with(b"\r\n\r\n") {
                    stream.read_buf(&mut read).await.unwrap();
                }
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        });
        one.others.met(address);
        one.tell(JoinedId::of(b"a session")).await;
        assert!(one.others().is_empty(), "nobody waits for it");
        answer.send(()).unwrap();
        let again = async {
            while one.others() != [address] {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(ALL_WITHIN, again).await.is_ok());
    }

    #[test]
    fn nobody_is_told_of_sessions_who_has_said_that_it_ends() {
        let keys = Secret::new("the key that all replicas of this test have");
        let keys = Arc::new(SessionKeys::parse(&keys).unwrap());
        let replica = || Replicas::new(Arc::clone(&keys), Arc::default(), 8081);
        let (one, other) = (replica(), replica());
        let addresses: [SocketAddr; 2] =
            ["192.0.2.1:8081", "192.0.2.2:8081"].map(|a| a.parse().unwrap());
        for address in addresses {
            one.others.met(address);
        }
        let left = PeerMessage {
            by: other.by,
            left: Some(addresses[0]),
            ..PeerMessage::default()
        };
        let told = other.sealed_told(&left).unwrap();
        assert_eq!(one.take(told.as_bytes(), 0), Some(()));
        assert_eq!(one.others(), addresses[1..]);
    }
}
