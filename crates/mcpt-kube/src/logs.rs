//! Log lines of all pods of a release as one stream, with pods that come while it is followed.

use std::{collections::HashSet, time::Duration};

use futures_util::{AsyncBufReadExt, AsyncReadExt, StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, LogParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use mcpt_core::{Failure, FailureKind, LogLine, LogOptions, LogStream};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{cluster::Cluster, watch};

/// Annotation that names the container whose log is meant when none is named, as kubectl reads it.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Lines that may wait for a slow reader.
const BUFFER: usize = 256;

/// Bytes of a line that are told at once: a line may be as long as a server likes.
const LONGEST_LINE: u64 = 64 * 1024;

/// Pause before a stream is opened again that ended: a container that ended with it is known to have ended by then.
const REOPEN: Duration = Duration::from_secs(2);

/// Opens the stream for the pods that match `selector`.
pub(crate) async fn open(
    cluster: &Cluster,
    selector: &str,
    options: &LogOptions,
    what: &str,
) -> Result<LogStream, Failure> {
    let labelled = ListParams::default().labels(selector);
    let pods: Vec<Pod> = cluster.list(labelled, what).await?;
    if !options.follow {
        nothing_to_read(&pods, options.previous, what)?;
    }
    let (lines, reader) = mpsc::channel(BUFFER);
    let follower = Follower {
        cluster: cluster.clone(),
        options: options.clone(),
        lines,
        known: HashSet::new(),
        readers: JoinSet::new(),
    };
    let task = tokio::spawn(follower.run(pods, selector.to_owned()));
    // The task ends when nobody reads any more.
    let stream = stream::unfold(
        (reader, AbortOnDrop(task.abort_handle())),
        |(mut reader, guard)| async move { reader.recv().await.map(|line| (line, (reader, guard))) },
    );
    Ok(stream.boxed())
}

/// Refuses what would be an empty answer, with the reason why there is nothing.
fn nothing_to_read(pods: &[Pod], previous: bool, what: &str) -> Result<(), Failure> {
    let none = |why: &str| {
        Err(Failure::new(FailureKind::NotFound, what)
            .because(why)
            .hint("mcpt status shows what its pods do"))
    };
    let readable =
        |pod: &Pod| container(pod).is_some_and(|name| run(pod, &name, previous).is_some());
    if pods.is_empty() {
        none("the server has no pods")
    } else if pods.iter().any(readable) {
        Ok(())
    } else if previous {
        none("none of its pods was restarted, so that there is no previous run")
    } else {
        none("none of its pods has started yet")
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type Line = Result<LogLine, Failure>;

struct Follower {
    cluster: Cluster,
    options: LogOptions,
    lines: mpsc::Sender<Line>,
    /// Runs of containers that are being read, as pod uid and container id.
    known: HashSet<String>,
    readers: JoinSet<()>,
}

impl Follower {
    async fn run(mut self, pods: Vec<Pod>, selector: String) {
        let tail = self.options.tail;
        for pod in &pods {
            self.read(pod, tail);
        }
        if !self.options.follow {
            while self.readers.join_next().await.is_some() {}
            return;
        }
        let api: Api<Pod> = self.cluster.api();
        let config = watcher::Config::default().labels(&selector);
        let mut changes = watcher(api, config)
            .default_backoff()
            .applied_objects()
            .boxed();
        loop {
            tokio::select! {
                () = self.lines.closed() => return,
                Some(_ended) = self.readers.join_next() => {}
                change = changes.next() => match change {
                    // What begins while it is followed is new to the reader as a whole.
                    Some(Ok(pod)) => self.read(&pod, None),
                    Some(Err(error)) => {
                        let what = "cannot watch for new pods";
                        let failure = self.cluster.watch_failure(what, &error);
                        // Lost connections are taken up again; what is refused stays so.
                        if watch::refused(&error) {
                            let _reader_is_gone = self.lines.send(Err(failure)).await;
                            return;
                        }
                        tracing::debug!(%failure, "watch of pods interrupted");
                    }
                    None => return,
                },
            }
        }
    }

    /// Begins to read the pod's present run, once.
    fn read(&mut self, pod: &Pod, tail: Option<u32>) {
        let (Some(name), Some(container)) = (pod.metadata.name.clone(), container(pod)) else {
            return;
        };
        let Some(identity) = run(pod, &container, self.options.previous) else {
            // Not started: when followed, the watch tells when it is.
            return;
        };
        if !self.known.insert(identity.clone()) {
            return;
        }
        let params = LogParams {
            container: Some(container),
            follow: self.options.follow,
            tail_lines: tail.map(i64::from),
            previous: self.options.previous,
            // By these it is known where to go on.
            timestamps: self.options.follow,
            ..LogParams::default()
        };
        let reader = Reader {
            cluster: self.cluster.clone(),
            lines: self.lines.clone(),
            pod: name,
            run: identity,
            params,
            last: None,
            opened: false,
        };
        self.readers.spawn(reader.run());
    }
}

/// Reads one run of one container.
struct Reader {
    cluster: Cluster,
    lines: mpsc::Sender<Line>,
    pod: String,
    run: String,
    params: LogParams,
    /// Time of the last line that was told.
    last: Option<Timestamp>,
    /// Whether it was readable once.
    opened: bool,
}

impl Reader {
    async fn run(mut self) {
        let api: Api<Pod> = self.cluster.api();
        loop {
            match self.read(&api).await {
                // The API server ends streams that are long open, whatever the container does.
                Ok(true) if self.params.follow => {}
                Ok(_) => return,
                Err(trouble) if self.outlives(&trouble) => {
                    tracing::debug!(failure = %trouble.failure, "log interrupted");
                }
                Err(trouble) => return self.give_up(trouble).await,
            }
            loop {
                tokio::time::sleep(REOPEN).await;
                match self.still_runs(&api).await {
                    Ok(true) => break,
                    Ok(false) => return,
                    Err(trouble) if trouble.passes => {
                        tracing::debug!(failure = %trouble.failure, "log interrupted");
                    }
                    Err(trouble) => return self.give_up(trouble).await,
                }
            }
            self.params.since_time = self.last;
            if self.last.is_some() {
                self.params.tail_lines = None;
            }
        }
    }

    /// Whether the log is followed on after this: it was readable before, and may be so again.
    fn outlives(&self, trouble: &Trouble) -> bool {
        self.params.follow && self.opened && trouble.passes
    }

    async fn give_up(&self, trouble: Trouble) {
        let _reader_is_gone = self.lines.send(Err(trouble.failure)).await;
    }

    /// Reads until the stream ends; false when nobody reads the lines any more.
    async fn read(&mut self, api: &Api<Pod>) -> Result<bool, Trouble> {
        let mut log = api
            .log_stream(&self.pod, &self.params)
            .await
            .map_err(|error| self.trouble(&error))?;
        self.opened = true;
        let resumed = self.last;
        let mut bytes = Vec::new();
        let mut begins = true;
        let mut told = true;
        loop {
            bytes.clear();
            let mut bounded = (&mut log).take(LONGEST_LINE);
            let read = bounded.read_until(b'\n', &mut bytes).await;
            let read = read.map_err(|error| Trouble {
                failure: Failure::new(FailureKind::Unreachable, self.what()).caused_by(&error),
                passes: true,
            })?;
            if read == 0 {
                return Ok(true);
            }
            let mut line = bytes.as_slice();
            if begins && self.params.timestamps {
                let (time, rest) = timed(line);
                line = rest;
                // Times are asked for in whole seconds: what was told already comes again.
                told = !(time.is_some() && time <= resumed);
                self.last = self.last.max(time);
            }
            begins = bytes.ends_with(b"\n");
            let line = LogLine {
                replica: self.pod.clone(),
                text: text(line),
            };
            if told && self.lines.send(Ok(line)).await.is_err() {
                return Ok(false);
            }
        }
    }

    /// Whether the run that is read has not ended.
    async fn still_runs(&self, api: &Api<Pod>) -> Result<bool, Trouble> {
        let pod = self.cluster.answer(api.get_opt(&self.pod)).await;
        let pod = pod.map_err(|error| self.trouble(&error))?;
        let container = self.params.container.as_deref().unwrap_or_default();
        Ok(pod.is_some_and(|pod| {
            run(&pod, container, self.params.previous).as_ref() == Some(&self.run)
                && is_running(&pod, container)
        }))
    }

    fn trouble(&self, error: &kube::Error) -> Trouble {
        Trouble {
            failure: self.cluster.failure(self.what(), error),
            passes: passes(error),
        }
    }

    fn what(&self) -> String {
        format!("cannot read the log of pod {}", self.pod)
    }
}

/// What keeps a log from being read.
struct Trouble {
    failure: Failure,
    /// Whether it may pass.
    passes: bool,
}

/// Whether an error may pass: a lost connection, a server that is not there for a while. What a server answers to this
/// request as such stays so.
fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        _ => true,
    }
}

fn is_running(pod: &Pod, container: &str) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|s| s.container_statuses.as_ref());
    statuses.into_iter().flatten().any(|status| {
        status.name == container && status.state.as_ref().is_some_and(|s| s.running.is_some())
    })
}

/// A line's time and what follows it.
fn timed(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let Some(end) = line.iter().position(|byte| *byte == b' ') else {
        return (None, line);
    };
    let time = std::str::from_utf8(&line[..end]).ok();
    match time.and_then(|time| time.parse().ok()) {
        Some(time) => (Some(time), &line[end + 1..]),
        None => (None, line),
    }
}

/// A line without its end. Not every server writes UTF-8.
fn text(bytes: &[u8]) -> String {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

/// The container that is meant when none is named.
pub(crate) fn container(pod: &Pod) -> Option<String> {
    let named = pod
        .metadata
        .annotations
        .as_ref()
        .and_then(|a| a.get(DEFAULT_CONTAINER))
        .cloned();
    named.or_else(|| {
        pod.spec
            .as_ref()?
            .containers
            .first()
            .map(|c| c.name.clone())
    })
}

/// Identity of the container's run that is meant, once there is one.
fn run(pod: &Pod, container: &str, previous: bool) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses.iter().find(|status| status.name == container)?;
    let state = status.state.as_ref()?;
    let begun = state.running.is_some() || state.terminated.is_some();
    let restarted = status.restart_count > 0;
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    (restarted || (begun && !previous)).then(|| format!("{uid}/{}", status.restart_count))
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "json! literals read best as arguments"
)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(state: Value, restarts: u32) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "uid": "u", "annotations": {DEFAULT_CONTAINER: "server"}},
            "spec": {"containers": [{"name": "side"}, {"name": "server"}]},
            "status": {"containerStatuses": [{"name": "server", "image": "", "imageID": "", "ready": false,
                "restartCount": restarts, "state": state}]},
        }))
        .unwrap()
    }

    #[test]
    fn what_may_pass() {
        for (code, expected) in [
            (400, false),
            (403, false),
            (404, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            let status = kube::core::Status {
                code,
                ..kube::core::Status::default()
            };
            let error = kube::Error::Api(status.boxed());
            assert_eq!(passes(&error), expected, "{code}");
        }
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(passes(&kube::Error::Service(Box::new(lost))));
    }

    #[test]
    fn a_run_is_read_once_it_began() {
        let running = pod(json!({"running": {}}), 0);
        assert_eq!(container(&running).as_deref(), Some("server"));
        assert_eq!(run(&running, "server", false).as_deref(), Some("u/0"));
        assert_eq!(run(&pod(json!({"waiting": {}}), 0), "server", false), None);
        assert_eq!(
            run(&pod(json!({"waiting": {}}), 2), "server", false).as_deref(),
            Some("u/2")
        );
        assert_eq!(run(&running, "side", false), None);
        assert_eq!(run(&running, "server", true), None);
        let again = pod(json!({"running": {}}), 1);
        assert_eq!(run(&again, "server", true).as_deref(), Some("u/1"));
    }

    #[test]
    fn lines_are_told_without_their_ends() {
        for (bytes, expected) in [
            (b"a b\n".as_slice(), "a b"),
            (b"a\r\n", "a"),
            (b"no end", "no end"),
            (b"\xff\n", "\u{fffd}"),
            (b"\n", ""),
        ] {
            assert_eq!(text(bytes), expected);
        }
    }

    #[test]
    fn times_are_taken_from_lines() {
        let time: Timestamp = "2026-11-23T12:00:00.5Z".parse().unwrap();
        for (line, expected) in [
            (
                "2026-11-23T12:00:00.500000000Z a b\n",
                (Some(time), "a b\n"),
            ),
            ("2026-11-23T13:00:00.5+01:00 \n", (Some(time), "\n")),
            ("no time\n", (None, "no time\n")),
            ("x", (None, "x")),
        ] {
            let (time, rest) = timed(line.as_bytes());
            assert_eq!((time, std::str::from_utf8(rest).unwrap()), expected);
        }
    }

    #[test]
    fn a_stream_goes_on_only_while_the_container_runs() {
        assert!(is_running(&pod(json!({"running": {}}), 0), "server"));
        assert!(!is_running(&pod(json!({"running": {}}), 0), "side"));
        assert!(!is_running(
            &pod(json!({"terminated": {"exitCode": 0}}), 0),
            "server"
        ));
    }

    #[test]
    fn an_empty_answer_has_a_reason() {
        let why = |pods: &[Pod], previous| {
            nothing_to_read(pods, previous, "x")
                .err()
                .map(|failure| failure.why.join(";"))
        };
        let running = [pod(json!({"running": {}}), 0)];
        assert_eq!(why(&[], false).as_deref(), Some("the server has no pods"));
        assert_eq!(why(&running, false), None);
        assert!(why(&running, true).unwrap().contains("no previous run"));
        assert!(
            why(&[pod(json!({"waiting": {}}), 0)], false)
                .unwrap()
                .contains("has started yet")
        );
    }
}
