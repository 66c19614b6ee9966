//! [`PeerAddresses`]: where the other replicas are, and which of them has what it alone can go on with.

use std::{io, net::SocketAddr, time::Duration};

use arc_swap::ArcSwap;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mcpt_gateway_api::{ROUNDS_PATH, RoundPage, RoundsPage};
use mcpt_routing::{EndpointId, RoundKey};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{PATIENCE, ask};

/// For how long peers that do not answer are asked again who alone can go on with something, and how often.
const SOUGHT_FOR: Duration = Duration::from_secs(3);
const SEEK_AGAIN: Duration = Duration::from_millis(200);

/// Where the replicas are, as of the last time that was asked.
#[derive(Debug, Default)]
pub(crate) struct PeerAddresses(ArcSwap<PeerState>);

#[derive(Debug, Clone, Default)]
struct PeerState {
    alive: Vec<SocketAddr>,
    /// Those that did not answer, although it is not certain that nobody is there.
    silent: Vec<SocketAddr>,
}

impl PeerState {
    fn without(&self, address: SocketAddr) -> Self {
        let mut known = self.clone();
        known.alive.retain(|known| *known != address);
        known.silent.retain(|known| *known != address);
        known
    }
}

/// Which replica alone can go on with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// It is there.
    At(SocketAddr),
    /// None can: each has said so, or nobody listens there.
    Nowhere,
    /// One of those may that do not answer now.
    Unknown,
}

impl PeerAddresses {
    /// All that answered lately.
    pub(crate) fn alive(&self) -> Vec<SocketAddr> {
        self.0.load().alive.clone()
    }

    /// All others that may be there.
    pub(super) fn silent(&self) -> Vec<SocketAddr> {
        self.0.load().silent.clone()
    }

    /// Notes who answers now, of those `before`, and who does not; others may have come meanwhile.
    pub(super) fn turn(&self, before: &[SocketAddr], alive: &[SocketAddr], silent: &[SocketAddr]) {
        self.0.rcu(|known| {
            let new = known.alive.iter().filter(|known| !before.contains(known));
            let new = new.filter(|new| !alive.contains(new) && !silent.contains(new));
            PeerState {
                alive: alive.iter().chain(new).copied().collect(),
                silent: silent.to_vec(),
            }
        });
    }

    /// Notes one that says by itself where it is.
    pub(crate) fn met(&self, address: SocketAddr) {
        self.0.rcu(|known| {
            let mut known = known.without(address);
            known.alive.push(address);
            known
        });
    }

    /// Notes that one does not answer.
    pub(crate) fn lost(&self, address: SocketAddr) {
        self.0.rcu(|known| {
            let mut known = known.without(address);
            known.silent.push(address);
            known
        });
    }

    /// Notes that one has ended.
    pub(crate) fn left(&self, address: SocketAddr) {
        self.0.rcu(|known| known.without(address));
    }

    /// Which instance waits for the next round of a call, as soon as one replica knows it.
    pub(crate) async fn who_asked(&self, state: RoundKey) -> Option<EndpointId> {
        let path = format!("{ROUNDS_PATH}/{state}");
        let known = |_, page: RoundPage| Some(EndpointId::new(&page.endpoint?));
        self.first(path, known).await
    }

    /// Where the replica is that draws this number for what it alone can go on with. Those that are slow are asked for a few
    /// seconds.
    pub(crate) async fn who_has_rounds(&self, replica: u64) -> Holder {
        let begin = Instant::now();
        loop {
            let holder = self.seek(replica).await;
            if holder != Holder::Unknown || begin.elapsed() >= SOUGHT_FOR {
                return holder;
            }
            tokio::time::sleep(SEEK_AGAIN).await;
        }
    }

    /// Asks each once.
    async fn seek(&self, replica: u64) -> Holder {
        let path = format!("{ROUNDS_PATH}/of/{replica}");
        let known = self.0.load_full();
        let addresses = known.alive.iter().chain(&known.silent).copied();
        let asked = addresses.map(async |address| {
            let asked = ask::<RoundsPage>(address, path.clone());
            let answer = tokio::time::timeout(PATIENCE, asked).await;
            (address, answer.unwrap_or_else(|late| Err(late.into())))
        });
        let mut answers: FuturesUnordered<_> = asked.collect();
        let mut certain = true;
        while let Some((address, answer)) = answers.next().await {
            match answer {
                Ok(page) if page.here => return Holder::At(address),
                Ok(_) => {}
                Err(error) => {
                    certain &= error.kind() == io::ErrorKind::ConnectionRefused;
                    tracing::debug!(%address, %error, "a peer does not answer");
                }
            }
        }
        if certain {
            Holder::Nowhere
        } else {
            Holder::Unknown
        }
    }

    /// What the first replica says that knows something.
    async fn first<P: DeserializeOwned, T>(
        &self,
        path: String,
        known: impl Fn(SocketAddr, P) -> Option<T>,
    ) -> Option<T> {
        let addresses = self.alive();
        let asked = addresses
            .into_iter()
            .map(async |address| (address, ask::<P>(address, path.clone()).await));
        let mut answers: FuturesUnordered<_> = asked.collect();
        let first = async {
            while let Some((address, answer)) = answers.next().await {
                match answer {
                    Ok(page) => {
                        if let Some(told) = known(address, page) {
                            return Some(told);
                        }
                    }
                    Err(error) => tracing::debug!(%address, %error, "a peer does not answer"),
                }
            }
            None
        };
        tokio::time::timeout(PATIENCE, first).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// A replica that answers no more than `late` of the first that ask, and all others that it has what they ask for.
    async fn holder(late: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if unanswered.len() < late {
                    unanswered.push(stream);
                    continue;
                }
                let mut read = Vec::new();
                while !read.ends_with(b"\r\n\r\n") {
                    stream.read_buf(&mut read).await.unwrap();
                }
                let body = r#"{"here":true}"#;
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn only_what_is_certain_to_be_nowhere_is_gone() {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = nobody.local_addr().unwrap();
        drop(nobody);
        let known = PeerAddresses::default();
        known.met(gone);
        assert_eq!(known.who_has_rounds(7).await, Holder::Nowhere);
        // It hears who asks, and does not answer.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent_at = silent.local_addr().unwrap();
        known.met(silent_at);
        assert_eq!(known.seek(7).await, Holder::Unknown);
        known.lost(silent_at);
        assert_eq!(known.alive(), [gone]);
        assert_eq!(known.seek(7).await, Holder::Unknown, "it may be there");
        // Another one has it, that was slow at first.
        let slow = holder(1).await;
        known.met(slow);
        assert_eq!(known.who_has_rounds(7).await, Holder::At(slow));
        known.left(silent_at);
        known.left(slow);
        assert_eq!(known.who_has_rounds(7).await, Holder::Nowhere);
    }
}
