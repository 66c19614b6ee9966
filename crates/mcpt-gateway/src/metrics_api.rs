//! The external metrics API of Kubernetes (`external.metrics.k8s.io/v1beta1`), as far as an autoscaler asks for it: how many
//! sessions the servers of a namespace have, as all replicas of the gateway have seen them.
//!
//! The API server passes requests on to it, by TLS, once it has judged who asks. What is told here is on the gateway's own
//! pages too, so whoever comes by another way is answered likewise.

mod selector;

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header::CONTENT_TYPE,
    header::HeaderValue, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use mcpt_core::marks::SERVER_LABEL;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_rustls::TlsAcceptor;

use self::selector::Selector;
use crate::{directory::Directory, pages::Pages};

/// Group and version of the API.
const GROUP: &str = "external.metrics.k8s.io";
const VERSION: &str = "v1beta1";
/// Sessions that a server has.
const SESSIONS: &str = "mcp_sessions";
/// Most connections; the API server needs a few.
const CONNECTIONS: usize = 64;
/// How long a handshake may take, and the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a connection that could not be taken, such as for want of descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// Where the API is served, and by which certificate.
#[derive(Debug, Clone)]
pub struct MetricsApi {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// File with its certificate, and those between it and its authority, as PEM. Read at the start.
    pub certificate: PathBuf,
    /// File with the key of the certificate, as PEM.
    pub key: PathBuf,
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MetricsApiError {
    /// A file is not what it should be.
    #[error("cannot use {file}")]
    File {
        /// It.
        file: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key cannot be used together.
    #[error("certificate and key of the metrics API cannot be used")]
    Unusable(#[from] rustls::Error),
}

/// Reads what the API is served by.
///
/// # Errors
/// [`MetricsApiError`].
pub(crate) fn tls(api: &MetricsApi) -> Result<Arc<ServerConfig>, MetricsApiError> {
    let unusable = |file: &Path, source| MetricsApiError::File {
        file: file.to_owned(),
        source,
    };
    let certificates = CertificateDer::pem_file_iter(&api.certificate)
        .and_then(Iterator::collect)
        .map_err(|source| unusable(&api.certificate, source))?;
    let key =
        PrivateKeyDer::from_pem_file(&api.key).map_err(|source| unusable(&api.key, source))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    Ok(Arc::new(config))
}

/// Serves it for as long as the gateway runs.
pub(crate) async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, pages: Arc<Pages>) {
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Nothing closes the places.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the metrics API cannot take a connection");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let (acceptor, pages) = (acceptor.clone(), Arc::clone(&pages));
        tokio::spawn(async move {
            let _place = place;
            let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await
            else {
                return;
            };
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&pages, request.method(), &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            let served = http.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%error, "a connection to the metrics API broke");
            }
        });
    }
}

fn answer<B>(pages: &Pages, method: &Method, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return failure(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "only get",
        );
    }
    if let Some(why) = pages.unready() {
        return failure(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", &why);
    }
    let uri = request.uri();
    found(
        &pages.directory,
        uri.path(),
        uri.query().unwrap_or_default(),
    )
}

/// What is at a path.
fn found(directory: &Directory, path: &str, query: &str) -> Response<Full<Bytes>> {
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    match steps[..] {
        ["apis"] => json_page(
            StatusCode::OK,
            &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]}),
        ),
        ["apis", GROUP] => {
            let mut group = group();
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            json_page(StatusCode::OK, &group)
        }
        ["apis", GROUP, VERSION] => json_page(StatusCode::OK, &resources()),
        ["apis", GROUP, VERSION, "namespaces", namespace, SESSIONS] => {
            match Selector::of_query(query) {
                Ok(selector) => {
                    json_page(StatusCode::OK, &sessions(directory, namespace, &selector))
                }
                Err(error) => failure(StatusCode::BAD_REQUEST, "BadRequest", &error.to_string()),
            }
        }
        _ => failure(
            StatusCode::NOT_FOUND,
            "NotFound",
            &format!("the gateway tells {SESSIONS} of a namespace, and nothing else"),
        ),
    }
}

fn group() -> Value {
    let version = json!({"groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION});
    json!({"name": GROUP, "versions": [version], "preferredVersion": version})
}

fn resources() -> Value {
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/{VERSION}"),
        "resources": [{"name": SESSIONS, "singularName": "", "namespaced": true,
            "kind": "ExternalMetricValueList", "verbs": ["get"]}],
    })
}

/// The sessions of each server of a namespace that is selected.
fn sessions(directory: &Directory, namespace: &str, selector: &Selector) -> Value {
    let current = directory.table().current();
    let now = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut items: Vec<_> = current
        .iter()
        .filter(|server| server.key().namespace.as_str() == namespace)
        .map(|server| {
            let sessions = server.endpoints().iter();
            let sessions = sessions.map(|(endpoint, _)| u64::from(endpoint.all_sessions()));
            (server.key().name.as_str(), sessions.sum::<u64>())
        })
        .filter(|(name, _)| selector.selects(&[(SERVER_LABEL, name)]))
        .collect();
    items.sort_unstable();
    let items: Vec<_> = items
        .into_iter()
        .map(|(name, sessions)| {
            json!({"metricName": SESSIONS, "metricLabels": {SERVER_LABEL: name},
                "timestamp": format!("{now:.0}"), "value": sessions.to_string()})
        })
        .collect();
    json!({"kind": "ExternalMetricValueList", "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": {}, "items": items})
}

fn failure(status: StatusCode, reason: &str, message: &str) -> Response<Full<Bytes>> {
    json_page(
        status,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": status.as_u16()}),
    )
}

fn json_page(status: StatusCode, document: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
