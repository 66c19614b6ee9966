//! The port that clients use: it stays the same while the server behind it is restarted, moved or replaced.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::sleep,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// Pause after the system refused a connection for want of descriptors or memory.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// A port of this machine whose connections are handed to the server's own port.
#[derive(Debug)]
pub(crate) struct Forward {
    socket: Option<TcpSocket>,
    port: u16,
    target: Arc<AtomicU16>,
    accepting: Option<JoinHandle<()>>,
}

impl Forward {
    /// Reserves a port: `keep` if it can be had, else a free one. Nobody can connect yet. With `shared` the present holder of
    /// `keep` is the server that this one replaces: both have it until the other one lets go, so no connection is refused.
    pub(crate) fn reserve(keep: Option<u16>, shared: bool) -> io::Result<Self> {
        let kept = keep
            .filter(|port| shared || is_free(*port))
            .and_then(|port| bind(port).ok());
        let socket = kept.map_or_else(|| bind(0), Ok)?;
        let port = socket.local_addr()?.port();
        Ok(Self {
            socket: Some(socket),
            port,
            target: Arc::default(),
            accepting: None,
        })
    }

    /// The reserved port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Hands new connections to another port from now on.
    pub(crate) fn set_target(&self, port: u16) {
        self.target.store(port, Ordering::Relaxed);
    }

    /// Lets clients in.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        if let Some(socket) = self.socket.take() {
            let listener = socket.listen(BACKLOG)?;
            self.accepting = Some(tokio::spawn(accept(listener, Arc::clone(&self.target))));
        }
        Ok(())
    }

    /// Lets no more clients in; open connections go on.
    pub(crate) fn close(&mut self) {
        self.socket = None;
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }
}

async fn accept(listener: TcpListener, target: Arc<AtomicU16>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let port = target.load(Ordering::Relaxed);
                tokio::spawn(hand_over(client, port));
            }
            Err(_) => sleep(SHORTAGE_PAUSE).await,
        }
    }
}

/// An error ends the connection, which is how either side learns of it.
async fn hand_over(mut client: TcpStream, port: u16) {
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    // Small messages must not wait for each other.
    drop(client.set_nodelay(true));
    drop(server.set_nodelay(true));
    drop(copy_bidirectional(&mut client, &mut server).await);
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn bind(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(loopback(port))?;
    Ok(socket)
}

/// Whether nobody listens on a port.
pub(crate) fn is_free(port: u16) -> bool {
    StdListener::bind(loopback(port)).is_ok()
}

/// A port that nobody uses now.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(StdListener::bind(loopback(0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn answer_with(text: &'static [u8]) -> u16 {
        let listener = TcpListener::bind(loopback(0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(text).await.unwrap();
            }
        });
        port
    }

    async fn ask(port: u16) -> String {
        let mut text = String::new();
        TcpStream::connect(loopback(port))
            .await
            .unwrap()
            .read_to_string(&mut text)
            .await
            .unwrap();
        text
    }

    #[tokio::test]
    async fn clients_reach_the_target_of_the_day() {
        let mut forward = Forward::reserve(None, false).unwrap();
        assert!(
            TcpStream::connect(loopback(forward.port())).await.is_err(),
            "not open yet"
        );
        forward.set_target(answer_with(b"one").await);
        forward.open().unwrap();
        assert_eq!(ask(forward.port()).await, "one");
        forward.set_target(answer_with(b"two").await);
        assert_eq!(ask(forward.port()).await, "two");
    }

    #[tokio::test]
    async fn a_successor_takes_the_port_over() {
        let mut old = Forward::reserve(None, false).unwrap();
        old.set_target(answer_with(b"old").await);
        old.open().unwrap();
        let port = old.port();

        let stranger = Forward::reserve(Some(port), false).unwrap();
        assert_ne!(stranger.port(), port, "only a successor shares");

        let mut new = Forward::reserve(Some(port), true).unwrap();
        assert_eq!(new.port(), port);
        assert_eq!(ask(port).await, "old", "the new one is not open yet");
        new.set_target(answer_with(b"new").await);
        new.open().unwrap();
        old.close();
        tokio::task::yield_now().await;
        assert_eq!(ask(port).await, "new");
    }
}
