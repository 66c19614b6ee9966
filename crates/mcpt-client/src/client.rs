//! [`Client`]: one connection to one MCP server over streamable HTTP.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header::HOST};
use mcpt_protocol::{Era, REDIRECTS_MAX, era_of_version, host_header, is_loopback_host};
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest,
        DiscoverRequest, DiscoverRequestParams, Extensions, Implementation, ListPromptsRequest,
        ListPromptsRequestMethod, ListResourcesRequest, ListResourcesRequestMethod,
        ListToolsRequest, ListToolsRequestMethod, PaginatedRequestParams, PingRequest,
        ProgressNotificationParam, ProgressToken, ProtocolVersion,
    },
    service::{
        ClientInitializeError, ClientLifecycleMode, ClientServiceExt, NotificationContext,
        PeerRequestOptions, RunningService, ServiceError,
    },
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Map, Value, value::RawValue};
use tokio::sync::RwLock;
use url::{Position, Url};

use crate::{
    ClientError, Exact,
    error::Context,
    redirects::{Redirects, Unfollowed},
    transport::{ExactArguments, KeepingHttp},
};

/// How long the end of a session may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Most pages of a list: a server that always names a next page must not keep a client forever.
const PAGES_MAX: usize = 1000;

/// A connection to an MCP server. End it with [`Client::close`], which also ends the server's session.
pub struct Client {
    service: RunningService<RoleClient, Handler>,
    http: KeepingHttp,
    redirects: Redirects,
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

/// What a server has lists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resources.
    Resources,
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

/// What a tool answered: the result of `tools/call`.
#[derive(Debug, Clone)]
pub struct ToolResult {
    /// The result, nothing lost or added.
    pub result: Exact,
}

impl ToolResult {
    /// Whether the tool itself reported an error.
    pub fn is_error(&self) -> bool {
        let error = self.result.value().get("isError");
        error.and_then(Value::as_bool) == Some(true)
    }
}

/// Why a connection did not come about.
enum NoStart {
    /// The server is at another path.
    Moved(Url),
    /// It said no, or something else.
    Refused(Context, Box<ClientInitializeError>),
    Failed(ClientError),
}

impl Client {
    /// Connects and agrees on a protocol era, the stateless one preferred. `timeout` holds for the whole of
    /// it. Redirects are followed within the URL's origin.
    ///
    /// # Errors
    /// [`ClientError`], telling apart who is at fault.
    pub async fn connect(url: &str, timeout: Duration) -> Result<Self, ClientError> {
        Self::connect_named(url, None, timeout).await
    }

    /// The same for a server that is reached through a tunnel and knows itself as `host`, `HOST:PORT`.
    /// Without `host` it is called what the URL says, and `localhost` where that is an address.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_named(
        url: &str,
        host: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let starting = async {
            let mut at = url.to_owned();
            for _ in 0..=REDIRECTS_MAX {
                match Self::start(&at, host).await {
                    Err(NoStart::Moved(to)) => at = to.into(),
                    other => return other,
                }
            }
            let why = format!("it redirects more than {REDIRECTS_MAX} times");
            Err(NoStart::Failed(ClientError::Protocol(why)))
        };
        match tokio::time::timeout(timeout, starting).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(NoStart::Refused(context, error))) => Err(context.refused_start(&error).await),
            Ok(Err(NoStart::Failed(error))) => Err(error),
            Ok(Err(NoStart::Moved(to))) => Err(ClientError::Redirected {
                url: url.to_owned(),
                to: to.into(),
            }),
            Err(_) => Err(ClientError::TimedOut { after: timeout }),
        }
    }

    async fn start(url: &str, host: Option<&str>) -> Result<Self, NoStart> {
        let context = Context {
            url: url.to_owned(),
            host: host.map(str::to_owned),
        };
        let redirects = Redirects::default();
        let http = http_client(&context, &redirects).map_err(NoStart::Failed)?;
        let http = KeepingHttp::new(http);
        let transport = StreamableHttpClientTransport::with_client(
            http.clone(),
            StreamableHttpClientTransportConfig::with_uri(url),
        );
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        };
        let starting = Handler::default().serve_with_lifecycle(transport, lifecycle);
        match starting.await {
            Ok(service) => Ok(Self {
                service,
                http,
                redirects,
                context,
            }),
            Err(error) => Err(match redirects.take() {
                Some(Unfollowed::Moved(to)) => NoStart::Moved(to),
                Some(Unfollowed::Elsewhere(to)) => NoStart::Failed(ClientError::Redirected {
                    url: url.to_owned(),
                    to: to.into(),
                }),
                None => NoStart::Refused(context, Box::new(error)),
            }),
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
    pub async fn list_tools(&self, timeout: Duration) -> Result<Vec<Exact>, ClientError> {
        self.list(Offer::Tools, timeout).await
    }

    /// Whether the server says that it has something to list.
    pub fn offers(&self, offer: Offer) -> bool {
        let info = self.service.peer().peer_info();
        let capabilities = info.as_deref().map(|info| &info.capabilities);
        capabilities.is_some_and(|has| match offer {
            Offer::Tools => has.tools.is_some(),
            Offer::Prompts => has.prompts.is_some(),
            Offer::Resources => has.resources.is_some(),
        })
    }

    /// All entries of a list, of all pages, each as the server sent it. `timeout` holds for each page.
    ///
    /// # Errors
    /// [`ClientError`] when the server fails or a page does not come in time.
    pub async fn list(&self, offer: Offer, timeout: Duration) -> Result<Vec<Exact>, ClientError> {
        let method = offer.method();
        let wrong = |error: serde_json::Error| {
            let name = offer.field();
            ClientError::Protocol(format!(
                "its answer to {method} is no list of {name}: {error}"
            ))
        };
        let mut entries = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let params = cursor
                .take()
                .map(|c| PaginatedRequestParams::default().with_cursor(Some(c)));
            let page = self.request(offer.request(params), timeout).await?;
            let mut page: HashMap<String, Box<RawValue>> =
                serde_json::from_str(page.get()).map_err(wrong)?;
            let missing = || serde::de::Error::missing_field(offer.field());
            let found = page.remove(offer.field()).ok_or_else(missing);
            let found: Vec<Box<RawValue>> = found
                .and_then(|found| serde_json::from_str(found.get()))
                .map_err(wrong)?;
            for entry in found {
                let entry = Exact::read(entry);
                entries.push(entry.map_err(|e| ClientError::Protocol(e.to_string()))?);
            }
            let next = page.remove("nextCursor");
            let next = next.map(|next| serde_json::from_str::<Option<String>>(next.get()));
            match next.transpose().map_err(wrong)?.flatten() {
                None => return Ok(entries),
                next => cursor = next,
            }
        }
        Err(ClientError::Protocol(format!(
            "{method} does not end after {PAGES_MAX} pages"
        )))
    }

    /// Asks the server whether it is there: with `ping`, and in the stateless era, which has none, with `server/discover`. Gives
    /// the method.
    ///
    /// # Errors
    /// [`ClientError`] when it does not answer in time, or with an error.
    pub async fn ping(&self, timeout: Duration) -> Result<&'static str, ClientError> {
        let stateless = era_of_version(&self.server().protocol_version) == Some(Era::Modern);
        let (method, request) = if stateless {
            let request = DiscoverRequest::new(DiscoverRequestParams::default());
            ("server/discover", ClientRequest::DiscoverRequest(request))
        } else {
            ("ping", ClientRequest::PingRequest(PingRequest::default()))
        };
        let options = PeerRequestOptions::with_timeout(timeout);
        let peer = self.service.peer();
        let asked = peer.send_cancellable_request(request, options).await;
        let answer = asked.map_err(|e| self.failed_request(e))?;
        let answer = answer.await_response().await;
        answer.map(|_| method).map_err(|e| self.failed_request(e))
    }

    /// Calls a tool with `arguments`, a JSON object, which is sent as it is. `on_progress` is called for
    /// each progress notification; `timeout` is the longest time without an answer or any progress.
    ///
    /// # Errors
    /// [`ClientError`] when the server cannot be asked; an error of the tool itself is a [`ToolResult`].
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: Box<RawValue>,
        on_progress: impl Fn(CallProgress) + Send + Sync + 'static,
        timeout: Duration,
    ) -> Result<ToolResult, ClientError> {
        let params = CallToolRequestParams::new(name.to_owned()).with_arguments(Map::new());
        let mut request = CallToolRequest::new(params);
        request.extensions.insert(ExactArguments(arguments.into()));
        let request = ClientRequest::CallToolRequest(request);
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
        let result = Exact::read(kept.ok_or_else(no_result)?)
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        match result.value().get("resultType").and_then(Value::as_str) {
            None | Some("complete") => Ok(ToolResult { result }),
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
    ) -> Result<Box<RawValue>, ClientError> {
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
        if let Some(Unfollowed::Elsewhere(to) | Unfollowed::Moved(to)) = self.redirects.take() {
            return ClientError::Redirected {
                url: self.context.url.clone(),
                to: to.into(),
            };
        }
        if let Some(why) = self.http.why_broken() {
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

impl Offer {
    /// The method that lists it.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
        }
    }

    /// The name of the list in an answer.
    fn field(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
        }
    }

    fn request(self, params: Option<PaginatedRequestParams>) -> ClientRequest {
        let extensions = Extensions::new();
        match self {
            Self::Tools => ClientRequest::ListToolsRequest(ListToolsRequest {
                method: ListToolsRequestMethod,
                params,
                extensions,
            }),
            Self::Prompts => ClientRequest::ListPromptsRequest(ListPromptsRequest {
                method: ListPromptsRequestMethod,
                params,
                extensions,
            }),
            Self::Resources => ClientRequest::ListResourcesRequest(ListResourcesRequest {
                method: ListResourcesRequestMethod,
                params,
                extensions,
            }),
        }
    }
}

fn http_client(context: &Context, redirects: &Redirects) -> Result<reqwest::Client, ClientError> {
    let bad = |reason: String| ClientError::BadUrl {
        url: context.url.clone(),
        reason,
    };
    let url = Url::parse(&context.url).map_err(|e| bad(e.to_string()))?;
    let host = url
        .host_str()
        .ok_or_else(|| bad("it names no host".to_owned()))?;
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let mut builder = reqwest::Client::builder();
    let named = match url.scheme() {
        "http" => {
            // Without TLS, certificates of the system need neither be there nor be read.
            builder = builder.tls_certs_only([]);
            context
                .host
                .clone()
                .unwrap_or_else(|| host_header(authority, 80))
        }
        "https" => context.host.clone().unwrap_or_else(|| authority.to_owned()),
        _ => return Err(bad("its scheme is neither http nor https".to_owned())),
    };
    if is_loopback_host(host) {
        builder = builder.no_proxy();
    }
    let name = HeaderValue::try_from(&named).map_err(|e| bad(e.to_string()))?;
    builder
        .default_headers(HeaderMap::from_iter([(HOST, name)]))
        .redirect(redirects.policy(named))
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
