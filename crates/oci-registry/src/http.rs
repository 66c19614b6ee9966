//! Requests over HTTP or HTTPS, answered whole, within a time and a size.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use url::Url;

use crate::{Error, tls};

/// The most bytes of an answer; the largest public index of charts has 30 MB.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// The most redirects of one request.
const MOST_REDIRECTS: usize = 10;

/// Whom to trust, and who we are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// A file with the client's certificate.
    pub cert_file: Option<PathBuf>,
    /// A file with its key.
    pub key_file: Option<PathBuf>,
    /// A file with the certificates to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate.
    pub insecure_skip_tls_verify: bool,
}

/// How to be let in.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The user; nobody is told without a password.
    pub username: String,
    /// The password.
    pub password: Option<SecretString>,
    /// Tell both to servers other than the repository's, too.
    pub pass_credentials_all: bool,
    /// The same by certificates.
    pub tls: Tls,
}

/// A client. Its clones share connections.
#[derive(Clone)]
pub struct Http {
    timeout: Duration,
    most: u64,
    agents: Arc<Mutex<HashMap<Tls, Agent>>>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &mut f.debug_struct("Http");
        shown
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Default for Http {
    /// Answers may take two minutes, as with helm.
    fn default() -> Self {
        Self::new(Duration::from_mins(2))
    }
}

/// A request.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    /// Sent to the server of `url` alone, wherever that one redirects to.
    pub(crate) authorization: Option<&'a SecretString>,
    pub(crate) headers: &'a [(HeaderName, &'a str)],
    pub(crate) body: Option<&'a [u8]>,
}

/// An answer, of any status.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Where it came from in the end.
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header that is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Http {
    /// A client whose answers come, with all redirects, within a time.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            most: MOST_BYTES,
            agents: Arc::default(),
        }
    }

    /// The same with another bound on the bytes of an answer.
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.most = bytes;
        self
    }

    /// What is at `url`, asked for with a value of `Authorization` that goes to its server alone.
    ///
    /// # Errors
    /// As for [`Http::get`].
    pub fn get_authorized(
        &self,
        url: &Url,
        authorization: Option<&SecretString>,
        tls: &Tls,
    ) -> Result<Vec<u8>, Error> {
        let ask = Ask {
            method: Method::GET,
            url,
            authorization,
            headers: &[],
            body: None,
        };
        let answer = self.send(&ask, tls)?;
        if answer.status != StatusCode::OK {
            return Err(Error::Status {
                url: url.to_string(),
                status: answer.status.as_u16(),
                reason: answer.status.canonical_reason().unwrap_or_default(),
            });
        }
        Ok(answer.body)
    }

    /// What is at `url`. The user and the password go there only when it is on the server of `repository`.
    ///
    /// # Errors
    /// [`Error::Status`] for anything but 200, [`Error::TimedOut`], [`Error::Unreachable`], [`Error::TooLarge`], and
    /// [`Error::Tls`] for certificates that cannot be read.
    pub fn get(&self, url: &str, repository: &str, access: &Access) -> Result<Vec<u8>, Error> {
        let asked = parse(url)?;
        let password = access.password.as_ref();
        let password = password.filter(|_| !access.username.is_empty());
        let is_for_it = access.pass_credentials_all || is_same_server(url, repository);
        let authorization = password
            .filter(|_| is_for_it)
            .map(|password| basic(&access.username, password));
        let got = self.get_authorized(&asked, authorization.as_ref(), &access.tls);
        got.map_err(|error| match error {
            Error::Status { status, reason, .. } => Error::Status {
                url: url.to_owned(),
                status,
                reason,
            },
            error => error,
        })
    }

    /// Asks, and follows redirects of requests without a body.
    pub(crate) fn send(&self, ask: &Ask<'_>, tls: &Tls) -> Result<Answer, Error> {
        let agent = self.agent(tls)?;
        let mut url = ask.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let authorization = ask
                .authorization
                .filter(|_| url.origin() == ask.url.origin());
            let answer = self.send_once(&agent, ask, &url, authorization)?;
            let next = answer.header(&header::LOCATION);
            match next.filter(|_| answer.status.is_redirection() && ask.body.is_none()) {
                None => return Ok(answer),
                Some(next) => {
                    let next = url.join(next).map_err(|error| broken(&url, &error))?;
                    if url.scheme() == "https" && next.scheme() != "https" {
                        let reason = format!("redirected to {next}, which is not HTTPS");
                        return Err(broken(&url, &reason));
                    }
                    url = next;
                }
            }
        }
        Err(broken(
            ask.url,
            &format!("more than {MOST_REDIRECTS} redirects"),
        ))
    }

    fn send_once(
        &self,
        agent: &Agent,
        ask: &Ask<'_>,
        url: &Url,
        authorization: Option<&SecretString>,
    ) -> Result<Answer, Error> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(url.as_str());
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret.expose_secret())
                .map_err(|error| broken(url, &error))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        for (name, value) in ask.headers {
            request = request.header(name, *value);
        }
        let failed = |error: ureq::Error| self.failed(url, &error);
        let answer = match ask.body {
            Some(body) => request
                .body(body)
                .map_err(ureq::Error::from)
                .and_then(|request| agent.run(request)),
            None => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|request| agent.run(request)),
        };
        let mut answer = answer.map_err(failed)?;
        let body = answer.body_mut().with_config().limit(self.most);
        Ok(Answer {
            body: body.read_to_vec().map_err(failed)?,
            url: url.clone(),
            status: answer.status(),
            headers: answer.headers().clone(),
        })
    }

    fn failed(&self, url: &Url, error: &ureq::Error) -> Error {
        match error {
            ureq::Error::Timeout(_) => Error::TimedOut {
                url: url.to_string(),
                seconds: self.timeout.as_secs(),
            },
            ureq::Error::BodyExceedsLimit(_) => Error::TooLarge {
                url: url.to_string(),
                most: self.most,
            },
            other if is_other_protocol(other) => Error::NotTls {
                url: url.to_string(),
            },
            other => broken(url, other),
        }
    }

    /// The agent of these certificates: one for all requests, so that connections are used again.
    fn agent(&self, tls: &Tls) -> Result<Agent, Error> {
        // What a panic has left in the table is whole: agents are only ever added.
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(tls) {
            return Ok(agent.clone());
        }
        let agent = tls::agent(tls, self.timeout)?;
        agents.insert(tls.clone(), agent.clone());
        Ok(agent)
    }
}

/// Whether the server answers a TLS greeting in another protocol, which is HTTP most of the time.
fn is_other_protocol(error: &ureq::Error) -> bool {
    let found = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    matches!(found, Some(rustls::Error::InvalidMessage(_)))
}

fn broken(url: &Url, reason: &dyn fmt::Display) -> Error {
    Error::Unreachable {
        url: url.to_string(),
        reason: reason.to_string(),
    }
}

pub(crate) fn parse(url: &str) -> Result<Url, Error> {
    Url::parse(url).map_err(|error| Error::Unreachable {
        url: url.to_owned(),
        reason: error.to_string(),
    })
}

/// Scheme, host and port are those of the repository.
fn is_same_server(url: &str, repository: &str) -> bool {
    match (Url::parse(url), Url::parse(repository)) {
        (Ok(one), Ok(other)) => one.origin() == other.origin(),
        _ => false,
    }
}

/// The header of basic authentication.
pub(crate) fn basic(username: &str, password: &SecretString) -> SecretString {
    use base64::Engine as _;
    let pair = format!("{username}:{}", password.expose_secret());
    let pair = base64::engine::general_purpose::STANDARD.encode(pair);
    SecretString::from(format!("Basic {pair}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_one_server() {
        assert!(is_same_server("http://h/a", "http://h:80/b"));
        for other in ["https://h/a", "http://h:81/a", "http://i/a", "nothing"] {
            assert!(!is_same_server(other, "http://h/b"), "{other}");
        }
    }
}
