//! The other replicas of the gateway: each asks all others every second which sessions they have seen.
//!
//! Nothing depends on it but where new sessions begin. A replica that does not answer is counted as it last was, until its
//! address is gone. Of a call that goes on in another round they are asked only when its next round comes by.

mod addresses;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Empty;
use hyper::{Request, StatusCode, header::HOST};
use mcpt_gateway_api::SESSIONS_PATH;
use mcpt_http::client::{self, ExchangeError};
use mcpt_routing::Sightings;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, MissedTickBehavior};

pub(crate) use self::addresses::{Holder, PeerAddresses};
use crate::{aggregate::Replicas, directory::Directory};

const EVERY: Duration = Duration::from_secs(1);
/// How long it may take to look up the addresses of peers at a start: before, sessions that others have would be taken for
/// over. Then it begins alone: a cluster that has no names any more is better served by one gateway than by none.
const NAMES_WITHIN: Duration = Duration::from_mins(1);
/// How long a peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// After how many turns without an answer the gateway before this one is gone, although somebody listens there.
const MISSES: u32 = 10;
/// Largest answer in bytes, far beyond what a gateway tells.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A host whose addresses are those of all replicas, this one's own included, and the port of their admin listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    host: String,
    port: u16,
    /// Whether nobody is asked any more once none of them is there.
    until_gone: bool,
}

impl Peers {
    /// The one gateway that another takes the place of, its own pages at this address: what is known of sessions is taken over from
    /// it, and it tells of new ones until it ends.
    pub fn before(pages: SocketAddr) -> Self {
        Self {
            host: pages.ip().to_string(),
            port: pages.port(),
            until_gone: true,
        }
    }
}

/// A text is not `HOST:PORT`.
#[derive(Debug, thiserror::Error)]
#[error("HOST:PORT is wanted, as in mcpt-gateway-peers:8081")]
pub struct InvalidPeers;

/// What is known of the addresses of peers.
#[derive(Debug)]
enum Resolved {
    /// They are there.
    At(BTreeSet<SocketAddr>),
    /// Nobody is there: as long as no replica is, its name is not known.
    Nobody(io::Error),
    /// Nobody could be asked for them, which says nothing.
    Unknown(io::Error),
}

impl Peers {
    async fn look_up(&self) -> Resolved {
        let asked = tokio::net::lookup_host((self.host.as_str(), self.port));
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(addresses)) => Resolved::At(addresses.collect()),
            Ok(Err(error)) if is_about_now(&error) => Resolved::Unknown(error),
            Ok(Err(error)) => Resolved::Nobody(error),
            Err(late) => Resolved::Unknown(late.into()),
        }
    }
}

/// Whether a name could not be looked up at all, which the system tells in words alone: those of glibc, and of musl.
fn is_about_now(error: &io::Error) -> bool {
    let said = error.to_string();
    ["Temporary failure", "Try again"]
        .iter()
        .any(|words| said.contains(words))
}

impl FromStr for Peers {
    type Err = InvalidPeers;

    fn from_str(text: &str) -> Result<Self, InvalidPeers> {
        let (host, port) = text.rsplit_once(':').ok_or(InvalidPeers)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().map_err(|_| InvalidPeers)?;
        if host.is_empty() || host.contains(['/', '@']) {
            return Err(InvalidPeers);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            until_gone: false,
        })
    }
}

/// Asks the others for as long as the gateway runs, or there are any; `heard` is set once they were asked.
pub(crate) async fn exchange(
    peers: Peers,
    known: Arc<PeerAddresses>,
    directory: Arc<Directory>,
    replicas: Arc<Replicas>,
    heard: Arc<AtomicBool>,
) {
    // Sessions are counted at endpoints that are known.
    directory.complete().await;
    let mut reports = BTreeMap::new();
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begin = Instant::now();
    let mut missed = Missed::default();
    loop {
        turns.tick().await;
        let before = known.alive();
        let found = peers.look_up().await;
        let unknown = matches!(found, Resolved::Unknown(_));
        let mut there = before.clone();
        if unknown {
            there.extend(known.silent());
        }
        let asked = ask_all(found, &there, &mut reports).await;
        let PeerCheck {
            alive,
            silent,
            refused,
        } = asked;
        let mut new = alive.clone();
        new.retain(|address| !before.contains(address));
        known.turn(&before, &alive, &silent);
        if heard.load(Relaxed) {
            if peers.until_gone {
                // It was late once, and may tell this one nothing since.
                replicas.join(&new, directory.now()).await;
            }
            for address in new {
                let replicas = Arc::clone(&replicas);
                tokio::spawn(async move { replicas.give_all(address).await });
            }
        } else {
            replicas.join(&new, directory.now()).await;
        }
        // Its own answer, if it has asked itself, says nothing new.
        let all: Vec<_> = reports.values().collect();
        directory.count_elsewhere(&all);
        for told in alive.iter().filter_map(|address| reports.get(address)) {
            directory.hear_use(told);
        }
        if !unknown || begin.elapsed() >= NAMES_WITHIN {
            heard.store(true, Relaxed);
        }
        if peers.until_gone && missed.is_gone(&alive, refused) {
            known.turn(&[], &[], &[]);
            return;
        }
    }
}

/// How often in a row nobody has answered.
#[derive(Debug, Default)]
struct Missed(u32);

impl Missed {
    /// Takes in a turn; whether nobody is there any more.
    fn is_gone(&mut self, alive: &[SocketAddr], refused: bool) -> bool {
        self.0 = if alive.is_empty() { self.0 + 1 } else { 0 };
        alive.is_empty() && refused || self.0 == MISSES
    }
}

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
struct PeerCheck {
    /// All that answer.
    alive: Vec<SocketAddr>,
    /// All others where somebody may be.
    silent: Vec<SocketAddr>,
    /// Whether nobody listens at any of the others.
    refused: bool,
}

/// Asks those that the name has, and those that are there already: a name tells of new ones late, and whoever tells of
/// names may be away.
async fn ask_all(
    found: Resolved,
    there: &[SocketAddr],
    reports: &mut BTreeMap<SocketAddr, Sightings>,
) -> PeerCheck {
    let mut addresses = match found {
        Resolved::At(addresses) => addresses,
        Resolved::Nobody(error) | Resolved::Unknown(error) => {
            tracing::debug!(%error, "no addresses of peers");
            BTreeSet::new()
        }
    };
    addresses.extend(there);
    let (mut alive, mut silent) = (Vec::new(), Vec::new());
    reports.retain(|address, _| addresses.contains(address));
    let asked = addresses.into_iter().map(async |address| {
        let asked = ask(address, SESSIONS_PATH.to_owned());
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        (address, answer.unwrap_or_else(|late| Err(late.into())))
    });
    for (address, answer) in join_all(asked).await {
        match answer {
            Ok(sightings) => {
                reports.insert(address, sightings);
                alive.push(address);
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::ConnectionRefused {
                    silent.push(address);
                }
                tracing::debug!(%address, %error, "a peer does not answer");
            }
        }
    }
    PeerCheck {
        alive,
        refused: silent.is_empty(),
        silent,
    }
}

async fn ask<T: DeserializeOwned>(address: SocketAddr, path: String) -> io::Result<T> {
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let host = address.ip().to_string();
    let answer = client::exchange(&host, address.port(), request).await;
    let answer = answer.map_err(|error| match error {
        ExchangeError::Connect(reason) => reason,
        other => io::Error::other(other),
    })?;
    if answer.status() != StatusCode::OK {
        return Err(io::Error::other(format!("it answered {}", answer.status())));
    }
    let body = client::body(answer, MAX_ANSWER).await;
    Ok(serde_json::from_slice(&body.map_err(io::Error::other)?)?)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// A replica that has seen no sessions.
    async fn replica() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut read = Vec::new();
                while !read.ends_with(b"\r\n\r\n") {
                    stream.read_buf(&mut read).await.unwrap();
                }
                let body = serde_json::to_string(&Sightings::default()).unwrap();
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn replicas_go_on_to_know_each_other_while_no_name_can_be_looked_up() {
        let (one, other) = (replica().await, replica().await);
        let mut reports = BTreeMap::new();
        let found = Resolved::At(BTreeSet::from([one]));
        assert_eq!(ask_all(found, &[], &mut reports).await.alive, [one]);
        for away in [Resolved::Unknown, Resolved::Nobody] {
            let found = away(io::Error::other("x"));
            let mut alive = ask_all(found, &[one, other], &mut reports).await.alive;
            alive.sort_unstable();
            let mut all = vec![one, other];
            all.sort_unstable();
            assert_eq!(alive, all);
            assert_eq!(reports.len(), 2);
        }
    }

    #[tokio::test]
    async fn the_gateway_before_is_gone_once_nobody_listens_there_and_not_when_it_is_late() {
        let there = replica().await;
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let late = silent.local_addr().unwrap();
        let mut reports = BTreeMap::new();
        let mut missed = Missed::default();
        let mut turn = async |address| {
            let found = Resolved::At(BTreeSet::from([address]));
            let PeerCheck { alive, refused, .. } = ask_all(found, &[], &mut reports).await;
            missed.is_gone(&alive, refused)
        };
        assert!(!turn(late).await);
        assert!(!turn(there).await);
        assert!(!turn(late).await, "one that is late again");
        drop(silent);
        assert!(turn(late).await, "nobody listens");
        let mut missed = Missed::default();
        let turns = (0..MISSES).map(|_| missed.is_gone(&[], false));
        assert_eq!(turns.filter(|gone| *gone).count(), 1, "after the last");
    }

    #[tokio::test]
    async fn who_is_slow_for_a_turn_is_not_forgotten() {
        let there = replica().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let slow = listener.local_addr().unwrap();
        let mut reports = BTreeMap::new();
        let found = Resolved::At(BTreeSet::from([there, slow]));
        let asked = ask_all(found, &[], &mut reports).await;
        assert_eq!(asked.alive, [there]);
        assert_eq!((asked.silent, asked.refused), (vec![slow], false));
    }

    #[test]
    fn a_name_that_could_not_be_asked_for_is_not_one_that_nobody_has() {
        for (says, is) in [
            (
                "failed to lookup address information: Temporary failure in name resolution",
                true,
            ),
            ("failed to lookup address information: Try again", true),
            (
                "failed to lookup address information: Name or service not known",
                false,
            ),
            (
                "failed to lookup address information: Name does not resolve",
                false,
            ),
        ] {
            assert_eq!(is_about_now(&io::Error::other(says)), is, "{says}");
        }
    }

    #[test]
    fn names_of_peers() {
        for (text, wanted) in [
            ("gateway-peers:8080", Some(("gateway-peers", 8080))),
            ("127.0.0.1:1", Some(("127.0.0.1", 1))),
            ("[::1]:8080", Some(("::1", 8080))),
            ("gateway-peers", None),
            (":8080", None),
            ("http://gateway:8080", None),
            ("gateway:80800", None),
        ] {
            let peers = text.parse::<Peers>().ok();
            let wanted = wanted.map(|(host, port)| Peers {
                host: host.to_owned(),
                port,
                until_gone: false,
            });
            assert_eq!(peers, wanted, "{text}");
        }
    }
}
