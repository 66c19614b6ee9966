//! What is told about a server: from its release, its Deployment and its pods to a [`Server`]. Pure.

use std::collections::BTreeMap;

use helm_install::Record;
use jiff::Timestamp;
use k8s_openapi::api::{
    autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec},
    core::v1::{ContainerState, ContainerStatus, Pod, Service},
};
use kube::core::ObjectMeta;
use kube_access::is_ready;
use kube_observe::{Gravity, Observed, Rollout, rollout};
use mcpt_core::{
    Autoscaling, Namespace, REDACTED, Replica, Revision, Server, ServerName, ServerState,
};
use serde_json::{Map, Value};

use crate::{driver, trouble::diagnose};

pub(crate) use mcpt_core::marks::{
    DEFAULT_PATH, PATH_ANNOTATION, SERVER_LABEL, SOURCE_ANNOTATION, TEMPLATE_LABEL,
    TRANSPORT_ANNOTATION,
};

/// Container that runs the server, in the pods of the built-in chart.
pub(crate) const SERVER_CONTAINER: &str = "server";

/// The latest record of a release, as its Secret's metadata tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReleaseFacts {
    /// Name of the release.
    pub(crate) name: String,
    /// Revision.
    pub(crate) revision: u32,
    /// Status in Helm's words: `deployed`, `failed`, `pending-install`, …
    pub(crate) status: String,
    /// Last change, RFC 3339.
    pub(crate) updated: String,
    /// Why it has this status, when the record itself was read.
    pub(crate) description: Option<String>,
    /// Whether mcpt made it.
    pub(crate) of_mcpt: bool,
}

impl ReleaseFacts {
    /// Reads the metadata of a record's Secret; `None` when it is none.
    pub(crate) fn read(metadata: &ObjectMeta) -> Option<Self> {
        let labels = metadata.labels.as_ref()?;
        let label = |key: &str| labels.get(key).cloned();
        let stamp = |key: &str| {
            label(key)?
                .parse()
                .ok()
                .and_then(|s| Timestamp::from_second(s).ok())
        };
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
        let updated = stamp("modifiedAt")
            .or_else(|| stamp("createdAt"))
            .or(created);
        Some(Self {
            name: label("name")?,
            revision: label("version")?.parse().ok()?,
            status: label("status").unwrap_or_default(),
            updated: updated.map(|time| time.to_string()).unwrap_or_default(),
            description: None,
            of_mcpt: labels.contains_key(SERVER_LABEL),
        })
    }

    /// Those of a record, with its description.
    pub(crate) fn of(record: &Record) -> Self {
        let info = &record.release.info;
        let labels = record.metadata.labels.as_ref();
        Self {
            name: record.release.name.clone(),
            revision: record.release.version,
            status: info.status.to_string(),
            updated: record.updated(),
            description: Some(info.description.clone()),
            of_mcpt: labels.is_some_and(|labels| labels.contains_key(SERVER_LABEL)),
        }
    }

    /// The latest record of each release.
    pub(crate) fn latest(all: impl IntoIterator<Item = Self>) -> BTreeMap<String, Self> {
        let mut latest = BTreeMap::<String, Self>::new();
        for facts in all {
            match latest.get(&facts.name) {
                Some(known) if known.revision >= facts.revision => {}
                _ => {
                    latest.insert(facts.name.clone(), facts);
                }
            }
        }
        latest
    }
}

/// Puts together what is known.
pub(crate) fn server(
    name: ServerName,
    namespace: &Namespace,
    release: Option<&ReleaseFacts>,
    observed: &Observed,
    service: Option<&Service>,
) -> Server {
    let deployment = observed.deployment.as_ref();
    let metadata = deployment.map(|d| &d.metadata);
    let annotation = |key: &str| metadata.and_then(|m| m.annotations.as_ref()?.get(key).cloned());
    let label = |key: &str| metadata.and_then(|m| m.labels.as_ref()?.get(key).cloned());
    let status = deployment
        .and_then(|d| d.status.clone())
        .unwrap_or_default();
    let desired = deployment.map_or(0, |d| d.spec.replicas.unwrap_or(1));
    let ready = status.ready_replicas.unwrap_or(0);
    let (state, reason) = state(release, observed, desired, ready);
    let path = annotation(PATH_ANNOTATION).unwrap_or_else(|| "/mcp".to_owned());
    let url = service.and_then(|service| {
        let port = service.spec.as_ref()?.ports.as_ref()?.first()?.port;
        let name = service.metadata.name.as_deref().unwrap_or(name.as_str());
        Some(format!("http://{name}.{namespace}.svc:{port}{path}"))
    });
    let deployed = metadata
        .and_then(|m| m.creation_timestamp.as_ref())
        .map(|t| t.0.to_string());
    Server {
        backend: driver::NAME.clone(),
        namespace: Some(namespace.clone()),
        template: label(TEMPLATE_LABEL),
        transport: annotation(TRANSPORT_ANNOTATION).unwrap_or_else(|| "http".to_owned()),
        state,
        reason,
        desired: u32::try_from(desired).unwrap_or(0),
        ready: u32::try_from(ready).unwrap_or(0),
        url,
        revision: release.map(|r| Revision(r.revision)),
        log: None,
        source: annotation(SOURCE_ANNOTATION)
            .or_else(|| image(observed))
            .unwrap_or_default(),
        updated: release
            .map(|r| r.updated.clone())
            .or(deployed)
            .unwrap_or_default(),
        replicas: observed.pods.values().map(replica).collect(),
        autoscaling: None,
        env: BTreeMap::new(),
        events: Vec::new(),
        name,
    }
}

fn state(
    release: Option<&ReleaseFacts>,
    observed: &Observed,
    desired: i32,
    ready: i32,
) -> (ServerState, Option<String>) {
    if let Some(release) = release {
        let described = || release.description.clone().filter(|d| !d.is_empty());
        match release.status.as_str() {
            "failed" => {
                let reason = described().unwrap_or_else(|| "the last deployment failed".to_owned());
                return (ServerState::Failed, Some(reason));
            }
            "uninstalling" => {
                return (ServerState::Pending, Some("it is being deleted".to_owned()));
            }
            pending if pending.starts_with("pending-") => {
                return (
                    ServerState::Pending,
                    Some(format!("{pending} since {}", release.updated)),
                );
            }
            _ => {}
        }
    }
    let Some(deployment) = &observed.deployment else {
        return (
            ServerState::Failed,
            Some("its Deployment is gone".to_owned()),
        );
    };
    if deployment.metadata.deletion_timestamp.is_some() {
        return (ServerState::Pending, Some("it is being deleted".to_owned()));
    }
    if desired == 0 {
        return (
            ServerState::Stopped,
            Some("it is scaled to 0 replicas".to_owned()),
        );
    }
    if ready >= desired && matches!(rollout(deployment), Rollout::Complete { .. }) {
        return (ServerState::Running, None);
    }
    let finding = diagnose(observed);
    let counts = format!("{ready} of {desired} pods ready");
    let reason = match &finding {
        Some(found) => format!("{counts}: {}", found.cause),
        None => counts,
    };
    let state = match finding {
        _ if ready >= desired => ServerState::Pending,
        _ if ready > 0 => ServerState::Degraded,
        Some(found) if found.gravity > Gravity::Waiting => ServerState::Failed,
        _ => ServerState::Pending,
    };
    (state, Some(reason))
}

fn image(observed: &Observed) -> Option<String> {
    let containers = &observed
        .deployment
        .as_ref()?
        .spec
        .template
        .spec
        .as_ref()?
        .containers;
    let server = containers
        .iter()
        .find(|c| c.name == SERVER_CONTAINER)
        .or(containers.first())?;
    server.image.clone()
}

fn replica(pod: &Pod) -> Replica {
    let status = pod.status.clone().unwrap_or_default();
    let containers = || {
        status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .flatten()
    };
    Replica {
        name: pod.metadata.name.clone().unwrap_or_default(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        ready: is_ready(pod),
        state: if pod.metadata.deletion_timestamp.is_some() {
            "Terminating".to_owned()
        } else {
            let waiting = containers().find_map(reason);
            waiting
                .or(status.reason.clone())
                .or(status.phase.clone())
                .unwrap_or_else(|| "Unknown".to_owned())
        },
        restarts: containers()
            .map(|c| u32::try_from(c.restart_count).unwrap_or(0))
            .sum(),
        usage: None,
        started: status.start_time.map(|time| time.0.to_string()),
    }
}

/// Why a container does not run, in the kubelet's word.
fn reason(container: &ContainerStatus) -> Option<String> {
    let ContainerState {
        waiting,
        terminated,
        ..
    } = container.state.as_ref()?;
    let waits = waiting.as_ref().and_then(|w| w.reason.clone());
    // While the pod is being prepared, the phase `Pending` says enough.
    let waits = waits.filter(|word| !matches!(word.as_str(), "PodInitializing"));
    let ended = terminated
        .as_ref()
        .filter(|t| t.exit_code != 0)
        .and_then(|t| t.reason.clone());
    waits.or(ended)
}

/// The bounds of an autoscaler.
pub(crate) fn autoscaling(hpa: &HorizontalPodAutoscaler) -> Option<Autoscaling> {
    let spec = &hpa.spec;
    let cpu = spec.metrics.iter().flatten().find_map(|metric| {
        let resource = metric.resource.as_ref().filter(|r| r.name == "cpu")?;
        u32::try_from(resource.target.average_utilization?).ok()
    });
    Some(Autoscaling {
        min: u32::try_from(spec.min_replicas.unwrap_or(1)).ok()?,
        max: u32::try_from(spec.max_replicas).ok()?,
        cpu,
        sessions: spec.metrics.iter().flatten().find_map(sessions),
    })
}

/// The sessions of an instance that a metric aims at, if it is that of the gateway.
fn sessions(metric: &MetricSpec) -> Option<u32> {
    let external = metric.external.as_ref();
    let external = external.filter(|external| external.metric.name == "mcp_sessions")?;
    let most = external.target.average_value.as_ref()?;
    most.0.parse().ok()
}

/// The environment that chart values give the server, secrets by name only.
pub(crate) fn env(values: &Map<String, Value>) -> BTreeMap<String, String> {
    let entries = |key: &str| {
        values
            .get(key)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    let plain = entries("env").map(|(name, value)| {
        let shown = match value {
            // A reference to a ConfigMap or Secret: its value is not here.
            Value::Object(_) => REDACTED.to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (name.clone(), shown)
    });
    let secret = entries("secrets").map(|(name, _)| (name.clone(), REDACTED.to_owned()));
    plain.chain(secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(status: &str) -> ReleaseFacts {
        ReleaseFacts {
            name: "demo".into(),
            revision: 3,
            status: status.into(),
            updated: "2026-01-01T00:00:00Z".into(),
            description: None,
            of_mcpt: true,
        }
    }

    fn observed(replicas: i32, ready: i32) -> Observed {
        Observed {
            deployment: serde_json::from_value(json!({
                "metadata": {"name": "demo", "uid": "d", "generation": 1,
                    "labels": {"mcpt.io/template": "demo"}, "annotations": {"mcpt.io/path": "/x", "mcpt.io/transport": "stdio"}},
                "spec": {"replicas": replicas, "selector": {},
                    "template": {"spec": {"containers": [{"name": "server", "image": "i:1"}]}}},
                "status": {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
                    "readyReplicas": ready, "availableReplicas": ready},
            }))
            .unwrap(),
            ..Observed::default()
        }
    }

    fn told(release: Option<&ReleaseFacts>, observed: &Observed) -> Server {
        let service = serde_json::from_value(json!({"spec": {"ports": [{"port": 80}]}})).unwrap();
        let namespace = Namespace::new("ns").unwrap();
        server(
            ServerName::new("demo").unwrap(),
            &namespace,
            release,
            observed,
            Some(&service),
        )
    }

    #[test]
    fn states() {
        for (status, wanted, ready, state, reason) in [
            ("deployed", 2, 2, ServerState::Running, None),
            (
                "deployed",
                2,
                1,
                ServerState::Degraded,
                Some("1 of 2 pods ready"),
            ),
            (
                "deployed",
                2,
                0,
                ServerState::Pending,
                Some("0 of 2 pods ready"),
            ),
            (
                "deployed",
                0,
                0,
                ServerState::Stopped,
                Some("it is scaled to 0 replicas"),
            ),
            (
                "failed",
                2,
                2,
                ServerState::Failed,
                Some("the last deployment failed"),
            ),
            (
                "pending-upgrade",
                2,
                2,
                ServerState::Pending,
                Some("pending-upgrade since 2026-01-01T00:00:00Z"),
            ),
            (
                "uninstalling",
                2,
                2,
                ServerState::Pending,
                Some("it is being deleted"),
            ),
        ] {
            let server = told(Some(&facts(status)), &observed(wanted, ready));
            assert_eq!(
                (server.state, server.reason.as_deref()),
                (state, reason),
                "{status} {wanted} {ready}"
            );
        }
        // Helm has forgotten it by now.
        let mut ending = observed(2, 2);
        let metadata = ending.deployment.as_mut().map(|d| &mut d.metadata);
        metadata.unwrap().deletion_timestamp =
            serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let ending = told(None, &ending);
        assert_eq!(ending.reason.as_deref(), Some("it is being deleted"));
        let gone = told(Some(&facts("deployed")), &Observed::default());
        assert_eq!(gone.reason.as_deref(), Some("its Deployment is gone"));
    }

    #[test]
    fn facts_of_a_server() {
        let server = told(Some(&facts("deployed")), &observed(1, 1));
        assert_eq!(server.url.as_deref(), Some("http://demo.ns.svc:80/x"));
        assert_eq!(
            (server.transport.as_str(), server.source.as_str()),
            ("stdio", "i:1")
        );
        assert_eq!(server.revision, Some(Revision(3)));
        assert_eq!(server.template.as_deref(), Some("demo"));
    }

    #[test]
    fn pods_as_replicas() {
        let pod = |status: Value, deleted: bool| {
            let mut pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": []}, "status": status});
            if deleted {
                pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            replica(&serde_json::from_value(pod).unwrap())
        };
        let waiting = json!({"phase": "Pending", "containerStatuses": [{"name": "s", "image": "", "imageID": "", "ready": false,
            "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]});
        let shown = pod(waiting.clone(), false);
        assert_eq!(
            (shown.state.as_str(), shown.restarts, shown.node.as_deref()),
            ("CrashLoopBackOff", 4, Some("n"))
        );
        assert_eq!(pod(waiting, true).state, "Terminating");
        assert_eq!(pod(json!({"phase": "Running"}), false).state, "Running");
    }

    #[test]
    fn latest_record_of_each_release() {
        let secret = |name: &str, version: u32, label: Option<&str>| -> ReleaseFacts {
            let mut labels = json!({"name": name, "owner": "helm", "status": "deployed", "version": version.to_string(), "modifiedAt": "1767225600"});
            if let Some(label) = label {
                labels[label] = json!(name);
            }
            ReleaseFacts::read(&serde_json::from_value(json!({"labels": labels})).unwrap()).unwrap()
        };
        let latest = ReleaseFacts::latest([
            secret("a", 9, None),
            secret("a", 10, Some(SERVER_LABEL)),
            secret("b", 1, None),
        ]);
        assert_eq!((latest["a"].revision, latest["a"].of_mcpt), (10, true));
        assert_eq!((latest["b"].revision, latest["b"].of_mcpt), (1, false));
        assert_eq!(latest["b"].updated, "2026-01-01T00:00:00Z");
        assert_eq!(ReleaseFacts::read(&ObjectMeta::default()), None);
    }

    #[test]
    fn environment_shows_no_secrets() {
        let values = json!({"env": {"A": "x", "N": 8080, "REF": {"valueFrom": {}}}, "secrets": {"TOKEN": "hunter2"}});
        let shown = env(values.as_object().unwrap());
        let pairs: Vec<_> = shown.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            pairs,
            ["A=x", "N=8080", "REF=[redacted]", "TOKEN=[redacted]"]
        );
    }
}
