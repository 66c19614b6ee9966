//! Charts in registries (OCI), as Helm 4.3.1 keeps them there.

mod manifest;
mod pull;
mod push;
mod tags;

use oci_registry::{Access, Credentials, Http, Reference};
use secrecy::SecretString;

use crate::Error;
pub(crate) use oci_registry::SCHEME;
pub(crate) use pull::Layers;
pub use push::Pushed;
pub use tags::Chosen;
pub(crate) use tags::below;

/// Whether an address is one in a registry.
pub fn is_registry(address: &str) -> bool {
    address.starts_with(SCHEME)
}

/// A client of registries that knows charts.
#[derive(Debug, Clone)]
pub struct Registry {
    client: oci_registry::Registry,
}

impl Registry {
    /// A client. A user and a password in `access` hold for every registry that is asked; without them the kept logins do.
    pub fn new(http: &Http, access: &Access, plain_http: bool, credentials: &Credentials) -> Self {
        Self {
            client: oci_registry::Registry::new(http, access, plain_http, credentials),
        }
    }

    /// Tries a user and a password at a registry and keeps them.
    ///
    /// # Errors
    /// When the registry refuses them or does not answer, or they cannot be kept.
    pub fn login(&self, host: &str, username: &str, password: &SecretString) -> Result<(), Error> {
        Ok(self.client.login(host, username, password)?)
    }

    /// Forgets the login at a registry.
    ///
    /// # Errors
    /// When the file of logins cannot be read or written.
    pub fn logout(&self, host: &str) -> Result<(), Error> {
        Ok(self.client.logout(host)?)
    }
}

/// What Helm says when a tag has an underscore for a plus sign.
pub(crate) const ABOUT_UNDERSCORES: &str = "\nOCI artifact references (e.g. tags) do not support the plus sign (+). To support\nstoring semantic versions, \
     Helm adopts the convention of changing plus (+) to\nan underscore (_) in chart version tags when pushing to a registry \
     and back to\na plus (+) when pulling from a registry.";

/// The lines that Helm says about what came or went.
fn lines(what: &str, reference: &Reference, digest: &str) -> Vec<String> {
    let shown = reference.to_string();
    let mut lines = vec![format!("{what}: {shown}"), format!("Digest: {digest}")];
    if shown.contains('_') {
        lines.push(format!("{shown} contains an underscore."));
        lines.push(ABOUT_UNDERSCORES.to_owned());
    }
    lines
}
