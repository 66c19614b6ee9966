//! [`Watched`]: a connection to a server at which the system itself can be asked whether anything has come.
//!
//! A runtime hears of what comes over its connections only now and then. One that its server has closed since it last heard
//! looks open: a request would be sent over it, and lost.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection, and whether a read asks the system.
#[derive(Debug)]
pub struct Watched {
    stream: TcpStream,
    look: Look,
}

/// Whether reads of a [`Watched`] connection ask the system. Clones are about the same one.
#[derive(Debug, Clone, Default)]
pub struct Look(Arc<AtomicBool>);

impl Look {
    /// Lets reads ask the system while `reading`.
    pub(crate) fn during<T>(&self, reading: impl FnOnce() -> T) -> T {
        self.0.store(true, Relaxed);
        let read = reading();
        self.0.store(false, Relaxed);
        read
    }
}

impl From<TcpStream> for Watched {
    fn from(stream: TcpStream) -> Self {
        Self {
            stream,
            look: Look::default(),
        }
    }
}

impl Watched {
    /// What makes its reads ask.
    pub fn look(&self) -> Look {
        self.look.clone()
    }

    /// What has come that the runtime has not heard of: nothing, the end, or what nobody has asked for.
    fn heard(&self) -> Poll<io::Result<()>> {
        match SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Ok(0) => Poll::Ready(Ok(())),
            Ok(_) => Poll::Ready(Err(io::Error::other(
                "the server says what nobody has asked",
            ))),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending if self.look.0.load(Relaxed) => self.heard(),
            read => read,
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
