//! The port that clients use: it stays the same while the server behind it is restarted, moved or replaced.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Resource, getrlimit};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, Semaphore},
    task::AbortHandle,
    time::sleep,
};

use crate::ports::is_free;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// Connections at once, where the system gives descriptors enough.
const MOST: u64 = 4096;
/// Descriptors that are kept for everything else: log, state, the server's output.
const RESERVE: u64 = 64;
/// Pause after the system refused a connection for want of descriptors or memory.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// Where connections are handed to; none while there is no server.
type ForwardTo = Arc<Mutex<Option<SocketAddr>>>;

/// A port of this machine whose connections are handed to the server's own.
#[derive(Debug)]
pub struct Forward {
    socket: Option<TcpSocket>,
    port: u16,
    most: usize,
    target: ForwardTo,
    /// Ends to let clients in.
    closing: Option<Arc<Notify>>,
}

impl Forward {
    /// Reserves a port: `keep` if it can be had, else a free one. Nobody can connect yet. With `shared` the present holder of
    /// `keep` is the server that this one replaces: both have it until the other one lets go, so no connection is refused.
    ///
    /// # Errors
    /// When the system gives no port.
    pub fn reserve(keep: Option<u16>, shared: bool) -> io::Result<Self> {
        let kept = keep
            .filter(|port| shared || is_free(*port))
            .and_then(|port| bind(port).ok());
        let socket = kept.map_or_else(|| bind(0), Ok)?;
        let port = socket.local_addr()?.port();
        Ok(Self {
            socket: Some(socket),
            port,
            most: most_connections(getrlimit(Resource::Nofile).current),
            target: ForwardTo::default(),
            closing: None,
        })
    }

    /// The reserved port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Hands new connections to another address from now on, or to none.
    pub fn set_target(&self, target: Option<SocketAddr>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Lets clients in.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub fn open(&mut self) -> io::Result<()> {
        if let Some(socket) = self.socket.take() {
            let listener = socket.listen(BACKLOG)?;
            let clients = Clients::of(Arc::clone(&self.target), self.most);
            let closing = Arc::new(Notify::new());
            tokio::spawn(accept(listener, clients, Arc::clone(&closing)));
            self.closing = Some(closing);
        }
        Ok(())
    }

    /// Lets no more clients in; open connections go on.
    pub fn close(&mut self) {
        self.socket = None;
        if let Some(closing) = self.closing.take() {
            closing.notify_one();
        }
    }
}

/// How many connections this process can hold, each of which takes two descriptors. `None` is no limit.
fn most_connections(descriptors: Option<u64>) -> usize {
    let can = descriptors.map_or(MOST, |all| all.saturating_sub(RESERVE) / 2);
    // At least one, and never more than a usize holds.
    can.clamp(1, MOST) as usize
}

/// Takes connections in until that is to end; then those too that the system has taken for it: nobody else would, since only
/// new ones go to a successor.
async fn accept(listener: TcpListener, mut clients: Clients, closing: Arc<Notify>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => clients.enter(client).await,
                Err(_) => sleep(SHORTAGE_PAUSE).await,
            },
            () = closing.notified() => break,
        }
    }
    // The runtime knows of connections only since it last looked; the system is asked.
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok((client, _)) = listener.accept() {
        let client = client
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(client));
        if let Ok(client) = client {
            clients.enter(client).await;
        }
    }
}

/// As many as there may be. Whoever comes when all places are taken gets that of the connection that has been silent the
/// longest; one that has spoken keeps its place.
struct Clients {
    target: ForwardTo,
    places: Arc<Semaphore>,
    silent: Arc<Silent>,
    number: u64,
}

impl Clients {
    fn of(target: ForwardTo, most: usize) -> Self {
        Self {
            target,
            places: Arc::new(Semaphore::new(most)),
            silent: Arc::default(),
            number: 0,
        }
    }

    async fn enter(&mut self, client: TcpStream) {
        if self.places.available_permits() == 0 {
            self.silent.end_oldest();
        }
        // Nobody closes it.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return;
        };
        self.number += 1;
        let number = self.number;
        let (target, its) = (Arc::clone(&self.target), Arc::clone(&self.silent));
        // Entered while nobody else can look, so that it is there before it can speak.
        let mut entries = self.silent.entries();
        let task = tokio::spawn(async move {
            let spoke = client.peek(&mut [0]).await.is_ok();
            if its.has_spoken(number) && spoke {
                hand_over(client, &target).await;
            }
            drop(place);
        });
        entries.push_back((number, task.abort_handle()));
    }
}

/// Connections of clients that have not said anything yet, the oldest first.
#[derive(Default)]
struct Silent(Mutex<VecDeque<(u64, AbortHandle)>>);

impl Silent {
    fn entries(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, AbortHandle)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one off the list; whether it was there, and was not ended meanwhile.
    fn has_spoken(&self, number: u64) -> bool {
        let mut entries = self.entries();
        let at = entries.binary_search_by_key(&number, |(number, _)| *number);
        at.is_ok_and(|at| entries.remove(at).is_some())
    }

    fn end_oldest(&self) {
        if let Some((_, oldest)) = self.entries().pop_front() {
            oldest.abort();
        }
    }
}

/// An error ends the connection, which is how either side learns of it.
async fn hand_over(mut client: TcpStream, target: &ForwardTo) {
    let target = *target.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(target) = target else { return };
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    // Small messages must not wait for each other.
    drop(client.set_nodelay(true));
    drop(server.set_nodelay(true));
    drop(copy_bidirectional(&mut client, &mut server).await);
}

fn bind(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Answers each connection with a text, and goes on with an echo.
    async fn answer_with(text: &'static [u8], on: impl Into<SocketAddr>) -> Option<SocketAddr> {
        let listener = TcpListener::bind(on.into()).await.ok()?;
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.write_all(text).await.unwrap();
                    let (mut reader, mut writer) = stream.split();
                    drop(tokio::io::copy(&mut reader, &mut writer).await);
                });
            }
        });
        Some(address)
    }

    fn here() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }

    async fn connect(port: u16) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap()
    }

    async fn ask(port: u16) -> String {
        let mut stream = connect(port).await;
        stream.write_all(b"?").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn clients_reach_the_target_of_the_day() {
        let mut forward = Forward::reserve(None, false).unwrap();
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, forward.port())).await;
        assert!(refused.is_err(), "not open yet");
        forward.set_target(answer_with(b"one", here()).await);
        forward.open().unwrap();
        assert_eq!(ask(forward.port()).await, "one?");
        forward.set_target(answer_with(b"two", here()).await);
        assert_eq!(ask(forward.port()).await, "two?");
        // A machine without IPv6 has no such server.
        if let Some(sixth) = answer_with(b"six", (Ipv6Addr::LOCALHOST, 0)).await {
            forward.set_target(Some(sixth));
            assert_eq!(ask(forward.port()).await, "six?");
        }
    }

    #[tokio::test]
    async fn a_successor_takes_the_port_over() {
        let mut old = Forward::reserve(None, false).unwrap();
        old.set_target(answer_with(b"old", here()).await);
        old.open().unwrap();
        let port = old.port();

        let stranger = Forward::reserve(Some(port), false).unwrap();
        assert_ne!(stranger.port(), port, "only a successor shares");

        let mut new = Forward::reserve(Some(port), true).unwrap();
        assert_eq!(new.port(), port);
        assert_eq!(ask(port).await, "old?", "the new one is not open yet");
        new.set_target(answer_with(b"new", here()).await);
        new.open().unwrap();
        old.close();
        tokio::task::yield_now().await;
        assert_eq!(ask(port).await, "new?");
    }

    #[tokio::test]
    async fn connections_that_wait_at_the_end_are_handed_over() {
        use std::io::{Read as _, Write as _};
        let mut forward = Forward::reserve(None, false).unwrap();
        forward.set_target(answer_with(b"", here()).await);
        forward.open().unwrap();
        tokio::task::yield_now().await;
        // They come while the runtime is busy with something else.
        let mut client = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, forward.port()));
        let client = client.as_mut().unwrap();
        client.write_all(b"?").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        forward.close();
        let mut client = client.try_clone().unwrap();
        let answer = tokio::task::spawn_blocking(move || {
            let mut answer = String::new();
            client.read_to_string(&mut answer).map(|_| answer)
        });
        assert_eq!(answer.await.unwrap().unwrap(), "?");
    }

    #[tokio::test]
    async fn silent_clients_lock_nobody_out_and_end_nobody_who_speaks() {
        let mut forward = Forward::reserve(None, false).unwrap();
        forward.most = 3;
        forward.set_target(answer_with(b"", here()).await);
        forward.open().unwrap();
        let mut kept = connect(forward.port()).await;
        let mut answer = [0];
        for _ in 0..10 {
            kept.write_all(b"a").await.unwrap();
            kept.read_exact(&mut answer).await.unwrap();
            let mut silent = Vec::new();
            for _ in 0..5 {
                silent.push(connect(forward.port()).await);
            }
            assert_eq!(ask(forward.port()).await, "?");
        }
        kept.write_all(b"z").await.unwrap();
        kept.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"z");
    }

    #[test]
    fn descriptors_are_left_for_everything_else() {
        assert_eq!(most_connections(Some(1024)), 480);
        assert_eq!(most_connections(Some(10)), 1);
        assert_eq!(most_connections(None), 4096);
    }
}
