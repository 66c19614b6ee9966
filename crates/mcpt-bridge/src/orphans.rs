//! Process 1 duties: taking in orphans, reaping them, and ending those that a finished session left behind.
//!
//! A process whose parent ends is handed to the nearest subreaper, or to process 1 of the container. Without somebody
//! who waits for it, it stays a zombie for ever.

use std::{
    collections::HashSet,
    fs, io,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Environment variable that marks a child and all that it starts with the session they belong to.
pub(crate) const OWNER_VARIABLE: &str = "MCPT_BRIDGE_OWNER";

/// Direct children, for which their own sessions wait. The lock is held over a spawn, so that no child can end and be
/// taken for an orphan before it is known.
pub(crate) static CHILDREN: LazyLock<Mutex<HashSet<i32>>> = LazyLock::new(Mutex::default);

/// How soon to look again when a child that somebody else waits for stands in the way, or what was killed has not ended.
const RETRY: Duration = Duration::from_millis(20);
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
            if reap() == Reaped::Blocked {
                tokio::time::sleep(RETRY).await;
                continue;
            }
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
            // The end of one hands over those that it had started, so each round ends whoever came.
            while has_children() {
                adopted(None).into_iter().for_each(end);
                tokio::time::sleep(RETRY).await;
            }
        };
        if tokio::time::timeout(PATIENCE, all_gone).await.is_err() {
            tracing::warn!("processes that servers left behind survive SIGKILL");
        }
        self.stop.cancel();
        // The task has nothing to give back.
        drop(self.task.await);
    }
}

/// Whether this process has any child, a zombie included.
fn has_children() -> bool {
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, peek) != Err(Errno::ECHILD)
}

#[derive(PartialEq, Eq)]
enum Reaped {
    /// No zombie is left.
    All,
    /// The next zombie is a child for which its session waits.
    Blocked,
}

fn reap() -> Reaped {
    loop {
        let children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let pid = match waitid(Id::All, peek) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) => pid,
            Err(Errno::EINTR) => continue,
            _ => return Reaped::All,
        };
        if children.contains(&pid.as_raw()) {
            return Reaped::Blocked;
        }
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(status) => tracing::debug!(?status, "reaped an orphan"),
            Err(error) => tracing::debug!(%pid, %error, "an orphan was reaped elsewhere"),
        }
    }
}

/// Ends the orphans that belong to a finished session, and what their end hands over.
pub(crate) async fn end_orphans_of(owner: &str) {
    let mut ended = HashSet::new();
    let all_gone = async {
        loop {
            // Before the look at who is there: one that is reaped has handed over all that it had started.
            ended.retain(|pid| is_child(*pid));
            let left = adopted(Some(owner));
            if left.is_empty() && ended.is_empty() {
                return;
            }
            for pid in left {
                if ended.insert(pid) {
                    tracing::warn!(%pid, "ending a process that the server left behind");
                }
                end(pid);
            }
            tokio::time::sleep(RETRY).await;
        }
    };
    if tokio::time::timeout(PATIENCE, all_gone).await.is_err() {
        tracing::warn!("processes that the server left behind survive SIGKILL");
    }
}

fn end(pid: Pid) {
    // It may have ended by itself in the meantime.
    if let Err(error) = kill(pid, Signal::SIGKILL) {
        tracing::debug!(%pid, %error, "cannot end an orphan");
    }
}

/// Processes that were handed to this one: of one owner those that have not begun to end, or all, zombies included.
fn adopted(owner: Option<&str>) -> Vec<Pid> {
    let mark = owner.map(|owner| format!("{OWNER_VARIABLE}={owner}"));
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
            !children.contains(pid)
        })
        .map(Pid::from_raw)
        .filter(|pid| is_child(*pid))
        .filter(|pid| match &mark {
            None => true,
            Some(mark) => fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|env| env.split(|b| *b == 0).any(|v| v == mark.as_bytes())),
        })
        .collect()
}

/// Whether a process is a child of this one that was not reaped.
fn is_child(pid: Pid) -> bool {
    let parent = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, blanks and parentheses too.
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(1)?.parse().ok()
    };
    parent() == Some(Pid::this().as_raw())
}
