//! [`Cancellation`]: ending work on a release from outside, so that its record says how it ended.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::{Action, ActionError, Result};

/// The order to end work on a release, for example because of a signal.
///
/// The work then ends as one that failed: its record says so, and what a failure has undone is undone.
/// Work that was ended by dropping it leaves a record that is taken over by the next command.
#[derive(Debug, Default)]
pub struct Cancellation {
    given: watch::Sender<bool>,
    /// Whether a record tells of the work.
    recorded: AtomicBool,
}

impl Cancellation {
    /// Ends the work. False when nothing tells of it yet: then it can as well be dropped.
    pub fn order(&self) -> bool {
        self.given.send_replace(true);
        self.recorded.load(Ordering::SeqCst)
    }

    /// Completes when the order is given.
    async fn ordered(&self) {
        if self
            .given
            .subscribe()
            .wait_for(|given| *given)
            .await
            .is_err()
        {
            // The sender went away, which it cannot while it is borrowed: no order comes any more.
            std::future::pending::<()>().await;
        }
    }
}

impl<'a> Action<'a> {
    /// Work that this may end.
    #[must_use]
    pub fn ended_by(self, cancellation: &'a Cancellation) -> Self {
        Self {
            cancellation: Some(cancellation),
            ..self
        }
    }

    /// The same work, which nothing ends: for undoing what was ended.
    pub(super) fn to_its_end(&self) -> Self {
        Self {
            cancellation: None,
            ..self.clone()
        }
    }

    /// To be called before the record is written that tells of the work: from then on it is not to be dropped.
    pub(super) fn is_recorded(&self) {
        if let Some(cancellation) = self.cancellation {
            cancellation.recorded.store(true, Ordering::SeqCst);
        }
    }

    /// Work, unless it is ended first.
    ///
    /// # Errors
    /// Those of the work, and [`ActionError::Cancelled`].
    pub(super) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(cancellation) = self.cancellation else {
            return work.await;
        };
        tokio::select! {
            biased;
            () = cancellation.ordered() => Err(ActionError::Cancelled),
            done = work => done,
        }
    }
}
