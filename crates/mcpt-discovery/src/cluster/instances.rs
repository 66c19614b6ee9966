//! From the objects to what routing needs: a Service to a server, `EndpointSlices` to its endpoints. Pure.

use std::{collections::BTreeMap, num::NonZeroU32};

use k8s_openapi::api::{
    core::v1::Service as CoreService,
    discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice},
};
use kube::{ResourceExt as _, core::PartialObjectMeta};
use mcpt_core::{
    Namespace, ServerName, Sessions,
    marks::{
        ANSWER_WITHIN_ANNOTATION, BALANCE_ANNOTATION, DEFAULT_PATH, IDLE_REPLICAS_ANNOTATION,
        IDLE_TIMEOUT_ANNOTATION, MAX_REQUESTS_ANNOTATION, PATH_ANNOTATION, SERVER_LABEL,
        SESSIONS_ANNOTATION,
    },
};
use mcpt_routing::{
    Address, Conditions, EndpointId, EndpointSpec, Handling, ServerKey, ServerSpec,
};

/// Label that names the Service of a slice.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Name of the port that speaks MCP.
const PORT: &str = "http";

/// What a Service says about its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// Which server.
    pub(super) key: ServerKey,
    path: String,
    sessions: Sessions,
    handling: Handling,
    /// With how many instances it is started that was stopped for want of calls.
    started_with: Option<NonZeroU32>,
}

/// One slice of the endpoints of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    /// Name of the Service.
    pub(super) service: String,
    instances: Vec<Instance>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Instance {
    id: EndpointId,
    family: Family,
    host: String,
    port: u16,
    conditions: Conditions,
}

/// Sort of address; of a pod that has several the first is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
    Name,
}

impl Service {
    /// `None` when its label names no server, or its namespace is none of ours.
    pub(super) fn read(service: &PartialObjectMeta<CoreService>) -> Option<Self> {
        let annotation = |name: &str| service.annotations().get(name).map(String::as_str);
        let key = ServerKey {
            namespace: Namespace::new(service.metadata.namespace.as_deref()?).ok()?,
            name: ServerName::new(service.labels().get(SERVER_LABEL)?).ok()?,
        };
        let handling = Handling::read(
            annotation(BALANCE_ANNOTATION),
            annotation(MAX_REQUESTS_ANNOTATION),
            annotation(ANSWER_WITHIN_ANNOTATION),
            annotation(IDLE_TIMEOUT_ANNOTATION),
        );
        // A server that is served in another way than it was meant to be is better than one that is not served.
        let handling = handling.unwrap_or_else(|error| {
            tracing::warn!(server = %key, %error, "annotation not understood: none about balancing, limits and times count");
            Handling::default()
        });
        Some(Self {
            key,
            handling,
            started_with: annotation(IDLE_REPLICAS_ANNOTATION)
                .and_then(|number| number.parse().ok()),
            path: annotation(PATH_ANNOTATION)
                .unwrap_or(DEFAULT_PATH)
                .to_owned(),
            sessions: match annotation(SESSIONS_ANNOTATION) {
                Some("stateless") => Sessions::Stateless,
                _ => Sessions::Stateful,
            },
        })
    }
}

impl Service {
    /// With how many instances it is started, if it is one that is stopped when nobody calls it.
    pub(super) fn started_with(&self) -> Option<NonZeroU32> {
        self.handling.idle_timeout?;
        Some(self.started_with.unwrap_or(NonZeroU32::MIN))
    }
}

impl Slice {
    /// `None` when it belongs to no Service.
    pub(super) fn read(slice: &EndpointSlice) -> Option<Self> {
        let family = match slice.address_type.as_str() {
            "IPv4" => Family::V4,
            "IPv6" => Family::V6,
            _ => Family::Name,
        };
        let port = port(slice.ports.as_deref().unwrap_or_default());
        let instance = |endpoint: &Endpoint| {
            let port = port?;
            // Consumers use the first address, says the API; the others are the same instance.
            let host = endpoint.addresses.first()?.clone();
            let uid = endpoint.target_ref.as_ref().and_then(|t| t.uid.as_deref());
            Some(Instance {
                id: uid.map_or_else(
                    || EndpointId::new(&format!("{host}:{port}")),
                    EndpointId::new,
                ),
                family,
                host,
                port,
                conditions: conditions(endpoint.conditions.as_ref()),
            })
        };
        Some(Self {
            service: slice.labels().get(SERVICE_NAME)?.clone(),
            instances: slice
                .endpoints
                .iter()
                .flatten()
                .filter_map(instance)
                .collect(),
        })
    }
}

/// The port called `http`, else the only one.
fn port(ports: &[EndpointPort]) -> Option<u16> {
    let port = match ports {
        [only] => only,
        several => several.iter().find(|p| p.name.as_deref() == Some(PORT))?,
    };
    u16::try_from(port.port?).ok()
}

/// What is not said means ready, serving, and not terminating.
fn conditions(said: Option<&EndpointConditions>) -> Conditions {
    Conditions {
        ready: said.and_then(|c| c.ready).unwrap_or(true),
        serving: said.and_then(|c| c.serving).unwrap_or(true),
        terminating: said.and_then(|c| c.terminating).unwrap_or(false),
    }
}

/// A server with the endpoints of all its slices, each instance once: an instance is in several for two families of
/// addresses, and for a moment when it moves from one slice to another.
pub(super) fn spec<'a>(service: &Service, slices: impl Iterator<Item = &'a Slice>) -> ServerSpec {
    let mut instances = BTreeMap::<&EndpointId, Instance>::new();
    for instance in slices.flat_map(|slice| &slice.instances) {
        instances
            .entry(&instance.id)
            .and_modify(|known| known.merge(instance))
            .or_insert_with(|| instance.clone());
    }
    let endpoint = |instance: Instance| match Address::new(
        &instance.host,
        instance.port,
        &service.path,
    ) {
        Ok(address) => Some(EndpointSpec {
            id: instance.id,
            address,
            conditions: instance.conditions,
            weight: NonZeroU32::MIN,
        }),
        Err(error) => {
            tracing::warn!(server = %service.key, host = instance.host, path = service.path, %error, "endpoint left out");
            None
        }
    };
    ServerSpec {
        key: service.key.clone(),
        sessions: service.sessions,
        handling: service.handling.clone(),
        endpoints: instances.into_values().filter_map(endpoint).collect(),
    }
}

impl Instance {
    fn merge(&mut self, other: &Self) {
        if (other.family, &other.host) < (self.family, &self.host) {
            self.family = other.family;
            self.host.clone_from(&other.host);
            self.port = other.port;
        }
        let (a, b) = (self.conditions, other.conditions);
        self.conditions = match (a.terminating, b.terminating) {
            // Nothing that terminates ever stops doing so: who says it knows more.
            (true, false) => a,
            (false, true) => b,
            _ => Conditions {
                ready: a.ready || b.ready,
                serving: a.serving || b.serving,
                terminating: a.terminating,
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(annotations: &Value) -> Service {
        let service = json!({"metadata": {"name": "demo", "namespace": "ns", "labels": {"mcpt.io/server": "demo"}, "annotations": annotations}});
        Service::read(&serde_json::from_value(service).unwrap()).unwrap()
    }

    fn slice(family: &str, ports: &Value, endpoints: &Value) -> Slice {
        let slice = json!({
            "metadata": {"labels": {"kubernetes.io/service-name": "demo"}},
            "addressType": family, "ports": ports, "endpoints": endpoints,
        });
        Slice::read(&serde_json::from_value(slice).unwrap()).unwrap()
    }

    fn pod(uid: &str, address: &str, conditions: &Value) -> Value {
        json!({"addresses": [address, "192.0.2.99"], "conditions": conditions, "targetRef": {"kind": "Pod", "uid": uid}})
    }

    fn shown(spec: &ServerSpec) -> Vec<String> {
        let shown = |e: &EndpointSpec| {
            let c = e.conditions;
            let flags: String = [(c.ready, 'r'), (c.serving, 's'), (c.terminating, 't')]
                .iter()
                .filter_map(|(is, flag)| is.then_some(*flag))
                .collect();
            format!("{} {} {flags}", e.id, e.address)
        };
        spec.endpoints.iter().map(shown).collect()
    }

    #[test]
    fn services_say_path_and_sessions() {
        for (annotations, path, sessions) in [
            (json!({}), "/mcp", Sessions::Stateful),
            (
                json!({"mcpt.io/path": "/a/b", "mcpt.io/sessions": "stateless"}),
                "/a/b",
                Sessions::Stateless,
            ),
            (
                json!({"mcpt.io/sessions": "stateful"}),
                "/mcp",
                Sessions::Stateful,
            ),
        ] {
            let service = service(&annotations);
            assert_eq!(
                (service.path.as_str(), service.sessions),
                (path, sessions),
                "{annotations}"
            );
        }
        let unnamed = json!({"metadata": {"name": "demo", "namespace": "ns", "labels": {"mcpt.io/server": "Not A Name"}}});
        assert_eq!(
            Service::read(&serde_json::from_value(unnamed).unwrap()),
            None
        );
    }

    #[test]
    fn services_say_how_requests_are_handled() {
        let said = service(
            &json!({"mcpt.io/balance": "round-robin", "mcpt.io/max-requests": "7", "mcpt.io/answer-within": "30s",
                "mcpt.io/idle-timeout": "600s", "mcpt.io/idle-replicas": "3"}),
        );
        let read = Handling::read(Some("round-robin"), Some("7"), Some("30s"), Some("600s"));
        assert_eq!(said.handling, read.unwrap());
        assert_eq!(said.started_with(), NonZeroU32::new(3));
        for (annotations, number) in [
            (json!({}), None),
            (json!({"mcpt.io/idle-replicas": "3"}), None),
            (json!({"mcpt.io/idle-timeout": "5s"}), Some(1)),
            (
                json!({"mcpt.io/idle-timeout": "5s", "mcpt.io/idle-replicas": "0"}),
                Some(1),
            ),
        ] {
            let number = number.and_then(NonZeroU32::new);
            assert_eq!(
                service(&annotations).started_with(),
                number,
                "{annotations}"
            );
        }
        let wrong =
            service(&json!({"mcpt.io/balance": "round-robin", "mcpt.io/max-requests": "many"}));
        assert_eq!(wrong.handling, Handling::default());
    }

    #[test]
    fn conditions_that_are_not_said() {
        let http = json!([{"name": "http", "port": 80}]);
        for (conditions, flags) in [
            (json!({}), "rs"),
            (json!({"ready": false}), "s"),
            (json!({"ready": false, "serving": false}), ""),
            (
                json!({"ready": false, "serving": true, "terminating": true}),
                "st",
            ),
            (
                json!({"ready": true, "serving": true, "terminating": false}),
                "rs",
            ),
        ] {
            let slice = slice("IPv4", &http, &json!([pod("a", "10.0.0.1", &conditions)]));
            let spec = spec(&service(&json!({})), [&slice].into_iter());
            assert_eq!(
                shown(&spec),
                [format!("a http://10.0.0.1:80/mcp {flags}")],
                "{conditions}"
            );
        }
    }

    #[test]
    fn the_port_that_speaks_mcp() {
        for (ports, found) in [
            (
                json!([{"name": "http", "port": 80}, {"name": "metrics", "port": 90}]),
                Some(80),
            ),
            (json!([{"name": "web", "port": 81}]), Some(81)),
            (json!([{"name": "", "port": 82}]), Some(82)),
            (
                json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}]),
                None,
            ),
            (json!([{"name": "http"}]), None),
            (json!([]), None),
            (json!(null), None),
        ] {
            let slice = slice("IPv4", &ports, &json!([pod("a", "10.0.0.1", &json!({}))]));
            let spec = spec(&service(&json!({})), [&slice].into_iter());
            let port = spec.endpoints.first().map(|e| e.address.port());
            assert_eq!(port, found, "{ports}");
        }
    }

    #[test]
    fn each_instance_once_whatever_the_order() {
        let http = json!([{"name": "http", "port": 80}]);
        let ready = json!({"ready": true, "serving": true});
        let unready = json!({"ready": false, "serving": false});
        let draining = json!({"ready": false, "serving": true, "terminating": true});
        let slices = [
            slice(
                "IPv6",
                &http,
                &json!([pod("a", "fd00::1", &ready), pod("c", "fd00::3", &ready)]),
            ),
            slice(
                "IPv4",
                &http,
                &json!([pod("b", "10.0.0.2", &ready), pod("a", "10.0.0.1", &ready)]),
            ),
            slice("IPv4", &http, &json!([pod("b", "10.0.0.2", &draining)])),
            slice("IPv4", &http, &json!([pod("d", "10.0.0.4", &unready)])),
            slice("IPv4", &http, &json!([pod("d", "10.0.0.4", &ready)])),
            slice("IPv4", &http, &json!([{"addresses": ["192.0.2.1"]}])),
            slice(
                "FQDN",
                &http,
                &json!([{"addresses": ["mcp.example.com"]}, {"addresses": ["not/a/host"]}]),
            ),
        ];
        let service = service(&json!({"mcpt.io/path": "/x"}));
        let expected = [
            "192.0.2.1:80 http://192.0.2.1:80/x rs",
            "a http://10.0.0.1:80/x rs",
            "b http://10.0.0.2:80/x st",
            "c http://[fd00::3]:80/x rs",
            "d http://10.0.0.4:80/x rs",
            "mcp.example.com:80 http://mcp.example.com:80/x rs",
        ];
        assert_eq!(shown(&spec(&service, slices.iter())), expected);
        assert_eq!(shown(&spec(&service, slices.iter().rev())), expected);
    }
}
