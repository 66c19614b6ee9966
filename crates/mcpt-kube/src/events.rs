//! The events of a server, in the words of all backends.

use futures_util::{FutureExt, StreamExt, stream};
use helm_install::{Record, manifest};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Event,
};
use kube::{ResourceExt, api::ListParams, core::ObjectMeta};
use kube_observe::{Subjects, follow, seen, sort};
use mcpt_core::{EventStream, Failure, ServerEvent, ServerName};

use crate::{
    absent::no_server,
    backend,
    cluster::Cluster,
    failure::{OrFail as _, failure},
    release_kind::ReleaseKind,
    server::ReleaseFacts,
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

fn to_the_second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

/// What the events of a release may be about: all that its records have or had, and its Deployment, in a namespace with these
/// replica sets.
pub(crate) fn subjects(
    records: &[Record],
    deployment: Option<&Deployment>,
    sets: &[ObjectMeta],
) -> Subjects {
    let mut bodies = Vec::new();
    for record in records {
        let hooks = record.release.hooks.iter().map(|hook| &hook.manifest);
        for text in hooks.chain([&record.release.manifest]) {
            match manifest::parse(text) {
                Ok(objects) => bodies.extend(objects.into_iter().map(|object| object.body)),
                Err(error) => tracing::debug!(%error, "events of a revision are not known"),
            }
        }
    }
    let created = |metadata: &ObjectMeta| Some(metadata.creation_timestamp.as_ref()?.0);
    let metadata = records.iter().map(|record| &record.metadata);
    let metadata = metadata.chain(deployment.map(|d| &d.metadata));
    let since = metadata.filter_map(created).min();
    let name = deployment.map(ResourceExt::name_any);
    Subjects::new(&bodies, name.as_deref(), sets, since)
}

/// The events of a server, and those to come with `follow`.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when there is none of that name.
pub(crate) async fn open(
    cluster: &Cluster,
    name: &ServerName,
    following: bool,
) -> Result<EventStream, Failure> {
    let what = format!("cannot read the events of {name}");
    let release = Release {
        cluster: cluster.clone(),
        name: name.clone(),
        what: what.clone(),
    };
    let Some(subjects) = release.subjects().await? else {
        return Err(no_server(cluster, name, &what).await);
    };
    if following {
        let reread = Box::new(move || {
            let release = release.clone();
            async move { release.subjects_now().await }.boxed()
        });
        let events = follow(cluster, subjects, reread);
        let events = events.map(move |event| match event {
            Ok(event) => Ok(told(&event)),
            Err(error) => Err(failure(&what, &error)),
        });
        return Ok(events.boxed());
    }
    let all = cluster.list::<Event>(ListParams::default(), &what);
    let mut events: Vec<Event> = all.await?;
    events.retain(|event| subjects.has(event));
    sort(&mut events);
    let told = events.iter().map(told).map(Ok).collect::<Vec<_>>();
    Ok(stream::iter(told).boxed())
}

/// The release whose events are read.
#[derive(Debug, Clone)]
struct Release {
    cluster: Cluster,
    name: ServerName,
    what: String,
}

impl Release {
    /// Its objects as of now; `None` when there is no such server.
    async fn subjects(&self) -> Result<Option<Subjects>, Failure> {
        let cluster = &self.cluster;
        let records = cluster.records(self.name.as_str());
        let (records, deployment, sets) = futures_util::try_join!(
            async { records.all().await.or_fail(cluster, &self.what) },
            backend::deployment(cluster, ReleaseKind::Server, &self.name, &self.what),
            cluster.list_metadata::<ReplicaSet>(ListParams::default(), &self.what),
        )?;
        let ours = records
            .last()
            .is_some_and(|last| ReleaseFacts::of(last).of_mcpt);
        if deployment.is_none() && !ours {
            return Ok(None);
        }
        Ok(Some(subjects(&records, deployment.as_ref(), &sets)))
    }

    /// As [`Self::subjects`]; `None` as well when they cannot be read now.
    async fn subjects_now(&self) -> Option<Subjects> {
        match self.subjects().await {
            Ok(now) => Some(now.unwrap_or_default()),
            Err(failure) => {
                tracing::debug!(%failure, "the release cannot be read now");
                None
            }
        }
    }
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
