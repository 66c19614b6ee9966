//! `mcpt image push REGISTRY/NAME`: the image in a registry.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use helm_fetch::Places;
use mcpt_core::{Failure, FailureKind, Image, ProgressEvent};
use oci_registry::{Access, Http, Reference, Registry, Tls};

use super::{Binary, made, show};
use crate::{args::Global, ending::Ending, progress, user_config::UserConfig};

/// How long one layer may take: some people have slow lines.
const LAYER: Duration = Duration::from_mins(30);

/// Arguments of `mcpt image push`.
#[derive(Debug, Args)]
pub(super) struct Push {
    #[arg(
        value_name = "IMAGE",
        help = "Where to: HOST[:PORT]/PATH, with :TAG if it shall not be mcpt's version"
    )]
    image: Image,
    #[command(flatten)]
    binary: Binary,
    /// The registry has no TLS; one on this machine needs none
    #[arg(long)]
    plain_http: bool,
    /// Certificates to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Do not write the name into the configuration file, from where deploys take it
    #[arg(long)]
    no_remember: bool,
}

impl Push {
    /// Puts it there.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let what = format!("cannot push to {}", self.image.repository);
        let wrong = |why: &str| Failure::new(FailureKind::Usage, &what).because(why);
        if self.image.digest.is_some() {
            return Err(wrong("a digest cannot be chosen: leave it out").into());
        }
        if !is_registry(&self.image.repository) {
            return Err(wrong("it names no registry")
                .hint("begin with the registry's host: registry.example/team/mcpt")
                .into());
        }
        let tag = self
            .image
            .tag
            .as_deref()
            .unwrap_or(env!("CARGO_PKG_VERSION"));
        let name = format!("{}:{tag}", self.image.repository);
        let reference = Reference::parse(&name).map_err(|error| wrong(&error.to_string()))?;
        let image = made(&self.binary)?;
        let display = progress::display(global);
        display.event(ProgressEvent::Step(format!("pushing {name}")));
        let push = |plain_http| {
            image.push(&self.registry(plain_http), &reference, &mut |step| {
                let megabytes = step.size as f64 / 1e6;
                display.event(ProgressEvent::Waiting(format!(
                    "layer {} of {}, {megabytes:.1} MB",
                    step.layer, step.layers
                )));
            })
        };
        let pushed = match push(self.plain_http) {
            // On this machine nobody can listen; Docker does the same.
            Err(oci_image::Error::Registry(error))
                if error.is_without_tls() && is_here(&reference.registry) =>
            {
                push(true)
            }
            pushed => pushed,
        };
        pushed.map_err(|error| self.failed(&what, &error))?;
        drop(display);
        let file = if self.no_remember {
            None
        } else {
            Some(UserConfig::remember_image(&Image {
                repository: self.image.repository.clone(),
                tag: Some(tag.to_owned()),
                digest: Some(image.digest().to_owned()),
                pull_policy: None,
            })?)
        };
        show(global, &image, &name, file)
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

    fn failed(&self, what: &str, error: &oci_image::Error) -> Failure {
        let failure = Failure::new(FailureKind::Failed, what).caused_by(error);
        let oci_image::Error::Registry(error) = error else {
            return failure;
        };
        let host = self.image.repository.split('/').next().unwrap_or_default();
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

/// Whether a name begins with the host of a registry, as Docker tells it from a part of a path.
fn is_registry(repository: &str) -> bool {
    let first = repository.split_once('/').map(|(first, _)| first);
    first.is_some_and(|first| first.contains(['.', ':']) || first == "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_told_from_a_path() {
        for (name, is) in [
            ("r.example/mcpt", true),
            ("localhost:5000/mcpt", true),
            ("localhost/mcpt", true),
            ("team/mcpt", false),
            ("mcpt", false),
        ] {
            assert_eq!(is_registry(name), is, "{name}");
        }
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
