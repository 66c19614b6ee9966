//! `mcpt chart registry login|logout`: who the user is at registries.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use helm_fetch::{Access, Http, Registry, Tls};
use secrecy::SecretString;

use super::{
    failed,
    location::PlainFlag,
    places::{PlaceFlags, fetching, password_from_stdin},
};
use crate::{args::Global, ending::Ending, messages, output};

/// Arguments of `mcpt chart registry`.
#[derive(Debug, Args)]
pub(crate) struct RegistryCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Try a user and a password at a registry and keep them
    Login(Box<Login>),
    /// Forget the login at a registry
    Logout(Logout),
}

#[derive(Debug, Args)]
struct Login {
    /// The registry: a host, with a port where it needs one
    host: String,
    /// The user there
    #[arg(short, long, value_name = "NAME")]
    username: String,
    /// The password; --password-stdin keeps it out of the list of processes
    #[arg(short, long, value_name = "PASSWORD")]
    password: Option<SecretString>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Trust any certificate
    #[arg(long)]
    insecure: bool,
    /// The client's certificate
    #[arg(long, value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Certificates to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    plain: PlainFlag,
    #[command(flatten)]
    places: PlaceFlags,
}

#[derive(Debug, Args)]
struct Logout {
    /// The registry
    host: String,
    #[command(flatten)]
    places: PlaceFlags,
}

impl RegistryCommand {
    /// Does it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        match &self.action {
            Action::Login(login) => login.run(global),
            Action::Logout(logout) => logout.run(),
        }
    }
}

impl Login {
    fn run(&self, global: &Global) -> Result<(), Ending> {
        let password = match &self.password {
            _ if self.password_stdin => password_from_stdin()?,
            Some(password) => {
                let what = "using --password via the CLI is insecure. Use --password-stdin";
                messages::warning(global, what);
                password.clone()
            }
            None => {
                let hint = "add --password-stdin and give it on standard input";
                return Err(failed("password required".to_owned()).hint(hint).into());
            }
        };
        let access = Access {
            tls: Tls {
                cert_file: self.cert_file.clone(),
                key_file: self.key_file.clone(),
                ca_file: self.ca_file.clone(),
                insecure_skip_tls_verify: self.insecure,
            },
            ..Access::default()
        };
        let credentials = self.places.places().credentials;
        let http = Http::default();
        let registry = Registry::new(&http, &access, self.plain.plain_http, &credentials);
        let done = registry.login(&self.host, &self.username, &password);
        done.map_err(|error| fetching(&error))?;
        output::line("Login Succeeded")
    }
}

impl Logout {
    fn run(&self) -> Result<(), Ending> {
        let credentials = self.places.places().credentials;
        let registry = Registry::new(&Http::default(), &Access::default(), false, &credentials);
        registry
            .logout(&self.host)
            .map_err(|error| fetching(&error))?;
        output::line(&format!("Removing login credentials for {}", self.host))
    }
}
