//! [`read_body`]: a request's body as a whole, within a budget, for as long as it makes progress.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;

use crate::budget::{Account, Charge, OverBudget};

/// How much room is taken for a body of unknown length at first, in bytes.
const FIRST: usize = 4 * 1024;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than it may be. HTTP status 413.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// There is no room for it now.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// Nothing of it came for so long. HTTP status 408.
    #[error("nothing of the body came for {0:?}")]
    Silent(Duration),
    /// The connection or its framing broke. HTTP status 400.
    #[error("the body ended early: {0}")]
    Broken(Box<dyn Error + Send + Sync>),
}

/// A body that was read whole, and the room that it takes.
#[derive(Debug)]
pub struct ReadBody {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// As much as they take.
    pub charge: Charge,
}

impl ReadBody {
    /// Frees the bytes and hands over their charge, to what was made of them.
    pub fn free<T>(self, next: impl FnOnce(Charge) -> T) -> T {
        drop(self.bytes);
        next(self.charge)
    }
}

/// Reads a body of at most `max` bytes, which `account` holds. It may take any time as long as some of it comes within each
/// `silence`. It is copied out of the pieces it comes in, so that many small ones take no more room than one large one.
///
/// # Errors
/// [`BodyError`]; what is left of the body was not read then.
pub async fn read_body<B>(
    mut body: B,
    max: usize,
    silence: Duration,
    account: &Account,
) -> Result<ReadBody, BodyError>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    let hint = body.size_hint();
    if hint.lower() > max as u64 {
        return Err(BodyError::TooLong(max));
    }
    let most = hint.upper().map_or(max, |upper| max.min(upper as usize));
    let mut bytes = Vec::new();
    let mut charge = account.nothing();
    loop {
        let frame = match tokio::time::timeout(silence, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Err(BodyError::Broken(error.into())),
            Ok(None) => return Ok(ReadBody { bytes, charge }),
            Err(_) => return Err(BodyError::Silent(silence)),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > max {
            return Err(BodyError::TooLong(max));
        }
        if length > bytes.capacity() {
            // Twice as much each time, so that a body is not copied once for each of its pieces.
            let room = (bytes.capacity() * 2).max(FIRST).min(most).max(length);
            charge.grow(room)?;
            bytes.reserve_exact(room - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;
    use crate::Budget;

    const SILENCE: Duration = Duration::from_secs(30);

    /// Pieces, each of which comes after a pause; it never ends unless `ends`.
    fn pieces(
        sizes: Vec<usize>,
        pause: Duration,
        ends: bool,
    ) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let frames = stream::iter(sizes).then(move |size| async move {
            tokio::time::sleep(pause).await;
            Ok(Frame::data(Bytes::from(vec![b'x'; size])))
        });
        let rest = stream::pending().take(usize::from(!ends));
        StreamBody::new(Box::pin(frames.chain(rest)))
    }

    #[tokio::test(start_paused = true)]
    async fn many_small_pieces_take_no_more_than_their_bytes() {
        let budget = Budget::new(1_000_000, 0);
        let account = budget.account();
        let body = pieces(vec![1; 100_000], Duration::ZERO, true);
        let read = read_body(body, 200_000, SILENCE, &account).await.unwrap();
        assert_eq!(read.bytes.len(), 100_000);
        assert!(read.bytes.capacity() <= 200_000);
        assert_eq!(read.charge.bytes(), read.bytes.capacity());
        let read = read_body(Full::new(Bytes::from_static(b"{}")), 9, SILENCE, &account);
        assert_eq!(read.await.unwrap().charge.bytes(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_keeps_a_body_alive_and_silence_ends_it() {
        let account = Budget::new(1_000_000, 0).account();
        let slow = pieces(vec![1; 100], SILENCE / 2, true);
        let read = read_body(slow, 200, SILENCE, &account).await.unwrap();
        assert_eq!(read.bytes.len(), 100);
        let stalls = pieces(vec![1; 3], Duration::ZERO, false);
        let error = read_body(stalls, 200, SILENCE, &account).await.unwrap_err();
        assert!(matches!(error, BodyError::Silent(_)), "{error}");
        assert_eq!(account.held(), read.charge.bytes());
    }

    #[tokio::test]
    async fn what_is_too_much_is_not_read() {
        let budget = Budget::new(100_000, 0);
        let account = budget.account();
        let long = Full::new(Bytes::from(vec![0; 11]));
        let error = read_body(long, 10, SILENCE, &account).await.unwrap_err();
        assert!(matches!(error, BodyError::TooLong(10)), "{error}");
        let unsaid = pieces(vec![6, 6], Duration::ZERO, true);
        let error = read_body(unsaid, 10, SILENCE, &account).await.unwrap_err();
        assert!(matches!(error, BodyError::TooLong(10)), "{error}");
        let large = Full::new(Bytes::from(vec![0; 60_000]));
        let error = read_body(large, 70_000, SILENCE, &account)
            .await
            .unwrap_err();
        assert!(matches!(error, BodyError::OverBudget(_)), "{error}");
        assert_eq!(budget.held(), 0);
    }
}
