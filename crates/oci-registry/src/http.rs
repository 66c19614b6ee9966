//! Requests over HTTP or HTTPS, answered within a time and a size.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use ureq::{Body, SendBody};
use url::Url;

use crate::{Error, tls};

/// The most bytes of an answer; the largest public index of charts has 30 MB.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// How many bytes are read of what nobody wants.
const SHORT: u64 = 8 * 1024;

/// How many bytes are copied at a time.
const PIECE: usize = 64 * 1024;

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
    /// Whether its query came from a server, which may have put into it what lets in whoever has it.
    pub(crate) is_led: bool,
    /// Sent to the server of `url` alone, wherever that one redirects to.
    pub(crate) authorization: Option<&'a SecretString>,
    pub(crate) headers: &'a [(HeaderName, &'a str)],
    pub(crate) body: Option<Sent<'a>>,
}

/// Bytes that are sent. With another login they are sent once more.
#[derive(Clone, Copy)]
pub(crate) enum Sent<'a> {
    /// They are in memory.
    Bytes(&'a [u8]),
    /// So many, read from their first one each time.
    From(u64, &'a dyn Fn() -> io::Result<Box<dyn Read>>),
}

impl fmt::Debug for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A login may be in them.
        f.write_str("Sent")
    }
}

/// An answer, of any status, of which the body is still to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Where it came from in the end.
    pub(crate) url: Url,
    /// The same as it may be told.
    pub(crate) shown: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Body,
    /// How long all of it may take.
    timeout: Duration,
}

impl Answer {
    /// A header that is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body, when it has no more than so many bytes.
    pub(crate) fn whole(mut self, most: u64) -> Result<Vec<u8>, Error> {
        let read = self.body.with_config().limit(most).read_to_vec();
        read.map_err(|error| failed(&self.shown, &error, self.timeout, most))
    }

    /// As much of the body as there is room for; what is wrong with it is no matter.
    pub(crate) fn beginning(mut self, most: u64) -> Vec<u8> {
        let mut read = Vec::new();
        // What came before an error is what there is.
        drop(self.body.as_reader().take(most).read_to_end(&mut read));
        read
    }

    /// Lets it be, so that its connection can be used again where nothing but a short text is left on it.
    pub(crate) fn leave(self) {
        drop(self.beginning(SHORT));
    }

    /// Writes the body, when it has no more than so many bytes; how many it has.
    pub(crate) fn copy(mut self, most: u64, to: &mut dyn Write) -> Result<u64, Error> {
        let mut from = self.body.with_config().limit(most).reader();
        let mut buffer = vec![0; PIECE];
        let mut copied = 0;
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => return Ok(copied),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let error = ureq::Error::from(error);
                    return Err(failed(&self.shown, &error, self.timeout, most));
                }
            };
            to.write_all(&buffer[..read]).map_err(Error::Write)?;
            copied += read as u64;
        }
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
            is_led: false,
            authorization,
            headers: &[],
            body: None,
        };
        self.found(&ask, tls)?.whole(self.most)
    }

    /// The same into a file, or whatever takes bytes. How many there are.
    ///
    /// # Errors
    /// As for [`Http::get`], and [`Error::Write`].
    pub fn download(&self, url: &Url, tls: &Tls, to: &mut dyn Write) -> Result<u64, Error> {
        let ask = Ask {
            method: Method::GET,
            url,
            is_led: false,
            authorization: None,
            headers: &[],
            body: None,
        };
        self.found(&ask, tls)?.copy(self.most, to)
    }

    /// The answer to a request for something that is there.
    fn found(&self, ask: &Ask<'_>, tls: &Tls) -> Result<Answer, Error> {
        let answer = self.send(ask, tls)?;
        if answer.status == StatusCode::OK {
            return Ok(answer);
        }
        Err(Error::Status {
            url: ask.url.to_string(),
            status: answer.status.as_u16(),
            reason: answer.status.canonical_reason().unwrap_or_default(),
        })
    }

    /// The most bytes of an answer.
    pub(crate) fn most(&self) -> u64 {
        self.most
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
            let shown = if ask.is_led || url != *ask.url {
                shown(&url)
            } else {
                url.clone()
            };
            let answer = self.send_once(&agent, ask, (&url, &shown), authorization)?;
            let next = answer.header(&header::LOCATION);
            match next.filter(|_| answer.status.is_redirection() && ask.body.is_none()) {
                None => return Ok(answer),
                Some(next) => {
                    let next = url.join(next).map_err(|error| broken(&shown, &error))?;
                    if url.scheme() == "https" && next.scheme() != "https" {
                        let next = self::shown(&next);
                        let reason = format!("redirected to {next}, which is not HTTPS");
                        return Err(broken(&shown, &reason));
                    }
                    url = next;
                    answer.leave();
                }
            }
        }
        let asked = if ask.is_led { &shown(ask.url) } else { ask.url };
        let reason = format!("more than {MOST_REDIRECTS} redirects");
        Err(broken(asked, &reason))
    }

    fn send_once(
        &self,
        agent: &Agent,
        ask: &Ask<'_>,
        (url, shown): (&Url, &Url),
        authorization: Option<&SecretString>,
    ) -> Result<Answer, Error> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(url.as_str());
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret.expose_secret())
                .map_err(|error| broken(shown, &error))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        for (name, value) in ask.headers {
            request = request.header(name, *value);
        }
        let failed = |error: ureq::Error| failed(shown, &error, self.timeout, self.most);
        let answer = match ask.body {
            Some(Sent::Bytes(body)) => request
                .body(body)
                .map_err(ureq::Error::from)
                .and_then(|request| agent.run(request)),
            Some(Sent::From(size, open)) => {
                let mut body = open().map_err(|error| broken(shown, &error))?;
                request
                    .header(header::CONTENT_LENGTH, size)
                    .body(SendBody::from_reader(&mut body))
                    .map_err(ureq::Error::from)
                    .and_then(|request| agent.run(request))
            }
            None => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|request| agent.run(request)),
        };
        let (parts, body) = answer.map_err(failed)?.into_parts();
        Ok(Answer {
            url: url.clone(),
            shown: shown.clone(),
            status: parts.status,
            headers: parts.headers,
            body,
            timeout: self.timeout,
        })
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

/// An address that came from a server as it may be told: there may be a signature in its query, which lets in whoever has it.
pub(crate) fn shown(url: &Url) -> Url {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown
}

fn failed(url: &Url, error: &ureq::Error, timeout: Duration, most: u64) -> Error {
    match error {
        ureq::Error::Timeout(_) => Error::TimedOut {
            url: url.to_string(),
            seconds: timeout.as_secs(),
        },
        ureq::Error::BodyExceedsLimit(_) => Error::TooLarge {
            url: url.to_string(),
            most,
        },
        other if is_other_protocol(other) => Error::NotTls {
            url: url.to_string(),
        },
        other => broken(url, other),
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
