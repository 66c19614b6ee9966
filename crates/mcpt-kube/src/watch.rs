//! Watching one release's workload: four watches, one picture of it.

use std::{collections::BTreeMap, fmt::Debug};

use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{BoxStream, SelectAll},
};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Event, Pod},
};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use mcpt_core::{Failure, Progress, ProgressEvent};
use serde::de::DeserializeOwned;

use crate::{cluster::Cluster, rollout::Observed};

/// Objects of one kind as a watch tells them. A watch that had to begin anew sends everything again; what it no longer
/// sends is gone, but not before its list is complete.
#[derive(Debug)]
struct Store<K> {
    objects: BTreeMap<String, K>,
    listing: Option<BTreeMap<String, K>>,
    /// A list was complete once.
    known: bool,
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            listing: None,
            known: false,
        }
    }
}

impl<K: Resource> Store<K> {
    /// Takes one event; true when the picture may have changed.
    fn take(&mut self, event: watcher::Event<K>) -> bool {
        let uid = |object: &K| object.meta().uid.clone().unwrap_or_default();
        match event {
            watcher::Event::Init => {
                self.listing = Some(BTreeMap::new());
                false
            }
            watcher::Event::InitApply(object) => {
                self.listing
                    .get_or_insert_default()
                    .insert(uid(&object), object);
                false
            }
            watcher::Event::InitDone => {
                self.objects = self.listing.take().unwrap_or_default();
                self.known = true;
                true
            }
            watcher::Event::Apply(object) => {
                self.objects.insert(uid(&object), object);
                true
            }
            watcher::Event::Delete(object) => self.objects.remove(&uid(&object)).is_some(),
        }
    }
}

enum Change {
    Deployment(watcher::Result<watcher::Event<Deployment>>),
    ReplicaSet(watcher::Result<watcher::Event<ReplicaSet>>),
    Pod(watcher::Result<watcher::Event<Pod>>),
    Event(watcher::Result<watcher::Event<Event>>),
}

/// The running watches of one Deployment, its replica sets, its pods, and the namespace's warnings.
pub(crate) struct Watch<'a> {
    cluster: &'a Cluster,
    progress: &'a dyn Progress,
    name: String,
    selector: String,
    streaming: bool,
    changes: SelectAll<BoxStream<'static, Change>>,
    deployments: Store<Deployment>,
    replica_sets: Store<ReplicaSet>,
    pods: Store<Pod>,
    events: Store<Event>,
    told_events_forbidden: bool,
}

impl<'a> Watch<'a> {
    /// Begins to watch the Deployment `name`, whose pods match `selector`.
    pub(crate) fn new(
        cluster: &'a Cluster,
        name: &str,
        selector: &str,
        progress: &'a dyn Progress,
    ) -> Self {
        let mut watch = Self {
            cluster,
            progress,
            name: name.to_owned(),
            selector: selector.to_owned(),
            streaming: cluster.version.streams_lists(),
            changes: SelectAll::new(),
            deployments: Store::default(),
            replica_sets: Store::default(),
            pods: Store::default(),
            events: Store::default(),
            told_events_forbidden: false,
        };
        watch.begin();
        watch
    }

    fn begin(&mut self) {
        let base = if self.streaming {
            watcher::Config::default().streaming_lists()
        } else {
            watcher::Config::default()
        };
        let labelled = base.clone().labels(&self.selector);
        let named = base.clone().fields(&format!("metadata.name={}", self.name));
        // Warnings only: normal events of a busy namespace are many and say nothing that statuses do not.
        let warnings = base.fields("type=Warning");
        let cluster = self.cluster;
        self.changes = SelectAll::new();
        self.changes
            .push(stream(cluster.api(), named).map(Change::Deployment).boxed());
        self.changes.push(
            stream(cluster.api(), labelled.clone())
                .map(Change::ReplicaSet)
                .boxed(),
        );
        self.changes
            .push(stream(cluster.api(), labelled).map(Change::Pod).boxed());
        self.changes
            .push(stream(cluster.api(), warnings).map(Change::Event).boxed());
    }

    /// Waits for the next change of the picture and takes all others that are there already. There is no picture before the
    /// Deployment is known.
    ///
    /// # Errors
    /// When the API server refuses a watch for good. Lost connections are taken up again by the watches themselves.
    pub(crate) async fn changed(&mut self) -> Result<(), Failure> {
        let mut changed = false;
        while !changed {
            let Some(change) = self.changes.next().await else {
                // Watches never end by themselves.
                return std::future::pending().await;
            };
            changed |= self.take(change)?;
            changed &= self.deployments.known;
        }
        while let Some(Some(change)) = self.changes.next().now_or_never() {
            self.take(change)?;
        }
        Ok(())
    }

    /// The picture as of now.
    pub(crate) fn observed(&self) -> Observed {
        Observed {
            deployment: self.deployments.objects.values().next().cloned(),
            replica_sets: self.replica_sets.objects.clone(),
            pods: self.pods.objects.clone(),
            events: self.events.objects.clone(),
        }
    }

    fn take(&mut self, change: Change) -> Result<bool, Failure> {
        let error = match change {
            Change::Deployment(Ok(event)) => return Ok(self.deployments.take(event)),
            Change::ReplicaSet(Ok(event)) => return Ok(self.replica_sets.take(event)),
            Change::Pod(Ok(event)) => return Ok(self.pods.take(event)),
            Change::Event(Ok(event)) => return Ok(self.events.take(event)),
            Change::Event(Err(error)) if refused(&error) => {
                // Events only add words to causes that statuses name as well.
                if !std::mem::replace(&mut self.told_events_forbidden, true) {
                    let failure = self.cluster.watch_failure("cannot watch events", &error);
                    self.progress
                        .event(ProgressEvent::Warning(failure.to_string()));
                }
                return Ok(false);
            }
            Change::Deployment(Err(error))
            | Change::ReplicaSet(Err(error))
            | Change::Pod(Err(error))
            | Change::Event(Err(error)) => error,
        };
        if self.streaming && streaming_unknown(&error) {
            self.streaming = false;
            self.begin();
            return Ok(false);
        }
        let failure = self
            .cluster
            .watch_failure("cannot watch the rollout", &error);
        if refused(&error) {
            return Err(failure);
        }
        tracing::debug!(%failure, "watch interrupted");
        Ok(false)
    }
}

fn stream<K>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config).default_backoff()
}

/// Waits until the object of exactly this uid is gone; another one by its name may be there then. Lost connections are taken
/// up again.
///
/// # Errors
/// When the API server refuses the watch for good.
pub(crate) async fn gone<K>(
    cluster: &Cluster,
    api: Api<K>,
    name: &str,
    uid: &str,
    what: &str,
) -> Result<(), Failure>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut changes = watcher::watch_object(api, name).default_backoff().boxed();
    loop {
        match changes.next().await {
            Some(Ok(Some(object))) if object.meta().uid.as_deref() == Some(uid) => {}
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => {
                let failure = cluster.watch_failure(what, &error);
                if refused(&error) {
                    return Err(failure);
                }
                tracing::debug!(%failure, "watch interrupted");
            }
            // Watches never end by themselves.
            None => return std::future::pending().await,
        }
    }
}

fn status_code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error as E;
    match error {
        E::InitialListFailed(e) | E::WatchStartFailed(e) | E::WatchFailed(e) => match e {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        },
        E::WatchError(status) => Some(status.code),
        E::NoResourceVersion => None,
    }
}

/// Whether asking again is in vain.
pub(crate) fn refused(error: &watcher::Error) -> bool {
    status_code(error).is_some_and(refusal)
}

/// Whether an answer of the API server is final; others may pass.
pub(crate) fn refusal(code: u16) -> bool {
    matches!(code, 401 | 403 | 404 | 405)
}

/// Whether the API server does not know watches that begin with a list.
fn streaming_unknown(error: &watcher::Error) -> bool {
    matches!(status_code(error), Some(400 | 422))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str) -> Pod {
        serde_json::from_value(serde_json::json!({"metadata": {"name": uid, "uid": uid}})).unwrap()
    }

    #[test]
    fn a_new_list_replaces_the_old_only_when_it_is_complete() {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        let mut store = Store::<Pod>::default();
        for (event, changed, present) in vec![
            (Init, false, ""),
            (InitApply(pod("a")), false, ""),
            (InitDone, true, "a"),
            (Apply(pod("b")), true, "ab"),
            (Delete(pod("c")), false, "ab"),
            (Init, false, "ab"),
            (InitApply(pod("b")), false, "ab"),
            (InitDone, true, "b"),
            (Delete(pod("b")), true, ""),
        ] {
            assert_eq!(store.take(event), changed);
            assert_eq!(
                store.objects.keys().map(String::as_str).collect::<String>(),
                present
            );
        }
    }
}
