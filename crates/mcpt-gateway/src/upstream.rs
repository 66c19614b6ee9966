//! [`Upstream`]: the connections to one endpoint, and sending a request over one of them.

use std::{
    error::Error,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http_body_util::LengthLimitError;
use hyper::{
    Request, Response, Uri, Version,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use mcpt_routing::{Address, Endpoint};
use tokio::{net::TcpStream, sync::Notify};

use crate::{exchange::RequestBody, reuse};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an unused connection is kept. Servers close theirs after a while, gunicorn's after 2 seconds, Node's and
/// uvicorn's after 5; a request sent at that very moment would be lost. Another connection costs far less.
const IDLE_TIMEOUT: Duration = Duration::from_millis(1500);
/// Most bytes of a connection that wait to be read or to be written; a head must fit into it.
const BUFFER: usize = 64 * 1024;
/// Most interim responses to one request. Servers send one or two, if any.
const MAX_INTERIM: u32 = 16;
/// Most unused connections to one endpoint.
const MAX_IDLE: usize = 256;

/// The gateway's side of one endpoint.
#[derive(Debug)]
pub(crate) struct Upstream {
    host: String,
    port: u16,
    /// `None` when the address cannot be put into a request, which [`Address`] rules out.
    target: Option<Target>,
    /// Unused connections, the last used one last.
    idle: Mutex<Vec<Idle>>,
    /// Whether the endpoint is about to end, see [`Upstream::retire`].
    retired: AtomicBool,
}

#[derive(Debug)]
struct Target {
    host: HeaderValue,
    uri: Uri,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection whose response is still being read.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<RequestBody>,
    /// Whether it may carry another request after this response.
    again: bool,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum SendError {
    /// No connection could be made: nothing was sent, and the request can go elsewhere.
    Unreachable {
        request: Box<Request<RequestBody>>,
        reason: io::Error,
    },
    /// The connection broke when the request was on its way: nobody knows what became of it.
    Broken(hyper::Error),
    /// The client's body was too large or broke off.
    Body { too_large: bool },
    /// The response cannot be passed on.
    Unusable(&'static str),
}

impl SendError {
    fn unreachable(request: Request<RequestBody>, reason: io::Error) -> Self {
        Self::Unreachable {
            request: Box::new(request),
            reason,
        }
    }
}

impl From<&Address> for Upstream {
    fn from(address: &Address) -> Self {
        let host = HeaderValue::try_from(address.authority()).ok();
        let uri = Uri::try_from(address.path()).ok();
        Self {
            host: address.host().to_owned(),
            port: address.port(),
            target: host.zip(uri).map(|(host, uri)| Target { host, uri }),
            idle: Mutex::default(),
            retired: AtomicBool::new(false),
        }
    }
}

impl Upstream {
    /// Sends a request whose `Host`, target and version are replaced: by this endpoint's and by our own.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Connection), SendError> {
        if let Err(reason) = self.address(&mut request) {
            return Err(SendError::unreachable(request, reason));
        }
        let sent = request.body().sent();
        let interim = Interim::watch(&mut request);
        loop {
            let reused = self.take_idle();
            let fresh = reused.is_none();
            let mut sender = match reused {
                Some(sender) => sender,
                None => match self.connect().await {
                    Ok(sender) => sender,
                    Err(reason) => return Err(SendError::unreachable(request, reason)),
                },
            };
            let answered = tokio::select! {
                answered = sender.try_send_request(request) => answered,
                () = interim.endless() => {
                    return Err(SendError::Unusable("it is preceded by ever more interim ones"));
                }
            };
            match answered {
                Ok(mut response) => {
                    if let Some(fault) = reuse::fault_of(response.status(), response.headers()) {
                        return Err(SendError::Unusable(fault));
                    }
                    let again = reuse::may_carry_another(&sent, interim.any(), &response);
                    *response.version_mut() = Version::HTTP_11;
                    return Ok((response, Connection { sender, again }));
                }
                Err(mut error) => match error.take_message() {
                    // An unused connection that the server had closed: nothing was sent.
                    Some(unsent) if !fresh => request = unsent,
                    Some(unsent) => {
                        let reason = io::Error::other(error.into_error());
                        return Err(SendError::unreachable(unsent, reason));
                    }
                    None => return Err(sent_error(error.into_error())),
                },
            }
        }
    }

    /// Makes the request one to this endpoint. A client's version is about its own connection.
    fn address(&self, request: &mut Request<RequestBody>) -> io::Result<()> {
        let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason.to_owned());
        let Some(target) = &self.target else {
            return Err(invalid("its address is not valid"));
        };
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().insert(HOST, target.host.clone());
        *request.uri_mut() = match request.uri().query() {
            None => target.uri.clone(),
            Some(query) => Uri::try_from(format!("{}?{query}", target.uri))
                .map_err(|error| invalid(&error.to_string()))?,
        };
        Ok(())
    }

    async fn connect(&self) -> io::Result<SendRequest<RequestBody>> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            // Whoever waits for the response is told; without anyone, the connection was merely closed.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "connection to a server ended");
            }
        });
        Ok(sender)
    }

    fn take_idle(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle();
        while let Some(last) = idle.pop() {
            if last.since.elapsed() > IDLE_TIMEOUT {
                // All others are older.
                idle.clear();
                return None;
            }
            if last.sender.is_ready() {
                return Some(last.sender);
            }
        }
        None
    }

    /// Takes a connection back once its response was read to the end.
    pub(crate) fn give_back(endpoint: &Arc<Endpoint<Self>>, connection: Connection) {
        let Connection { mut sender, again } = connection;
        if !again {
            return;
        }
        if sender.is_ready() {
            endpoint.link().keep(sender);
        } else if !sender.is_closed() {
            // The task of the connection has yet to see that the response is over.
            let endpoint = Arc::clone(endpoint);
            tokio::spawn(async move {
                if sender.ready().await.is_ok() {
                    endpoint.link().keep(sender);
                }
            });
        }
    }

    fn keep(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE && !self.retired.load(Relaxed) {
            idle.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }

    /// Keeps no connections any more. A server that ends closes the unused ones at a moment of its choice, and a request
    /// sent at that very moment would be lost; a connection that cannot be made loses nothing.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Relaxed);
        self.idle().clear();
    }

    /// Closes connections that were not used for a while.
    pub(crate) fn close_idle(&self) {
        self.idle()
            .retain(|kept| kept.since.elapsed() <= IDLE_TIMEOUT);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The interim responses (1xx) of one exchange, none of which is passed on.
#[derive(Debug, Clone, Default)]
struct Interim(Arc<(AtomicU32, Notify)>);

impl Interim {
    fn watch(request: &mut Request<RequestBody>) -> Self {
        let interim = Self::default();
        let seen = interim.clone();
        hyper::ext::on_informational(request, move |_| {
            let (count, endless) = &*seen.0;
            if count.fetch_add(1, Relaxed) == MAX_INTERIM {
                endless.notify_one();
            }
        });
        interim
    }

    fn any(&self) -> bool {
        self.0.0.load(Relaxed) > 0
    }

    /// Completes when there were too many.
    async fn endless(&self) {
        self.0.1.notified().await;
    }
}

/// Tells a fault of the client's body from one of the connection.
fn sent_error(error: hyper::Error) -> SendError {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<LengthLimitError>() {
            return SendError::Body { too_large: true };
        }
        source = inner.source();
    }
    if error.is_user() {
        SendError::Body { too_large: false }
    } else {
        SendError::Broken(error)
    }
}
