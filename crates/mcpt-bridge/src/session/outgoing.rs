//! From the client to the child: messages as lines, which wait until the child reads them.

use std::sync::Arc;

use axum::http::HeaderMap;
use mcpt_http::{Charge, OverBudget};
use mcpt_protocol::{Message, MessageId, Part};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Over, Pending, Session, Stream, Takes};
use crate::{child::Said, older::carried};

/// Bytes of lines that wait for the child to read them; more make clients wait. One line that is longer waits alone.
pub(super) const STDIN_BYTES: usize = 256 * 1024;
/// What a request takes until it is answered, besides its id and its token.
const PENDING_BYTES: usize = 256;

/// A message on its way to the child. A request is pending from the moment it is made; one that is dropped before the
/// child has it is not pending any more.
#[derive(Debug)]
pub(crate) struct Outgoing {
    session: Arc<Session>,
    line: Vec<u8>,
    /// Of its client, where the server is told who that is.
    headers: Option<HeaderMap>,
    charge: Charge,
    /// The number of a request that the child does not have yet.
    unsent: Option<u64>,
}

/// A line that waits for the child.
#[derive(Debug)]
pub(crate) struct Queued {
    line: Vec<u8>,
    headers: Option<HeaderMap>,
    _charge: Charge,
    _room: Option<OwnedSemaphorePermit>,
}

impl Queued {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.line
    }

    /// The message without its charge: what is being posted is bounded by itself.
    pub(super) fn into_said(self) -> Said {
        Said {
            message: self.line.into(),
            headers: self.headers,
        }
    }
}

impl Session {
    /// Makes a request that the child is to answer on `stream`, with its progress, and with what it takes besides.
    pub(crate) fn request(
        self: &Arc<Self>,
        message: &Message<'_>,
        id: Part<'_>,
        stream: Stream,
        takes: Takes,
    ) -> Outgoing {
        self.counted_request(message, id, stream, takes, None)
    }

    /// The same, counted as in progress until it is answered.
    pub(crate) fn counted_request(
        self: &Arc<Self>,
        message: &Message<'_>,
        id: Part<'_>,
        stream: Stream,
        takes: Takes,
        in_progress: Option<TaskTrackerToken>,
    ) -> Outgoing {
        let token = message.params().meta_progress_token;
        let number = {
            let mut state = self.state();
            state.last_number += 1;
            state.last_used = Instant::now();
            let number = state.last_number;
            let pending = Pending {
                id: id.to_owned(),
                progress_token: token.map(Part::to_owned),
                stream,
                takes,
                charge: self.account.nothing(),
                _in_progress: in_progress,
            };
            // Nobody would answer it any more.
            if state.over.is_none() {
                state.pending.insert(number, pending);
            }
            number
        };
        let text = number.to_string();
        let replacements = [Some((id, &*text)), token.map(|token| (token, &*text))];
        let replacements: Vec<_> = replacements.into_iter().flatten().collect();
        let mut outgoing = self.line(message, &replacements);
        outgoing.unsent = Some(number);
        outgoing
    }

    /// Makes a notification or a response for the child; `None` when it cancels what is not under way.
    pub(crate) fn other(self: &Arc<Self>, message: &Message<'_>) -> Option<Outgoing> {
        let mut state = self.state();
        state.last_used = Instant::now();
        if message.method() == Some("notifications/cancelled")
            && let Some(id) = message.params().request_id
        {
            let wanted = MessageId::of(id);
            let number = state.pending.iter().find_map(|(number, pending)| {
                (MessageId::of(Part::alone(&pending.id)) == wanted).then_some(*number)
            })?;
            // A cancelled request is not answered, so it is not pending any more.
            state.pending.remove(&number);
            drop(state);
            return Some(self.line(message, &[(id, &number.to_string())]));
        }
        drop(state);
        Some(self.line(message, &[]))
    }

    pub(super) fn line(
        self: &Arc<Self>,
        message: &Message<'_>,
        with: &[(Part<'_>, &str)],
    ) -> Outgoing {
        let mut line = Vec::new();
        message.write_line(with, &mut line);
        line.push(b'\n');
        Outgoing {
            session: Arc::clone(self),
            line,
            headers: None,
            charge: self.account.nothing(),
            unsent: None,
        }
    }
}

impl Session {
    /// Answers the child itself, if there is room before it: it does not wait for a child that does not read.
    pub(super) fn say(&self, mut line: Vec<u8>) {
        line.push(b'\n');
        let Ok(charge) = self.account.take(line.capacity()) else {
            return;
        };
        let queued = Queued {
            line,
            headers: None,
            _charge: charge,
            _room: None,
        };
        if let Err(error) = self.to_child.try_send(queued) {
            tracing::debug!(%error, "did not answer a server that does not read");
        }
    }
}

impl Outgoing {
    /// Bytes that it takes until the child has it, and a request until it is answered.
    pub(crate) fn size(&self) -> usize {
        self.line.capacity() + self.pending_size()
    }

    /// The number by which the child will know it, if it is a request.
    pub(crate) fn number(&self) -> Option<u64> {
        self.unsent
    }

    fn pending_size(&self) -> usize {
        let state = self.session.state();
        let pending = self.unsent.and_then(|number| state.pending.get(&number));
        pending.map_or(0, |pending| {
            let token = pending.progress_token.as_ref();
            PENDING_BYTES + pending.id.get().len() + token.map_or(0, |token| token.get().len())
        })
    }

    /// It is said by who has sent these headers, if the server is told that.
    pub(crate) fn on_behalf_of(mut self, headers: &HeaderMap) -> Self {
        self.headers = self.session.is_told_who.then(|| carried(headers));
        self
    }

    /// It holds this charge, and what it takes besides.
    ///
    /// # Errors
    /// [`OverBudget`] when there is no room.
    pub(crate) fn charged(mut self, mut charge: Charge) -> Result<Self, OverBudget> {
        let size = self.size();
        charge.grow(size)?;
        charge.shrink(size);
        self.charge = charge;
        Ok(self)
    }

    /// Waits until it can be put before the child. A request that was cancelled meanwhile never is.
    ///
    /// # Errors
    /// [`Over`] when there is no child any more.
    pub(crate) async fn send(mut self) -> Result<(), Over> {
        let session = Arc::clone(&self.session);
        let bytes = self.line.len().min(STDIN_BYTES) as u32;
        // It is never closed.
        let room = Arc::clone(&session.stdin_room).acquire_many_owned(bytes);
        let room = room.await.ok();
        let queue = session.to_child.reserve().await;
        let Ok(place) = queue else {
            let over = session.over();
            return Err(over.unwrap_or_else(|| Over::new("the server process does not read")));
        };
        let pending_size = self.pending_size();
        if let Some(number) = self.unsent.take() {
            let mut state = session.state();
            if let Some(over) = &state.over {
                return Err(over.clone());
            }
            let Some(pending) = state.pending.get_mut(&number) else {
                return Ok(());
            };
            // Of whoever asks, who need not be whom the child is charged to.
            pending.charge = self.charge.split(pending_size);
        }
        place.send(Queued {
            line: std::mem::take(&mut self.line),
            headers: self.headers.take(),
            _charge: self.charge.split(usize::MAX),
            _room: room,
        });
        Ok(())
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(number) = self.unsent {
            self.session.state().pending.remove(&number);
        }
    }
}
