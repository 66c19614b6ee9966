//! Charts in registries (OCI), as Helm 4.3.1 keeps them there.

mod challenge;
mod credentials;
mod manifest;
mod pull;
mod push;
mod reference;
mod session;
mod tags;

use secrecy::SecretString;
use ureq::http::{Method, StatusCode};

use crate::{Access, Error, Http};
pub use credentials::Credentials;
use credentials::Login;
pub(crate) use pull::Layers;
pub use push::Pushed;
pub use reference::Reference;
pub(crate) use reference::SCHEME;
use session::{Question, Session, refused};
pub use tags::Chosen;
pub(crate) use tags::below;

/// Whether an address is one in a registry.
pub fn is_registry(address: &str) -> bool {
    address.starts_with(SCHEME)
}

/// A client of registries.
#[derive(Debug, Clone)]
pub struct Registry {
    session: Session,
    credentials: Credentials,
}

impl Registry {
    /// A client. A user and a password in `access` hold for every registry that is asked; without them the kept logins do.
    pub fn new(http: &Http, access: &Access, plain_http: bool, credentials: &Credentials) -> Self {
        Self {
            session: Session::new(http, access, plain_http, credentials),
            credentials: credentials.clone(),
        }
    }

    /// Tries a user and a password at a registry and keeps them.
    ///
    /// # Errors
    /// When the registry refuses them or does not answer, or they cannot be kept.
    pub fn login(&self, host: &str, username: &str, password: &SecretString) -> Result<(), Error> {
        let login = Login::Password(username.to_owned(), password.clone());
        let session = self.session.with_login(login);
        let failed = |source: Error| Error::Login {
            host: host.to_owned(),
            source: Box::new(source),
        };
        let url = session.url(host, "")?;
        let question = Question {
            method: Method::GET,
            url: &url,
            scope: "",
            headers: &[],
            body: None,
        };
        let answer = session.ask(host, &question).map_err(failed)?;
        if answer.status != StatusCode::OK {
            return Err(failed(refused(&question.method, &answer)));
        }
        self.credentials.put(host, username, password)
    }

    /// Forgets the login at a registry.
    ///
    /// # Errors
    /// When the file of logins cannot be read or written.
    pub fn logout(&self, host: &str) -> Result<(), Error> {
        self.credentials.remove(host)
    }
}

/// What is to be done at a reference, as token servers know it.
fn scope(reference: &Reference, actions: &str) -> String {
    format!("repository:{}:{actions}", reference.repository)
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
