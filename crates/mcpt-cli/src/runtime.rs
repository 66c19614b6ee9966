//! Running a command's asynchronous part, and ending it early when the user or the system says so.

use std::{future::Future, io};

use mcpt_core::{Failure, FailureKind};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

use crate::ending::Ending;

/// Runs a command on this thread alone. Ctrl-C and SIGTERM drop it where it stands: every operation of a backend can be
/// repeated, so what it leaves is finished or undone by the next command.
pub(crate) fn run<T>(work: impl Future<Output = Result<T, Ending>>) -> Result<T, Ending> {
    let runtime = built(Builder::new_current_thread().enable_all().build())?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = work => outcome,
            () = termination() => Err(Failure::new(FailureKind::Interrupted, "interrupted").into()),
        }
    });
    // A thread that waits for standard input cannot be waited for.
    runtime.shutdown_background();
    outcome
}

/// Runs a server on all cores until it ends by itself; `serve` gets what to await for the order to shut down.
pub(crate) fn serve<E: std::error::Error + 'static, F: Future<Output = Result<(), E>>>(
    what: &str,
    serve: impl FnOnce(Termination) -> F,
) -> Result<(), Ending> {
    until_told(async |shutdown| {
        let served = serve(shutdown).await;
        served.map_err(|error| {
            Failure::new(FailureKind::Failed, what)
                .caused_by(&error)
                .into()
        })
    })
}

/// Completes at the order to shut down.
pub(crate) type Termination = futures_util::future::BoxFuture<'static, ()>;

/// Runs work on all cores until it ends by itself; it gets what to await for the order to shut down. A second order ends it
/// where it stands.
pub(crate) fn until_told(
    work: impl AsyncFnOnce(Termination) -> Result<(), Ending>,
) -> Result<(), Ending> {
    let runtime = built(Builder::new_multi_thread().enable_all().build())?;
    runtime.block_on(async {
        tokio::select! {
            outcome = work(Box::pin(termination())) => outcome,
            () = insistence() => Err(Failure::new(FailureKind::Interrupted, "interrupted").into()),
        }
    })
}

fn built(runtime: io::Result<Runtime>) -> Result<Runtime, Failure> {
    runtime.map_err(|error| {
        Failure::new(FailureKind::Failed, "cannot start the runtime").caused_by(&error)
    })
}

/// Completes at the first SIGINT or SIGTERM.
async fn termination() {
    orders(1).await;
}

/// Completes at the second.
async fn insistence() {
    orders(2).await;
}

async fn orders(count: u8) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    for _ in 0..count {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
