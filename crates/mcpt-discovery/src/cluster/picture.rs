//! [`Picture`]: all Services and slices as of now, and what each event changes for routing. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::{core::v1::Service as CoreService, discovery::v1::EndpointSlice};
use kube::{Resource, core::PartialObjectMeta, runtime::watcher};
use mcpt_routing::{Change, ServerKey, ServerSpec};

use super::{
    instances::{self, Service, Slice},
    starter::Workload,
};

/// An event of one of the two watches.
#[derive(Debug)]
pub(super) enum Event {
    Service(watcher::Event<PartialObjectMeta<CoreService>>),
    Slice(watcher::Event<EndpointSlice>),
}

/// Namespace and name.
type Id = (String, String);

/// What is known. Nothing is told before both lists were complete once.
#[derive(Debug, Default)]
pub(super) struct Picture {
    services: Objects<Service>,
    slices: Objects<Slice>,
}

/// Objects of one kind, reduced to what counts. A watch that begins anew sends everything again; what it no longer sends is
/// gone, but not before its list is complete.
#[derive(Debug)]
struct Objects<T> {
    known: BTreeMap<Id, T>,
    listing: Option<BTreeMap<Id, T>>,
    complete: bool,
}

/// What an event did to the objects of its kind.
enum Effect<T> {
    Nothing,
    /// Any of them may be another.
    Listed,
    /// One of them is another: what it was, what it is.
    One(Id, Option<T>, Option<T>),
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            listing: None,
            complete: false,
        }
    }
}

impl<T: Clone + PartialEq> Objects<T> {
    fn take<K: Resource>(
        &mut self,
        event: watcher::Event<K>,
        read: impl Fn(&K) -> Option<T>,
    ) -> Effect<T> {
        let id = |object: &K| {
            let meta = object.meta();
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            (text(&meta.namespace), text(&meta.name))
        };
        match event {
            watcher::Event::Init => {
                self.listing = Some(BTreeMap::new());
                Effect::Nothing
            }
            watcher::Event::InitApply(object) => {
                let listing = self.listing.get_or_insert_default();
                listing.extend(read(&object).map(|value| (id(&object), value)));
                Effect::Nothing
            }
            watcher::Event::InitDone => {
                self.known = self.listing.take().unwrap_or_default();
                self.complete = true;
                Effect::Listed
            }
            watcher::Event::Apply(object) => self.set(id(&object), read(&object)),
            watcher::Event::Delete(object) => self.set(id(&object), None),
        }
    }

    fn set(&mut self, id: Id, now: Option<T>) -> Effect<T> {
        let before = match now.clone() {
            Some(value) => self.known.insert(id.clone(), value),
            None => self.known.remove(&id),
        };
        if before == now {
            return Effect::Nothing;
        }
        Effect::One(id, before, now)
    }

    fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = (&str, &T)> {
        self.known
            .range((namespace.to_owned(), String::new())..)
            .take_while(move |((other, _), _)| other == namespace)
            .map(|((_, name), value)| (name.as_str(), value))
    }
}

impl Picture {
    /// Takes an event in; what it changes for routing.
    pub(super) fn take(&mut self, event: Event) -> Vec<Change> {
        let (listed, touched) = match event {
            Event::Service(event) => match self.services.take(event, Service::read) {
                Effect::Nothing => return Vec::new(),
                Effect::Listed => (true, Vec::new()),
                Effect::One(_, before, now) => {
                    let keys = before.into_iter().chain(now).map(|service| service.key);
                    (false, keys.collect())
                }
            },
            Event::Slice(event) => match self.slices.take(event, Slice::read) {
                Effect::Nothing => return Vec::new(),
                Effect::Listed => (true, Vec::new()),
                Effect::One((namespace, _), before, now) => {
                    let services = before.into_iter().chain(now).map(|slice| slice.service);
                    let key = |service| {
                        let service = self.services.known.get(&(namespace.clone(), service))?;
                        Some(service.key.clone())
                    };
                    (false, services.filter_map(key).collect())
                }
            },
        };
        if !(self.services.complete && self.slices.complete) {
            return Vec::new();
        }
        if listed {
            return vec![Change::Snapshot(self.all())];
        }
        let mut touched: Vec<ServerKey> = touched;
        touched.sort_unstable();
        touched.dedup();
        let change = |key| match self.spec(&key) {
            Some(spec) => Change::Set(spec),
            None => Change::Remove(key),
        };
        touched.into_iter().map(change).collect()
    }

    fn all(&self) -> Vec<ServerSpec> {
        let mut keys: Vec<_> = self.services.known.values().map(|s| &s.key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().filter_map(|key| self.spec(key)).collect()
    }

    /// What is to be scaled of a server that is stopped while nobody calls it.
    pub(super) fn workload(&self, key: &ServerKey) -> Option<Workload> {
        let (name, service) = self.service(key)?;
        Some(Workload {
            name: name.to_owned(),
            replicas: service.started_with()?,
        })
    }

    /// The Service that is named like the server; where there is none, the first that carries its label.
    fn service(&self, key: &ServerKey) -> Option<(&str, &Service)> {
        let services = || {
            self.services
                .in_namespace(key.namespace.as_str())
                .filter(|(_, s)| s.key == *key)
        };
        services()
            .find(|(name, _)| *name == key.name.as_str())
            .or_else(|| services().next())
    }

    /// A server by the Service that is named like it; where there is none, by the first that carries its label. Others do
    /// not count: the label alone must not add pods to somebody's server.
    fn spec(&self, key: &ServerKey) -> Option<ServerSpec> {
        let namespace = key.namespace.as_str();
        let (name, service) = self.service(key)?;
        let slices = self.slices.in_namespace(namespace).map(|(_, slice)| slice);
        Some(instances::spec(
            service,
            slices.filter(|slice| slice.service == name),
        ))
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    use serde_json::json;

    use super::*;

    fn service(name: &str, server: &str) -> PartialObjectMeta<CoreService> {
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ns", "labels": {"mcpt.io/server": server}}})).unwrap()
    }

    /// A slice of the Service with one pod per letter.
    fn slice(name: &str, service: &str, pods: &str) -> EndpointSlice {
        let pods: Vec<_> = pods
            .chars()
            .map(|pod| json!({"addresses": [format!("pod-{pod}")], "targetRef": {"uid": pod}}))
            .collect();
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "ns", "labels": {"kubernetes.io/service-name": service}},
            "addressType": "FQDN", "ports": [{"port": 80}], "endpoints": pods,
        }))
        .unwrap()
    }

    fn shown(change: &Change) -> String {
        let spec = |spec: &ServerSpec| {
            let pods: String = spec.endpoints.iter().map(|e| e.id.as_str()).collect();
            format!("{}:{pods}", spec.key.name)
        };
        match change {
            Change::Snapshot(specs) => {
                format!(
                    "all {}",
                    specs.iter().map(spec).collect::<Vec<_>>().join(" ")
                )
            }
            Change::Set(one) => spec(one),
            Change::Remove(key) => format!("no {}", key.name),
        }
    }

    #[test]
    fn events_change_what_they_are_about() {
        let mut picture = Picture::default();
        let steps = [
            (Event::Service(Init), ""),
            (Event::Slice(Init), ""),
            (Event::Slice(InitApply(slice("1", "demo", "ab"))), ""),
            (Event::Slice(InitDone), ""),
            (Event::Service(InitApply(service("demo", "demo"))), ""),
            (Event::Service(InitDone), "all demo:ab"),
            (Event::Slice(Apply(slice("1", "demo", "ab"))), ""),
            (Event::Slice(Apply(slice("1", "demo", "abc"))), "demo:abc"),
            (Event::Slice(Apply(slice("2", "demo", "d"))), "demo:abcd"),
            (Event::Slice(Delete(slice("2", "demo", "d"))), "demo:abc"),
            // Nobody's, until its Service comes.
            (Event::Slice(Apply(slice("3", "other", "x"))), ""),
            (Event::Service(Apply(service("other", "other"))), "other:x"),
            (
                Event::Service(Delete(service("other", "other"))),
                "no other",
            ),
            // A Service by another name does not add to a server that has its own.
            (
                Event::Service(Apply(service("a-lookalike", "demo"))),
                "demo:abc",
            ),
            (
                Event::Slice(Apply(slice("4", "a-lookalike", "z"))),
                "demo:abc",
            ),
            (Event::Service(Delete(service("demo", "demo"))), "demo:z"),
            (
                Event::Service(Apply(service("a-lookalike", "else"))),
                "no demo, else:z",
            ),
        ];
        for (event, expected) in steps {
            let what = format!("{event:?}");
            let changes: Vec<_> = picture.take(event).iter().map(shown).collect();
            assert_eq!(changes.join(", "), expected, "{what}");
        }
    }

    #[test]
    fn what_is_started_is_what_the_service_is_called() {
        let mut picture = Picture::default();
        let mut idle = service("demo-2", "demo");
        let annotations = [
            ("mcpt.io/idle-timeout", "5s"),
            ("mcpt.io/idle-replicas", "2"),
        ];
        idle.metadata.annotations = Some(
            annotations
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
        );
        for event in [
            Event::Service(Apply(service("always", "always"))),
            Event::Service(Apply(idle)),
        ] {
            picture.take(event);
        }
        let workload = |name: &str| {
            let key = ServerKey {
                namespace: mcpt_core::Namespace::new("ns").unwrap(),
                name: mcpt_core::ServerName::new(name).unwrap(),
            };
            let found = picture.workload(&key);
            found.map(|workload| (workload.name, workload.replicas.get()))
        };
        assert_eq!(workload("demo"), Some(("demo-2".to_owned(), 2)));
        assert_eq!(workload("always"), None);
        assert_eq!(workload("demo-2"), None);
    }

    #[test]
    fn a_list_that_begins_anew_takes_nothing_away_before_it_is_complete() {
        let mut picture = Picture::default();
        let steps = [
            (Event::Service(Init), ""),
            (Event::Service(InitApply(service("demo", "demo"))), ""),
            (Event::Service(InitDone), ""),
            (Event::Slice(Init), ""),
            (Event::Slice(InitApply(slice("1", "demo", "ab"))), ""),
            (Event::Slice(InitDone), "all demo:ab"),
            (Event::Slice(Init), ""),
            (Event::Slice(InitApply(slice("1", "demo", "b"))), ""),
            (Event::Service(Apply(service("more", "more"))), "more:"),
            // The list broke off and begins again.
            (Event::Slice(Init), ""),
            (Event::Slice(InitApply(slice("2", "more", "c"))), ""),
            (Event::Slice(InitDone), "all demo: more:c"),
            (Event::Service(Init), ""),
            (Event::Slice(Apply(slice("1", "demo", "d"))), "demo:d"),
            (Event::Service(InitDone), "all "),
        ];
        for (event, expected) in steps {
            let what = format!("{event:?}");
            let changes: Vec<_> = picture.take(event).iter().map(shown).collect();
            assert_eq!(changes.join(", "), expected, "{what}");
        }
    }
}
