//! Process 1 duties: taking in orphans and reaping them.
//!
//! A process whose parent ends is handed to the nearest one that takes in orphans: the keeper of its session, or this
//! process for what nobody keeps. Without somebody who waits for it, it stays a zombie for ever.

use std::{
    collections::HashSet,
    io,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    sys::{
        prctl,
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use process_tree::{adopted, has_children};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Direct children, for which their own sessions wait. The lock is held over a spawn, so that no child can end and be
/// taken for an orphan before it is known.
pub(crate) static CHILDREN: LazyLock<Mutex<HashSet<i32>>> = LazyLock::new(Mutex::default);

/// How long to wait for what was killed: a process that hangs in the kernel must not keep the bridge.
const PATIENCE: Duration = Duration::from_secs(5);

/// The task that reaps.
#[derive(Debug)]
pub(crate) struct Reaper {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// Becomes the parent of orphaned descendants and reaps them from now on.
///
/// # Errors
/// When the system refuses.
pub(crate) fn start_reaper() -> io::Result<Reaper> {
    prctl::set_child_subreaper(true)?;
    let mut ended = signal(SignalKind::child())?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        loop {
            reap();
            tokio::select! {
                _ = ended.recv() => {}
                () = stopped.cancelled() => return,
            }
        }
    });
    Ok(Reaper { task, stop })
}

impl Reaper {
    /// Ends all orphans that are left, and stops when they are reaped.
    pub(crate) async fn finish(self) {
        let all_gone = async {
            let mut ended = signal(SignalKind::child())?;
            // The end of one hands over those that it had started, so each round ends whoever came.
            while has_children() {
                for pid in adopted() {
                    // It may have ended by itself in the meantime.
                    if let Err(error) = kill(pid, Signal::SIGKILL) {
                        tracing::debug!(%pid, %error, "cannot end an orphan");
                    }
                }
                reap();
                if has_children() {
                    ended.recv().await;
                }
            }
            Ok::<_, io::Error>(())
        };
        match tokio::time::timeout(PATIENCE, all_gone).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot wait for what servers left behind"),
            Err(_) => tracing::warn!("processes that servers left behind survive SIGKILL"),
        }
        self.stop.cancel();
        // The task has nothing to give back.
        drop(self.task.await);
    }
}

/// Reaps the orphans that have ended. Children for which a session waits are left to it.
fn reap() {
    for pid in adopted() {
        let children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
        if !children.contains(&pid.as_raw()) {
            reap_one(pid);
        }
    }
}

fn reap_one(pid: Pid) {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(status) => tracing::trace!(?status, "looked after an orphan"),
        Err(error) => tracing::debug!(%pid, %error, "an orphan was reaped elsewhere"),
    }
}
