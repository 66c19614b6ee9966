//! [`Unclosed`]: a TCP stream that outlives the HTTP connection on it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP stream that is not shut down by whoever serves HTTP on it, so that there is time to look at what else has come.
/// It is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Unclosed(pub(crate) TcpStream);

impl Unclosed {
    /// The stream, if there is something in it that nobody has read. The system is asked and not the runtime, which may
    /// have yet to hear of it.
    pub(crate) fn unread(self) -> Option<TcpStream> {
        // One that is broken has nothing more to tell.
        let stream = self.0.into_std().ok()?;
        let some = stream.peek(&mut [0]).ok()?;
        (some > 0).then(|| TcpStream::from_std(stream).ok())?
    }
}

impl AsyncRead for Unclosed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Unclosed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
