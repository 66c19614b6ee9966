//! The HTTP side of the demo server: routes, access rules, and the drain at its end.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode, header::RETRY_AFTER, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::service::TowerToHyperService;
use mcpt_http::Connections;
use mcpt_protocol::{RequestEra, UnknownVersion, era_of_request, header::SESSION_ID, is_preflight};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{DemoSettings, tools::DemoTools};

/// How long connections may take to close after sessions have ended.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

pub(crate) async fn serve(
    listener: TcpListener,
    settings: DemoSettings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let settings = Arc::new(settings);
    let end_sessions = CancellationToken::new();
    let connections = Connections::at_most(settings.max_connections);
    let app = router(Arc::clone(&settings), end_sessions.clone());
    tracing::info!(address = %listener.local_addr()?, "demo server listens");
    let serve = connections.serve(listener, TowerToHyperService::new(app));
    let drain = async {
        shutdown.await;
        tracing::info!(connections = connections.open(), "demo server drains");
        connections.leave().await;
        connections.stop();
        // Sessions are there as long as a call may come for them.
        if tokio::time::timeout(settings.drain_grace, connections.quiet())
            .await
            .is_err()
        {
            tracing::warn!("calls still in progress are cut off");
        }
        // Their streams have no end of their own.
        end_sessions.cancel();
        drop(tokio::time::timeout(CLOSE_GRACE, connections.closed()).await);
    };
    tokio::join!(serve, drain);
    Ok(())
}

fn router(settings: Arc<DemoSettings>, end: CancellationToken) -> Router {
    // Host and Origin are checked by `guard`, one way for every server of mcpt.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_cancellation_token(end);
    let sessions = Arc::new(LocalSessionManager::default());
    let tools = Arc::new(DemoTools::router());
    let (tool_settings, guarded) = (Arc::clone(&settings), Arc::clone(&sessions));
    let mcp = StreamableHttpService::new(
        move || {
            Ok(DemoTools::new(
                Arc::clone(&tool_settings),
                Arc::clone(&tools),
            ))
        },
        sessions,
        config,
    );
    Router::new()
        .route_service("/mcp", mcp)
        .layer(middleware::from_fn_with_state((settings, guarded), guard))
        .route("/healthz", get(|| async { "ok\n" }))
}

/// Refuses requests whose `Host` or `Origin` is not accepted, and those that would begin a session too many; tells browsers
/// which pages may read the answers.
async fn guard(
    State((settings, sessions)): State<(Arc<DemoSettings>, Arc<LocalSessionManager>)>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let target = request.uri().authority().map(Authority::as_str);
    if let Err(refused) = settings.access.check(request.headers(), target) {
        return (refused.status(), format!("{refused}\n")).into_response();
    }
    if is_preflight(request.method(), headers) {
        return (StatusCode::NO_CONTENT, settings.access.preflight(headers)).into_response();
    }
    let era = era_of_request(headers, None, UnknownVersion::Ignore);
    let may_begin = request.method() == Method::POST
        && !headers.contains_key(SESSION_ID)
        && era != Ok(RequestEra::Modern);
    if may_begin && sessions.sessions.read().await.len() >= settings.max_sessions {
        let most = settings.max_sessions;
        let why = format!("there are {most} sessions, which is the most there may be: try again\n");
        let soon = [(RETRY_AFTER, "60")];
        return (StatusCode::SERVICE_UNAVAILABLE, soon, why).into_response();
    }
    let asked = headers.clone();
    let mut response = next.run(request).await;
    settings.access.share(&asked, response.headers_mut());
    response
}
