//! One GET over HTTP or HTTPS, whole, within a time and a size.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use url::Url;

use crate::Error;

/// The most bytes of an answer; the largest public index has 30 MB.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// How to be let in.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The user; nobody is told without a password.
    pub username: String,
    /// The password.
    pub password: Option<SecretString>,
    /// Tell both to servers other than the repository's, too.
    pub pass_credentials_all: bool,
    /// A file with the client's certificate.
    pub cert_file: Option<PathBuf>,
    /// A file with its key.
    pub key_file: Option<PathBuf>,
    /// A file with the certificates to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate.
    pub insecure_skip_tls_verify: bool,
}

/// A client.
#[derive(Debug, Clone)]
pub struct Http {
    timeout: Duration,
}

impl Default for Http {
    /// Answers may take two minutes, as with helm.
    fn default() -> Self {
        Self::new(Duration::from_mins(2))
    }
}

impl Http {
    /// A client whose answers come, with all redirects, within a time.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// What is at `url`. The user and the password go there only when it is on the server of `repository`.
    ///
    /// # Errors
    /// [`Error::Status`] for anything but 200, [`Error::TimedOut`], [`Error::Unreachable`], [`Error::TooLarge`], and
    /// [`Error::Tls`] for certificates that cannot be read.
    pub fn get(&self, url: &str, repository: &str, access: &Access) -> Result<Vec<u8>, Error> {
        let agent = self.agent(access)?;
        let mut request = agent.get(url);
        if let Some(password) = access
            .password
            .as_ref()
            .filter(|_| !access.username.is_empty())
            && (access.pass_credentials_all || is_same_server(url, repository))
        {
            let pair = format!("{}:{}", access.username, password.expose_secret());
            request = request.header("authorization", basic(&pair));
        }
        let failed = |error: ureq::Error| match error {
            ureq::Error::Timeout(_) => Error::TimedOut {
                url: url.to_owned(),
                seconds: self.timeout.as_secs(),
            },
            ureq::Error::BodyExceedsLimit(_) => Error::TooLarge {
                url: url.to_owned(),
                most: MOST_BYTES,
            },
            other => Error::Unreachable {
                url: url.to_owned(),
                reason: other.to_string(),
            },
        };
        let mut answer = request.call().map_err(failed)?;
        let status = answer.status();
        if status.as_u16() != 200 {
            return Err(Error::Status {
                url: url.to_owned(),
                status: status.as_u16(),
                reason: status.canonical_reason().unwrap_or_default(),
            });
        }
        let body = answer.body_mut().with_config().limit(MOST_BYTES);
        body.read_to_vec().map_err(failed)
    }

    fn agent(&self, access: &Access) -> Result<ureq::Agent, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .disable_verification(access.insecure_skip_tls_verify)
            .root_certs(RootCerts::PlatformVerifier);
        if let Some(file) = &access.ca_file {
            tls = tls.root_certs(RootCerts::from(certificates(file)?));
        }
        if let (Some(cert), Some(key)) = (&access.cert_file, &access.key_file) {
            let pem = read(key)?;
            let unusable = |reason: String| Error::Tls(format!("{}: {reason}", key.display()));
            let key = PrivateKey::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
            let chain = certificates(cert)?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(ureq::Agent::config_builder()
            .timeout_global(Some(self.timeout))
            .http_status_as_error(false)
            .max_redirects(10)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(concat!("mcpt/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build())
            .build()
            .new_agent())
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::Tls(format!("{}: {error}", path.display())))
}

fn certificates(path: &PathBuf) -> Result<Vec<Certificate<'static>>, Error> {
    let pem = read(path)?;
    let unusable = |reason: &str| Error::Tls(format!("{}: {reason}", path.display()));
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| unusable(&e.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(unusable("holds no certificate"));
    }
    Ok(found)
}

/// Scheme, host and port are those of the repository.
fn is_same_server(url: &str, repository: &str) -> bool {
    match (Url::parse(url), Url::parse(repository)) {
        (Ok(one), Ok(other)) => one.origin() == other.origin(),
        _ => false,
    }
}

fn basic(pair: &str) -> String {
    use base64::Engine as _;
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}

/// An address in an index: absolute, or below the repository.
pub(crate) fn resolve(repository: &str, reference: &str) -> Result<String, Error> {
    let unusable = |what: &str, reason: &dyn std::fmt::Display| {
        Error::Refused(format!("failed to parse {what} as URL: {reason}"))
    };
    match Url::parse(reference) {
        Ok(_) => return Ok(reference.to_owned()),
        Err(url::ParseError::RelativeUrlWithoutBase) => {}
        Err(error) => return Err(unusable(reference, &error)),
    }
    let mut base = Url::parse(repository).map_err(|error| unusable(repository, &error))?;
    let query = base.query().map(str::to_owned);
    let path = format!("{}/", base.path().strip_suffix('/').unwrap_or(base.path()));
    base.set_path(&path);
    let mut resolved = base
        .join(reference)
        .map_err(|error| unusable(reference, &error))?;
    resolved.set_query(query.as_deref());
    Ok(resolved.to_string())
}

/// Whether two addresses are the same, up to slashes at their ends.
pub(crate) fn is_equal(one: &str, other: &str) -> bool {
    let cleaned = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Some(url)
    };
    match (cleaned(one), cleaned(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.trim_end_matches('/') == other.trim_end_matches('/'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_below_their_repository() {
        for (repository, reference, resolved) in [
            ("http://h/charts", "a-1.tgz", "http://h/charts/a-1.tgz"),
            (
                "http://h/charts/",
                "sub/a-1.tgz",
                "http://h/charts/sub/a-1.tgz",
            ),
            (
                "http://h/charts?t=1",
                "index.yaml",
                "http://h/charts/index.yaml?t=1",
            ),
            ("http://h/charts", "/a-1.tgz", "http://h/a-1.tgz"),
            (
                "http://h/charts",
                "https://other/a-1.tgz",
                "https://other/a-1.tgz",
            ),
        ] {
            assert_eq!(resolve(repository, reference).unwrap(), resolved);
        }
        assert!(resolve("no address", "a").is_err());
        assert!(is_equal("http://h/a/", "http://h/a"));
        assert!(!is_equal("http://h/a", "http://h/b"));
    }

    #[test]
    fn credentials_are_for_one_server() {
        assert!(is_same_server("http://h/a", "http://h:80/b"));
        for other in ["https://h/a", "http://h:81/a", "http://i/a", "nothing"] {
            assert!(!is_same_server(other, "http://h/b"), "{other}");
        }
    }
}
