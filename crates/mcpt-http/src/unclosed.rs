//! [`Unclosed`]: a TCP stream that outlives the HTTP connection on it.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

/// How long a client may take nothing of what is written to it. Clients that sleep meanwhile come back with a new connection.
const WRITE_SILENCE: Duration = Duration::from_mins(1);

/// A TCP stream that is not shut down by whoever serves HTTP on it, so that there is time to look at what else has come.
/// It is closed when it is dropped. A client that reads nothing for a minute breaks it: what waits for it would wait for ever.
#[derive(Debug)]
pub(crate) struct Unclosed {
    stream: TcpStream,
    /// Set while a write waits for the client.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Unclosed {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            patience: None,
        }
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream
    }

    /// The stream, if there is something in it that nobody has read. The system is asked and not the runtime, which may
    /// have yet to hear of it.
    pub(crate) fn unread(self) -> Option<TcpStream> {
        // One that is broken has nothing more to tell.
        let stream = self.stream.into_std().ok()?;
        let some = stream.peek(&mut [0]).ok()?;
        (some > 0).then(|| TcpStream::from_std(stream).ok())?
    }

    /// Passes on how a write went, or its end when the client has taken nothing for too long.
    fn patiently(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.patience = None;
            return written;
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_SILENCE)));
        patience.as_mut().poll(cx).map(|()| {
            self.patience = None;
            let why = "the client does not read";
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        })
    }
}

impl AsyncRead for Unclosed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Unclosed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.patiently(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.patiently(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    /// The clock moves when nothing else can.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _client = TcpStream::connect(address).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut served = Unclosed::new(stream);
        let much = vec![0; 64 * 1024 * 1024];
        let error = served.write_all(&much).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
