//! [`Progressing`]: a body that may take any time, as long as some of it comes now and then.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// How long a client may send nothing of a body that it has announced.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// A body that fails once nothing has come of it for too long.
#[derive(Debug)]
pub(super) struct Progressing<B> {
    body: B,
    /// Until when it is waited for; there while it is.
    patience: Option<Pin<Box<Sleep>>>,
}

/// Nothing of a body came for so long that its client is taken for gone.
#[derive(Debug, thiserror::Error)]
#[error("nothing of the body came for {SILENCE:?}")]
struct Silent;

impl<B> Progressing<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            patience: None,
        }
    }
}

impl<B> Body for Progressing<B>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.patience = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(SILENCE)));
        let over = patience.as_mut().poll(context);
        over.map(|()| Some(Err(Silent.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures_util::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio::time::Instant;

    use super::*;

    /// A byte, and another one after each of the pauses; then nothing more.
    fn bytes(pauses: Vec<Duration>) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let first = stream::iter([Duration::ZERO]);
        let frames = first.chain(stream::iter(pauses)).then(async |pause| {
            tokio::time::sleep(pause).await;
            Ok(Frame::data(Bytes::from_static(b"x")))
        });
        StreamBody::new(frames.chain(stream::pending()).boxed_local())
    }

    #[tokio::test(start_paused = true)]
    async fn progress_keeps_it_alive_and_silence_ends_it() {
        let pause = SILENCE.mul_f32(0.9);
        let mut body = Progressing::new(bytes(vec![pause; 100]));
        let begin = Instant::now();
        for _ in 0..=100 {
            assert!(body.frame().await.unwrap().is_ok());
        }
        assert!(begin.elapsed() > 50 * SILENCE);
        let silent = Instant::now();
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(error.is::<Silent>(), "{error}");
        assert_eq!(silent.elapsed().as_secs(), SILENCE.as_secs());
    }
}
