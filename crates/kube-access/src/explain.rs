//! What the API server's and the client's errors mean, in words a user can act on.

use std::{error::Error as StdError, io};

use kube::{
    core::{Status, response::StatusCause},
    runtime::watcher,
};

use crate::{Error, chain, error::ForwardError, own_authority::is_authority, plugin::PluginError};

/// What sort of error it is, for exit codes and for who decides whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing was sent: the kubeconfig, or what was chosen of it, is wrong.
    Configuration,
    /// What is asked for is not there.
    NotFound,
    /// The cluster cannot be reached, or not be trusted, or does not let this user in.
    Unreachable,
    /// It did not happen in time.
    TimedOut,
    /// It was asked, and refused or failed.
    Failed,
}

/// An error understood: its kind, its causes and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Sort of error.
    pub kind: ErrorKind,
    /// Causes, the most telling first.
    pub causes: Vec<String>,
    /// What to do, with the means that every cluster's user has.
    pub advice: Option<String>,
}

impl Explanation {
    fn new(kind: ErrorKind, cause: impl Into<String>) -> Self {
        Self {
            kind,
            causes: vec![cause.into()],
            advice: None,
        }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Explains any error.
pub(crate) fn explain(error: &Error) -> Explanation {
    match error {
        Error::Kubeconfig(error) => Explanation::new(error.kind(), error.to_string()),
        Error::Plugin(error) => explain_plugin(error),
        Error::Request { address, source } => explain_request(source, address),
        Error::Watch { address, source } => explain_watch(source, address),
        Error::Silent { address, waited } => {
            unreachable(address, &format!("no answer within {} s", waited.as_secs()))
        }
        Error::NoReadyPod { any } => Explanation::new(
            ErrorKind::Unreachable,
            if *any {
                "none of its pods is ready"
            } else {
                "it has no pods"
            },
        ),
        Error::Forward { source, .. } => match source.as_ref() {
            ForwardError::Request { address, source } => explain_request(source, address),
            ForwardError::Said(words) => Explanation::new(ErrorKind::Unreachable, words),
            ForwardError::NoStream => {
                Explanation::new(ErrorKind::Failed, "there is no stream for it")
            }
        },
        Error::Listen(error) => Explanation::new(ErrorKind::Failed, chain(error)),
    }
}

/// Explains an error of a request to the API server at `address`.
fn explain_request(error: &kube::Error, address: &str) -> Explanation {
    match error {
        kube::Error::Api(status) => explain_status(status),
        kube::Error::Auth(auth) => Explanation::new(
            ErrorKind::Unreachable,
            format!("the credentials cannot be used: {}", chain(auth)),
        ),
        kube::Error::Service(error) => explain_transport(error.as_ref(), address),
        kube::Error::HyperError(error) => explain_transport(error, address),
        kube::Error::ReadEvents(error) => explain_transport(error, address),
        kube::Error::UpgradeConnection(error) => Explanation::new(
            ErrorKind::Failed,
            format!(
                "{address} does not open a connection to the pod: {}",
                chain(error)
            ),
        ),
        other => Explanation::new(ErrorKind::Failed, chain(other)),
    }
}

/// Explains an error of a watch at the API server at `address`.
fn explain_watch(error: &watcher::Error, address: &str) -> Explanation {
    use watcher::Error as E;
    match error {
        E::InitialListFailed(e) | E::WatchStartFailed(e) | E::WatchFailed(e) => {
            explain_request(e, address)
        }
        E::WatchError(status) => explain_status(status),
        E::NoResourceVersion => Explanation::new(
            ErrorKind::Failed,
            "the API server sent an object without a resourceVersion",
        ),
    }
}

/// Explains a refusal by the API server.
fn explain_status(status: &Status) -> Explanation {
    match status.code {
        401 => Explanation::new(
            ErrorKind::Unreachable,
            "the cluster does not accept the credentials (401 Unauthorized): they are wrong or expired",
        )
        .advice("log in again, or check the user of the context: kubectl config view --minify"),
        403 => explain_forbidden(&status.message),
        404 if missing_namespace(status).is_some() => Explanation::new(
            ErrorKind::NotFound,
            format!("namespace {:?} does not exist", missing_namespace(status).unwrap_or_default()),
        ),
        // A validation error lists its faults one by one; the message is all of them in one line.
        422 if faults(status).len() > 1 => {
            Explanation { kind: ErrorKind::Failed, causes: faults(status), advice: None }
        }
        0 => Explanation::new(ErrorKind::Failed, status.message.clone()),
        code if status.message.trim().is_empty() => Explanation::new(
            ErrorKind::Failed,
            format!("the API server answered {code} {}", status.reason).trim_end().to_owned(),
        ),
        429 | 500..=599 => Explanation::new(
            ErrorKind::Failed,
            format!("the API server answered {}: {}", status.code, status.message),
        ),
        _ => Explanation::new(ErrorKind::Failed, status.message.clone()),
    }
}

fn faults(status: &Status) -> Vec<String> {
    let Some(details) = &status.details else {
        return Vec::new();
    };
    let fault = |c: &StatusCause| {
        format!(
            "{} {:?}: {}: {}",
            details.kind, details.name, c.field, c.message
        )
    };
    details.causes.iter().map(fault).collect()
}

/// Name of the namespace, when its absence is what the API server complains of.
pub(crate) fn missing_namespace(status: &Status) -> Option<&str> {
    let details = status.details.as_ref()?;
    (status.code == 404 && details.kind == "namespaces").then_some(details.name.as_str())
}

/// Whether the authorizer refused it.
pub(crate) fn lacks_right(status: &Status) -> bool {
    status.code == 403 && Denied::parse(&status.message).is_some()
}

/// What a `403` of the authorizer says: `… cannot VERB resource "R" in API group "G" in the namespace "N"`.
#[derive(Debug, PartialEq, Eq)]
struct Denied<'a> {
    user: &'a str,
    verb: &'a str,
    resource: &'a str,
    group: &'a str,
    namespace: Option<&'a str>,
}

impl<'a> Denied<'a> {
    fn parse(message: &'a str) -> Option<Self> {
        fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
            text.split_once(before)?
                .1
                .split_once('"')
                .map(|(value, _)| value)
        }
        let verb = message.split_once("\" cannot ")?.1.split_once(' ')?.0;
        Some(Self {
            user: quoted(message, "User \"")?,
            verb,
            resource: quoted(message, "resource \"")?,
            group: quoted(message, "API group \"").unwrap_or_default(),
            namespace: quoted(message, "in the namespace \""),
        })
    }
}

fn explain_forbidden(message: &str) -> Explanation {
    let Some(denied) = Denied::parse(message) else {
        // Quota and admission refuse with 403 as well; their own words are the cause.
        return Explanation::new(ErrorKind::Failed, message);
    };
    if denied.user == "system:anonymous" {
        return Explanation::new(
            ErrorKind::Failed,
            "the cluster was given no credentials that it knows (user system:anonymous)",
        )
        .advice("check the user of the context: kubectl config view --minify");
    }
    let group = if denied.group.is_empty() {
        String::new()
    } else {
        format!(".{}", denied.group)
    };
    let (scope, flag) = match denied.namespace {
        Some(namespace) => (
            format!("in namespace {namespace:?}"),
            format!(" --namespace {namespace}"),
        ),
        None => ("in the whole cluster".to_owned(), String::new()),
    };
    Explanation::new(
        ErrorKind::Failed,
        format!(
            "user {:?} has no right to {} {}{group} {scope}",
            denied.user, denied.verb, denied.resource
        ),
    )
    .advice(format!(
        "ask for a role with verb {:?} on {:?} {scope}; check with: kubectl auth can-i {} {}{group}{flag}",
        denied.verb, denied.resource, denied.verb, denied.resource
    ))
}

/// Explains why a credential plugin gave nothing. Its standard output and its environment may hold a token, so only exit status
/// and standard error are told.
fn explain_plugin(error: &PluginError) -> Explanation {
    let unreachable = |cause: String| Explanation::new(ErrorKind::Unreachable, cause);
    let named = |program: &str| format!("the credential plugin {program:?} of the kubeconfig");
    match error {
        PluginError::NoCommand => Explanation::new(ErrorKind::Configuration, error.to_string()),
        PluginError::Start {
            program,
            hint,
            source,
        } => {
            let hint = hint
                .as_deref()
                .map(str::trim)
                .filter(|hint| !hint.is_empty());
            unreachable(format!("{} cannot be started: {source}", named(program)))
                .advice(hint.unwrap_or("install that program, or put it on PATH"))
        }
        PluginError::Failed {
            program,
            status,
            stderr,
        } => {
            let separator = if stderr.is_empty() { "" } else { ": " };
            let program = named(program);
            unreachable(format!("{program} failed ({status}){separator}{stderr}"))
                .advice("log in again with the tool that made this kubeconfig")
        }
        PluginError::Answer { program, fault } => {
            unreachable(format!("{} {fault}", named(program)))
        }
        PluginError::NoTerminal { program } => unreachable(format!(
            "{} asks questions, and standard input is not a terminal",
            named(program)
        )),
        PluginError::GivenUp { .. } => unreachable(error.to_string()),
    }
}

fn explain_transport(error: &(dyn StdError + 'static), address: &str) -> Explanation {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    let mut innermost = String::new();
    while let Some(current) = next {
        innermost = current.to_string();
        if let Some(plugin) = current.downcast_ref::<PluginError>() {
            return explain_plugin(plugin);
        }
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return explain_tls(tls, address);
        }
        if innermost.contains("dns error") {
            return unreachable(address, "its name cannot be resolved");
        }
        let io = current.downcast_ref::<io::Error>();
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => {
                return unreachable(address, "connection refused");
            }
            Some(io::ErrorKind::TimedOut) => return unreachable(address, "no answer in time"),
            Some(io::ErrorKind::HostUnreachable) => {
                return unreachable(address, "no route to host");
            }
            Some(io::ErrorKind::NetworkUnreachable) => {
                return unreachable(address, "network is unreachable");
            }
            _ => {}
        }
        // The source of an I/O error is that of the error it wraps, which would be skipped.
        next = match io.and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        };
    }
    unreachable(address, &innermost)
}

fn unreachable(address: &str, why: &str) -> Explanation {
    Explanation::new(
        ErrorKind::Unreachable,
        format!("the API server at {address} cannot be reached: {why}"),
    )
    .advice("is the cluster running, and is this the right context? kubectl config current-context")
}

fn explain_tls(error: &rustls::Error, address: &str) -> Explanation {
    let why = match error {
        rustls::Error::InvalidCertificate(reason) => {
            use rustls::CertificateError as E;
            match reason {
                E::UnknownIssuer | E::BadSignature => {
                    "its certificate is not signed by the authority that the kubeconfig names"
                        .to_owned()
                }
                E::Expired | E::ExpiredContext { .. } => "its certificate has expired".to_owned(),
                E::NotValidForName | E::NotValidForNameContext { .. } => {
                    "its certificate is for another host name".to_owned()
                }
                E::Other(other) if is_authority(other) => {
                    "its certificate is that of an authority, and not one that an authority gave to a server".to_owned()
                }
                other => format!("its certificate is not valid: {other}"),
            }
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        other => other.to_string(),
    };
    Explanation::new(
        ErrorKind::Unreachable,
        format!("the API server at {address} cannot be trusted: {why}"),
    )
    .advice("check certificate-authority and server of the context: kubectl config view --minify")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> Status {
        Status::failure(message, reason).with_code(code)
    }

    #[test]
    fn refusals_name_verb_resource_and_namespace() {
        for (message, why, hint) in [
            (
                r#"secrets is forbidden: User "bob" cannot create resource "secrets" in API group "" in the namespace "x""#,
                r#"user "bob" has no right to create secrets in namespace "x""#,
                "kubectl auth can-i create secrets --namespace x",
            ),
            (
                r#"deployments.apps "a" is forbidden: User "bob" cannot patch resource "deployments" in API group "apps" in the namespace "x""#,
                r#"user "bob" has no right to patch deployments.apps in namespace "x""#,
                "kubectl auth can-i patch deployments.apps --namespace x",
            ),
            (
                r#"namespaces is forbidden: User "bob" cannot create resource "namespaces" in API group "" at the cluster scope"#,
                r#"user "bob" has no right to create namespaces in the whole cluster"#,
                "kubectl auth can-i create namespaces",
            ),
            (
                r#"secrets is forbidden: User "system:anonymous" cannot list resource "secrets" in API group "" in the namespace "x""#,
                "the cluster was given no credentials that it knows (user system:anonymous)",
                "kubectl config view --minify",
            ),
        ] {
            let explained = explain_status(&status(403, "Forbidden", message));
            assert_eq!(explained.kind, ErrorKind::Failed);
            assert_eq!(explained.causes, [why]);
            let given = explained.advice.unwrap();
            assert!(given.contains(hint), "{given}");
        }
    }

    #[test]
    fn admission_keeps_its_own_words() {
        let message = r#"pods "x" is forbidden: exceeded quota: q, requested: pods=1"#;
        assert_eq!(
            explain_status(&status(403, "Forbidden", message)).causes,
            [message]
        );
    }

    #[test]
    fn statuses_without_words_are_still_told() {
        assert_eq!(
            explain_status(&status(503, "ServiceUnavailable", "")).causes,
            ["the API server answered 503 ServiceUnavailable"]
        );
        assert_eq!(explain_status(&status(0, "", "odd")).causes, ["odd"]);
    }

    #[test]
    fn a_missing_namespace_is_told() {
        let mut missing = status(404, "NotFound", r#"namespaces "x" not found"#);
        missing.details = Some(kube::core::response::StatusDetails {
            name: "x".into(),
            kind: "namespaces".into(),
            group: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        });
        let explained = explain_status(&missing);
        assert_eq!(explained.kind, ErrorKind::NotFound);
        assert_eq!(explained.causes, [r#"namespace "x" does not exist"#]);
    }

    #[test]
    fn transport_errors_name_the_address() {
        let address = "https://10.0.0.1:6443";
        for (error, why) in [
            (
                io::Error::from(io::ErrorKind::ConnectionRefused),
                "the API server at https://10.0.0.1:6443 cannot be reached: connection refused",
            ),
            (
                io::Error::from(io::ErrorKind::TimedOut),
                "the API server at https://10.0.0.1:6443 cannot be reached: no answer in time",
            ),
            (
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer),
                ),
                "the API server at https://10.0.0.1:6443 cannot be trusted: its certificate is not signed by the authority that the kubeconfig names",
            ),
        ] {
            let explained = explain_request(&kube::Error::Service(Box::new(error)), address);
            assert_eq!(explained.kind, ErrorKind::Unreachable);
            assert_eq!(explained.causes, [why]);
        }
    }
}
