//! What the cluster tells about the objects of one release, those that are gone included: in what order, and what is to come.

mod subjects;

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::{StreamExt, stream, stream::BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Event};
use kube::{
    Api, ResourceExt,
    api::ListParams,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use mcpt_core::{EventStream, Failure, ServerEvent, ServerName};

use self::subjects::Subject;
pub(crate) use self::subjects::Subjects;
use crate::{
    absent::no_server, backend, cluster::Cluster, records::Records, release_kind::ReleaseKind,
    rollout::last_seen, watch,
};

/// An event in the words of all backends.
pub(crate) fn told(event: &Event) -> ServerEvent {
    let object = &event.involved_object;
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    let series = event.series.as_ref().and_then(|series| series.count);
    ServerEvent {
        time: seen(event).map_or_else(String::new, to_the_second),
        warning: event.type_.as_deref() == Some("Warning"),
        reason: part(&event.reason),
        object: format!("{}/{}", part(&object.kind), part(&object.name)),
        message: part(&event.message).trim().to_owned(),
        count: series
            .or(event.count)
            .and_then(|count| u32::try_from(count).ok())
            .map_or(1, |count| count.max(1)),
    }
}

fn seen(event: &Event) -> Option<Timestamp> {
    last_seen(event).or_else(|| Some(event.metadata.creation_timestamp.as_ref()?.0))
}

fn to_the_second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

/// The oldest first. Most writers tell no fractions of seconds; within one second the order is that in which the API server
/// stored them.
pub(crate) fn sort(events: &mut [Event]) {
    events.sort_by_key(|event| {
        let version = event.metadata.resource_version.as_deref();
        let stored: u64 = version.and_then(|v| v.parse().ok()).unwrap_or_default();
        (seen(event).map(Timestamp::as_second), stored)
    });
}

/// The events of a server, and those to come with `follow`.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when there is none of that name.
pub(crate) async fn open(
    cluster: &Cluster,
    name: &ServerName,
    follow: bool,
) -> Result<EventStream, Failure> {
    let what = format!("cannot read the events of {name}");
    let release = Release {
        cluster: cluster.clone(),
        name: name.clone(),
        what,
    };
    let Some(subjects) = release.subjects().await? else {
        return Err(no_server(cluster, name, &release.what).await);
    };
    if follow {
        return Ok(Follower::start(release, subjects));
    }
    let all = cluster.list::<Event>(ListParams::default(), &release.what);
    let mut events: Vec<Event> = all.await?;
    events.retain(|event| subjects.has(event));
    sort(&mut events);
    let told = events.iter().map(told).map(Ok).collect::<Vec<_>>();
    Ok(stream::iter(told).boxed())
}

/// The release whose events are read.
struct Release {
    cluster: Cluster,
    name: ServerName,
    what: String,
}

impl Release {
    /// Its objects as of now; `None` when there is no such server.
    async fn subjects(&self) -> Result<Option<Subjects>, Failure> {
        let cluster = &self.cluster;
        let records = Records::new(cluster.clone(), self.name.as_str());
        let (records, deployment, sets) = futures_util::try_join!(
            records.all(&self.what),
            backend::deployment(cluster, ReleaseKind::Server, &self.name, &self.what),
            cluster.list_metadata::<ReplicaSet>(ListParams::default(), &self.what),
        )?;
        let ours = records.last().is_some_and(|last| last.facts().of_mcpt);
        if deployment.is_none() && !ours {
            return Ok(None);
        }
        Ok(Some(Subjects::new(&records, deployment.as_ref(), &sets)))
    }
}

/// Tells events as they come. The watch begins with those that are there, and after an interruption sends all again.
struct Follower {
    release: Release,
    subjects: Subjects,
    changes: BoxStream<'static, watcher::Result<watcher::Event<Event>>>,
    /// Events that were told, by uid, with their version then.
    told: HashMap<String, String>,
    /// What the watch has sent since it began anew.
    listing: Vec<Event>,
    /// What was looked up, whether it is the release's or not.
    looked_up: HashSet<Subject>,
}

impl Follower {
    fn start(release: Release, subjects: Subjects) -> EventStream {
        let api: Api<Event> = release.cluster.api();
        let base = watcher::Config::default();
        let config = if release.cluster.version.streams_lists() {
            base.streaming_lists()
        } else {
            base
        };
        let follower = Self {
            changes: watcher(api, config).default_backoff().boxed(),
            release,
            subjects,
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
                Err(failure) => Some((stream::iter(vec![Err(failure)]), None)),
            }
        })
        .flatten()
        .boxed()
    }

    /// Waits for events that were not told yet.
    async fn next(&mut self) -> Result<Vec<ServerEvent>, Failure> {
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
                    let what = self.release.what.clone();
                    let failure = self.release.cluster.watch_failure(what, &error);
                    if watch::refused(&error) {
                        return Err(failure);
                    }
                    tracing::debug!(%failure, "watch interrupted");
                    continue;
                }
            };
            self.look_up(&fresh).await;
            fresh.retain(|event| self.subjects.has(event) && is_new(&mut self.told, event));
            sort(&mut fresh);
            let lines: Vec<_> = fresh.iter().map(told).collect();
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
    }

    /// Reads the release anew when events are about what may have come to it since it was read: once for all of these, and never
    /// again for the same.
    async fn look_up(&mut self, events: &[Event]) {
        let unknown = events.iter().filter_map(|e| self.subjects.unknown(e));
        let unknown: Vec<_> = unknown.filter(|s| !self.looked_up.contains(s)).collect();
        if unknown.is_empty() {
            return;
        }
        match self.release.subjects().await {
            Ok(now) => {
                // While it is being deleted, what is known stays its own.
                self.subjects.extend(now.unwrap_or_default());
                self.looked_up.extend(unknown);
            }
            Err(failure) => tracing::debug!(%failure, "the release cannot be read now"),
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

/// The warnings among events, as [`crate::rollout::Observed`] has them.
pub(crate) fn warnings(events: &[Event]) -> BTreeMap<String, Event> {
    let warnings = events
        .iter()
        .filter(|e| e.type_.as_deref() == Some("Warning"));
    warnings
        .map(|event| (event.uid().unwrap_or_default(), event.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, name: &str, time: &str) -> Event {
        serde_json::from_value(json!({
            "metadata": {"name": format!("{name}.1"), "uid": name}, "type": "Normal", "reason": "Pulled", "message": " m\n",
            "involvedObject": {"kind": kind, "name": name}, "lastTimestamp": time, "count": 3,
        }))
        .unwrap()
    }

    #[test]
    fn events_are_told_in_order() {
        let mut events = [
            event("Pod", "late", "2026-01-01T00:00:02Z"),
            event("Pod", "early", "2026-01-01T00:00:01Z"),
        ];
        sort(&mut events);
        let told = told(&events[0]);
        assert_eq!(
            (told.object.as_str(), told.message.as_str(), told.count),
            ("Pod/early", "m", 3)
        );
        assert_eq!(told.time, "2026-01-01T00:00:01Z");
    }

    #[test]
    fn newer_writers_use_other_fields() {
        let event: Event = serde_json::from_value(json!({
            "metadata": {}, "type": "Warning", "eventTime": "2026-01-01T00:00:01.500000Z",
            "series": {"count": 7, "lastObservedTime": "2026-01-01T00:01:00.000000Z"},
            "involvedObject": {"kind": "Pod", "name": "p"},
        }))
        .unwrap();
        let told = told(&event);
        assert_eq!((told.warning, told.count), (true, 7));
        assert_eq!(told.time, "2026-01-01T00:01:00Z");
    }
}
