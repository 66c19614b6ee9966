//! [`Client`]: asks an issuer for its metadata (RFC 8414, the discovery of `OpenID`) and for the keys that it names there.

use std::{io, path::Path, sync::Arc, time::Duration};

use mcpt_access::{InvalidKeySet, KeySet};
use serde::Deserialize;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use url::Url;

use super::issuer::is_safe;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer in bytes, far beyond any.
const MOST_BYTES: u64 = 1024 * 1024;

/// Why there are no keys of an issuer.
#[derive(Debug, thiserror::Error)]
pub(super) enum IssuerError {
    #[error("{url} cannot be reached")]
    Unreachable {
        url: String,
        #[source]
        source: Box<ureq::Error>,
    },
    #[error("{url} answered HTTP {status}")]
    Status { url: String, status: u16 },
    #[error("{url} is no metadata of an issuer")]
    Metadata {
        url: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{url} is the metadata of another issuer, {issuer}")]
    Other { url: String, issuer: String },
    #[error("its keys are said to be at {0}, which is no https:// URL")]
    Unsafe(String),
    #[error("{url} cannot be used")]
    Keys {
        url: String,
        #[source]
        source: InvalidKeySet,
    },
    #[error("the question was interrupted")]
    Interrupted,
}

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// It has none, or one that is none.
    #[error("it holds no certificates in PEM form")]
    Form,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// Asks issuers, with blocking calls.
#[derive(Debug)]
pub(super) struct Client(ureq::Agent);

impl Client {
    /// One that trusts the certificates of a file, else those of the system.
    pub(super) fn new(authority: Option<&Path>) -> Result<Self, CertificatesError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = match authority {
            None => RootCerts::PlatformVerifier,
            Some(file) => RootCerts::from(certificates(file)?),
        };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(roots)
            .build();
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("mcpt/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        Ok(Self(config.build().new_agent()))
    }

    /// The keys of an issuer, with the text that they were read from.
    pub(super) fn keys_of(&self, issuer: &str) -> Result<(Vec<u8>, KeySet), IssuerError> {
        let mut failed = None;
        for place in places(issuer) {
            match self.metadata(issuer, &place) {
                Ok(metadata) => return self.keys_at(metadata.jwks_uri),
                // What is there and not usable says more than what is not there.
                Err(error) if failed.is_none() || !matches!(error, IssuerError::Status { .. }) => {
                    failed = Some(error);
                }
                Err(_) => {}
            }
        }
        Err(failed.unwrap_or(IssuerError::Interrupted))
    }

    fn metadata(&self, issuer: &str, url: &str) -> Result<Metadata, IssuerError> {
        let metadata: Metadata =
            serde_json::from_slice(&self.get(url)?).map_err(|source| IssuerError::Metadata {
                url: url.to_owned(),
                source,
            })?;
        if metadata.issuer != issuer {
            return Err(IssuerError::Other {
                url: url.to_owned(),
                issuer: metadata.issuer,
            });
        }
        Ok(metadata)
    }

    fn keys_at(&self, url: String) -> Result<(Vec<u8>, KeySet), IssuerError> {
        if !Url::parse(&url).is_ok_and(|url| is_safe(&url)) {
            return Err(IssuerError::Unsafe(url));
        }
        let text = self.get(&url)?;
        let keys = KeySet::parse(&text).map_err(|source| IssuerError::Keys { url, source })?;
        Ok((text, keys))
    }

    fn get(&self, url: &str) -> Result<Vec<u8>, IssuerError> {
        let unreachable = |source| IssuerError::Unreachable {
            url: url.to_owned(),
            source: Box::new(source),
        };
        let mut answer = self.0.get(url).call().map_err(unreachable)?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(IssuerError::Status {
                url: url.to_owned(),
                status,
            });
        }
        let body = answer.body_mut().with_config().limit(MOST_BYTES);
        body.read_to_vec().map_err(unreachable)
    }
}

/// Where the metadata of an issuer may be, in the order in which MCP has clients look.
fn places(issuer: &str) -> Vec<String> {
    let bare = issuer.trim_end_matches('/');
    let path_at = bare.find("://").and_then(|scheme| {
        let host = scheme + 3;
        bare.get(host..)?.find('/').map(|path| host + path)
    });
    let (origin, path) = bare.split_at(path_at.unwrap_or(bare.len()));
    let mut places = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        places.push(format!("{bare}/.well-known/openid-configuration"));
    }
    places
}

fn certificates(file: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>, CertificatesError> {
    let pem = std::fs::read(file).map_err(CertificatesError::Read)?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| CertificatesError::Form)? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(CertificatesError::Form);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_where_issuers_have_it() {
        for (issuer, wanted) in [
            (
                "https://a.example",
                &[
                    "https://a.example/.well-known/oauth-authorization-server",
                    "https://a.example/.well-known/openid-configuration",
                ][..],
            ),
            (
                "https://a.example:8443/realms/x/",
                &[
                    "https://a.example:8443/.well-known/oauth-authorization-server/realms/x",
                    "https://a.example:8443/.well-known/openid-configuration/realms/x",
                    "https://a.example:8443/realms/x/.well-known/openid-configuration",
                ],
            ),
        ] {
            assert_eq!(places(issuer), wanted);
        }
    }
}
