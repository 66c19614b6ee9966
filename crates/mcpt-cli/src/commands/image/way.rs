//! How registries are asked for images and given them: over TLS, with the logins that Docker, Podman and Helm keep.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use helm_fetch::Places;
use mcpt_core::{Failure, FailureKind, Progress};
use oci_image::Error;
use oci_registry::{Access, Http, Reference, Registry, Tls};

use crate::runtime;

/// How long one layer may take: some people have slow lines.
const LAYER: Duration = Duration::from_mins(30);

/// What of it is said on the command line.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Way {
    /// The registry has no TLS; one on this machine needs none
    #[arg(long)]
    plain_http: bool,
    /// Certificates to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Way {
    /// Does something with the registry of a reference; once more without TLS when it is on this machine and speaks none. A signal
    /// leaves it where it stands. `what` fails by it.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        what: &str,
        reference: &Reference,
        progress: &dyn Progress,
        work: impl Fn(&Registry, &dyn Progress) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let (first, without_tls) = (self.registry(self.plain_http), self.registry(true));
        let here = is_here(&reference.registry);
        let done = runtime::aside(progress, move |progress| match work(&first, progress) {
            // On this machine nobody can listen; Docker does the same.
            Err(Error::Registry(error)) if error.is_without_tls() && here => {
                work(&without_tls, progress)
            }
            done => done,
        })?;
        done.map_err(|error| failure(what, &reference.registry, &error))
    }

    fn registry(&self, plain_http: bool) -> Registry {
        let access = Access {
            tls: Tls {
                ca_file: self.ca_file.clone(),
                ..Tls::default()
            },
            ..Access::default()
        };
        let credentials = Places::of_environment(|name| std::env::var_os(name)).credentials;
        Registry::new(&Http::new(LAYER), &access, plain_http, &credentials)
    }
}

/// A failure of a registry, with what mends it.
fn failure(what: &str, host: &str, error: &Error) -> Failure {
    let failure = Failure::new(FailureKind::Failed, what).caused_by(error);
    let Error::Registry(error) = error else {
        return failure;
    };
    match error {
        error if error.is_without_tls() => {
            failure.hint("a registry without TLS is taken with --plain-http")
        }
        oci_registry::Error::NoLogin { .. }
        | oci_registry::Error::Answer { status: 401 | 403, .. } => failure.hint(format!(
            "docker login {host}, or mcpt chart registry login {host} --username NAME --password-stdin"
        )),
        _ => failure,
    }
}

/// The failure with a hint where it has none, and is one.
pub(crate) fn hinted(failure: Failure, hint: &str) -> Failure {
    if failure.hint.is_some() || failure.kind == FailureKind::Interrupted {
        return failure;
    }
    failure.hint(hint)
}

/// Whether `HOST:PORT` is on this machine's loopback.
fn is_here(host: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let address = name.parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known() {
        for (host, here) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("[::1]:5000", true),
            ("localhost.example", false),
            ("192.0.2.1:5000", false),
        ] {
            assert_eq!(is_here(host), here, "{host}");
        }
    }
}
