//! What runs in a front: the source of the gateway there, and how it is told where the replicas are.
//!
//! It is told by a process that the engine starts beside it, over a socket without a file; the answer comes when the gateway
//! has what was said, so that the replicas before it may end. What it was told is kept in the container for its next start.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    path::PathBuf,
    time::{Duration, Instant},
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcpt_core::{Namespace, ServerName, Sessions};
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, InvalidAddress, ServerKey,
    ServerSpec,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// The name of the socket: one per network namespace, and each front has its own.
const SOCKET: &str = "mcpt-front";
/// How long a front may take to listen.
const START: Duration = Duration::from_secs(20);
/// Pause between two looks at whether it does.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest message in bytes.
const LONGEST: u64 = 1024 * 1024;
/// What is answered to a message that is heeded.
const HEEDED: &str = "ok";

/// Where the replicas are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrontConfig {
    pub(crate) sessions: Sessions,
    pub(crate) path: String,
    pub(crate) port: u16,
    pub(crate) replicas: Vec<FrontReplica>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrontReplica {
    /// The container's id.
    pub(crate) id: String,
    /// Its name in the network.
    pub(crate) host: String,
    /// Whether it is about to end.
    pub(crate) ends: bool,
}

/// Why a front is not told, or cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// No front listens here, or it ended.
    #[error("the front of this container does not listen")]
    Socket(#[source] io::Error),
    /// The message is none.
    #[error("the message cannot be understood")]
    Message(#[from] serde_json::Error),
    /// It names no place that can be forwarded to.
    #[error("it names an address that cannot be used")]
    Address(#[from] InvalidAddress),
    /// What it was told cannot be kept.
    #[error("cannot keep what it was told")]
    Keep(#[source] io::Error),
    /// The front did not take it.
    #[error("the front refused: {0}")]
    Refused(String),
}

impl FrontConfig {
    fn spec(&self, key: &ServerKey) -> Result<ServerSpec, InvalidAddress> {
        let endpoints = self.replicas.iter().map(|replica| {
            let address = Address::new(&replica.host, self.port, &self.path)?;
            Ok(EndpointSpec {
                weight: std::num::NonZeroU32::MIN,
                id: EndpointId::new(&replica.id),
                // The server knows nothing of its name in the network, and may guard against it.
                address: address.called(format!("localhost:{}", self.port)),
                conditions: if replica.ends {
                    Conditions::DRAINING
                } else {
                    Conditions::READY
                },
            })
        });
        Ok(ServerSpec {
            handling: mcpt_routing::Handling::default(),
            key: key.clone(),
            sessions: self.sessions,
            endpoints: endpoints.collect::<Result<_, _>>()?,
        })
    }
}

/// The source of a front's gateway.
#[derive(Debug)]
pub struct FrontEnd {
    key: ServerKey,
    kept: PathBuf,
    listener: UnixListener,
}

impl FrontEnd {
    /// Listens for what it is told of this server, and remembers what it was told before: that is in the file `kept`.
    ///
    /// # Errors
    /// When another front listens here.
    pub fn bind(
        server: ServerName,
        namespace: Namespace,
        kept: PathBuf,
    ) -> Result<Self, FrontError> {
        let address = SocketAddr::from_abstract_name(SOCKET).map_err(FrontError::Socket)?;
        let listener = UnixListener::bind_addr(&address).map_err(FrontError::Socket)?;
        Ok(Self {
            key: ServerKey {
                namespace,
                name: server,
            },
            kept,
            listener,
        })
    }

    /// What it was told before its last end; nothing at its first start.
    fn before(&self) -> Option<ServerSpec> {
        let text = std::fs::read(&self.kept).ok()?;
        let told: FrontConfig = serde_json::from_slice(&text).ok()?;
        told.spec(&self.key).ok()
    }

    /// Takes one message and answers it.
    fn apply(
        &self,
        mut stream: UnixStream,
        specs: &mpsc::UnboundedSender<ServerSpec>,
    ) -> io::Result<()> {
        let mut line = String::new();
        BufReader::new((&stream).take(LONGEST)).read_line(&mut line)?;
        let answer = match self.take(&line, specs) {
            Ok(()) => HEEDED.to_owned(),
            Err(error) => mcpt_core::chain(&error),
        };
        writeln!(stream, "{answer}")
    }

    fn take(
        &self,
        line: &str,
        specs: &mpsc::UnboundedSender<ServerSpec>,
    ) -> Result<(), FrontError> {
        let told: FrontConfig = serde_json::from_str(line)?;
        let spec = told.spec(&self.key)?;
        let new = self.kept.with_extension("new");
        std::fs::write(&new, line)
            .and_then(|()| std::fs::rename(&new, &self.kept))
            .map_err(FrontError::Keep)?;
        // The gateway is gone only when this process ends.
        drop(specs.send(spec));
        Ok(())
    }
}

impl Discovery for FrontEnd {
    fn name(&self) -> &'static str {
        "replicas"
    }

    fn watch(self: Box<Self>) -> BoxStream<'static, Change> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let first = self.before().into_iter().collect();
        // Messages are rare and short; a thread of their own keeps them out of the way of requests.
        std::thread::spawn(move || {
            while let Ok((stream, _)) = self.listener.accept() {
                if let Err(error) = self.apply(stream, &sender) {
                    tracing::warn!(%error, "a message was cut off");
                }
            }
        });
        let news = stream::unfold(receiver, |mut receiver| async {
            let spec = receiver.recv().await?;
            Some((Change::Set(spec), receiver))
        });
        stream::iter([Change::Snapshot(first)]).chain(news).boxed()
    }
}

/// Tells the front of this container something, and returns when it applies it.
///
/// # Errors
/// When there is none, or it refuses.
pub fn tell(message: &str) -> Result<(), FrontError> {
    let mut stream = connect().map_err(FrontError::Socket)?;
    writeln!(stream, "{message}").map_err(FrontError::Socket)?;
    let mut answer = String::new();
    BufReader::new(&stream)
        .read_line(&mut answer)
        .map_err(FrontError::Socket)?;
    match answer.trim_end() {
        HEEDED => Ok(()),
        other => Err(FrontError::Refused(other.to_owned())),
    }
}

/// Connects to the front, which may only just have been started.
fn connect() -> io::Result<UnixStream> {
    let address = SocketAddr::from_abstract_name(SOCKET)?;
    let begin = Instant::now();
    loop {
        match UnixStream::connect_addr(&address) {
            Err(_) if begin.elapsed() < START => std::thread::sleep(PAUSE),
            connected => return connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All in one: there is one socket of that name for all tests.
    #[tokio::test]
    async fn a_front_heeds_what_it_is_told_and_remembers_it() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("told.json");
        let name = || ServerName::new("demo").unwrap();
        let here = || Namespace::new("here").unwrap();
        let front = FrontEnd::bind(name(), here(), kept.clone()).unwrap();
        let mut changes = Box::new(front).watch();
        assert_eq!(changes.next().await, Some(Change::Snapshot(Vec::new())));
        let told = FrontConfig {
            sessions: Sessions::Stateful,
            path: "/mcp".to_owned(),
            port: 8080,
            replicas: vec![FrontReplica {
                id: "one".to_owned(),
                host: "r1-1".to_owned(),
                ends: false,
            }],
        };
        let message = serde_json::to_string(&told).unwrap();
        let teller = tokio::task::spawn_blocking(move || (tell(&message), tell("{}"), tell("no")));
        let Some(Change::Set(spec)) = changes.next().await else {
            panic!("no change");
        };
        assert_eq!(spec.endpoints[0].address.authority(), "r1-1:8080");
        assert_eq!(spec.endpoints[0].address.own_name(), Some("localhost:8080"));
        let (heeded, incomplete, none) = teller.await.unwrap();
        heeded.unwrap();
        for refused in [incomplete, none] {
            assert!(
                matches!(refused, Err(FrontError::Refused(_))),
                "{refused:?}"
            );
        }
        let again: FrontConfig = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
        assert_eq!(again, told);
    }
}
