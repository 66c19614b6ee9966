//! [`Stream`]: where a request of a client is answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::mpsc::{
    self, Receiver,
    error::{SendError, SendTimeoutError, TrySendError},
};

use crate::sse::Event;

/// The way to a client. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    sender: mpsc::Sender<Event>,
    /// Its client does not read now, and may come back for what it has missed.
    away: Arc<AtomicBool>,
}

impl Stream {
    /// One on which so many events may wait, and its end.
    pub(crate) fn of(capacity: usize) -> (Self, Receiver<Event>) {
        let (sender, events) = mpsc::channel(capacity);
        let away = Arc::default();
        (Self { sender, away }, events)
    }

    /// What tells it that its client is away.
    pub(crate) fn away(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.away)
    }

    /// Whether nobody reads it now.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed() || self.away.load(Relaxed)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.sender.same_channel(&other.sender)
    }

    pub(crate) fn try_send(&self, event: Event) -> Result<(), TrySendError<Event>> {
        self.sender.try_send(event)
    }

    pub(crate) async fn send(&self, event: Event) -> Result<(), SendError<Event>> {
        self.sender.send(event).await
    }

    pub(crate) async fn send_timeout(
        &self,
        event: Event,
        limit: Duration,
    ) -> Result<(), SendTimeoutError<Event>> {
        self.sender.send_timeout(event, limit).await
    }
}
