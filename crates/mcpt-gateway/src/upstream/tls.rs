//! [`Tls`]: connections by `https`: whose certificates are believed, and which one is shown.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use mcpt_routing::Address;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::rotated::{Content, Rotated, UnusableCredentials};

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a server that is called by `https` is known, and what it is shown.
#[derive(Debug)]
pub(super) struct Tls {
    name: String,
    config: Rotated<TlsConnector>,
}

/// Which files there are.
#[derive(Debug, Clone, Copy)]
struct Files {
    authority: bool,
    identity: bool,
}

impl Tls {
    pub(super) fn of(address: &Address) -> Option<Self> {
        if !address.is_tls() {
            return None;
        }
        let credentials = address.credentials();
        let name = credentials.and_then(|credentials| credentials.server_name.clone());
        let authority = credentials.and_then(|credentials| credentials.authority.clone());
        let identity = credentials.and_then(|credentials| credentials.identity.clone());
        let which = Files {
            authority: authority.is_some(),
            identity: identity.is_some(),
        };
        let mut files: Vec<PathBuf> = authority.into_iter().collect();
        files.extend(identity.into_iter().flat_map(<[PathBuf; 2]>::from));
        Some(Self {
            name: name.unwrap_or_else(|| address.host().to_owned()),
            config: Rotated::new(files, move |files| connector(which, files)),
        })
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// [`UnusableCredentials`].
    pub(super) fn check(&self) -> Result<(), UnusableCredentials> {
        self.name()?;
        self.config.now().map(drop)
    }

    fn name(&self) -> Result<ServerName<'static>, UnusableCredentials> {
        let name = ServerName::try_from(self.name.clone());
        name.map_err(|_| UnusableCredentials::ServerName(self.name.clone()))
    }

    /// The connection over which the server speaks with whoever it believes to call.
    ///
    /// # Errors
    /// [`UnusableCredentials`], or a [`rustls::Error`], in what the handshake says.
    pub(super) async fn over<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.name().map_err(io::Error::other)?;
        let connector = self.config.now().map_err(io::Error::other)?;
        let handshake = connector.connect(name, stream);
        tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await?
    }
}

fn connector(which: Files, files: &[Content<'_>]) -> Result<TlsConnector, UnusableCredentials> {
    let mut files = files.iter();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(UnusableCredentials::Tls)?;
    let authority = which.authority.then(|| files.next()).flatten();
    let builder = match authority {
        None => builder
            .with_platform_verifier()
            .map_err(UnusableCredentials::Tls)?,
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(UnusableCredentials::Tls)?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let mut config = match (files.next(), files.next()) {
        (Some(chain), Some(key)) if which.identity => {
            let key = PrivateKeyDer::from_pem_slice(&key.bytes).map_err(|_| {
                UnusableCredentials::Content {
                    file: key.file.to_owned(),
                    what: "private key in PEM form",
                }
            })?;
            let config = builder.with_client_auth_cert(certificates(chain)?, key);
            config.map_err(UnusableCredentials::Tls)?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(
    content: &Content<'_>,
) -> Result<Vec<CertificateDer<'static>>, UnusableCredentials> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content.bytes).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| UnusableCredentials::Content {
        file: content.file.to_owned(),
        what: "certificates in PEM form",
    })
}

/// Why there is no connection, in words for clients: neither names nor addresses are theirs to know.
pub(crate) fn in_words(reason: &io::Error) -> String {
    let Some(inner) = reason.get_ref() else {
        return reason.kind().to_string();
    };
    if inner.is::<UnusableCredentials>() {
        return "the gateway's credentials for it cannot be used".to_owned();
    }
    match inner.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(_)) => {
            "its certificate is not trusted by the gateway".to_owned()
        }
        Some(rustls::Error::AlertReceived(_)) => "it does not accept the gateway's TLS".to_owned(),
        Some(_) => "it does not speak TLS as it should".to_owned(),
        None => reason.kind().to_string(),
    }
}
