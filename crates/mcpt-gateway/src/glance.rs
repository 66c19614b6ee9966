//! Reading small bodies whole, when where a request goes, or which request an error answers, is only said in there.
//!
//! Nobody needs a large message whole: what begins a session or may be sent again is small. So a body of more than
//! [`ENOUGH`] bytes streams through, and what all requests together hold at once is bounded.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::Refusal;

/// Largest body that is read whole.
const ENOUGH: usize = 64 * 1024;
/// Most bytes that are held at once: as many large bodies as 512 clients send, or 32 thousand of the usual size.
const HELD_AT_ONCE: usize = 32 * 1024 * 1024;
/// How long a request waits for its share of them.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a body may take that is read whole.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// Reads bodies, and knows how much of them is held.
#[derive(Debug)]
pub(crate) struct Glances {
    /// Largest body that is taken at all.
    max_body: usize,
    /// Bytes that may still be held, and how many there are in all.
    free: Arc<Semaphore>,
    all: usize,
    patience: Duration,
}

/// What a look at a body has brought.
#[derive(Debug)]
pub(crate) enum Glance<B> {
    /// All of it. Counted as held until the last clone is dropped.
    Whole(Bytes),
    /// It is large: what was read of it, and the rest.
    Large { begin: Bytes, rest: Limited<B> },
}

/// Bytes with their share of what may be held.
struct Held {
    bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Glances {
    pub(crate) fn new(max_body: usize) -> Self {
        Self::bounded(max_body, HELD_AT_ONCE, PATIENCE)
    }

    fn bounded(max_body: usize, all: usize, patience: Duration) -> Self {
        Self {
            max_body,
            free: Arc::new(Semaphore::new(all)),
            all,
            patience,
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

    /// A body that is not looked at, but not larger than it may be.
    pub(crate) fn none<B: Body>(&self, body: B) -> Result<Limited<B>, Refusal> {
        if body.size_hint().lower() > self.max_body as u64 {
            return Err(Refusal::TooLarge(self.max_body));
        }
        Ok(Limited::new(body, self.max_body))
    }

    /// Reads a body whole, unless it is large.
    pub(crate) async fn at<B>(&self, body: B) -> Result<Glance<B>, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    {
        let mut body = self.none(body)?;
        let size = body.size_hint();
        if size.lower() > ENOUGH as u64 {
            let begin = Bytes::new();
            return Ok(Glance::Large { begin, rest: body });
        }
        // One that does not say its size may have any.
        let most = size
            .upper()
            .map_or(ENOUGH, |most| ENOUGH.min(most as usize));
        let mut share = self.share(most).await?;
        let whole = tokio::time::timeout(BODY_TIMEOUT, read(&mut body)).await;
        let (bytes, whole) = match whole {
            Ok(Ok(read)) => read,
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(Refusal::TooLarge(self.max_body));
            }
            Ok(Err(_)) | Err(_) => return Err(Refusal::BodyMissing),
        };
        drop(share.split(most.saturating_sub(bytes.len())));
        let held = Bytes::from_owner(Held {
            bytes,
            _share: share,
        });
        Ok(if whole {
            Glance::Whole(held)
        } else {
            Glance::Large {
                begin: held,
                rest: body,
            }
        })
    }

    async fn share(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let share = Arc::clone(&self.free).acquire_many_owned(bytes as u32);
        match tokio::time::timeout(self.patience, share).await {
            Ok(Ok(share)) => Ok(share),
            // It is never closed.
            Ok(Err(_)) | Err(_) => Err(Refusal::Overloaded),
        }
    }
}

/// Reads to the end, or until it is too much; `true` at the end.
async fn read<B>(body: &mut Limited<B>) -> Result<(Bytes, bool), Box<dyn Error + Send + Sync>>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    // Most bodies come in one piece, which is not copied.
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if first.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
        if first.len().max(all.len()) > ENOUGH {
            return Ok((joined(first, all), false));
        }
    }
    Ok((joined(first, all), true))
}

fn joined(first: Bytes, all: BytesMut) -> Bytes {
    if all.is_empty() { first } else { all.freeze() }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    /// A body that does not say its size; it never ends unless `ends`.
    fn pieces(
        pieces: &[usize],
        ends: bool,
    ) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
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
        let glances = Glances::bounded(1 << 20, ENOUGH, SOON);
        for (body, bytes) in [
            (vec![0], 0),
            (vec![10], 10),
            (vec![ENOUGH], ENOUGH),
            (vec![7, 0, 5], 12),
        ] {
            let Ok(Glance::Whole(whole)) = glances.at(pieces(&body, true)).await else {
                panic!("{body:?} is not read")
            };
            assert_eq!((whole.len(), glances.held()), (bytes, bytes), "{body:?}");
            let clone = whole.clone();
            drop(whole);
            assert_eq!(glances.held(), bytes, "{body:?}");
            drop(clone);
            assert_eq!(glances.held(), 0, "{body:?}");
        }
    }

    #[tokio::test]
    async fn large_bodies_go_through() {
        let glances = Glances::bounded(1 << 20, ENOUGH, SOON);
        let said = Full::new(Bytes::from(vec![0; ENOUGH + 1]));
        let Ok(Glance::Large { begin, rest }) = glances.at(said).await else {
            panic!("it is held")
        };
        assert_eq!((begin.len(), glances.held()), (0, 0));
        assert_eq!(rest.collect().await.unwrap().to_bytes().len(), ENOUGH + 1);

        let unsaid = pieces(&[5, ENOUGH, 10, 100_000], true);
        let Ok(Glance::Large { begin, rest }) = glances.at(unsaid).await else {
            panic!("it is held")
        };
        assert_eq!(begin.len(), ENOUGH + 5);
        assert_eq!(rest.collect().await.unwrap().to_bytes().len(), 100_010);
        drop(begin);
        assert_eq!(glances.held(), 0);
    }

    #[tokio::test]
    async fn what_is_larger_than_it_may_be_is_refused() {
        let glances = Glances::bounded(100, ENOUGH, SOON);
        for body in [pieces(&[101], true), pieces(&[60, 60], true)] {
            let refused = glances.at(body).await.err();
            assert_eq!(refused, Some(Refusal::TooLarge(100)));
        }
        let said = Full::new(Bytes::from(vec![0; 101]));
        assert_eq!(glances.at(said).await.err(), Some(Refusal::TooLarge(100)));
    }

    #[tokio::test]
    async fn the_sum_is_bounded_and_small_ones_pass_by_slow_ones() {
        let glances = Arc::new(Glances::bounded(1 << 20, 2 * ENOUGH, SOON));
        let slow: Vec<_> = (0..2)
            .map(|_| {
                let glances = Arc::clone(&glances);
                tokio::spawn(async move { drop(glances.at(pieces(&[1], false)).await) })
            })
            .collect();
        while glances.held() < 2 * ENOUGH {
            tokio::task::yield_now().await;
        }
        let refused = glances.at(Full::new(Bytes::from_static(b"{}"))).await;
        assert_eq!(refused.err(), Some(Refusal::Overloaded));
        for slow in &slow[1..] {
            slow.abort();
        }
        // Half of it is free again: no reason to wait.
        while glances.held() > ENOUGH {
            tokio::task::yield_now().await;
        }
        let small = glances.at(Full::new(Bytes::from_static(b"{}"))).await;
        assert!(matches!(small, Ok(Glance::Whole(_))), "{small:?}");
    }
}
