//! Log lines of all pods of a workload as one stream, with pods that come while it is followed.

mod container;
mod line;
mod reader;

use std::collections::HashMap;

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::ListParams,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use kube_access::{Cluster, Error, refused};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::Instant,
};

pub use self::container::container;
use self::{container::Run, reader::Reader};

/// Lines that may wait for a slow reader.
const BUFFER: usize = 256;

/// Which lines to give.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Go on with new lines until the reader stops.
    pub follow: bool,
    /// Only the last lines of each pod.
    pub tail: Option<u32>,
    /// Only lines that were written since then.
    pub since: Option<Timestamp>,
    /// The run before the present one of each pod.
    pub previous: bool,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Pod that it came from.
    pub pod: String,
    /// Text without the line end.
    pub text: String,
}

/// What the pods write.
pub struct Logs {
    /// Whether there are several pods.
    pub several: bool,
    /// The lines.
    pub lines: BoxStream<'static, Result<LogLine, LogError>>,
}

/// Without the lines.
impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs")
            .field("several", &self.several)
            .finish_non_exhaustive()
    }
}

/// Why there are no lines, or no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// There are no pods.
    #[error("the server has no pods")]
    NoPods,
    /// The run before the present one is wanted, and there is none.
    #[error("none of its pods was restarted, so that there is no previous run")]
    NeverRestarted,
    /// No container has begun to run.
    #[error("none of its pods has started yet")]
    NotStarted,
    /// The pods cannot be listed.
    #[error(transparent)]
    List(Error),
    /// The log of a pod cannot be read.
    #[error("cannot read the log of pod {pod}: {source}")]
    Pod {
        /// The pod.
        pod: String,
        /// Why.
        source: Error,
    },
    /// New pods cannot be watched for.
    #[error("cannot watch for new pods: {0}")]
    Watch(Error),
}

/// Opens the logs of the pods that match `selector`.
///
/// # Errors
/// When the pods cannot be listed, or there is nothing to read and nothing to wait for.
pub async fn logs(
    cluster: &Cluster,
    selector: &str,
    options: &LogOptions,
) -> Result<Logs, LogError> {
    let labelled = ListParams::default().labels(selector);
    let pods: Vec<Pod> = cluster.list(labelled).await.map_err(LogError::List)?;
    if !options.follow {
        nothing_to_read(&pods, options.previous)?;
    }
    let (lines, reader) = mpsc::channel(BUFFER);
    let follower = Follower {
        cluster: cluster.clone(),
        options: options.clone(),
        lines,
        latest: HashMap::new(),
        readers: JoinSet::new(),
    };
    let several = pods.len() > 1;
    let task = tokio::spawn(follower.run(pods, selector.to_owned()));
    // The task ends when nobody reads any more.
    let stream = stream::unfold(
        (reader, AbortOnDrop(task.abort_handle())),
        |(mut reader, guard)| async move { reader.recv().await.map(|line| (line, (reader, guard))) },
    );
    Ok(Logs {
        several,
        lines: stream.boxed(),
    })
}

/// Refuses what would be an empty answer, with the reason why there is nothing.
fn nothing_to_read(pods: &[Pod], previous: bool) -> Result<(), LogError> {
    let readable =
        |pod: &Pod| container(pod).is_some_and(|name| Run::of(pod, &name, previous).is_some());
    if pods.is_empty() {
        Err(LogError::NoPods)
    } else if pods.iter().any(readable) {
        Ok(())
    } else if previous {
        Err(LogError::NeverRestarted)
    } else {
        Err(LogError::NotStarted)
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The latest run of a pod's container that is or was read.
struct Latest {
    run: Run,
    /// Ends with its reader.
    ended: oneshot::Receiver<()>,
    /// Dropped for a newer run, which tells the reader.
    _newer: watch::Sender<()>,
}

struct Follower {
    cluster: Cluster,
    options: LogOptions,
    lines: mpsc::Sender<Result<LogLine, LogError>>,
    /// By the pod's uid.
    latest: HashMap<String, Latest>,
    readers: JoinSet<Option<LogError>>,
}

impl Follower {
    async fn run(mut self, pods: Vec<Pod>, selector: String) {
        let tail = self.options.tail;
        for pod in &pods {
            self.read(pod, tail);
        }
        if !self.options.follow {
            // An update or a smaller number ends pods between the list and the look at their logs.
            let gone = self.readers.join_all().await;
            if gone.iter().all(Option::is_some)
                && let Some(failure) = gone.into_iter().flatten().next()
            {
                let _reader_is_gone = self.lines.send(Err(failure)).await;
            }
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
                        let is_refused = refused(&error);
                        let error = self.cluster.watch_error(error);
                        // Lost connections are taken up again; what is refused stays so.
                        if is_refused {
                            let error = LogError::Watch(error);
                            let _reader_is_gone = self.lines.send(Err(error)).await;
                            return;
                        }
                        tracing::debug!(%error, "watch of pods interrupted");
                    }
                    None => return,
                },
            }
        }
    }

    /// Begins to read the pod's present run, once; after the run before it was read to its end.
    fn read(&mut self, pod: &Pod, tail: Option<u32>) {
        let (Some(name), Some(container)) = (pod.metadata.name.clone(), container(pod)) else {
            return;
        };
        let Some(run) = Run::of(pod, &container, self.options.previous) else {
            // Not started: when followed, the watch tells when it is.
            return;
        };
        let known = self.latest.get(&run.pod);
        if known.is_some_and(|latest| latest.run.restarts >= run.restarts) {
            return;
        }
        let (tells_newer, newer) = watch::channel(());
        let (ended, end) = oneshot::channel();
        let latest = Latest {
            run: run.clone(),
            ended: end,
            _newer: tells_newer,
        };
        let before = self.latest.insert(run.pod.clone(), latest);
        let reader = Reader {
            cluster: self.cluster.clone(),
            lines: self.lines.clone(),
            pod: name,
            container,
            run,
            options: LogOptions {
                tail,
                ..self.options.clone()
            },
            before: before.map(|before| before.ended),
            newer,
            ended,
            opened: false,
            begun: Instant::now(),
        };
        self.readers.spawn(reader.run());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{container::tests::pod, *};
    use kube_access::scripted;

    #[tokio::test]
    async fn a_pod_that_goes_meanwhile_hides_no_others() {
        for (gone, told) in [(1, vec![Some("line")]), (2, vec![None])] {
            let cluster = scripted::cluster(move |request, _| {
                let of = |number: usize| request.contains(&format!("/pods/p{number}"));
                if request.contains("/pods?") {
                    let named = |number| {
                        let mut pod = pod(json!({"running": {}}), 0);
                        pod.metadata.name = Some(format!("p{number}"));
                        pod.metadata.uid = Some(format!("u{number}"));
                        pod
                    };
                    let list = json!({"metadata": {}, "items": [named(1), named(2)]});
                    (200, list.to_string())
                } else if (1..=gone).any(of) {
                    scripted::refusal(404, "NotFound")
                } else {
                    (200, "line\n".to_owned())
                }
            });
            let options = LogOptions::default();
            let opened = logs(&cluster, "a=b", &options).await.unwrap();
            let lines: Vec<_> = opened.lines.collect().await;
            let texts = lines.iter().map(|l| Some(l.as_ref().ok()?.text.as_str()));
            assert_eq!(texts.collect::<Vec<_>>(), told, "{lines:?}");
        }
    }

    #[test]
    fn an_empty_answer_has_a_reason() {
        let why = |pods: &[Pod], previous| nothing_to_read(pods, previous).err();
        let running = [pod(json!({"running": {}}), 0)];
        let waiting = [pod(json!({"waiting": {}}), 0)];
        assert!(matches!(why(&[], false), Some(LogError::NoPods)));
        assert!(why(&running, false).is_none());
        assert!(matches!(
            why(&running, true),
            Some(LogError::NeverRestarted)
        ));
        assert!(matches!(why(&waiting, false), Some(LogError::NotStarted)));
    }
}
