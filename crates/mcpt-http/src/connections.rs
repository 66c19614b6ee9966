//! [`Connections`]: all connections of one server, and the steps of its end.

use std::{
    convert::Infallible,
    error::Error,
    io::{self, Cursor},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Body, Incoming},
    header::{CONNECTION, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::{
    carried::Carried,
    count::{Count, Open},
    room::Room,
    silence::end_when_client_is_gone,
    unclosed::Unclosed,
    workers::Workers,
};

/// How long connections are still served once clients were asked to leave.
const LINGER: Duration = Duration::from_secs(1);
/// How long a connection may then take to bring its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// How long a client may take from one request's end to the next one's complete head. Clients close connections that they
/// do not use, most of them after at most 90 seconds; left to them, none is closed under a request.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);
/// Most bytes of a connection that wait to be read or to be written; a head must fit into it.
const BUFFER: usize = 64 * 1024;
/// How long it may take to tell a client that there is no room, and how many may be told at once.
const TURNED_AWAY_WITHIN: Duration = Duration::from_secs(1);
const MOST_TURNED_AWAY: usize = 64;
/// What they are told.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
    Retry-After: 1\r\nConnection: close\r\nContent-Length: 21\r\n\r\ntoo many connections\n";
/// Pause after a connection could not be accepted, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// All connections of one server.
///
/// It ends in steps: [`leave`](Self::leave), [`stop`](Self::stop), then [`quiet`](Self::quiet) and
/// [`closed`](Self::closed), each for as long as the server can wait.
#[derive(Debug, Clone)]
pub struct Connections {
    count: Count,
    room: Room,
    /// How many may be told at once that there is no room.
    turned_away: Arc<Semaphore>,
    leaving: Arc<AtomicBool>,
    stopping: CancellationToken,
}

/// As many as come.
impl Default for Connections {
    fn default() -> Self {
        Self::at_most(usize::MAX)
    }
}

impl Connections {
    /// No more than `most` at once. Those that are silent make room for others; see the fields of `room.rs` for who goes
    /// first. When all are in the middle of an exchange, new ones get the status 503.
    pub fn at_most(most: usize) -> Self {
        Self {
            count: Count::default(),
            room: Room::of(most),
            turned_away: Arc::new(Semaphore::new(MOST_TURNED_AWAY)),
            leaving: Arc::default(),
            stopping: CancellationToken::new(),
        }
    }

    /// Accepts connections until [`Connections::stop`], and serves them for as long as they are open.
    pub async fn serve<S, B>(&self, listener: TcpListener, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Unpin
            + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
    {
        self.serve_on(&Workers::default(), listener, service).await;
    }

    /// The same, each connection by one of the workers; without any, by the runtime that this is called in.
    pub async fn serve_on<S, B>(&self, workers: &Workers, listener: TcpListener, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Unpin
            + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
    {
        let _listening = self.count.listener();
        let accept_all = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => self.serve_one(workers, stream, service.clone()),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accept_all => {}
            () = self.stopping.cancelled() => {}
        }
        self.serve_the_rest(workers, listener, &service);
    }

    /// Whoever is connected already but not accepted yet would find the connection broken, and the request on it lost. The
    /// system itself is asked: the runtime knows of connections only since it last looked, which where there is much to do is a
    /// while ago.
    fn serve_the_rest<S, B>(&self, workers: &Workers, listener: TcpListener, service: &S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Unpin
            + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
    {
        let listener = match listener.into_std() {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(%error, "connections that were not accepted yet are lost");
                return;
            }
        };
        loop {
            let accepted = listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                TcpStream::from_std(stream)
            });
            match accepted {
                Ok(stream) => self.serve_one(workers, stream, service.clone()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Its client has left already, or a signal came.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "connections that were not accepted yet are lost");
                    return;
                }
            }
        }
    }

    fn serve_one<S, B>(&self, workers: &Workers, stream: TcpStream, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Send
            + Unpin
            + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
    {
        let Some(seated) = self.room.enter() else {
            self.turn_away(stream);
            return;
        };
        // Answers come in several small writes: held back until the client acknowledges, each would cost 40 ms. A socket
        // that refuses this works all the same.
        drop(stream.set_nodelay(true));
        end_when_client_is_gone(&stream);
        let open = Arc::new(self.count.connection(&self.leaving, seated));
        let service = {
            let open = Arc::clone(&open);
            service_fn(move |request: Request<Incoming>| {
                let exchange = open.asks();
                let gets = request.method() == Method::GET;
                let answer = service.call(request);
                let open = Arc::clone(&open);
                async move {
                    let mut response = answer.await?;
                    if gets && is_stream(response.headers()) {
                        open.streams();
                    }
                    if open.leaves() {
                        // Closed here, between two requests, a connection loses none.
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(CONNECTION, close);
                    }
                    Ok::<_, Infallible>(response.map(|body| Carried::new(body, exchange)))
                }
            })
        };
        let stopping = self.stopping.clone();
        let served = async move |stream| {
            // Clients may leave at any moment.
            if let Err(error) = until_closed(stream, service, open, stopping).await {
                tracing::trace!(%error, "connection of a client ended");
            }
        };
        let Some((worker, assigned)) = workers.assign() else {
            tokio::spawn(served(stream));
            return;
        };
        // From now on its own runtime hears of it, and this one no longer.
        let stream = stream.into_std();
        worker.spawn(async move {
            match stream.and_then(TcpStream::from_std) {
                Ok(stream) => served(stream).await,
                Err(error) => tracing::warn!(%error, "a connection cannot be served"),
            }
            drop(assigned);
        });
    }

    /// Tells a client that there is no room. Of too many of them some are only closed.
    fn turn_away(&self, mut stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.turned_away).try_acquire_owned() else {
            return;
        };
        tokio::spawn(async move {
            let told = async {
                // A client that has not sent its request yet might not read the answer.
                if stream.read(&mut [0; 1024]).await? == 0 {
                    return Ok(0);
                }
                stream.write_all(NO_ROOM).await?;
                stream.shutdown().await?;
                // Closed with something unread, a connection takes back what was sent on it.
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
            };
            drop(tokio::time::timeout(TURNED_AWAY_WITHIN, told).await);
            drop(permit);
        });
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.count.now().open
    }

    /// Asks the clients to leave: from now on each answer is the last on its connection. Completes when all have left, or
    /// after a second; those that are there then were silent, or wait for long answers. New connections are still
    /// accepted, so that whoever was asked to leave can come back for what only this server has.
    pub async fn leave(&self) {
        self.leaving.store(true, Relaxed);
        let left = self.count.are(|numbers| numbers.open == 0);
        // Whoever stays is closed when it stops.
        drop(tokio::time::timeout(LINGER, left).await);
    }

    /// Accepts nothing new, and closes each connection as soon as its present request is answered.
    pub fn stop(&self) {
        self.leaving.store(true, Relaxed);
        self.stopping.cancel();
    }

    /// Completes when no request can arrive any more: nothing is accepted, and the connections that are left carry
    /// streams, which have no end of their own.
    pub async fn quiet(&self) {
        self.count
            .are(|numbers| numbers.listeners == 0 && numbers.open == numbers.streams)
            .await;
    }

    /// Completes when nothing is accepted and all connections are closed.
    pub async fn closed(&self) {
        self.count
            .are(|numbers| numbers.listeners == 0 && numbers.open == 0)
            .await;
    }
}

/// Whether an attempt to accept failed for a reason that the next one does not have.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Serves a connection, which counts as open until it is closed.
async fn until_closed<S, B>(
    stream: TcpStream,
    service: S,
    open: Arc<Open>,
    stopping: CancellationToken,
) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Unpin,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER);
    let mut connection = http.serve_connection(TokioIo::new(Unclosed::new(stream)), service);
    let sent_away = async {
        tokio::select! {
            () = open.makes_room() => return,
            () = stopping.cancelled() => {}
        }
        if !open.was_asked() {
            // One that is new has a request on the way, whose answer will close it.
            tokio::time::sleep(FIRST_REQUEST).await;
        }
    };
    tokio::select! {
        ended = &mut connection => return ended,
        () = sent_away => {}
    }
    Pin::new(&mut connection).graceful_shutdown();
    (&mut connection).await?;
    if open.was_told() {
        return Ok(());
    }
    // It was closed for its silence, but a request may have come that nobody has looked at yet.
    let parts = connection.into_parts();
    let unclosed = parts.io.into_inner();
    let stream = if parts.read_buf.is_empty() {
        unclosed.unread()
    } else {
        Some(unclosed.into_inner())
    };
    let Some(stream) = stream else {
        return Ok(());
    };
    // Rare, and large: no connection carries the room for it about.
    Box::pin(async move {
        let (reading, writing) = stream.into_split();
        let whole = tokio::io::join(Cursor::new(parts.read_buf).chain(reading), writing);
        http.keep_alive(false)
            .header_read_timeout(FIRST_REQUEST)
            .serve_connection(TokioIo::new(whole), parts.service)
            .await
    })
    .await
}

/// Whether an answer to a GET is a stream of events.
fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        num::NonZeroUsize,
    };

    use bytes::Bytes;
    use http_body_util::Full;

    use super::*;

    /// They come when the runtime is busy with something else, and it ends before it has looked again.
    #[tokio::test]
    async fn connections_that_wait_at_the_end_are_served() {
        wait_at_the_end(Workers::default()).await;
        let workers = Workers::start(NonZeroUsize::new(2).unwrap());
        wait_at_the_end(workers.unwrap()).await;
    }

    async fn wait_at_the_end(workers: Workers) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::default();
        let service = service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"answered"))))
        });
        let serving = connections.clone();
        let serving = tokio::spawn(async move {
            serving.serve_on(&workers, listener, service).await;
            workers
        });
        tokio::task::yield_now().await;
        let clients: Vec<_> = (0..5)
            .map(|_| {
                let mut client = std::net::TcpStream::connect(address).unwrap();
                client
                    .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    .unwrap();
                client
            })
            .collect();
        connections.stop();
        let workers = serving.await.unwrap();
        for mut client in clients {
            let answer = tokio::task::spawn_blocking(move || {
                let mut answer = String::new();
                client.read_to_string(&mut answer).map(|_| answer)
            });
            let answer = answer.await.unwrap().unwrap();
            assert!(answer.ends_with("answered"), "{answer}");
        }
        drop(workers);
    }
}
