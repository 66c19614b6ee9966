//! The TLS side of the client.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::{Error, Tls};

/// An agent that trusts these, and follows no redirects by itself.
pub(crate) fn agent(tls: &Tls, timeout: Duration) -> Result<Agent, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .disable_verification(tls.insecure_skip_tls_verify)
        .root_certs(RootCerts::PlatformVerifier);
    if let Some(file) = &tls.ca_file {
        config = config.root_certs(RootCerts::from(certificates(file)?));
    }
    if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
        let pem = read(key)?;
        let unusable = |reason: String| Error::Tls(format!("{}: {reason}", key.display()));
        let key = PrivateKey::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
        let chain = certificates(cert)?;
        config = config.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("mcpt/", env!("CARGO_PKG_VERSION")))
        .tls_config(config.build())
        .build()
        .new_agent())
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
