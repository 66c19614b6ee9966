//! Which calls the servers made, by their logs: a call that was made twice stands there twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context;

use super::stage::{Access, SERVER};

/// Pods live longer than that.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Until a line of a log is here.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Follows the logs of all pods of the server, as they come and go.
pub(super) struct Executions {
    shared: Arc<Shared>,
    looking: JoinHandle<()>,
}

struct Shared {
    access: Access,
    stop: AtomicBool,
    /// Pod and line with its time: a log that is read anew, since the way to it broke, says the same again.
    lines: Mutex<BTreeSet<(String, String)>>,
    /// What reads a pod's log.
    reading: Mutex<BTreeMap<String, Child>>,
    /// All pods that were there at any time.
    seen: Mutex<BTreeSet<String>>,
}

impl Executions {
    pub(super) fn follow(access: Access) -> Self {
        let shared = Arc::new(Shared {
            access,
            stop: AtomicBool::new(false),
            lines: Mutex::default(),
            reading: Mutex::default(),
            seen: Mutex::default(),
        });
        let looking = Arc::clone(&shared);
        let looking = thread::spawn(move || looking.look());
        Self { shared, looking }
    }

    /// All pods of the server that were there so far, also those that came and went since anybody asked.
    pub(super) fn pods(&self) -> BTreeSet<String> {
        let seen = self.shared.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often each call was made, by its id.
    pub(super) fn finish(self) -> anyhow::Result<BTreeMap<String, usize>> {
        thread::sleep(ON_ITS_WAY);
        self.shared.stop.store(true, Relaxed);
        self.looking.thread().unpark();
        self.looking.join().ok().context("following logs failed")?;
        let lines = self
            .shared
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut executed = BTreeMap::new();
        for id in lines.iter().filter_map(|(_, line)| id(line)) {
            *executed.entry(id.to_owned()).or_default() += 1;
        }
        Ok(executed)
    }
}

impl Shared {
    fn look(self: Arc<Self>) {
        let mut readers: BTreeMap<String, JoinHandle<()>> = BTreeMap::new();
        while !self.stop.load(Relaxed) {
            // Without the API server nothing is learned until it is back.
            for pod in self.access.pods(SERVER).unwrap_or_default() {
                let seen = self.seen.lock();
                seen.unwrap_or_else(PoisonError::into_inner)
                    .insert(pod.clone());
                if readers.get(&pod).is_none_or(JoinHandle::is_finished)
                    && let Some(log) = self.begin(&pod)
                {
                    let (shared, name) = (Arc::clone(&self), pod.clone());
                    readers.insert(pod, thread::spawn(move || shared.read(&name, log)));
                }
            }
            thread::park_timeout(LOOK_AGAIN);
        }
        for child in self.reading().values_mut() {
            // One that has ended by itself is fine too.
            let _ = child.kill();
        }
        for reader in readers.into_values() {
            let _ = reader.join();
        }
    }

    /// Begins to read a log; without kubectl there is none, and the calls in it stay unknown.
    fn begin(&self, pod: &str) -> Option<ChildStdout> {
        let follow = [
            "logs",
            "--follow",
            "--timestamps",
            "--container=server",
            pod,
        ];
        let mut kubectl = self.access.kubectl(&follow);
        kubectl
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = kubectl.spawn().ok()?;
        let log = child.stdout.take();
        self.reading().insert(pod.to_owned(), child);
        log
    }

    /// Reads a log to its end, which is also that of the container or of the way to it.
    fn read(&self, pod: &str, log: ChildStdout) {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if id(&line).is_some() {
                let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.insert((pod.to_owned(), line));
            }
        }
        let child = self.reading().remove(pod);
        if let Some(mut child) = child {
            let _ = child.wait();
        }
    }

    fn reading(&self) -> MutexGuard<'_, BTreeMap<String, Child>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of the call that a line of the demo server's log tells of.
fn id(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" call id=")?;
    rest.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_the_demo_server_names_calls() {
        let line = "2026-11-30T13:00:00.5Z 2026-11-30T13:00:00.4Z  INFO mcpt_demo::tools: call id=7-e1-3 tool=echo outcome=\"ok\"";
        assert_eq!(id(line), Some("7-e1-3"));
        assert_eq!(id("INFO demo server listens"), None);
    }
}
