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

/// How soon to look again when a child that somebody else waits for stands in the way.
const RETRY: Duration = Duration::from_millis(20);

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
    /// Ends all orphans that are left, reaps them, and stops.
    pub(crate) async fn finish(self) {
        for pid in adopted(None) {
            end(pid);
        }
        // Killed processes end at once; one that hangs in the kernel must not keep the bridge.
        for _ in 0..50 {
            if adopted(None).is_empty() {
                break;
            }
            tokio::time::sleep(RETRY).await;
        }
        self.stop.cancel();
        // The task has nothing to give back.
        drop(self.task.await);
    }
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

/// Ends the orphans that belong to a finished session.
pub(crate) fn end_orphans_of(owner: &str) {
    for pid in adopted(Some(owner)) {
        tracing::warn!(%pid, "ending a process that the server left behind");
        end(pid);
    }
}

fn end(pid: Pid) {
    // It may have ended by itself in the meantime.
    if let Err(error) = kill(pid, Signal::SIGKILL) {
        tracing::debug!(%pid, %error, "cannot end an orphan");
    }
}

/// Live processes that were handed to this one, of one owner or of all.
fn adopted(owner: Option<&str>) -> Vec<Pid> {
    let own = Pid::this().as_raw();
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
        .filter(|pid| parent_of(*pid) == Some(own))
        .filter(|pid| match &mark {
            None => true,
            Some(mark) => fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|env| env.split(|b| *b == 0).any(|v| v == mark.as_bytes())),
        })
        .map(Pid::from_raw)
        .collect()
}

/// Parent of a process that is no zombie.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, blanks and parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}
