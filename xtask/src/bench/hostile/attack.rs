//! What strangers do to a server: each way is many connections that take as much and give as little as they may.

use std::{
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
};

use crate::bench::gateway::{load, programs::Target};

/// Between two bytes of a slow head.
const PAUSE: Duration = Duration::from_millis(50);

/// A way to be hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attack {
    /// Bodies of 15 MiB whose last part never comes.
    Withheld,
    /// Bodies in chunks of one byte, as fast as they are taken.
    Drops,
    /// Connections that say nothing.
    Silent,
    /// Heads that come byte by byte.
    Heads,
}

impl Attack {
    pub(super) const ALL: [Self; 4] = [Self::Withheld, Self::Drops, Self::Silent, Self::Heads];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Withheld => "40 bodies of 15 MiB, withheld",
            Self::Drops => "40 bodies in chunks of a byte",
            Self::Silent => "2,000 silent connections",
            Self::Heads => "200 heads byte by byte",
        }
    }

    fn connections(self) -> usize {
        match self {
            Self::Withheld | Self::Drops => 40,
            Self::Silent => 2000,
            Self::Heads => 200,
        }
    }

    /// What one connection does until it is stopped, or the server has had enough of it.
    async fn go_on(self, mut stream: TcpStream, target: Target) {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\n",
            target.path, target.address
        );
        let more =
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
        let sent = match self {
            Self::Withheld => {
                let whole = format!("{head}{more}Content-Length: {}\r\n\r\n", 15 << 20);
                let mut sent = stream.write_all(whole.as_bytes()).await;
                let part = vec![b' '; 64 << 10];
                for _ in 0..14 << 4 {
                    if sent.is_err() {
                        break;
                    }
                    sent = stream.write_all(&part).await;
                }
                sent
            }
            Self::Drops => {
                let whole = format!("{head}{more}Transfer-Encoding: chunked\r\n\r\n");
                let mut sent = stream.write_all(whole.as_bytes()).await;
                // Many in one write: what costs the server is not to cost the attacker.
                let drops = "1\r\n \r\n".repeat(512);
                while sent.is_ok() {
                    sent = stream.write_all(drops.as_bytes()).await;
                }
                sent
            }
            Self::Silent => Ok(()),
            Self::Heads => {
                let mut sent = Ok(());
                for byte in head.bytes().chain(std::iter::repeat(b'x')) {
                    if sent.is_err() {
                        break;
                    }
                    sent = stream.write_all(&[byte]).await;
                    tokio::time::sleep(PAUSE).await;
                }
                sent
            }
        };
        // A server that has had enough closes: that is its right, and the attacker comes no more.
        let mut rest = [0; 1024];
        while sent.is_ok() && stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    }
}

/// An attack that goes on until this is ended.
pub(super) struct UnderWay {
    end: oneshot::Sender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl UnderWay {
    /// Begins, on a thread of its own.
    pub(super) fn begin(attack: Attack, target: &Target) -> Self {
        let (end, ended) = oneshot::channel();
        let target = target.clone();
        let thread = thread::spawn(move || {
            load::runtime()?.block_on(async {
                let mut all = JoinSet::new();
                for _ in 0..attack.connections() {
                    // Refused ones are the server's right as well.
                    if let Ok(stream) = TcpStream::connect(target.address).await {
                        all.spawn(attack.go_on(stream, target.clone()));
                    }
                }
                // When nobody can end it any more, it ends as well.
                drop(ended.await);
                all.shutdown().await;
                Ok(())
            })
        });
        Self { end, thread }
    }

    /// Closes all its connections.
    pub(super) fn end(self) -> anyhow::Result<()> {
        if self.end.send(()).is_err() {
            bail!("the attack had ended by itself");
        }
        match self.thread.join() {
            Ok(done) => done.context("the attack"),
            Err(_) => bail!("the attack ended with a panic"),
        }
    }
}
