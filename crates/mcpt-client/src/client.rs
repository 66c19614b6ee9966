//! [`Client`]: one connection to one MCP server over streamable HTTP.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use http::Uri;
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest,
        Extensions, Implementation, ListToolsRequest, ListToolsRequestMethod,
        PaginatedRequestParams, ProgressNotificationParam, ProgressToken, ProtocolVersion,
    },
    service::{
        ClientLifecycleMode, ClientServiceExt, NotificationContext, PeerRequestOptions,
        RunningService, ServiceError,
    },
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Map, Value};
use tokio::sync::RwLock;

use crate::{ClientError, error::Context, transport::KeepingHttp};

/// How long the end of a session may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Most pages of a list: a server that always names a next page must not keep a client forever.
const PAGES_MAX: usize = 1000;

/// A connection to an MCP server. End it with [`Client::close`], which also ends the server's session.
pub struct Client {
    service: RunningService<RoleClient, Handler>,
    http: KeepingHttp,
    context: Context,
}

/// Who a server says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// Protocol version that was agreed on.
    pub protocol_version: String,
    /// Name of its software, if it says.
    pub name: Option<String>,
    /// Version of its software, if it says.
    pub version: Option<String>,
    /// How it wants to be used, if it says.
    pub instructions: Option<String>,
}

/// Progress of a call, as the server told it.
#[derive(Debug, Clone, PartialEq)]
pub struct CallProgress {
    /// How far it is; grows with each notification.
    pub progress: f64,
    /// What `progress` will be at the end, if known.
    pub total: Option<f64>,
    /// What the server says about it.
    pub message: Option<String>,
}

/// What a tool answered: the raw result of `tools/call`.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// The result, nothing lost or added.
    pub raw: Value,
}

impl ToolResult {
    /// Whether the tool itself reported an error.
    pub fn is_error(&self) -> bool {
        self.raw.get("isError").and_then(Value::as_bool) == Some(true)
    }
}

impl Client {
    /// Connects and agrees on a protocol era, the stateless one preferred. `timeout` holds for the whole of it.
    ///
    /// # Errors
    /// [`ClientError`], telling apart who is at fault.
    pub async fn connect(url: &str, timeout: Duration) -> Result<Self, ClientError> {
        let context = Context {
            url: url.to_owned(),
        };
        let http = KeepingHttp::new(http_client(&context)?);
        let transport = StreamableHttpClientTransport::with_client(
            http.clone(),
            StreamableHttpClientTransportConfig::with_uri(url),
        );
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        };
        let starting = Handler::default().serve_with_lifecycle(transport, lifecycle);
        match tokio::time::timeout(timeout, starting).await {
            Ok(Ok(service)) => Ok(Self {
                service,
                http,
                context,
            }),
            Ok(Err(error)) => Err(context.refused_start(&error).await),
            Err(_) => Err(ClientError::TimedOut { after: timeout }),
        }
    }

    /// Who the server says it is.
    pub fn server(&self) -> ServerIdentity {
        let info = self.service.peer().peer_info();
        let info = info.as_deref();
        let software = info.and_then(|info| info.server_info.as_ref());
        ServerIdentity {
            protocol_version: info
                .map(|info| info.protocol_version.to_string())
                .unwrap_or_default(),
            name: software.map(|s| s.name.clone()),
            version: software.map(|s| s.version.clone()),
            instructions: info.and_then(|info| info.instructions.clone()),
        }
    }

    /// All tools of all pages, each as the server sent it. `timeout` holds for each page.
    ///
    /// # Errors
    /// [`ClientError`] when the server fails or a page does not come in time.
    pub async fn list_tools(&self, timeout: Duration) -> Result<Vec<Value>, ClientError> {
        let mut tools = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let params = cursor
                .take()
                .map(|c| PaginatedRequestParams::default().with_cursor(Some(c)));
            let request = ListToolsRequest {
                method: ListToolsRequestMethod,
                params,
                extensions: Extensions::new(),
            };
            let mut page = self
                .request(ClientRequest::ListToolsRequest(request), timeout)
                .await?;
            match page.get_mut("tools").map(Value::take) {
                Some(Value::Array(items)) => tools.extend(items),
                _ => {
                    return Err(ClientError::Protocol(
                        "its answer to tools/list has no list of tools".to_owned(),
                    ));
                }
            }
            match page.get("nextCursor") {
                None | Some(Value::Null) => return Ok(tools),
                Some(Value::String(next)) => cursor = Some(next.clone()),
                Some(_) => {
                    return Err(ClientError::Protocol(
                        "nextCursor of tools/list is not a string".to_owned(),
                    ));
                }
            }
        }
        Err(ClientError::Protocol(format!(
            "tools/list does not end after {PAGES_MAX} pages"
        )))
    }

    /// Calls a tool. `on_progress` is called for each progress notification; `timeout` is the longest time without an
    /// answer or any progress.
    ///
    /// # Errors
    /// [`ClientError`] when the server cannot be asked; an error of the tool itself is a [`ToolResult`].
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        on_progress: impl Fn(CallProgress) + Send + Sync + 'static,
        timeout: Duration,
    ) -> Result<ToolResult, ClientError> {
        let params = CallToolRequestParams::new(name.to_owned()).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let options = PeerRequestOptions::with_timeout(timeout).reset_timeout_on_progress();
        // The token is only known once the request is under way; holding the registry until then loses no notification.
        let listeners = &self.service.service().listeners;
        let mut registry = listeners.write().await;
        let handle = self
            .service
            .peer()
            .send_cancellable_request(request, options)
            .await
            .map_err(|e| self.failed_request(e))?;
        let token = handle.progress_token.clone();
        registry.insert(token.clone(), Arc::new(on_progress));
        drop(registry);

        let id = handle.id.clone();
        let answer = handle.await_response().await;
        listeners.write().await.remove(&token);
        let kept = self.http.take(&id);
        answer.map_err(|e| self.failed_request(e))?;
        let raw = kept.ok_or_else(no_result)?;
        match raw.get("resultType").and_then(Value::as_str) {
            None | Some("complete") => Ok(ToolResult { raw }),
            Some(other) => Err(ClientError::Protocol(format!(
                "the tool did not complete but answered {other:?}, which was not offered to it"
            ))),
        }
    }

    /// Ends the session, on the server too.
    pub async fn close(mut self) {
        // The user has the answers; a server that does not end its session in time ends it by itself later.
        drop(self.service.close_with_timeout(CLOSE_TIMEOUT).await);
    }

    async fn request(
        &self,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<Value, ClientError> {
        let handle = self
            .service
            .peer()
            .send_cancellable_request(request, PeerRequestOptions::with_timeout(timeout))
            .await
            .map_err(|e| self.failed_request(e))?;
        let id = handle.id.clone();
        let answer = handle.await_response().await;
        let kept = self.http.take(&id);
        answer.map_err(|e| self.failed_request(e))?;
        kept.ok_or_else(no_result)
    }

    fn failed_request(&self, error: ServiceError) -> ClientError {
        if matches!(error, ServiceError::TransportClosed)
            && let Some(why) = self.http.why_closed()
        {
            return ClientError::Protocol(why);
        }
        self.context.failed_request(error)
    }
}

fn no_result() -> ClientError {
    ClientError::Protocol("its answer holds no result".to_owned())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.context.url)
            .field("server", &self.server())
            .finish_non_exhaustive()
    }
}

fn http_client(context: &Context) -> Result<reqwest::Client, ClientError> {
    let bad = |reason: String| ClientError::BadUrl {
        url: context.url.clone(),
        reason,
    };
    let uri: Uri = context
        .url
        .parse()
        .map_err(|e: http::uri::InvalidUri| bad(e.to_string()))?;
    let host = uri
        .host()
        .ok_or_else(|| bad("it names no host".to_owned()))?
        .trim_matches(['[', ']']);
    let mut builder = reqwest::Client::builder();
    match uri.scheme_str() {
        // Without TLS, certificates of the system need neither be there nor be read.
        Some("http") => builder = builder.tls_certs_only([]),
        Some("https") => {}
        _ => return Err(bad("its scheme is neither http nor https".to_owned())),
    }
    let loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if loopback || host == "localhost" {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|e| bad(crate::answer::innermost(&e)))
}

type Listener = Arc<dyn Fn(CallProgress) + Send + Sync>;

/// Takes what the server sends by itself: progress goes to the call it belongs to.
#[derive(Default)]
struct Handler {
    listeners: RwLock<HashMap<ProgressToken, Listener>>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("mcpt", env!("CARGO_PKG_VERSION")),
        )
        .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let listener = self
            .listeners
            .read()
            .await
            .get(&params.progress_token)
            .cloned();
        if let Some(listener) = listener {
            listener(CallProgress {
                progress: params.progress,
                total: params.total,
                message: params.message,
            });
        }
    }
}
