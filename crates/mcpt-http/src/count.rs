//! [`Count`]: how many connections are open, how many of them carry a stream, and waiting for a number.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::sync::watch;

use crate::room::Seated;

/// A count that many hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Arc<watch::Sender<Numbers>>);

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Numbers {
    /// Listeners that accept connections.
    pub(crate) listeners: usize,
    /// Open connections.
    pub(crate) open: usize,
    /// Those among them whose present answer is a stream without an end of its own.
    pub(crate) streams: usize,
}

impl Count {
    pub(crate) fn now(&self) -> Numbers {
        *self.0.borrow()
    }

    /// Completes when the numbers are as `wanted`.
    pub(crate) async fn are(&self, wanted: impl FnMut(&Numbers) -> bool) {
        // The sender lives as long as this.
        drop(self.0.subscribe().wait_for(wanted).await);
    }

    pub(crate) fn listener(&self) -> Listening {
        self.0.send_modify(|numbers| numbers.listeners += 1);
        Listening(self.clone())
    }

    /// A connection of a server whose clients are asked to leave once `leaving` is set.
    pub(crate) fn connection(&self, leaving: &Arc<AtomicBool>, seated: Seated) -> Open {
        self.0.send_modify(|numbers| numbers.open += 1);
        Open {
            count: self.clone(),
            asked: AtomicBool::new(false),
            streams: AtomicBool::new(false),
            leaving: Arc::clone(leaving),
            told: AtomicBool::new(false),
            seated,
        }
    }
}

/// A listener, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Listening(Count);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.0.send_modify(|numbers| numbers.listeners -= 1);
    }
}

/// A connection, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    count: Count,
    /// Whether a request has come.
    asked: AtomicBool,
    /// Whether the present answer is a stream.
    streams: AtomicBool,
    /// Whether all clients were asked to leave: read with each answer, so nothing that takes a lock.
    leaving: Arc<AtomicBool>,
    /// Whether this one was.
    told: AtomicBool,
    seated: Seated,
}

/// An exchange on a connection, over when this is dropped.
#[derive(Debug)]
pub(crate) struct Exchange(Arc<Open>);

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.seated.rests();
    }
}

impl Open {
    /// Notes a request; whatever came before is over.
    pub(crate) fn asks(self: &Arc<Self>) -> Exchange {
        self.asked.store(true, Relaxed);
        self.set_streams(false);
        self.seated.asks();
        Exchange(Arc::clone(self))
    }

    /// Completes when it has to make room for other connections.
    pub(crate) async fn makes_room(&self) {
        self.seated.leave().await;
    }

    /// Notes that the answer has no end of its own.
    pub(crate) fn streams(&self) {
        self.set_streams(true);
    }

    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// Whether the answer that begins now is to be the last.
    pub(crate) fn leaves(&self) -> bool {
        let leaves = self.leaving.load(Relaxed);
        if leaves {
            self.told.store(true, Relaxed);
        }
        leaves
    }

    /// Whether an answer has said that it is the last.
    pub(crate) fn was_told(&self) -> bool {
        self.told.load(Relaxed)
    }

    fn set_streams(&self, streams: bool) {
        if self.streams.swap(streams, Relaxed) != streams {
            self.count.0.send_modify(|numbers| {
                if streams {
                    numbers.streams += 1;
                } else {
                    numbers.streams -= 1;
                }
            });
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.set_streams(false);
        self.count.0.send_modify(|numbers| numbers.open -= 1);
    }
}
