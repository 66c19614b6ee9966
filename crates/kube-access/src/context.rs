//! From a context of a kubeconfig to a client's configuration, by kubectl's rules where they are not those of the `kube` crate.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri, uri::Scheme};
use kube::{
    Config,
    config::{
        AuthInfo, Cluster, Context, ExecAuthCluster, Kubeconfig, KubeconfigError as ExecError,
    },
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Overrides,
    proxy::{self, ProxyError, ProxyVariables},
    token::{TokenError, TokenFile},
};

/// How to get into a cluster.
#[derive(Debug)]
pub(crate) struct Access {
    /// For the client; it has no token when there is a file of it.
    pub(crate) config: Config,
    /// Token that is read from a file again and again.
    pub(crate) token: Option<TokenFile>,
}

/// Why a context cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// It names a cluster that is not there.
    #[error("there is no cluster {0:?}")]
    NoCluster(String),
    /// Its cluster has no address.
    #[error("no server is named for cluster {0:?}")]
    NoServer(String),
    /// Its cluster's address is none.
    #[error("server {server:?} is no URL")]
    Server {
        /// As it is written.
        server: String,
        /// Why.
        source: http::uri::InvalidUri,
    },
    /// A certificate or key is not base64.
    #[error("{field} is not base64")]
    Base64 {
        /// Name of the field.
        field: &'static str,
        /// Why.
        source: base64::DecodeError,
    },
    /// A file that it names cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The authority's certificate is none.
    #[error("the certificate authority has no certificate in PEM form")]
    NoCertificate,
    /// A token that no request can carry.
    #[error("the token has characters that a request cannot carry, such as the end of a line")]
    Token,
    /// The file of a token.
    #[error(transparent)]
    TokenFile(#[from] TokenError),
    /// The proxy.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// What a credential plugin is to be told of the cluster.
    #[error("the credential plugin cannot be told of the cluster")]
    Plugin(#[source] ExecError),
}

/// The way into the cluster of a context.
///
/// # Errors
/// When what it names is not there or not usable.
pub(crate) fn access(
    kubeconfig: &Kubeconfig,
    context: &Context,
    overrides: &Overrides,
    proxies: &ProxyVariables,
) -> Result<Access, ContextError> {
    let mut clusters = kubeconfig.clusters.iter();
    let cluster = clusters.find(|named| named.name == context.cluster);
    let cluster = cluster.and_then(|named| named.cluster.clone());
    let mut cluster = match cluster {
        Some(cluster) => cluster,
        None if overrides.server.is_some() => Cluster::default(),
        None => return Err(ContextError::NoCluster(context.cluster.clone())),
    };
    overrides.over_cluster(&mut cluster);
    let user = context.user.as_ref().and_then(|user| {
        let mut users = kubeconfig.auth_infos.iter();
        users.find(|named| named.name == *user)?.auth_info.clone()
    });
    // As kubectl does it, no user and one that is not there are nobody.
    let mut user = user.unwrap_or_default();
    overrides.over_user(&mut user);
    let server = cluster.server.as_deref();
    let server = server.ok_or_else(|| ContextError::NoServer(context.cluster.clone()))?;
    let url = url(server)?;
    let secure = url.scheme() == Some(&Scheme::HTTPS);
    if !secure {
        // Nor does kubectl give credentials away where everybody can read them.
        user = AuthInfo::default();
    }
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        let told = ExecAuthCluster::try_from(&cluster).map_err(ContextError::Plugin)?;
        exec.cluster = Some(told);
    }
    let root_cert = authority(&cluster)?;
    let skip_verify = cluster.insecure_skip_tls_verify.unwrap_or(false);
    let mut config = Config::new(url);
    config.proxy_url = match &cluster.proxy_url {
        Some(named) => Some(proxy::parse(named, "proxy-url")?),
        None => proxies.of(&config.cluster_url)?,
    };
    let token = credentials(&mut user)?;
    config.root_cert = root_cert;
    config.accept_invalid_certs = skip_verify;
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name;
    config.auth_info = user;
    Ok(Access { config, token })
}

/// How the API server's certificate is judged, for a configuration that no kubeconfig says.
///
/// # Errors
/// When the authority's file cannot be read, or has no certificate.
pub(crate) fn judge_anew(config: &mut Config, overrides: &Overrides) -> Result<(), ContextError> {
    if overrides.insecure || overrides.authority.is_some() {
        let mut cluster = Cluster::default();
        overrides.over_cluster(&mut cluster);
        config.root_cert = authority(&cluster)?;
        config.accept_invalid_certs = overrides.insecure;
    }
    if let Some(name) = &overrides.tls_server_name {
        config.tls_server_name = Some(name.clone());
    }
    Ok(())
}

/// An address without a scheme is one, too; kubectl takes plain HTTP for meant, whatever else is said of the cluster.
fn url(server: &str) -> Result<Uri, ContextError> {
    let with_scheme = match server.split_once("://") {
        Some(_) => server.to_owned(),
        None => format!("http://{server}"),
    };
    with_scheme.parse().map_err(|source| ContextError::Server {
        server: server.to_owned(),
        source,
    })
}

/// The certificates of the authority: those in the kubeconfig, else those in the file that it names.
fn authority(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, ContextError> {
    let pem = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(data), _) => decode("certificate-authority-data", data)?,
        (None, Some(file)) => {
            let path = PathBuf::from(file);
            std::fs::read(&path).map_err(|source| ContextError::File { path, source })?
        }
        (None, None) => return Ok(None),
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| ContextError::NoCertificate)?;
    if certificates.is_empty() {
        return Err(ContextError::NoCertificate);
    }
    Ok(Some(certificates.iter().map(|c| c.to_vec()).collect()))
}

fn decode(field: &'static str, data: &str) -> Result<Vec<u8>, ContextError> {
    let decoded = STANDARD.decode(one_line(data));
    decoded.map_err(|source| ContextError::Base64 { field, source })
}

/// Base64 may be written on several lines.
fn one_line(data: &str) -> String {
    data.split(['\r', '\n']).collect()
}

/// Puts credentials into the form that the client takes; returns the file of the token, which counts before a token.
fn credentials(user: &mut AuthInfo) -> Result<Option<TokenFile>, ContextError> {
    let empty = |secret: &SecretString| secret.expose_secret().is_empty();
    user.token = user.token.take().filter(|token| !empty(token));
    user.password = user.password.take().filter(|password| !empty(password));
    let lines = |data: &str| one_line(data);
    user.client_certificate_data = user.client_certificate_data.as_deref().map(lines);
    user.client_key_data = user
        .client_key_data
        .take()
        .filter(|key| !empty(key))
        .map(|key| SecretString::from(one_line(key.expose_secret())));
    if let Some(file) = user.token_file.take() {
        match TokenFile::open(file.into()) {
            Ok(token) => {
                user.token = None;
                // Whoever has a token runs no plugin for one.
                user.exec = None;
                return Ok(Some(token));
            }
            Err(error) if user.token.is_none() => return Err(error.into()),
            Err(error) => tracing::warn!(%error, "the token beside it is used"),
        }
    }
    if let Some(token) = &user.token {
        HeaderValue::from_str(token.expose_secret()).map_err(|_| ContextError::Token)?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An authority's certificate of no further use.
    fn certificate() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    fn access_by(cluster: &str, user: &str) -> Result<Access, ContextError> {
        let text = format!(
            "clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]"
        );
        let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
        let context = Context {
            cluster: "c".to_owned(),
            user: Some("u".to_owned()),
            ..Context::default()
        };
        access(
            &kubeconfig,
            &context,
            &Overrides::default(),
            &ProxyVariables::default(),
        )
    }

    #[test]
    fn servers_need_no_scheme() {
        let ca = STANDARD.encode(certificate());
        for (cluster, url) in [
            ("server: 'https://h:6443'".to_owned(), "https://h:6443/"),
            ("server: 'h:6443'".to_owned(), "http://h:6443/"),
            (
                "server: 'h:6443', insecure-skip-tls-verify: true".to_owned(),
                "http://h:6443/",
            ),
            (
                format!("server: h, certificate-authority-data: {ca}"),
                "http://h/",
            ),
        ] {
            let access = access_by(&cluster, "").unwrap();
            assert_eq!(access.config.cluster_url.to_string(), url, "{cluster}");
        }
        assert!(matches!(
            access_by("server: 'ht tp://x'", ""),
            Err(ContextError::Server { .. })
        ));
        assert!(matches!(access_by("", ""), Err(ContextError::NoServer(_))));
    }

    #[test]
    fn plain_http_carries_no_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "of-the-file").unwrap();
        let user = format!(
            "token: t, username: u, password: p, as: a, tokenFile: '{}'",
            file.display()
        );
        let plain = access_by("server: 'http://h'", &user).unwrap();
        let given = plain.config.auth_info;
        assert!(given.token.is_none() && given.username.is_none() && given.impersonate.is_none());
        assert!(plain.token.is_none());
        let secure = access_by("server: 'https://h'", &user).unwrap();
        assert!(secure.token.is_some() && secure.config.auth_info.username.is_some());
    }

    #[test]
    fn base64_may_have_several_lines() {
        let pem = certificate();
        let data = STANDARD.encode(&pem);
        let (first, second) = data.split_at(60);
        let cluster =
            format!(r#"server: 'https://h', certificate-authority-data: "{first}\n{second}\r\n""#);
        let user = r#"client-certificate-data: "ZW\nU=\n", client-key-data: "ZW\nU=""#;
        let access = access_by(&cluster, user).unwrap();
        assert_eq!(access.config.root_cert.unwrap().len(), 1);
        let user = access.config.auth_info;
        assert_eq!(user.client_certificate_data.as_deref(), Some("ZWU="));
        assert_eq!(user.client_key_data.unwrap().expose_secret(), "ZWU=");
        for (data, expected) in [("!", "not base64"), ("aGVsbG8=", "no certificate")] {
            let cluster = format!("server: h, certificate-authority-data: '{data}'");
            let error = access_by(&cluster, "").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn no_token_is_sent_that_no_request_can_carry() {
        for token in [r#""abc\n""#, r#""a\nb""#, r#""a\0b""#] {
            let error = access_by("server: 'https://h'", &format!("token: {token}")).unwrap_err();
            assert!(matches!(error, ContextError::Token), "{token}");
        }
        let access = access_by("server: 'https://h'", "token: 'a b'").unwrap();
        assert!(access.config.auth_info.token.is_some());
    }

    #[test]
    fn the_file_of_a_token_counts_before_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let user = format!("token: given, tokenFile: '{}'", file.display());
        // Not there: the token beside it counts.
        let access = access_by("server: 'https://h'", &user).unwrap();
        assert!(access.token.is_none() && access.config.auth_info.token.is_some());
        std::fs::write(&file, " of-the-file\n").unwrap();
        let access = access_by("server: 'https://h'", &user).unwrap();
        assert!(access.token.is_some() && access.config.auth_info.token.is_none());
        let alone = access_by("server: 'https://h'", "tokenFile: /nowhere").unwrap_err();
        assert!(matches!(alone, ContextError::TokenFile(_)), "{alone}");
    }
}
