//! Reading small bodies whole, when where a request goes, or which request an error answers, is only said in there.
//!
//! Nobody needs a large message whole: what begins a session or may be sent again is small. So a body of more than
//! [`ENOUGH`] bytes streams through, and what all requests together hold at once is bounded.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use serde_json::value::RawValue;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{progress::SILENCE, request_class::request_id};
use crate::refusal::Refusal;

/// Largest body that is read whole.
const ENOUGH: usize = 64 * 1024;
/// Most bytes that are held at once: as many large bodies as 512 clients send, or 32 thousand of the usual size.
const HELD_AT_ONCE: usize = 32 * 1024 * 1024;
/// How long a request waits in all for its share of them. It may hold a part meanwhile that others wait for: when all wait
/// for each other, those that give up first make room for the rest.
const PATIENCE: Duration = Duration::from_secs(5);
/// From when on a body that still comes gives its share up when others find no room. Until then, and as long as there is room
/// for all, it may take any time as long as some of it comes.
const SLOW: Duration = Duration::from_mins(1);

/// Reads bodies, and knows how much of them is held.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    /// Largest body that is taken at all.
    max_body: usize,
    /// Bytes that may still be held, and how many there are in all.
    free: Arc<Semaphore>,
    all: usize,
    patience: Duration,
    /// Tells the slow that somebody found no room.
    crowded: Notify,
}

/// What was read of a body.
#[derive(Debug)]
pub(crate) enum ReadBody<B> {
    /// All of it. Counted as held until the last clone is dropped.
    Whole(Bytes),
    /// It is large: what was read of it, and the rest.
    Large { begin: Bytes, rest: Limited<B> },
}

impl<B> ReadBody<B> {
    /// The id of the request that it is, if it is one and all of it is there.
    pub(crate) fn request_id(&self) -> Option<Box<RawValue>> {
        match self {
            Self::Whole(body) => request_id(body),
            Self::Large { .. } => None,
        }
    }
}

/// Bytes with their share of what may be held.
struct Held {
    bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// What a body takes of what may be held: as much as has arrived of it, so that one that does not come keeps nothing from
/// others.
struct Share<'a> {
    free: &'a Arc<Semaphore>,
    crowded: &'a Notify,
    taken: Option<OwnedSemaphorePermit>,
    patience: Duration,
}

impl Share<'_> {
    /// Grows to so many bytes.
    async fn reach(&mut self, bytes: usize) -> Result<(), Refusal> {
        let taken = self
            .taken
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.saturating_sub(taken) as u32;
        if missing == 0 {
            return Ok(());
        }
        let more = match Arc::clone(self.free).try_acquire_many_owned(missing) {
            Ok(more) => more,
            Err(_) => self.wait_for(missing).await?,
        };
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }

    async fn wait_for(&mut self, missing: u32) -> Result<OwnedSemaphorePermit, Refusal> {
        let begin = Instant::now();
        self.crowded.notify_waiters();
        let more = Arc::clone(self.free).acquire_many_owned(missing);
        match tokio::time::timeout(self.patience, more).await {
            Ok(Ok(more)) => {
                self.patience = self.patience.saturating_sub(begin.elapsed());
                Ok(more)
            }
            // It is never closed.
            Ok(Err(_)) | Err(_) => Err(Refusal::Overloaded),
        }
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl BodyBudget {
    pub(crate) fn new(max_body: usize) -> Self {
        Self::bounded(max_body, HELD_AT_ONCE, PATIENCE)
    }

    fn bounded(max_body: usize, all: usize, patience: Duration) -> Self {
        Self {
            max_body,
            free: Arc::new(Semaphore::new(all)),
            all,
            patience,
            crowded: Notify::new(),
        }
    }

    /// Largest body that is taken at all, in bytes.
    pub(crate) fn max_body(&self) -> usize {
        self.max_body
    }

    /// Bytes that are held now.
    pub(crate) fn held(&self) -> usize {
        self.all.saturating_sub(self.free.available_permits())
    }

    /// A body that is not read here, but not larger than it may be.
    pub(crate) fn limited<B: Body>(&self, body: B) -> Result<Limited<B>, Refusal> {
        if body.size_hint().lower() > self.max_body as u64 {
            return Err(Refusal::TooLarge(self.max_body));
        }
        Ok(Limited::new(body, self.max_body))
    }

    /// Reads a body whole, unless it is large.
    pub(crate) async fn read<B>(&self, body: B) -> Result<ReadBody<B>, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    {
        self.read_within(body, self.patience).await
    }

    /// The same for a body that is not worth waiting for: there is room for it at once, or it is not read.
    pub(crate) async fn read_in_passing<B>(&self, body: B) -> Result<ReadBody<B>, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    {
        self.read_within(body, Duration::ZERO).await
    }

    /// All of a body that was begun to be read. What is large is counted as held too, as long as any of it is kept.
    pub(crate) async fn whole<B>(&self, read: ReadBody<B>) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    {
        let (begin, mut rest) = match read {
            ReadBody::Whole(bytes) => return Ok(bytes),
            ReadBody::Large { begin, rest } => (begin, rest),
        };
        let mut share = Share {
            free: &self.free,
            crowded: &self.crowded,
            taken: None,
            patience: self.patience,
        };
        let mut all = BytesMut::from(begin.as_ref());
        loop {
            share.reach(all.len()).await?;
            let frame = match tokio::time::timeout(SILENCE, rest.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) if error.is::<LengthLimitError>() => {
                    return Err(Refusal::TooLarge(self.max_body));
                }
                Ok(Some(Err(_))) | Err(_) => return Err(Refusal::BodyMissing),
                Ok(None) => break,
            };
            if let Some(piece) = frame.data_ref() {
                all.extend_from_slice(piece);
            }
        }
        Ok(Bytes::from_owner(Held {
            bytes: all.freeze(),
            _share: share.taken,
        }))
    }

    async fn read_within<B>(&self, body: B, patience: Duration) -> Result<ReadBody<B>, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    {
        let mut body = self.limited(body)?;
        if body.size_hint().lower() > ENOUGH as u64 {
            let begin = Bytes::new();
            return Ok(ReadBody::Large { begin, rest: body });
        }
        let mut share = Share {
            free: &self.free,
            crowded: &self.crowded,
            taken: None,
            patience,
        };
        let gives_way = async {
            tokio::time::sleep(SLOW).await;
            self.crowded.notified().await;
        };
        let (bytes, whole) = tokio::select! {
            read = self.collect(&mut body, &mut share) => read?,
            () = gives_way => return Err(Refusal::Overloaded),
        };
        let held = Bytes::from_owner(Held {
            bytes,
            _share: share.taken,
        });
        Ok(if whole {
            ReadBody::Whole(held)
        } else {
            ReadBody::Large {
                begin: held,
                rest: body,
            }
        })
    }

    /// Reads to the end, or until it is too much; `true` at the end.
    async fn collect<B>(
        &self,
        body: &mut Limited<B>,
        share: &mut Share<'_>,
    ) -> Result<(Bytes, bool), Refusal>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    {
        // Most bodies come in one piece, which is not copied.
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        loop {
            let frame = match tokio::time::timeout(SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) if error.is::<LengthLimitError>() => {
                    return Err(Refusal::TooLarge(self.max_body));
                }
                Ok(Some(Err(_))) | Err(_) => return Err(Refusal::BodyMissing),
                Ok(None) => return Ok((joined(first, all), true)),
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = first.len().max(all.len()) + data.len();
            // Until then a piece is in its connection's buffer, which nobody reads further into. What streams through in
            // the end counts as the most that is read whole.
            share.reach(length.min(ENOUGH)).await?;
            if first.is_empty() {
                first = data;
            } else {
                if all.is_empty() {
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&data);
            }
            if length > ENOUGH {
                return Ok((joined(first, all), false));
            }
        }
    }
}

fn joined(first: Bytes, all: BytesMut) -> Bytes {
    if all.is_empty() { first } else { all.freeze() }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use tokio::{sync::oneshot, task::JoinHandle};

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    /// A body that does not say its size; it never ends unless `ends`.
    fn pieces(
        pieces: &[usize],
        ends: bool,
    ) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + Send + use<> {
        let frames = pieces
            .iter()
            .map(|size| Ok(Frame::data(Bytes::from(vec![b'x'; *size]))));
        let frames = stream::iter(frames.collect::<Vec<_>>());
        StreamBody::new(if ends {
            frames.boxed()
        } else {
            frames.chain(stream::pending()).boxed()
        })
    }

    #[tokio::test]
    async fn small_bodies_are_read_and_counted_while_they_are_held() {
        let budget = BodyBudget::bounded(1 << 20, ENOUGH, SOON);
        for (body, bytes) in [
            (vec![0], 0),
            (vec![10], 10),
            (vec![ENOUGH], ENOUGH),
            (vec![7, 0, 5], 12),
        ] {
            let Ok(ReadBody::Whole(whole)) = budget.read(pieces(&body, true)).await else {
                panic!("{body:?} is not read")
            };
            assert_eq!((whole.len(), budget.held()), (bytes, bytes), "{body:?}");
            let clone = whole.clone();
            drop(whole);
            assert_eq!(budget.held(), bytes, "{body:?}");
            drop(clone);
            assert_eq!(budget.held(), 0, "{body:?}");
        }
    }

    #[tokio::test]
    async fn large_bodies_go_through() {
        let budget = BodyBudget::bounded(1 << 20, ENOUGH, SOON);
        let said = Full::new(Bytes::from(vec![0; ENOUGH + 1]));
        let Ok(ReadBody::Large { begin, rest }) = budget.read(said).await else {
            panic!("it is held")
        };
        assert_eq!((begin.len(), budget.held()), (0, 0));
        assert_eq!(rest.collect().await.unwrap().to_bytes().len(), ENOUGH + 1);

        let unsaid = pieces(&[5, ENOUGH, 10, 100_000], true);
        let Ok(ReadBody::Large { begin, rest }) = budget.read(unsaid).await else {
            panic!("it is held")
        };
        assert_eq!(begin.len(), ENOUGH + 5);
        assert_eq!(rest.collect().await.unwrap().to_bytes().len(), 100_010);
        drop(begin);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn what_is_larger_than_it_may_be_is_refused() {
        let budget = BodyBudget::bounded(100, ENOUGH, SOON);
        for body in [pieces(&[101], true), pieces(&[60, 60], true)] {
            let refused = budget.read(body).await.err();
            assert_eq!(refused, Some(Refusal::TooLarge(100)));
        }
        let said = Full::new(Bytes::from(vec![0; 101]));
        assert_eq!(budget.read(said).await.err(), Some(Refusal::TooLarge(100)));
    }

    /// Begins to read a body, and waits until so much is held.
    async fn begun(
        budget: &Arc<BodyBudget>,
        body: impl Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
        held: usize,
    ) -> JoinHandle<Option<Refusal>> {
        let reading = Arc::clone(budget);
        let begun = tokio::spawn(async move { reading.read(body).await.err() });
        while budget.held() < held {
            tokio::task::yield_now().await;
        }
        begun
    }

    #[tokio::test]
    async fn the_sum_is_bounded_and_small_ones_pass_by_slow_ones() {
        let budget = Arc::new(BodyBudget::bounded(1 << 20, 2 * ENOUGH, SOON));
        let mut slow = Vec::new();
        for held in [ENOUGH, 2 * ENOUGH] {
            slow.push(begun(&budget, pieces(&[ENOUGH], false), held).await);
        }
        let refused = budget.read(Full::new(Bytes::from_static(b"{}"))).await;
        assert_eq!(refused.err(), Some(Refusal::Overloaded));
        for slow in &slow[1..] {
            slow.abort();
        }
        // Half of it is free again: no reason to wait.
        while budget.held() > ENOUGH {
            tokio::task::yield_now().await;
        }
        let small = budget.read(Full::new(Bytes::from_static(b"{}"))).await;
        assert!(matches!(small, Ok(ReadBody::Whole(_))), "{small:?}");
    }

    #[tokio::test]
    async fn bodies_that_do_not_arrive_keep_nothing_from_others() {
        let budget = Arc::new(BodyBudget::bounded(1 << 20, 100, SOON));
        let mut silent = Vec::new();
        for _ in 0..100 {
            silent.push(begun(&budget, pieces(&[], false), 0).await);
        }
        silent.push(begun(&budget, pieces(&[98], false), 98).await);
        let small = budget.read(Full::new(Bytes::from_static(b"{}"))).await;
        assert!(matches!(small, Ok(ReadBody::Whole(_))), "{small:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_falls_silent_gives_its_share_back() {
        let budget = BodyBudget::bounded(1 << 20, 100, PATIENCE);
        for body in [pieces(&[], false), pieces(&[50], false)] {
            let begin = Instant::now();
            let refused = budget.read(body).await.err();
            assert_eq!(refused, Some(Refusal::BodyMissing));
            // The clock stands still but for what is waited for.
            assert!(begin.elapsed() < 2 * SILENCE);
            assert_eq!(budget.held(), 0);
        }
    }

    /// A body of so many bytes, each of which comes after a pause.
    fn slowly(
        bytes: usize,
        pause: Duration,
    ) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static {
        let frames = stream::iter(0..bytes).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok(Frame::data(Bytes::from_static(b"x")))
        });
        StreamBody::new(frames.boxed())
    }

    #[tokio::test(start_paused = true)]
    async fn progress_keeps_a_small_body_alive_for_as_long_as_it_takes() {
        let budget = BodyBudget::bounded(1 << 20, 100, PATIENCE);
        let begin = Instant::now();
        let read = budget.read(slowly(50, SILENCE * 9 / 10)).await;
        let Ok(ReadBody::Whole(whole)) = read else {
            panic!("given up")
        };
        assert_eq!(whole.len(), 50);
        assert!(begin.elapsed() > 10 * SLOW);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slow_give_way_when_others_find_no_room() {
        let budget = Arc::new(BodyBudget::bounded(1 << 20, 100, PATIENCE));
        let all = || Full::new(Bytes::from(vec![b'x'; 100]));
        let slow = begun(&budget, slowly(1000, SILENCE / 2), 0).await;
        while budget.held() < 1 {
            tokio::time::sleep(SILENCE / 2).await;
        }
        let refused = budget.read(all()).await.err();
        assert_eq!(refused, Some(Refusal::Overloaded), "it is not slow yet");
        tokio::time::advance(SLOW).await;
        while budget.held() < 3 {
            tokio::time::sleep(SILENCE / 2).await;
        }
        let read = budget.read(all()).await;
        assert!(matches!(read, Ok(ReadBody::Whole(_))));
        assert_eq!(slow.await.unwrap(), Some(Refusal::Overloaded));
    }

    #[tokio::test(start_paused = true)]
    async fn of_those_that_wait_for_each_other_the_first_gives_way() {
        let budget = Arc::new(BodyBudget::bounded(1 << 20, 100, PATIENCE));
        let half = || Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; 50])));
        let (mut go_on, mut reading) = (Vec::new(), Vec::new());
        for held in [50, 100] {
            let (go, gone) = oneshot::channel::<()>();
            let other = stream::once(gone.map(move |_| half()));
            let halves = StreamBody::new(stream::iter([half()]).chain(other).boxed());
            reading.push(begun(&budget, halves, held).await);
            go_on.push(go);
        }
        for go in go_on {
            go.send(()).unwrap();
            // Now it waits for what the other one holds.
            tokio::task::yield_now().await;
            tokio::time::advance(PATIENCE / 2).await;
        }
        let mut refused = Vec::new();
        for reading in reading {
            refused.push(reading.await.unwrap());
        }
        assert_eq!(refused, [Some(Refusal::Overloaded), None]);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_one_patience_for_all_its_pieces() {
        let budget = Arc::new(BodyBudget::bounded(1 << 20, 100, PATIENCE));
        let _much = budget.read(pieces(&[92], true)).await;
        let little = budget.read(pieces(&[4], true)).await;
        let begin = Instant::now();
        let reading = begun(&budget, pieces(&[4, 4, 4], true), 100).await;
        tokio::time::advance(PATIENCE / 2).await;
        drop(little);
        assert_eq!(reading.await.unwrap(), Some(Refusal::Overloaded));
        assert!(begin.elapsed() < PATIENCE * 3 / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_in_passing_waits_for_nobody() {
        let budget = Arc::new(BodyBudget::bounded(1 << 20, 100, PATIENCE));
        let small = || Full::new(Bytes::from_static(b"{}"));
        assert!(matches!(
            budget.read_in_passing(small()).await,
            Ok(ReadBody::Whole(_))
        ));
        let _full = begun(&budget, pieces(&[100], false), 100).await;
        let begin = Instant::now();
        let refused = budget.read_in_passing(small()).await.err();
        assert_eq!(refused, Some(Refusal::Overloaded));
        assert!(begin.elapsed() <= SOON);
    }
}
