//! What the cluster tells about the objects of a workload: in what order, and what is to come.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use futures_util::{StreamExt, future::BoxFuture, stream, stream::BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use kube_access::{Cluster, Error, refused};

use crate::{
    rollout::last_seen,
    subjects::{Subject, Subjects},
};

/// When an event happened last, or was written.
pub fn seen(event: &Event) -> Option<Timestamp> {
    last_seen(event).or_else(|| Some(event.metadata.creation_timestamp.as_ref()?.0))
}

/// The oldest first. Most writers tell no fractions of seconds; within one second the order is that in which the API server
/// stored them.
pub fn sort(events: &mut [Event]) {
    events.sort_by_key(|event| {
        let version = event.metadata.resource_version.as_deref();
        let stored: u64 = version.and_then(|v| v.parse().ok()).unwrap_or_default();
        (seen(event).map(Timestamp::as_second), stored)
    });
}

/// The warnings among events, as [`crate::Observed`] has them.
pub fn warnings(events: &[Event]) -> BTreeMap<String, Event> {
    let warnings = events
        .iter()
        .filter(|e| e.type_.as_deref() == Some("Warning"));
    warnings
        .map(|event| (event.uid().unwrap_or_default(), event.clone()))
        .collect()
}

/// Events as they come.
pub type EventStream = BoxStream<'static, Result<Event, Error>>;

/// Reads anew what belongs to the workload; `None` when that cannot be told now.
pub type Reread = Box<dyn Fn() -> BoxFuture<'static, Option<Subjects>> + Send + Sync>;

/// Events about the subjects, those that are there and those to come. When one is about what may have come to the workload since,
/// that is read anew.
pub fn follow(cluster: &Cluster, subjects: Subjects, reread: Reread) -> EventStream {
    let api: Api<Event> = cluster.api();
    let base = watcher::Config::default();
    let config = if cluster.version.streams_lists() {
        base.streaming_lists()
    } else {
        base
    };
    let follower = Follower {
        changes: watcher(api, config).default_backoff().boxed(),
        cluster: cluster.clone(),
        subjects,
        reread,
        told: HashMap::new(),
        listing: Vec::new(),
        looked_up: HashSet::new(),
    };
    stream::unfold(Some(follower), |follower| async move {
        let mut follower = follower?;
        match Box::pin(follower.next()).await {
            Ok(events) => {
                let events: Vec<_> = events.into_iter().map(Ok).collect();
                Some((stream::iter(events), Some(follower)))
            }
            Err(error) => Some((stream::iter(vec![Err(error)]), None)),
        }
    })
    .flatten()
    .boxed()
}

/// Tells events as they come. The watch begins with those that are there, and after an interruption sends all again.
struct Follower {
    cluster: Cluster,
    subjects: Subjects,
    reread: Reread,
    changes: BoxStream<'static, watcher::Result<watcher::Event<Event>>>,
    /// Events that were told, by uid, with their version then.
    told: HashMap<String, String>,
    /// What the watch has sent since it began anew.
    listing: Vec<Event>,
    /// What was looked up, whether it is the workload's or not.
    looked_up: HashSet<Subject>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}

impl Follower {
    /// Waits for events that were not told yet.
    async fn next(&mut self) -> Result<Vec<Event>, Error> {
        loop {
            let Some(change) = self.changes.next().await else {
                // Watches never end by themselves.
                return std::future::pending().await;
            };
            let mut fresh = match change {
                Ok(watcher::Event::Init) => {
                    self.listing.clear();
                    continue;
                }
                Ok(watcher::Event::InitApply(event)) => {
                    self.listing.push(event);
                    continue;
                }
                Ok(watcher::Event::InitDone) => std::mem::take(&mut self.listing),
                Ok(watcher::Event::Apply(event)) => vec![event],
                Ok(watcher::Event::Delete(event)) => {
                    self.told.remove(&event.uid().unwrap_or_default());
                    continue;
                }
                Err(error) => {
                    let is_refused = refused(&error);
                    let error = self.cluster.watch_error(error);
                    if is_refused {
                        return Err(error);
                    }
                    tracing::debug!(%error, "watch interrupted");
                    continue;
                }
            };
            self.look_up(&fresh).await;
            fresh.retain(|event| self.subjects.has(event) && is_new(&mut self.told, event));
            sort(&mut fresh);
            if !fresh.is_empty() {
                return Ok(fresh);
            }
        }
    }

    /// Reads the workload anew when events are about what may have come to it since it was read: once for all of these, and never
    /// again for the same.
    async fn look_up(&mut self, events: &[Event]) {
        let unknown = events.iter().filter_map(|e| self.subjects.unknown(e));
        let unknown: Vec<_> = unknown.filter(|s| !self.looked_up.contains(s)).collect();
        if unknown.is_empty() {
            return;
        }
        if let Some(now) = (self.reread)().await {
            // While it is being deleted, what is known stays its own.
            self.subjects.extend(now);
            self.looked_up.extend(unknown);
        }
    }
}

/// Whether an event was not told in this version; notes that it is.
fn is_new(told: &mut HashMap<String, String>, event: &Event) -> bool {
    let version = event.resource_version().unwrap_or_default();
    let uid = event.uid().unwrap_or_default();
    let before = told.insert(uid, version.clone());
    before.as_ref() != Some(&version)
}
