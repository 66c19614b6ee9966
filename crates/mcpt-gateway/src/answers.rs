//! [`AnswerBudget`]: what the gateway holds at once of messages that it reads whole before they go on: servers' answers and
//! events that are translated, renamed or said on another stream, and what other replicas pass on.
//!
//! Most answers are not read here but go through. Where one must be, a limit for each alone adds up to more than any machine has,
//! so all draw on one budget, and nothing is read on that there is no room for: its sender waits meanwhile. Whoever waits may
//! hold a part that others wait for; those that give up first make room for the rest.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use mcpt_http::{Account, Budget, Charge};

/// Largest answer that is read whole, in bytes.
pub(crate) const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// Most bytes that are held at once: one alone may hold 48 MiB of them, and two 32 MiB each.
const HELD_AT_ONCE: usize = 128 * 1024 * 1024;
/// What always finds room in the quarter that is kept for those who hold little.
const LITTLE: usize = 256 * 1024;
/// The most that a connection hands over at once.
const PIECE: usize = 64 * 1024;
/// What is not worth counting. How many connections there are is bounded.
const UNCOUNTED: usize = PIECE;
/// How long room is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bytes that may be held.
#[derive(Debug)]
pub(crate) struct AnswerBudget {
    budget: Budget,
    patience: Duration,
}

/// There was no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the gateway holds too many bytes of answers already: read what was answered, or try again"
)]
pub(crate) struct NoRoom;

/// Why an answer could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error("its answer broke off")]
    Broken,
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

impl Default for AnswerBudget {
    fn default() -> Self {
        Self::bounded(HELD_AT_ONCE, PATIENCE)
    }
}

impl AnswerBudget {
    fn bounded(all: usize, patience: Duration) -> Self {
        Self {
            budget: Budget::new(all, LITTLE),
            patience,
        }
    }

    /// Bytes that are held now.
    pub(crate) fn held(&self) -> usize {
        self.budget.held()
    }

    /// One who shares it.
    pub(crate) fn account(&self) -> Account {
        self.budget.account()
    }

    /// Room for one answer, as yet for nothing of it.
    pub(crate) fn room(&self) -> AnswerRoom {
        self.room_of(&self.account())
    }

    /// The same for one of several answers to the same client.
    pub(crate) fn room_of(&self, account: &Account) -> AnswerRoom {
        AnswerRoom {
            charge: account.nothing(),
            patience: self.patience,
            waiting: None,
        }
    }
}

type Missing = Pin<Box<dyn Future<Output = Option<Charge>> + Send + Sync>>;

/// The room that an answer takes while it is read.
pub(crate) struct AnswerRoom {
    charge: Charge,
    patience: Duration,
    /// What is missing, once there is room for it; nothing when that took too long.
    waiting: Option<Missing>,
}

impl AnswerRoom {
    /// Waits for room for one more piece of an answer of which so many bytes are there. Given up, it can be waited for again.
    ///
    /// # Errors
    /// [`NoRoom`] after a while.
    pub(crate) async fn more(&mut self, there: usize) -> Result<(), NoRoom> {
        poll_fn(|context| self.poll_more(there, context)).await
    }

    /// The same for who polls.
    pub(crate) fn poll_more(
        &mut self,
        there: usize,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), NoRoom>> {
        self.poll_reach(there.saturating_add(PIECE), context)
    }

    /// These bytes, in place of what was read. They are held until their last clone is dropped.
    ///
    /// # Errors
    /// [`NoRoom`] after a while.
    pub(crate) async fn hold(mut self, bytes: Vec<u8>) -> Result<Bytes, NoRoom> {
        poll_fn(|context| self.poll_reach(bytes.len(), context)).await?;
        Ok(match self.charge.bytes() {
            0 => bytes.into(),
            _ => self.charge.hold(bytes),
        })
    }

    fn poll_reach(&mut self, bytes: usize, context: &mut Context<'_>) -> Poll<Result<(), NoRoom>> {
        let wanted = if bytes > UNCOUNTED { bytes } else { 0 };
        loop {
            if let Some(waiting) = &mut self.waiting {
                let more = ready!(waiting.as_mut().poll(context));
                self.waiting = None;
                match more {
                    Some(more) => self.charge.merge(more),
                    None => return Poll::Ready(Err(NoRoom)),
                }
            }
            self.charge.shrink(wanted);
            if self.charge.grow(wanted).is_ok() {
                return Poll::Ready(Ok(()));
            }
            let (account, patience) = (self.charge.account().clone(), self.patience);
            let missing = wanted - self.charge.bytes();
            self.waiting = Some(Box::pin(async move {
                let more = account.take_when_free(missing);
                tokio::time::timeout(patience, more).await.ok()
            }));
        }
    }
}

impl fmt::Debug for AnswerRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerRoom")
            .field("charge", &self.charge)
            .field("waits", &self.waiting.is_some())
            .finish_non_exhaustive()
    }
}

/// All of a body of at most `max` bytes, which counts as held until its last clone is dropped.
///
/// # Errors
/// [`Unread`].
pub(crate) async fn gathered<B>(
    mut body: B,
    max: usize,
    mut room: AnswerRoom,
) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    // Most come in one piece, which is not copied.
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    loop {
        room.more(first.len().max(all.len())).await?;
        let Some(frame) = body.frame().await else {
            break;
        };
        let Ok(piece) = frame.map_err(|_| Unread::Broken)?.into_data() else {
            continue;
        };
        if first.len().max(all.len()) + piece.len() > max {
            return Err(Unread::TooLong(max));
        }
        if first.is_empty() && all.is_empty() {
            first = piece;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&piece);
        }
    }
    if all.is_empty() && first.len() <= UNCOUNTED {
        return Ok(first);
    }
    let all = if all.is_empty() {
        first.into()
    } else {
        all.into()
    };
    Ok(room.hold(all).await?)
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    const MB: usize = 1024 * 1024;

    /// A body of so many bytes in pieces, as connections hand them over.
    fn body(bytes: usize) -> impl Body<Data = Bytes, Error = std::io::Error> + Unpin {
        let mut left = bytes;
        StreamBody::new(stream::iter(std::iter::from_fn(move || {
            let piece = left.min(PIECE);
            left -= piece;
            (piece > 0).then(|| Ok(Frame::data(Bytes::from(vec![b'x'; piece]))))
        })))
    }

    #[tokio::test]
    async fn what_is_held_of_all_answers_stays_within_the_budget_and_is_given_back() {
        tokio::time::pause();
        let budget = AnswerBudget::bounded(8 * MB, PATIENCE);
        // One alone gets its share, and no more.
        let read = gathered(body(4 * MB), MAX_ANSWER, budget.room()).await;
        assert_eq!(read.unwrap_err(), Unread::NoRoom(NoRoom));
        assert_eq!(budget.held(), 0);
        let mut held = Vec::new();
        for _ in 0..20 {
            match gathered(body(MB), MAX_ANSWER, budget.room()).await {
                Ok(answer) => held.push(answer),
                Err(why) => assert_eq!(why, Unread::NoRoom(NoRoom)),
            }
            assert!(budget.held() <= 8 * MB);
        }
        assert!((3..8).contains(&held.len()), "{}", held.len());
        // Who asks for little is answered all the same.
        let little = gathered(body(150 * 1024), MAX_ANSWER, budget.room()).await;
        assert_eq!(little.unwrap().len(), 150 * 1024);
        // One that is read on is waited for.
        let mut waits = Box::pin(gathered(body(MB), MAX_ANSWER, budget.room()));
        assert!(waits.as_mut().now_or_never().is_none());
        held.truncate(1);
        assert_eq!(waits.await.unwrap().len(), MB);
        drop(held);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn small_answers_cost_nothing_and_long_ones_are_refused() {
        let budget = AnswerBudget::default();
        let small = gathered(body(100), MAX_ANSWER, budget.room())
            .await
            .unwrap();
        assert_eq!((small.len(), budget.held()), (100, 0));
        let long = gathered(body(MB), MB - 1, budget.room()).await;
        assert_eq!(long.unwrap_err(), Unread::TooLong(MB - 1));
        let whole = gathered(body(MB), MB, budget.room()).await.unwrap();
        assert_eq!((whole.len(), budget.held()), (MB, MB));
        // What takes its place is counted as long as anything of it is there.
        drop(whole);
        let held = budget.room().hold(vec![0; 2 * MB]).await.unwrap();
        let part = held.slice(..1);
        drop(held);
        assert_eq!(budget.held(), 2 * MB);
        drop(part);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn answers_to_one_client_share_what_it_may_hold() {
        tokio::time::pause();
        let budget = AnswerBudget::bounded(8 * MB, PATIENCE);
        let account = budget.account();
        let mut held = Vec::new();
        while let Ok(bytes) = budget.room_of(&account).hold(vec![0; MB / 2]).await {
            held.push(bytes);
        }
        assert_eq!(
            held.len(),
            6,
            "of 8 MB a quarter is kept, and a half of the rest is one's share"
        );
        assert!(budget.room().hold(vec![0; MB]).await.is_ok(), "another one");
    }
}
