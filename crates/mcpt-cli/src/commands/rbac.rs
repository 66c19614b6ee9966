//! `mcpt rbac USE…`: the least role by which mcpt works in a cluster.

use std::{collections::BTreeSet, path::PathBuf};

use clap::{Args, ValueEnum};
use helm_install::manifest;
use mcpt_core::{Failure, FailureKind};
use mcpt_kube::{GrantedRights, ObjectKind, RequestedRights, Use, roles};
use serde_json::{Value, json};

use crate::{
    args::{Format, Global},
    commands::deploy,
    ending::Ending,
    output,
};

/// Arguments of `mcpt rbac`.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is asked and nothing is changed: the roles are printed, to be read and applied by whoever may. Bind one with: kubectl create \
        rolebinding NAME --role=mcpt --user=USER. Revisions are Secrets, as Helm has them: whoever may view or deploy servers may read all Secrets of the namespace.

Examples:
  mcpt rbac view call -n tools | kubectl apply -n tools -f -
  mcpt rbac deploy --create-namespace
  mcpt -b kubernetes deploy demo --set ingress.enabled=true --dry-run | mcpt rbac deploy -f -
  mcpt chart template web ./chart | mcpt rbac chart -f - --all-namespaces"
)]
pub(crate) struct Rbac {
    /// What somebody is to do
    #[arg(value_name = "USE", required = true, value_enum)]
    uses: Vec<UseWord>,
    /// File with the manifest that is to be installed (-: standard input): its kinds instead of those of a server without extras
    #[arg(short = 'f', long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Name of the roles
    #[arg(long, value_name = "NAME", default_value = "mcpt")]
    name: String,
    /// For all namespaces: a cluster role
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Also what deploys with --create-namespace need
    #[arg(long)]
    create_namespace: bool,
}

/// The words for the uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum UseWord {
    /// list, status, history, diff, events, logs
    View,
    /// tools, call, test, port-forward
    Call,
    /// exec
    Exec,
    /// top, and the usage in status
    Top,
    /// deploy, scale, restart, rollback, delete
    Deploy,
    /// gc; with -f also for what is left of servers with extras
    Gc,
    /// gateway run, for the servers of the cluster
    Gateway,
    /// chart install, upgrade, rollback, uninstall; with -f for the kinds of the chart
    Chart,
}

impl UseWord {
    fn meant(self) -> Use {
        match self {
            Self::View => Use::View,
            Self::Call => Use::Call,
            Self::Exec => Use::Exec,
            Self::Top => Use::Top,
            Self::Deploy => Use::Deploy,
            Self::Gc => Use::Gc,
            Self::Gateway => Use::Gateway,
            Self::Chart => Use::Chart,
        }
    }
}

impl Rbac {
    /// Prints the roles.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let (kinds, given) = match &self.manifest {
            Some(file) => kinds_of(&deploy::read(file)?)?,
            None => (BTreeSet::new(), GrantedRights::default()),
        };
        if kinds.is_empty() && self.uses.contains(&UseWord::Chart) {
            let failure = Failure::new(FailureKind::Usage, "cannot tell the rights for a chart");
            return Err(failure
                .because("nobody says which kinds of objects it has")
                .hint("mcpt chart template NAME CHART | mcpt rbac chart -f -")
                .into());
        }
        let roles = roles(&RequestedRights {
            uses: self.uses.iter().map(|word| word.meant()).collect(),
            kinds,
            given,
            name: self.name.clone(),
            namespace: global.namespace.as_ref().map(ToString::to_string),
            cluster: self.all_namespaces,
            namespaces: self.create_namespace,
        });
        match global.output {
            Format::Json => output::json(&roles),
            Format::Name => output::lines(roles.iter().map(|role| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                format!(
                    "{}/{}",
                    text(&role["kind"]),
                    text(&role["metadata"]["name"])
                )
            })),
            Format::Table | Format::Wide | Format::Yaml => {
                let mut text = String::new();
                for role in &roles {
                    text.push_str("---\n");
                    text.push_str(&output::yaml_text(role)?);
                }
                output::yaml_document(&text)
            }
        }
    }
}

/// The kinds of the objects in a manifest, and what its roles give and its bindings bind.
fn kinds_of(manifest: &str) -> Result<(BTreeSet<ObjectKind>, GrantedRights), Failure> {
    let what = "cannot read the manifest";
    let unread = |error: goyaml::Error| Failure::new(FailureKind::Usage, what).caused_by(&error);
    let (mut kinds, mut given) = (BTreeSet::new(), GrantedRights::default());
    let mut objects = Vec::new();
    for document in goyaml::documents(manifest).map_err(unread)? {
        let document = goyaml::from_str_exact(document).map_err(unread)?;
        objects.extend(manifest::members(document));
    }
    let (mut own, mut bound) = (BTreeSet::new(), BTreeSet::new());
    for document in &objects {
        let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            let failure = Failure::new(FailureKind::Usage, what);
            return Err(failure.because("a document of it has no apiVersion and kind"));
        };
        let rules = document.get("rules").and_then(Value::as_array);
        let rules = rules.cloned().unwrap_or_default();
        if api_version.starts_with("rbac.authorization.k8s.io/") {
            match kind.as_str() {
                "Role" => given.in_namespace.extend(rules),
                "ClusterRole" => given.everywhere.extend(rules),
                "RoleBinding" | "ClusterRoleBinding" => {
                    let everywhere = kind == "ClusterRoleBinding";
                    bound.extend(role_of(&document["roleRef"]).map(|role| (everywhere, role)));
                }
                _ => {}
            }
            own.extend(role_of(
                &json!({"kind": kind, "name": document["metadata"]["name"]}),
            ));
        }
        kinds.insert(ObjectKind { api_version, kind });
    }
    // Whoever has all that a role gives may bind it; of others it is not known here what they give.
    for (everywhere, (resource, name)) in bound {
        if own.contains(&(resource, name.clone())) {
            continue;
        }
        let rules = if everywhere {
            &mut given.everywhere
        } else {
            &mut given.in_namespace
        };
        rules.push(json!({
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": [resource],
            "resourceNames": [name],
            "verbs": ["bind"],
        }));
    }
    Ok((kinds, given))
}

/// The resource and the name of a role, from its kind and name or from what refers to it.
fn role_of(named: &Value) -> Option<(&'static str, String)> {
    let resource = match named["kind"].as_str()? {
        "Role" => "roles",
        "ClusterRole" => "clusterroles",
        _ => return None,
    };
    Some((resource, named["name"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_what_is_in_them() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret}\n\
            - {apiVersion: v1, kind: ConfigMapList, items: [{apiVersion: v1, kind: ConfigMap}]}\n";
        let (kinds, _) = kinds_of(list).unwrap();
        let kinds: Vec<_> = kinds.iter().map(|kind| kind.kind.as_str()).collect();
        assert_eq!(kinds, ["ConfigMap", "Secret"]);
        let empty = kinds_of("apiVersion: v1\nkind: List\nitems: []\n").unwrap();
        assert!(empty.0.is_empty());
        let wrong = kinds_of("apiVersion: v1\nkind: List\nitems: [{a: b}]\n");
        assert_eq!(wrong.unwrap_err().kind, FailureKind::Usage);
    }

    #[test]
    fn roles_of_others_are_bound_by_a_right_to_that() {
        let group = "apiVersion: rbac.authorization.k8s.io/v1";
        let binding = |kind: &str, role: &str, name: &str| {
            format!("---\n{group}\nkind: {kind}\nroleRef: {{kind: {role}, name: {name}}}\n")
        };
        let stream = [
            format!("{group}\nkind: Role\nmetadata: {{name: own}}\nrules: []\n"),
            binding("RoleBinding", "Role", "own"),
            binding("RoleBinding", "ClusterRole", "view"),
            binding("ClusterRoleBinding", "ClusterRole", "system:auth-delegator"),
        ];
        let (_, given) = kinds_of(&stream.concat()).unwrap();
        let bind = |name: &str| {
            json!({
                "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"],
                "resourceNames": [name], "verbs": ["bind"],
            })
        };
        assert_eq!(given.in_namespace, [bind("view")]);
        assert_eq!(given.everywhere, [bind("system:auth-delegator")]);
    }

    #[test]
    fn kinds_of_a_stream() {
        let stream = "---\n# Source: a\napiVersion: v1\nkind: Secret\n---\n# nothing\n---\napiVersion: apps/v1\nkind: Deployment\n---\n\
            apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nrules: [{apiGroups: [''], resources: [pods], verbs: [get]}]\n";
        let (kinds, given) = kinds_of(stream).unwrap();
        let kinds: Vec<_> = kinds.iter().map(|kind| kind.kind.as_str()).collect();
        assert_eq!(kinds, ["Deployment", "Role", "Secret"]);
        assert_eq!(given.in_namespace[0]["resources"][0], "pods");
        assert!(given.everywhere.is_empty());
        for wrong in ["kind: A\n", "- a\n", "a: [\n"] {
            assert_eq!(
                kinds_of(wrong).unwrap_err().kind,
                FailureKind::Usage,
                "{wrong}"
            );
        }
    }
}
