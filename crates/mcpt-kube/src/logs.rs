//! Log lines of all pods of a release as one stream, with pods that come while it is followed.

mod container;
mod line;
mod reader;

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::ListParams,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use mcpt_core::{Failure, FailureKind, LogLine, LogOptions, Logs, ServerName};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::Instant,
};

pub(crate) use self::container::container;
use self::{container::Run, reader::Reader};
use crate::{cluster::Cluster, watch::refused};

/// Lines that may wait for a slow reader.
const BUFFER: usize = 256;

/// Opens the stream for the pods of a server, which match `selector`.
pub(crate) async fn open(
    cluster: &Cluster,
    server: &ServerName,
    selector: &str,
    options: &LogOptions,
    what: &str,
) -> Result<Logs, Failure> {
    let labelled = ListParams::default().labels(selector);
    let pods: Vec<Pod> = cluster.list(labelled, what).await?;
    if !options.follow {
        nothing_to_read(cluster, &pods, server, options.previous, what)?;
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
fn nothing_to_read(
    cluster: &Cluster,
    pods: &[Pod],
    server: &ServerName,
    previous: bool,
    what: &str,
) -> Result<(), Failure> {
    let none = |why: &str| {
        Err(Failure::new(FailureKind::NotFound, what)
            .because(why)
            .hint(format!(
                "{} shows what its pods do",
                cluster.command(&format!("status {server}"))
            )))
    };
    let readable =
        |pod: &Pod| container(pod).is_some_and(|name| Run::of(pod, &name, previous).is_some());
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
    lines: mpsc::Sender<Result<LogLine, Failure>>,
    /// By the pod's uid.
    latest: HashMap<String, Latest>,
    readers: JoinSet<Option<Failure>>,
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
                        let what = "cannot watch for new pods";
                        let failure = self.cluster.watch_failure(what, &error);
                        // Lost connections are taken up again; what is refused stays so.
                        if refused(&error) {
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
    use crate::scripted;

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
            let server = ServerName::new("demo").unwrap();
            let options = LogOptions::default();
            let logs = open(&cluster, &server, "a=b", &options, "x").await.unwrap();
            let lines: Vec<_> = logs.lines.collect().await;
            let texts = lines.iter().map(|l| Some(l.as_ref().ok()?.text.as_str()));
            assert_eq!(texts.collect::<Vec<_>>(), told, "{lines:?}");
        }
    }

    #[tokio::test]
    async fn an_empty_answer_has_a_reason() {
        let cluster = scripted::cluster(|_, _| unreachable!());
        let why = |pods: &[Pod], previous| {
            let server = ServerName::new("demo").unwrap();
            let failure = nothing_to_read(&cluster, pods, &server, previous, "x").err()?;
            assert_eq!(
                failure.hint.as_deref(),
                Some("mcpt -b kubernetes -n ns status demo shows what its pods do")
            );
            Some(failure.why.join(";"))
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
