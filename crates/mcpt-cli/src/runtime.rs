//! Running a command's asynchronous part, and ending it early when the user or the system says so.

use std::{future::Future, io, time::Duration};

use mcpt_core::{Failure, FailureKind, Progress, ProgressEvent};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinError,
};

use crate::ending::Ending;

/// How long what work leaves behind may take to end.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

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

/// Does work that blocks, as requests to registries do, on a thread of its own; what it tells is told on this one. Ctrl-C and
/// SIGTERM leave it where it stands, since nothing can wake it: the thread ends with the process, and what it has open with it. A
/// file that has a name is for the caller to hold, and to remove.
pub(crate) fn aside<T: Send + 'static>(
    progress: &dyn Progress,
    work: impl FnOnce(&dyn Progress) -> T + Send + 'static,
) -> Result<T, Failure> {
    let runtime = built(Builder::new_current_thread().enable_all().build())?;
    let outcome = runtime.block_on(async {
        let mut end = std::pin::pin!(termination());
        let (told, mut events) = unbounded_channel();
        let mut work = tokio::task::spawn_blocking(move || work(&ProgressSender(told)));
        let done = loop {
            tokio::select! {
                Some(event) = events.recv() => progress.event(event),
                done = &mut work => break done,
                () = &mut end => {
                    return Err(Failure::new(FailureKind::Interrupted, "interrupted"));
                }
            }
        };
        while let Ok(event) = events.try_recv() {
            progress.event(event);
        }
        match done.map_err(JoinError::try_into_panic) {
            Ok(outcome) => Ok(outcome),
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(lost)) => {
                Err(Failure::new(FailureKind::Failed, "a thread was lost").caused_by(&lost))
            }
        }
    });
    runtime.shutdown_background();
    outcome
}

/// What is told on another thread.
struct ProgressSender(UnboundedSender<ProgressEvent>);

impl Progress for ProgressSender {
    fn event(&self, event: ProgressEvent) {
        // Nobody listens any more to work that was left.
        drop(self.0.send(event));
    }
}

/// As [`run`], but the first signal is handed to `told`, which says whether the work ends by itself then. A second one drops it.
pub(crate) fn run_to_an_end<T>(
    work: impl Future<Output = Result<T, Ending>>,
    told: impl FnOnce() -> bool,
) -> Result<T, Ending> {
    let runtime = built(Builder::new_current_thread().enable_all().build())?;
    let outcome = runtime.block_on(async {
        let mut work = std::pin::pin!(work);
        let (first, second) = (termination(), insistence());
        let ends = tokio::select! {
            outcome = &mut work => return outcome,
            () = first => told(),
        };
        let interrupted = || Err(Failure::new(FailureKind::Interrupted, "interrupted").into());
        if !ends {
            return interrupted();
        }
        tokio::select! {
            outcome = work => outcome,
            () = second => interrupted(),
        }
    });
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
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = work(Box::pin(termination())) => outcome,
            () = insistence() => Err(Failure::new(FailureKind::Interrupted, "interrupted").into()),
        }
    });
    // Tasks are dropped meanwhile, and processes that they own end with them; a thread that asks a resolver may take for ever.
    runtime.shutdown_timeout(LEFT_BEHIND);
    outcome
}

fn built(runtime: io::Result<Runtime>) -> Result<Runtime, Failure> {
    runtime.map_err(|error| {
        Failure::new(FailureKind::Failed, "cannot start the runtime").caused_by(&error)
    })
}

/// Completes at the first SIGINT or SIGTERM from now on.
fn termination() -> impl Future<Output = ()> + Send + 'static {
    orders(1)
}

/// Completes at the second.
fn insistence() -> impl Future<Output = ()> + Send + 'static {
    orders(2)
}

/// Hears of signals from the call on, not from when it is first awaited: until then one would end the process without a word.
fn orders(count: u8) -> impl Future<Output = ()> + Send + 'static {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
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
}

#[cfg(test)]
mod tests {
    use std::{
        env,
        process::{Command, id},
        sync::mpsc,
    };

    use super::*;

    #[test]
    fn a_thread_that_never_comes_back_keeps_no_server_from_its_end() {
        let (held, never) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        let ended = until_told(async |_| {
            // As a resolver does whose servers do not answer.
            tokio::task::spawn_blocking(move || {
                began.send(()).unwrap();
                never.recv().unwrap_err();
            });
            begun.recv().unwrap();
            Ok(())
        });
        assert!(ended.is_ok());
        drop(held);
    }

    #[test]
    fn what_is_told_aside_is_told_and_what_it_ends_with_is_had() {
        let heard = Heard::default();
        let done = aside(&heard, |progress| {
            progress.event(ProgressEvent::Step("a step".to_owned()));
            5
        });
        assert_eq!(done.unwrap(), 5);
        let heard = heard.0.into_inner().unwrap();
        assert_eq!(heard, [ProgressEvent::Step("a step".to_owned())]);
        let failed = std::panic::catch_unwind(|| aside(&Heard::default(), |_| panic!("so")));
        assert!(failed.is_err());
    }

    #[derive(Default)]
    struct Heard(std::sync::Mutex<Vec<ProgressEvent>>);

    impl Progress for Heard {
        fn event(&self, event: ProgressEvent) {
            self.0.lock().unwrap().push(event);
        }
    }

    #[test]
    fn an_order_is_heard_from_the_first_moment_on() {
        const ALONE: &str = "MCPT_TEST_ALONE";
        if env::var_os(ALONE).is_none() {
            // The signals would reach other tests too.
            let alone = Command::new(env::current_exe().unwrap())
                .args([
                    "--exact",
                    "runtime::tests::an_order_is_heard_from_the_first_moment_on",
                ])
                .env(ALONE, "")
                .output()
                .unwrap();
            assert!(alone.status.success(), "{alone:?}");
            return;
        }
        // Which of two futures is polled first is chance.
        for _ in 0..20 {
            let interrupted = run::<()>(async {
                let sent = Command::new("kill")
                    .args(["-s", "INT", &id().to_string()])
                    .status();
                assert!(sent.unwrap().success());
                std::future::pending().await
            });
            assert!(
                matches!(interrupted, Err(Ending::Failure(failure)) if failure.kind == FailureKind::Interrupted)
            );
        }
    }
}
