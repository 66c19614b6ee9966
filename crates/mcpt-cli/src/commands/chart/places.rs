//! Flags of everything that has to do with repositories.

use std::{io::Read as _, path::PathBuf, time::Duration};

use clap::Args;
use helm_fetch::{Access, Credentials, Error, Http, Places, Tls};
use mcpt_core::Failure;
use secrecy::SecretString;

use super::failed;
use crate::duration;

/// Where the list of repositories and their indexes are; helm's own files, if nothing else is said.
#[derive(Debug, Args)]
#[command(next_help_heading = "Repositories")]
pub(super) struct PlaceFlags {
    /// List of the repositories [default: helm's, repositories.yaml]
    #[arg(long, value_name = "FILE")]
    repository_config: Option<PathBuf>,
    /// Folder of their indexes [default: helm's]
    #[arg(long, value_name = "FOLDER")]
    repository_cache: Option<PathBuf>,
    /// Logins at registries [default: helm's, registry/config.json]
    #[arg(long, value_name = "FILE")]
    registry_config: Option<PathBuf>,
}

impl PlaceFlags {
    pub(super) fn places(&self) -> Places {
        let of_helm = Places::of_environment(|name| std::env::var_os(name));
        let either = |flag: &Option<PathBuf>, usual| flag.clone().unwrap_or(usual);
        Places {
            repository_config: either(&self.repository_config, of_helm.repository_config),
            repository_cache: either(&self.repository_cache, of_helm.repository_cache),
            credentials: Credentials {
                helm: either(&self.registry_config, of_helm.credentials.helm),
                docker: of_helm.credentials.docker,
            },
        }
    }
}

/// How to be let in, and whom to trust.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub(super) struct AccessFlags {
    /// User at the repository
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Password there; --password-stdin keeps it out of the list of processes
    #[arg(long, value_name = "PASSWORD", hide_env_values = true)]
    password: Option<SecretString>,
    /// Tell them to other servers too, which the index may name
    #[arg(long)]
    pass_credentials: bool,
    /// The client's certificate
    #[arg(long, value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Certificates to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Trust any certificate
    #[arg(long)]
    insecure_skip_tls_verify: bool,
}

impl AccessFlags {
    pub(super) fn access(&self) -> Access {
        Access {
            username: self.username.clone().unwrap_or_default(),
            password: self.password.clone(),
            pass_credentials_all: self.pass_credentials,
            tls: Tls {
                cert_file: self.cert_file.clone(),
                key_file: self.key_file.clone(),
                ca_file: self.ca_file.clone(),
                insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            },
        }
    }
}

/// How long an answer may take.
#[derive(Debug, Args)]
pub(super) struct TimeFlag {
    /// How long an answer may take
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration::parse)]
    timeout: Duration,
}

impl TimeFlag {
    pub(super) fn http(&self) -> Http {
        Http::new(self.timeout)
    }
}

/// The password that is on standard input, without the end of its line.
pub(super) fn password_from_stdin() -> Result<SecretString, Failure> {
    let mut password = String::new();
    std::io::stdin()
        .read_to_string(&mut password)
        .map_err(|error| failed(format!("cannot read the password: {error}")))?;
    let line = password.strip_suffix('\n').unwrap_or(&password);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(SecretString::from(line.to_owned()))
}

/// A failure of a repository, a registry or a file.
pub(super) fn fetching(error: &Error) -> Failure {
    let failure = failed(error.to_string());
    if error.is_without_tls() {
        return failure.hint("a registry without TLS is taken with --plain-http");
    }
    failure
}
