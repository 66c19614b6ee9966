//! What stands between a client and its API server: connection, proxy, TLS, credentials, retries.
//!
//! It is what `kube` builds by itself, but for three things that it has no setting for: which certificates are believed
//! ([`OwnAuthority`]), how credential plugins are run ([`crate::plugin`]), and no trace of each request, whose URLs are nobody's
//! business.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{
        Builder,
        connect::{
            Connection, HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
    },
    rt::TokioExecutor,
};
use kube::{
    Client, Config, Error,
    client::{Body, ConfigExt, RustlsTlsError, retry::RetryPolicy},
};
use tower::{
    BoxError, Service, ServiceBuilder, layer::layer_fn, retry::RetryLayer, util::MapRequestLayer,
};

use crate::{
    bearer::{Bearer, PluginToken},
    own_authority::OwnAuthority,
    token::TokenFile,
};

/// A bearer token that is renewed.
pub(crate) enum Token {
    /// Something else writes it into a file.
    File(TokenFile),
    /// A credential plugin prints it.
    Plugin(PluginToken),
}

/// A client by a configuration that names no credential plugin, with a token that is renewed if there is one.
///
/// # Errors
/// When a part of the configuration cannot be used.
pub(crate) fn client(config: &Config, token: Option<Token>) -> Result<Client, Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let Some(proxy) = config.proxy_url.clone() else {
        return over(tcp, config, token);
    };
    match proxy.scheme_str() {
        Some("socks5") => over(SocksV5::new(proxy, tcp), config, token),
        Some("http") => over(tunnel(proxy, tcp), config, token),
        Some("https") => over(tunnel(proxy, secured(tcp, config)?), config, token),
        _ => Err(Error::ProxyProtocolUnsupported {
            proxy_url: Box::new(proxy),
        }),
    }
}

/// A tunnel through an HTTP proxy, with the user and password that its URL has.
fn tunnel<C>(proxy: Uri, connector: C) -> Tunnel<C> {
    let user = proxy
        .authority()
        .and_then(|authority| authority.as_str().rsplit_once('@'))
        .map(|(user, _)| {
            STANDARD.encode(percent_encoding::percent_decode_str(user).collect::<Vec<_>>())
        });
    let tunnel = Tunnel::new(proxy, connector);
    // Base64 is always a header's value.
    match user.map(|user| HeaderValue::try_from(format!("Basic {user}"))) {
        Some(Ok(mut value)) => {
            value.set_sensitive(true);
            tunnel.with_auth(value)
        }
        _ => tunnel,
    }
}

/// TLS over a connection, where the URL asks for it.
fn secured<C>(connector: C, config: &Config) -> Result<HttpsConnector<C>, Error> {
    let mut tls = config.rustls_client_config()?;
    // A file is read anew when it changes, which `kube` sees to.
    if let (Some(trusted), None, false) = (
        &config.root_cert,
        &config.root_cert_file,
        config.accept_invalid_certs,
    ) {
        let judge = OwnAuthority::new(trusted)
            .map_err(|error| Error::RustlsTls(RustlsTlsError::AddRootCertificate(error.into())))?;
        tls.dangerous().set_certificate_verifier(Arc::new(judge));
    }
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into();
        let name = name.map_err(|e| Error::RustlsTls(RustlsTlsError::InvalidServerName(e)))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(builder.enable_http1().wrap_connector(connector))
}

fn over<C>(connector: C, config: &Config, token: Option<Token>) -> Result<Client, Error>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: std::error::Error + Send + Sync + 'static,
{
    let mut connector = TimeoutConnector::new(secured(connector, config)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let retries = config
        .default_retry
        .then(|| RetryLayer::new(RetryPolicy::server_retry()));
    let (mut file, mut plugin) = (None, None);
    match token {
        Some(Token::File(token)) => {
            file = Some(MapRequestLayer::new(move |request| token.on(request)));
        }
        Some(Token::Plugin(token)) => {
            plugin = Some(layer_fn(move |inner| Bearer {
                token: token.clone(),
                inner,
            }));
        }
        None => (),
    }
    let service = ServiceBuilder::new()
        .option_layer(file)
        .option_layer(plugin)
        .layer(config.base_uri_layer())
        .option_layer(retries)
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Builder::new(TokioExecutor::new()).build::<_, Body>(connector));
    Ok(Client::new(service, config.default_namespace.clone()))
}
