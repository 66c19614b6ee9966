//! [`Driven`]: an HTTP/1.1 connection to a server that whoever uses it drives, in the same task.
//!
//! With a task of its own a connection costs each exchange several changes of tasks, and what has come at once leaves in
//! pieces, each by a system call: the head of an answer goes on before its body is looked at.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming},
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{client::BUFFER, watched::Look};

/// Why an exchange has no answer; with the request if nothing of it was sent.
pub type Unanswered<B> = TrySendError<Request<B>>;

/// A connection, and what sends over it. It makes progress only while it is used: within [`send`](Self::send),
/// [`poll_body`](Self::poll_body) and [`is_ready`](Self::is_ready). Dropped, it is closed.
pub struct Driven<B> {
    sender: SendRequest<B>,
    /// What asks the system, where that can be asked.
    look: Option<Look>,
    /// `None` once it has ended.
    connection: Option<Ending>,
}

/// A connection as what comes of it.
type Ending = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send + Sync>>;

impl<B> fmt::Debug for Driven<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driven")
            .field("ended", &self.connection.is_none())
            .finish_non_exhaustive()
    }
}

impl<B> Driven<B>
where
    B: Body<Data: Send + Sync, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Sync
        + 'static,
{
    /// Speaks HTTP/1.1 over a stream, and looks at the connection below by `look`.
    ///
    /// # Errors
    /// When the stream is of no use.
    pub async fn over<S>(stream: S, look: Option<Look>) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await?;
        let mut driven = Self {
            sender,
            look,
            connection: Some(Box::pin(connection)),
        };
        // It says that it takes a request when it is looked at.
        driven.is_ready();
        Ok(driven)
    }

    /// Sends a request and waits for the head of its answer, whose body comes by [`poll_body`](Self::poll_body) alone.
    ///
    /// # Errors
    /// When there is no answer: with the request itself if nothing of it was sent.
    pub async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, Unanswered<B>> {
        let Self {
            sender, connection, ..
        } = self;
        // Out of turns it would ask for another one by what is quiet here, and nobody would come back.
        let sending = tokio::task::unconstrained(sender.try_send_request(request));
        let mut sending = std::pin::pin!(sending);
        std::future::poll_fn(|context| {
            // Nobody but the connection, which is driven here, has anything to say to it.
            let quiet = &mut Context::from_waker(Waker::noop());
            if let Poll::Ready(answered) = sending.as_mut().poll(quiet) {
                return Poll::Ready(answered);
            }
            drive(connection, context);
            sending.as_mut().poll(quiet)
        })
        .await
    }

    /// The next piece of the body of the last answer.
    pub fn poll_body(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let quiet = &mut Context::from_waker(Waker::noop());
        if let Poll::Ready(piece) = Pin::new(&mut *body).poll_frame(quiet) {
            return Poll::Ready(piece);
        }
        drive(&mut self.connection, context);
        Pin::new(body).poll_frame(quiet)
    }

    /// Whether it takes another request: the last exchange is over, and as far as the system has told, the server has not
    /// closed it.
    pub fn is_ready(&mut self) -> bool {
        let quiet = &mut Context::from_waker(Waker::noop());
        drive(&mut self.connection, quiet);
        self.sender.is_ready()
    }

    /// The same after a while in which it was not used: the system itself is asked.
    pub fn is_still_ready(&mut self) -> bool {
        match self.look.clone() {
            Some(look) => look.during(|| self.is_ready()),
            None => self.is_ready(),
        }
    }
}

/// Lets a connection go on. One that has ended is dropped, which tells whoever waits for its answers.
fn drive(connection: &mut Option<Ending>, context: &mut Context<'_>) {
    let Some(driven) = connection else {
        return;
    };
    let Poll::Ready(ended) = driven.as_mut().poll(context) else {
        return;
    };
    // Whoever waits for an answer is told; without anyone, the connection was merely closed.
    if let Err(error) = ended {
        tracing::trace!(%error, "connection to a server ended");
    }
    *connection = None;
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};
    use hyper::header::HOST;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;
    use crate::Watched;

    /// A request to whoever reads it.
    fn request() -> Request<Full<Bytes>> {
        let request = Request::get("/").header(HOST, "a");
        request.body(Full::new(Bytes::from("x"))).unwrap()
    }

    /// Reads a request with its body.
    async fn read_request(server: &mut tokio::io::DuplexStream) {
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\nx") {
            assert_ne!(server.read_buf(&mut read).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn exchanges_follow_each_other_until_the_server_closes() {
        let (client, mut server) = duplex(1024);
        let mut driven = Driven::over(client, None).await.unwrap();
        for _ in 0..2 {
            assert!(driven.is_ready());
            let answering = async {
                read_request(&mut server).await;
                let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
                server.write_all(answer).await.unwrap();
            };
            let (answer, ()) = tokio::join!(driven.send(request()), answering);
            let mut body = answer.unwrap().into_body();
            let piece = std::future::poll_fn(|cx| driven.poll_body(&mut body, cx)).await;
            assert_eq!(piece.unwrap().unwrap().into_data().unwrap(), "abc");
            assert!(!driven.is_ready(), "the answer is not over");
            server.write_all(b"0\r\n\r\n").await.unwrap();
            let end = std::future::poll_fn(|cx| driven.poll_body(&mut body, cx)).await;
            assert!(end.is_none());
        }
        assert!(driven.is_ready());
        drop(server);
        assert!(!driven.is_ready());
        let unsent = driven.send(request()).await.unwrap_err().take_message();
        let body = unsent.unwrap().into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "x", "nothing of it was sent");
    }

    #[tokio::test]
    async fn a_request_that_was_sent_does_not_come_back() {
        let (client, mut server) = duplex(1024);
        let mut driven = Driven::over(client, None).await.unwrap();
        let closing = async {
            read_request(&mut server).await;
            drop(server);
        };
        let (answer, ()) = tokio::join!(driven.send(request()), closing);
        assert!(answer.unwrap_err().take_message().is_none());
    }

    #[tokio::test]
    async fn one_that_was_closed_is_not_used_again_although_the_runtime_has_not_heard_of_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for says in [&b""[..], b"HTTP/1.1 408 Request Timeout\r\n\r\n"] {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let stream = Watched::from(stream);
            let look = stream.look();
            let mut driven = Driven::over(stream, Some(look)).await.unwrap();
            let (mut server, _) = listener.accept().unwrap();
            // It is known that nothing has come until here.
            std::future::poll_fn(|context| {
                drive(&mut driven.connection, context);
                Poll::Ready(())
            })
            .await;
            tokio::task::yield_now().await;
            assert!(driven.is_still_ready());
            // From now on nobody waits, so that the runtime asks nothing.
            std::io::Write::write_all(&mut server, says).unwrap();
            drop(server);
            assert!(!driven.is_still_ready(), "{says:?}");
            let unsent = driven.send(request()).await.unwrap_err().take_message();
            assert!(unsent.is_some(), "nothing of it was sent");
        }
    }
}
