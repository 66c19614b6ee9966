//! The least rights in a cluster by which each use of mcpt works, as roles of Kubernetes.
//!
//! What any logged-in user may do (look at the API's kinds and version) is not said again. Tests on a
//! real cluster run `view`, `call` with `exec`, and `deploy` with exactly these, and with some of them taken away.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{ApiResource, GroupVersionKind};
use kube_access::is_cluster_wide;
use serde_json::{Value, json};

/// A way in which somebody uses a cluster by mcpt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Look at servers: list, status, history, diff, events, logs.
    View,
    /// Speak to servers: tools, call, test, port-forward.
    Call,
    /// Run commands in servers' containers.
    Exec,
    /// Measure servers: top, and the usage in status.
    Top,
    /// Make, change and delete servers: deploy, scale, restart, rollback, delete.
    Deploy,
    /// Remove what commands that died left behind: gc.
    Gc,
    /// Run a gateway for servers of the cluster from anywhere.
    Gateway,
    /// Install, change and remove releases of charts, of which the kinds of objects are given.
    Chart,
}

/// Verbs on one resource.
#[derive(Debug, Clone, Copy)]
struct Right {
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
}

const fn right(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    Right {
        group,
        resource,
        verbs,
    }
}

/// Release records are Secrets: whoever may see a server's revisions may read all Secrets of the namespace.
const VIEW: &[Right] = &[
    right("", "secrets", &["list"]),
    right("", "services", &["get", "list"]),
    right("", "pods", &["list", "watch"]),
    right("", "pods/log", &["get"]),
    right("", "events", &["list", "watch"]),
    right("apps", "deployments", &["get", "list"]),
    right("apps", "replicasets", &["list"]),
    right("autoscaling", "horizontalpodautoscalers", &["get", "list"]),
];

const CALL: &[Right] = &[
    right("", "pods", &["list"]),
    right("", "pods/portforward", &["create", "get"]),
    right("apps", "deployments", &["get"]),
];

const EXEC: &[Right] = &[
    right("", "pods", &["list"]),
    right("", "pods/exec", &["create", "get"]),
    right("apps", "deployments", &["get"]),
];

const TOP: &[Right] = &[
    right("", "pods", &["list"]),
    right("apps", "deployments", &["get", "list"]),
    right("metrics.k8s.io", "pods", &["list"]),
];

/// Release records and the lock that they are.
const RECORDS: &[Right] = &[right(
    "",
    "secrets",
    &["get", "list", "create", "update", "patch", "delete"],
)];

/// What a rollout is followed by.
const ROLLOUT: &[Right] = &[
    right("", "events", &["list", "watch"]),
    right("", "pods", &["get", "list", "watch"]),
    right("", "pods/log", &["get"]),
    right("apps", "deployments", &["get", "list", "watch"]),
    right("apps", "replicasets", &["list", "watch"]),
];

const DEPLOY: &[Right] = &[
    right("apps", "deployments/scale", &["get", "patch"]),
    right("", "persistentvolumeclaims", &["list"]),
    right("", "services", &["list"]),
    right("autoscaling", "horizontalpodautoscalers", &["list"]),
];

/// Where Helm may keep records too, what serves, and what tests of charts leave.
const GC: &[Right] = &[
    right("", "configmaps", &["list"]),
    right("", "pods", &["list", "delete"]),
    right("apps", "deployments", &["list"]),
    right("apps", "statefulsets", &["list"]),
    right("batch", "jobs", &["list", "delete"]),
];

/// Each of these is found by its labels and removed by its name, which is waited for.
const REMOVED: &[&str] = &["get", "list", "watch", "delete"];

/// Each of these is read, made, applied and removed by its name; what is to be removed is found by its labels, and waited for
/// where it is not gone at once.
const OBJECT: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

const GATEWAY: &[Right] = &[
    right("", "services", &["get", "list", "watch"]),
    right(
        "discovery.k8s.io",
        "endpointslices",
        &["get", "list", "watch"],
    ),
];

/// Kinds of the objects of a server that is deployed with no more than its settings.
const OF_SERVER: &[(&str, &str)] = &[
    ("", "configmaps"),
    ("", "secrets"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("apps", "deployments"),
];

/// API groups and kinds in no namespace, beside those that every cluster has.
const CLUSTER_WIDE: &[(&str, &[&str])] = &[
    ("", &["Node"]),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        &["FlowSchema", "PriorityLevelConfiguration"],
    ),
    ("gateway.networking.k8s.io", &["GatewayClass"]),
    ("networking.k8s.io", &["IngressClass"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "StorageClass"]),
];

/// A kind of objects in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKind {
    /// As `apiVersion` has it: `v1`, `apps/v1`.
    pub api_version: String,
    /// As `kind` has it.
    pub kind: String,
}

impl ObjectKind {
    /// The API group; empty for the first one.
    fn group(&self) -> &str {
        let split = self.api_version.split_once('/');
        split.map_or("", |(group, _)| group)
    }

    /// Whether its objects are known to be in no namespace.
    fn is_cluster_wide(&self) -> bool {
        let listed = CLUSTER_WIDE
            .iter()
            .any(|(group, kinds)| *group == self.group() && kinds.contains(&self.kind.as_str()));
        listed || is_cluster_wide(&self.api_version, &self.kind)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct RequestedRights {
    /// The uses.
    pub uses: BTreeSet<Use>,
    /// Kinds of the objects that are to be made, where they are known: only these, instead of the usual ones of a server.
    pub kinds: BTreeSet<ObjectKind>,
    /// Rules of the roles and of the cluster roles among these objects: nobody gives by a role what he has not himself.
    pub given: GrantedRights,
    /// Name of the roles.
    pub name: String,
    /// Namespace that they are for; `None` leaves it to who applies them.
    pub namespace: Option<String>,
    /// In all namespaces, by cluster roles.
    pub cluster: bool,
    /// Also that namespaces are made and removed.
    pub namespaces: bool,
}

/// What roles in a manifest give.
#[derive(Debug, Clone, Default)]
pub struct GrantedRights {
    /// Rules of roles.
    pub in_namespace: Vec<Value>,
    /// Rules of cluster roles.
    pub everywhere: Vec<Value>,
}

/// Rights by API group and resource.
type Rights = BTreeMap<(String, String), BTreeSet<&'static str>>;

/// The roles, each an object of Kubernetes: one for the namespace, and one for what is in none, if anything is.
#[must_use]
pub fn roles(wanted: &RequestedRights) -> Vec<Value> {
    let (mut rights, mut everywhere) = (Rights::new(), Rights::new());
    for one in &wanted.uses {
        add_use(&mut rights, &mut everywhere, *one, &wanted.kinds);
    }
    if wanted.namespaces {
        let verbs = ["get", "create", "patch", "delete"];
        add(&mut everywhere, "", "namespaces", &verbs);
    }
    let GrantedRights {
        in_namespace,
        everywhere: given,
    } = &wanted.given;
    if wanted.cluster {
        for ((group, resource), verbs) in everywhere {
            rights.entry((group, resource)).or_default().extend(verbs);
        }
        let given = [in_namespace.as_slice(), given].concat();
        let metadata = json!({"name": wanted.name});
        return vec![role("ClusterRole", &metadata, &rights, &given)];
    }
    let mut metadata = json!({"name": wanted.name});
    if let Some(namespace) = &wanted.namespace {
        metadata["namespace"] = json!(namespace);
    }
    let mut roles = vec![role("Role", &metadata, &rights, in_namespace)];
    if !everywhere.is_empty() || !given.is_empty() {
        let metadata = json!({"name": format!("{}-cluster", wanted.name)});
        roles.push(role("ClusterRole", &metadata, &everywhere, given));
    }
    roles
}

fn add_use(rights: &mut Rights, everywhere: &mut Rights, one: Use, kinds: &BTreeSet<ObjectKind>) {
    let (own, verbs): (&[(&str, &str)], _) = match one {
        Use::Deploy => (OF_SERVER, OBJECT),
        Use::Gc => (OF_SERVER, REMOVED),
        _ => (&[], OBJECT),
    };
    let lists: &[&[Right]] = match one {
        Use::View => &[VIEW],
        Use::Call => &[CALL],
        Use::Exec => &[EXEC],
        Use::Top => &[TOP],
        Use::Deploy => &[RECORDS, ROLLOUT, CALL, DEPLOY],
        Use::Gc => &[RECORDS, GC],
        Use::Gateway => &[GATEWAY],
        Use::Chart => &[RECORDS, ROLLOUT],
    };
    for right in lists.iter().copied().flatten() {
        add(rights, right.group, right.resource, right.verbs);
    }
    let changes = matches!(one, Use::Deploy | Use::Gc | Use::Chart);
    if !changes {
        return;
    }
    if kinds.is_empty() {
        for (group, resource) in own {
            add(rights, group, resource, verbs);
        }
    }
    for kind in kinds {
        let rights = if kind.is_cluster_wide() {
            &mut *everywhere
        } else {
            &mut *rights
        };
        add(rights, kind.group(), &resource_of(kind), verbs);
    }
}

fn add(rights: &mut Rights, group: &str, resource: &str, verbs: &[&'static str]) {
    let entry = rights.entry((group.to_owned(), resource.to_owned()));
    entry.or_default().extend(verbs);
}

/// The resource that a kind is served as, by the rule that Kubernetes' own kinds and nearly all others follow.
fn resource_of(kind: &ObjectKind) -> String {
    let version = kind.api_version.rsplit('/').next().unwrap_or_default();
    let kind = GroupVersionKind::gvk(kind.group(), version, &kind.kind);
    ApiResource::from_gvk(&kind).plural
}

fn role(kind: &str, metadata: &Value, rights: &Rights, given: &[Value]) -> Value {
    let own = rights.iter().map(|((group, resource), verbs)| {
        json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})
    });
    let rules: Vec<Value> = own.chain(given.iter().cloned()).collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "rules": rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(wanted: &RequestedRights) -> Vec<String> {
        let roles = roles(wanted);
        let rules = roles[0]["rules"].as_array().unwrap().iter();
        rules
            .map(|rule| {
                let verbs: Vec<&str> = rule["verbs"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|verb| verb.as_str().unwrap())
                    .collect();
                let group = rule["apiGroups"][0].as_str().unwrap();
                let resource = rule["resources"][0].as_str().unwrap();
                format!("{group}/{resource}: {}", verbs.join(" "))
            })
            .collect()
    }

    #[test]
    fn uses_add_up() {
        let wanted = |uses: &[Use]| RequestedRights {
            uses: uses.iter().copied().collect(),
            ..RequestedRights::default()
        };
        let call = rules(&wanted(&[Use::Call]));
        assert_eq!(
            call,
            [
                "/pods: list",
                "/pods/portforward: create get",
                "apps/deployments: get"
            ]
        );
        let both = rules(&wanted(&[Use::Call, Use::Exec]));
        assert_eq!(both[1], "/pods/exec: create get");
        assert_eq!(both.len(), 4);
    }

    #[test]
    fn kinds_of_a_manifest_become_resources() {
        let kinds = [
            ("networking.k8s.io/v1", "Ingress"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("v1", "PersistentVolumeClaim"),
        ];
        let kinds = kinds.map(|(version, kind)| ObjectKind {
            api_version: version.to_owned(),
            kind: kind.to_owned(),
        });
        let wanted = RequestedRights {
            uses: BTreeSet::from([Use::Chart]),
            kinds: kinds.into(),
            ..RequestedRights::default()
        };
        let rules = rules(&wanted);
        for expected in [
            "networking.k8s.io/ingresses: create delete get list patch watch",
            "networking.k8s.io/networkpolicies: create delete get list patch watch",
            "/persistentvolumeclaims: create delete get list patch watch",
        ] {
            assert!(rules.iter().any(|rule| rule == expected), "{rules:?}");
        }
        assert!(!rules.iter().any(|rule| rule.contains("serviceaccounts")));
    }

    #[test]
    fn namespaces_are_of_the_whole_cluster() {
        let wanted = RequestedRights {
            name: "team".to_owned(),
            namespace: Some("tools".to_owned()),
            namespaces: true,
            ..RequestedRights::default()
        };
        let roles = roles(&wanted);
        assert_eq!(
            roles[0]["metadata"],
            json!({"name": "team", "namespace": "tools"})
        );
        assert_eq!(roles[1]["kind"], "ClusterRole");
        assert_eq!(roles[1]["metadata"], json!({"name": "team-cluster"}));
        let all = super::roles(&RequestedRights {
            cluster: true,
            ..wanted
        });
        assert_eq!(all.len(), 1);
        assert_eq!(all[0]["metadata"], json!({"name": "team"}));
        assert_eq!(all[0]["rules"], roles[1]["rules"]);
    }

    #[test]
    fn what_is_in_no_namespace_has_a_role_of_its_own() {
        let kinds = [
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ];
        let kinds = kinds.map(|(version, kind)| ObjectKind {
            api_version: version.to_owned(),
            kind: kind.to_owned(),
        });
        let rule =
            |resource: &str| json!({"apiGroups": [""], "resources": [resource], "verbs": ["get"]});
        let wanted = RequestedRights {
            uses: BTreeSet::from([Use::Chart]),
            kinds: kinds.into(),
            given: GrantedRights {
                in_namespace: vec![rule("endpoints")],
                everywhere: vec![rule("nodes")],
            },
            name: "x".to_owned(),
            ..RequestedRights::default()
        };
        let roles = roles(&wanted);
        let resources = |role: &Value| -> Vec<String> {
            let rules = role["rules"].as_array().unwrap().iter();
            let resource = |rule: &Value| rule["resources"][0].as_str().unwrap().to_owned();
            rules.map(resource).collect()
        };
        assert_eq!(
            resources(&roles[1]),
            ["customresourcedefinitions", "clusterroles", "nodes"]
        );
        let here = resources(&roles[0]);
        assert!(here.contains(&"roles".to_owned()) && here.contains(&"endpoints".to_owned()));
        assert!(!here.contains(&"clusterroles".to_owned()), "{here:?}");
    }
}
