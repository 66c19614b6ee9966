//! Credential plugins: programs of a kubeconfig that print credentials, by the protocol `client.authentication.k8s.io`.
//!
//! What counts is what client-go does: the program is run once, its token is kept until it expires or the server refuses it, what it
//! prints may be JSON or YAML, and an answer in another version than the asked one is refused. `kube` has this too, but ends
//! the program on a token that no header can carry, runs the plugin twice, hands on what is piped into the command, and never
//! asks it again after a 401. A certificate is had once: connections that are made later than it is valid are refused.

use std::{
    collections::HashMap,
    fmt,
    io::IsTerminal,
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
};

use http::HeaderValue;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::config::{AuthInfo, ExecAuthCluster, ExecConfig, ExecInteractiveMode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// The variable that says to a plugin what it is asked for.
const ASKED: &str = "KUBERNETES_EXEC_INFO";

/// So long before its end a token counts as expired.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// Why a plugin gave no credentials. Its standard output may hold a token and is in none of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The kubeconfig names no program.
    #[error("the kubeconfig's exec section has no command")]
    NoCommand,
    /// The program cannot be started.
    #[error("{program:?} cannot be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the kubeconfig says of how to get it.
        hint: Option<String>,
        /// Why.
        source: std::io::Error,
    },
    /// The program failed.
    #[error("{program:?} failed ({status})")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote on standard error, at most its last three lines; empty when that went to the terminal.
        stderr: String,
    },
    /// What it printed cannot be used.
    #[error("{program:?} {fault}")]
    Answer {
        /// The program.
        program: String,
        /// What is wrong with it.
        fault: AnswerFault,
    },
    /// It wants to ask somebody, and nobody is there.
    #[error("{program:?} asks questions, and standard input is not a terminal")]
    NoTerminal {
        /// The program.
        program: String,
    },
    /// The program's run was given up.
    #[error("the run of {program:?} was given up")]
    GivenUp {
        /// The program.
        program: String,
    },
}

/// What is wrong with what a plugin printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerFault {
    /// Neither JSON nor YAML of the right form.
    #[error("did not print an ExecCredential with a status")]
    Form,
    /// Another version of the protocol.
    #[error("answered in version {given:?}, where the kubeconfig asks for {asked:?}")]
    Version {
        /// What the kubeconfig says.
        asked: String,
        /// What the plugin says.
        given: String,
    },
    /// Nothing to log in with.
    #[error("printed neither a token nor a certificate with its key")]
    Empty,
    /// One without the other.
    #[error("printed a certificate without its key, or a key without its certificate")]
    Half,
    /// A token that no request can carry.
    #[error(
        "printed a token that has characters which a request cannot carry, such as the end of a line"
    )]
    Token,
    /// A time that is none.
    #[error("printed an expirationTimestamp that is no time of RFC 3339")]
    Time,
}

/// What a plugin is asked, and what it answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<Spec>,
    #[serde(skip_serializing)]
    status: Option<Status>,
}

#[derive(Serialize, Deserialize)]
struct Spec {
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    cluster: Option<ExecAuthCluster>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<SecretString>,
    client_certificate_data: Option<String>,
    client_key_data: Option<SecretString>,
}

/// What a plugin gave.
pub(crate) struct PluginCredentials {
    /// The value of `Authorization`.
    pub(crate) token: Option<HeaderValue>,
    /// Certificate and key in PEM form.
    pub(crate) identity: Option<(String, SecretString)>,
    expires: Option<Timestamp>,
}

impl PluginCredentials {
    /// Whether a token is to be had anew before the next request.
    pub(crate) fn expired(&self) -> bool {
        self.expires
            .is_some_and(|end| Timestamp::now() + MARGIN >= end)
    }
}

impl fmt::Debug for PluginCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginCredentials").finish_non_exhaustive()
    }
}

/// A program that gives credentials.
#[derive(Clone)]
pub(crate) struct Plugin(Arc<ExecConfig>);

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plugin").field(&self.0.command).finish()
    }
}

impl Plugin {
    /// The plugin of a user who has nothing else to log in with; it is taken out of what is known of them.
    pub(crate) fn of(user: &mut AuthInfo) -> Option<Self> {
        let exec = user.exec.take()?;
        let other = user.token.is_some() || user.username.is_some() || user.auth_provider.is_some();
        (!other).then(|| Self(Arc::new(exec)))
    }

    /// Runs it and waits for its end; blocks.
    ///
    /// # Errors
    /// When it gives no credentials that can be used.
    pub(crate) fn run(&self) -> Result<PluginCredentials, PluginError> {
        let exec = &*self.0;
        let program = exec.command.clone().filter(|name| !name.is_empty());
        let program = program.ok_or(PluginError::NoCommand)?;
        let mode = exec.interactive_mode.as_ref();
        let asks = std::io::stdin().is_terminal();
        let interactive = match mode {
            Some(ExecInteractiveMode::Never) => false,
            Some(ExecInteractiveMode::Always) if !asks => {
                return Err(PluginError::NoTerminal { program });
            }
            Some(ExecInteractiveMode::Always | ExecInteractiveMode::IfAvailable) | None => asks,
        };
        let asked = ExecCredential {
            api_version: exec.api_version.clone(),
            kind: Some("ExecCredential".to_owned()),
            spec: Some(Spec {
                interactive,
                cluster: exec.cluster.clone().filter(|_| exec.provide_cluster_info),
            }),
            status: None,
        };
        let mut command = Command::new(&program);
        command.args(exec.args.iter().flatten());
        command.envs(exec.env.iter().flatten().filter_map(variable));
        // A map of texts, numbers and booleans can always be written.
        command.env(ASKED, serde_json::to_string(&asked).unwrap_or_default());
        // What is piped into the command is not for the plugin.
        command.stdin(if interactive {
            Stdio::inherit()
        } else {
            Stdio::null()
        });
        // Where somebody may be asked to do something, he must see it at once.
        let silent = mode == Some(&ExecInteractiveMode::Never);
        command.stderr(if silent {
            Stdio::piped()
        } else {
            Stdio::inherit()
        });
        let output = command.output().map_err(|source| PluginError::Start {
            program: program.clone(),
            hint: exec.install_hint.clone(),
            source,
        })?;
        if !output.status.success() {
            return Err(PluginError::Failed {
                program,
                status: output.status,
                stderr: last_lines(&output.stderr),
            });
        }
        read(&output.stdout, exec.api_version.as_deref())
            .map_err(|fault| PluginError::Answer { program, fault })
    }

    /// Runs it where blocking is allowed.
    ///
    /// # Errors
    /// As [`Plugin::run`].
    pub(crate) async fn run_aside(&self) -> Result<PluginCredentials, PluginError> {
        let plugin = self.clone();
        let run = tokio::task::spawn_blocking(move || plugin.run()).await;
        run.unwrap_or_else(|_| {
            let program = self.0.command.clone().unwrap_or_default();
            Err(PluginError::GivenUp { program })
        })
    }
}

fn variable(entry: &HashMap<String, String>) -> Option<(&String, &String)> {
    Some((entry.get("name")?, entry.get("value")?))
}

/// The last three lines that have text, in one.
fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

/// Reads what a plugin printed, which was asked in a version.
fn read(stdout: &[u8], asked: Option<&str>) -> Result<PluginCredentials, AnswerFault> {
    let answer: ExecCredential = serde_saphyr::from_slice(stdout).map_err(|_| AnswerFault::Form)?;
    if let (Some(asked), given) = (asked, answer.api_version.unwrap_or_default())
        && asked != given
    {
        let asked = asked.to_owned();
        return Err(AnswerFault::Version { asked, given });
    }
    let status = answer.status.ok_or(AnswerFault::Form)?;
    let full = |text: &SecretString| !text.expose_secret().is_empty();
    let certificate = status.client_certificate_data.filter(|pem| !pem.is_empty());
    let identity = match (certificate, status.client_key_data.filter(full)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(AnswerFault::Half),
    };
    let token = status
        .token
        .filter(full)
        .map(|token| header(&token))
        .transpose()?;
    if token.is_none() && identity.is_none() {
        return Err(AnswerFault::Empty);
    }
    let expires = status.expiration_timestamp.filter(|text| !text.is_empty());
    let expires = expires
        .map(|text| text.parse().map_err(|_| AnswerFault::Time))
        .transpose()?;
    Ok(PluginCredentials {
        token,
        identity,
        expires,
    })
}

fn header(token: &SecretString) -> Result<HeaderValue, AnswerFault> {
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| AnswerFault::Token)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "client.authentication.k8s.io/v1";

    /// What is read of an answer with this status, in JSON.
    fn given(status: &str) -> Result<PluginCredentials, AnswerFault> {
        let text =
            format!(r#"{{"apiVersion": "{V1}", "kind": "ExecCredential", "status": {status}}}"#);
        read(text.as_bytes(), Some(V1))
    }

    #[test]
    fn answers_are_read_or_refused_with_the_fault() {
        for (status, fault) in [
            (r#"{"token": "t"}"#, None),
            (
                r#"{"token": "a b", "expirationTimestamp": "2030-01-01T00:00:00Z"}"#,
                None,
            ),
            (
                r#"{"clientCertificateData": "c", "clientKeyData": "k"}"#,
                None,
            ),
            (r#"{"token": "t\n"}"#, Some(AnswerFault::Token)),
            (r#"{"token": "t\u0000"}"#, Some(AnswerFault::Token)),
            (r#"{"token": ""}"#, Some(AnswerFault::Empty)),
            ("{}", Some(AnswerFault::Empty)),
            (r#"{"clientCertificateData": "c"}"#, Some(AnswerFault::Half)),
            (
                r#"{"token": "t", "clientKeyData": "k"}"#,
                Some(AnswerFault::Half),
            ),
            (
                r#"{"token": "t", "expirationTimestamp": "soon"}"#,
                Some(AnswerFault::Time),
            ),
            ("null", Some(AnswerFault::Form)),
            ("7", Some(AnswerFault::Form)),
        ] {
            assert_eq!(given(status).err(), fault, "{status}");
        }
        for text in ["", "token", "[]", "\u{0}"] {
            assert_eq!(read(text.as_bytes(), None).err(), Some(AnswerFault::Form));
        }
        let yaml = format!("apiVersion: {V1}\nkind: ExecCredential\nstatus:\n  token: t\n");
        let read_yaml = read(yaml.as_bytes(), Some(V1)).unwrap();
        assert_eq!(read_yaml.token.unwrap(), "Bearer t");
        let other = read(
            yaml.as_bytes(),
            Some("client.authentication.k8s.io/v1beta1"),
        );
        assert!(matches!(other.err(), Some(AnswerFault::Version { .. })));
    }

    #[test]
    fn a_token_counts_until_a_minute_before_its_end() {
        let at = |seconds: i64| {
            let end = Timestamp::now() + SignedDuration::from_secs(seconds);
            given(&format!(
                r#"{{"token": "t", "expirationTimestamp": "{end}"}}"#
            ))
            .unwrap()
        };
        assert!(at(-5).expired() && at(30).expired());
        assert!(!at(600).expired() && !given(r#"{"token": "t"}"#).unwrap().expired());
    }
}
