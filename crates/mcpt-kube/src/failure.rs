//! From the errors of the crates below to a [`Failure`] of this backend: what failed, and hints with mcpt's own options.

use helm_install::{Error as InstallError, Interruption};
use kube_access::{Error, ErrorKind, KubeconfigError};
use mcpt_core::{CommandOption, Failure, FailureKind};

use crate::{
    cluster::{Cluster, TOOL},
    release_kind::ReleaseKind,
};

/// An error as a failure of `what`.
pub(crate) fn failure(what: impl Into<String>, error: &Error) -> Failure {
    let explained = error.explain();
    Failure {
        why: explained.causes,
        hint: own_hint(error).or(explained.advice),
        ..Failure::new(kind(explained.kind), what)
    }
}

fn kind(kind: ErrorKind) -> FailureKind {
    match kind {
        ErrorKind::Configuration => FailureKind::Usage,
        ErrorKind::NotFound => FailureKind::NotFound,
        ErrorKind::Unreachable => FailureKind::Unreachable,
        ErrorKind::TimedOut => FailureKind::TimedOut,
        ErrorKind::Failed => FailureKind::Failed,
    }
}

/// The errors of work on a release as failures.
pub(crate) trait OrFail<T> {
    /// As a failure of `what`.
    ///
    /// # Errors
    /// The error, with hints that lead to this cluster.
    fn or_fail(self, cluster: &Cluster, what: &str) -> Result<T, Failure>;
}

impl<T> OrFail<T> for Result<T, InstallError> {
    fn or_fail(self, cluster: &Cluster, what: &str) -> Result<T, Failure> {
        self.map_err(|error| not_installed(cluster, what, &error))
    }
}

/// An error of work on a release as a failure of `what`.
pub(crate) fn not_installed(cluster: &Cluster, what: &str, error: &InstallError) -> Failure {
    let what = match error {
        InstallError::NotGone { waited, .. } => {
            format!("{what}: not done after {} s", waited.as_secs())
        }
        InstallError::Interrupted { .. } => "the operation was interrupted".to_owned(),
        _ => what.to_owned(),
    };
    Failure {
        why: error.causes(),
        hint: install_hint(cluster, error),
        ..Failure::new(kind(error.kind()), what)
    }
}

/// What mends it.
fn install_hint(cluster: &Cluster, error: &InstallError) -> Option<String> {
    Some(match error {
        InstallError::Access(error)
        | InstallError::Unlisted { source: error, .. }
        | InstallError::LookedUp {
            source: Some(error),
            ..
        } => {
            return own_hint(error).or(error.explain().advice);
        }
        InstallError::Refused {
            owners: None,
            source: error,
            ..
        } => return own_hint(error).or(error.explain().advice),
        InstallError::Refused {
            owners: Some(owners),
            ..
        } => match owners.as_slice() {
            [] => "another tool changed the object at the same time: try again".to_owned(),
            owners => format!(
                "{} owns these fields since it changed them; to take them over: {}",
                owners.join(" and "),
                CommandOption::ForceConflicts
            ),
        },
        InstallError::UnknownKind { .. } => {
            "install the operator or CRDs that bring this kind, or switch the part of the chart off"
                .to_owned()
        }
        InstallError::NotOfRelease { .. } => {
            format!(
                "choose another name with {}, or delete that object first",
                CommandOption::Name
            )
        }
        InstallError::Several(all) => {
            return all.iter().find_map(|error| install_hint(cluster, error));
        }
        InstallError::Busy(record) if record.heartbeat(TOOL).is_some() => {
            let kind = ReleaseKind::of(record).unwrap_or(ReleaseKind::Server);
            format!(
                "wait until it is done: {} shows it",
                kind.status_command(cluster, &record.release.name)
            )
        }
        InstallError::Busy(record) => {
            let name = &record.release.name;
            format!(
                "it is not one of mcpt: if it was interrupted, end it with helm rollback {name} or helm uninstall {name}"
            )
        }
        InstallError::Interrupted { record, cause } => {
            if let Interruption::Unreachable(error) = cause {
                return error.explain().advice;
            }
            let kind = ReleaseKind::of(record).unwrap_or(ReleaseKind::Server);
            format!(
                "look at its state with: {}",
                kind.status_command(cluster, &record.release.name)
            )
        }
        InstallError::NamespaceUnknown {
            namespace, source, ..
        } => {
            let make = format!(
                "if namespace {namespace:?} is not there, ask for it, or for a role with verb \"create\" on \"namespaces\" in the whole cluster"
            );
            let missing = matches!(source.kind(), ErrorKind::NotFound);
            match install_hint(cluster, source).filter(|_| !missing) {
                Some(there) => format!("{make}; if it is, {there}"),
                None => make,
            }
        }
        InstallError::NamespaceEnding(name) => {
            format!("wait until it is gone: kubectl get namespace {name}")
        }
        _ => return None,
    })
}

/// What options of mcpt mend it.
fn own_hint(error: &Error) -> Option<String> {
    if error.missing_namespace().is_some() {
        return Some(format!("make it with {}", CommandOption::CreateNamespace));
    }
    let Error::Kubeconfig(error) = error else {
        return None;
    };
    let contexts = |known: &[String]| match known {
        [] => "the kubeconfig has no contexts".to_owned(),
        known => format!("contexts of the kubeconfig: {}", known.join(", ")),
    };
    Some(match error {
        KubeconfigError::Absent { .. } => {
            format!("give {} FILE or set KUBECONFIG", CommandOption::Kubeconfig)
        }
        KubeconfigError::NamedAbsent { .. } => {
            format!("check {} and KUBECONFIG", CommandOption::Kubeconfig)
        }
        KubeconfigError::NoCurrentContext { known } => {
            format!("give {}; {}", CommandOption::Context, contexts(known))
        }
        KubeconfigError::UnknownContext { known, .. } => contexts(known),
        KubeconfigError::ServiceAccount(_) => {
            format!(
                "mount a service account token into this pod, or give {}",
                CommandOption::Kubeconfig
            )
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: KubeconfigError) -> Failure {
        failure("x", &error.into())
    }

    #[test]
    fn hints_name_the_options() {
        let absent = of(KubeconfigError::Absent {
            looked: "KUBECONFIG and HOME are not set,".to_owned(),
        });
        assert_eq!(absent.kind, FailureKind::Unreachable);
        assert!(absent.hint.unwrap().contains("--kubeconfig FILE"));
        let known = vec!["lost".to_owned(), "one".to_owned()];
        let unknown = of(KubeconfigError::UnknownContext {
            name: "three".to_owned(),
            known: known.clone(),
        });
        assert_eq!(unknown.kind, FailureKind::Usage);
        assert_eq!(unknown.why, [r#"there is no context "three""#]);
        assert_eq!(
            unknown.hint.as_deref(),
            Some("contexts of the kubeconfig: lost, one")
        );
        let none = of(KubeconfigError::NoCurrentContext { known });
        assert!(none.hint.unwrap().starts_with("give --context; "));
    }

    #[test]
    fn a_missing_namespace_names_the_option() {
        let status = kube::core::Status {
            details: Some(kube::core::response::StatusDetails {
                name: "x".into(),
                kind: "namespaces".into(),
                group: String::new(),
                uid: String::new(),
                causes: Vec::new(),
                retry_after_seconds: 0,
            }),
            ..kube::core::Status::failure("namespaces \"x\" not found", "NotFound").with_code(404)
        };
        let missing = failure(
            "x",
            &Error::Request {
                address: String::new(),
                source: Box::new(kube::Error::Api(status.boxed())),
            },
        );
        assert_eq!(missing.kind, FailureKind::NotFound);
        assert_eq!(
            missing.hint.as_deref(),
            Some("make it with --create-namespace")
        );
    }
}
