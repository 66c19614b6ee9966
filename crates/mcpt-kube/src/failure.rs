//! From the errors of the crates below to a [`Failure`] of this backend: what failed, and hints with mcpt's own options.

use kube_access::{Error, ErrorKind, KubeconfigError};
use mcpt_core::{Failure, FailureKind};

/// An error as a failure of `what`.
pub(crate) fn failure(what: impl Into<String>, error: &Error) -> Failure {
    let explained = error.explain();
    let kind = match explained.kind {
        ErrorKind::Configuration => FailureKind::Usage,
        ErrorKind::NotFound => FailureKind::NotFound,
        ErrorKind::Unreachable => FailureKind::Unreachable,
        ErrorKind::Failed => FailureKind::Failed,
    };
    Failure {
        why: explained.causes,
        hint: own_hint(error).or(explained.advice),
        ..Failure::new(kind, what)
    }
}

/// What options of mcpt mend it.
fn own_hint(error: &Error) -> Option<String> {
    if error.missing_namespace().is_some() {
        return Some("make it with --create-namespace".to_owned());
    }
    let Error::Kubeconfig(error) = error else {
        return None;
    };
    let contexts = |known: &[String]| match known {
        [] => "the kubeconfig has no contexts".to_owned(),
        known => format!("contexts of the kubeconfig: {}", known.join(", ")),
    };
    Some(match error {
        KubeconfigError::Absent { .. } => "give --kubeconfig FILE or set KUBECONFIG".to_owned(),
        KubeconfigError::NamedAbsent { .. } => "check --kubeconfig and KUBECONFIG".to_owned(),
        KubeconfigError::NoCurrentContext { known } => {
            format!("give --context; {}", contexts(known))
        }
        KubeconfigError::UnknownContext { known, .. } => contexts(known),
        KubeconfigError::ServiceAccount(_) => {
            "mount a service account token into this pod, or give --kubeconfig".to_owned()
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
