//! Watching one workload: four watches, one picture of it, which is kept and not made anew for each event.

use std::{collections::BTreeMap, fmt::Debug};

use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{BoxStream, SelectAll},
};
use jiff::Timestamp;
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
use kube_access::{Cluster, Error, Progress, refused, status_code};
use serde::de::DeserializeOwned;

use crate::rollout::Observed;

/// How far the list of a kind is. A watch that had to begin anew sends everything again; what it no longer sends is gone, but
/// not before its list is complete.
#[derive(Debug)]
struct Listing<K> {
    /// What the list has so far, while one is under way.
    begun: Option<BTreeMap<String, K>>,
    /// A list was complete once.
    known: bool,
}

impl<K> Default for Listing<K> {
    fn default() -> Self {
        Self {
            begun: None,
            known: false,
        }
    }
}

impl<K: Resource> Listing<K> {
    /// Takes one event into what is known; true when that may have changed.
    fn take(&mut self, event: watcher::Event<K>, objects: &mut BTreeMap<String, K>) -> bool {
        let uid = |object: &K| object.meta().uid.clone().unwrap_or_default();
        match event {
            watcher::Event::Init => {
                self.begun = Some(BTreeMap::new());
                false
            }
            watcher::Event::InitApply(object) => {
                let begun = self.begun.get_or_insert_default();
                begun.insert(uid(&object), object);
                false
            }
            watcher::Event::InitDone => {
                *objects = self.begun.take().unwrap_or_default();
                self.known = true;
                true
            }
            watcher::Event::Apply(object) => {
                objects.insert(uid(&object), object);
                true
            }
            watcher::Event::Delete(object) => objects.remove(&uid(&object)).is_some(),
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
    deployments: Listing<Deployment>,
    replica_sets: Listing<ReplicaSet>,
    pods: Listing<Pod>,
    events: Listing<Event>,
    /// The Deployment by its uid; another one may have come in its place.
    named: BTreeMap<String, Deployment>,
    observed: Observed,
    told_events_forbidden: bool,
}

impl<'a> Watch<'a> {
    /// Begins to watch the Deployment `name`, whose pods match `selector`.
    pub(crate) fn new(
        cluster: &'a Cluster,
        name: &str,
        selector: &str,
        since: Option<Timestamp>,
        progress: &'a dyn Progress,
    ) -> Self {
        let mut watch = Self {
            cluster,
            progress,
            name: name.to_owned(),
            selector: selector.to_owned(),
            streaming: cluster.version.streams_lists(),
            changes: SelectAll::new(),
            deployments: Listing::default(),
            replica_sets: Listing::default(),
            pods: Listing::default(),
            events: Listing::default(),
            named: BTreeMap::new(),
            observed: Observed {
                since,
                ..Observed::default()
            },
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
    pub(crate) async fn changed(&mut self) -> Result<(), Error> {
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
    pub(crate) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// The picture as of now, when no more is to come.
    pub(crate) fn into_observed(self) -> Observed {
        self.observed
    }

    fn take(&mut self, change: Change) -> Result<bool, Error> {
        let observed = &mut self.observed;
        let error = match change {
            Change::Deployment(Ok(event)) => {
                let changed = self.deployments.take(event, &mut self.named);
                if changed {
                    observed.deployment = self.named.values().next().cloned();
                }
                return Ok(changed);
            }
            Change::ReplicaSet(Ok(event)) => {
                return Ok(self.replica_sets.take(event, &mut observed.replica_sets));
            }
            Change::Pod(Ok(event)) => return Ok(self.pods.take(event, &mut observed.pods)),
            Change::Event(Ok(event)) => {
                return Ok(self.events.take(event, &mut observed.events));
            }
            Change::Event(Err(error)) if refused(&error) => {
                // Events only add words to causes that statuses name as well.
                if !std::mem::replace(&mut self.told_events_forbidden, true) {
                    let error = self.cluster.watch_error(error);
                    self.progress
                        .warning(format!("cannot watch events: {error}"));
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
        let is_refused = refused(&error);
        let error = self.cluster.watch_error(error);
        if is_refused {
            return Err(error);
        }
        tracing::debug!(%error, "watch interrupted");
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
        let mut listing = Listing::<Pod>::default();
        let mut objects = BTreeMap::new();
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
            assert_eq!(listing.take(event, &mut objects), changed);
            assert_eq!(
                objects.keys().map(String::as_str).collect::<String>(),
                present
            );
        }
    }
}
