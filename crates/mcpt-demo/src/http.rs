//! The HTTP side of the demo server: routes, access rules, and the drain at its end.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderValue, Method, StatusCode,
        header::{HOST, ORIGIN},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::TryStreamExt;
use mcpt_http::Connections;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{DemoSettings, tools::DemoTools};

/// How long connections may take to close after the last call was answered.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

pub(crate) async fn serve(
    listener: TcpListener,
    settings: DemoSettings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let settings = Arc::new(settings);
    let end_sessions = CancellationToken::new();
    let calls = TaskTracker::new();
    let connections = Connections::default();
    let app = router(Arc::clone(&settings), end_sessions.clone(), calls.clone());
    let app = connections.served_by(app);

    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    tracing::info!(address = %listener.local_addr()?, "demo server listens");
    let server = axum::serve(connections.listen(listener), app).with_graceful_shutdown(stopped);
    let drain = async move {
        shutdown.await;
        tracing::info!(calls = calls.len(), "demo server drains");
        connections.leave().await;
        stop.cancel();
        calls.close();
        if tokio::time::timeout(settings.drain_grace, calls.wait())
            .await
            .is_err()
        {
            tracing::warn!(calls = calls.len(), "calls still in progress are cut off");
        }
        // Streams of sessions have no end of their own.
        end_sessions.cancel();
        tokio::time::sleep(CLOSE_GRACE).await;
    };
    tokio::select! {
        served = server.into_future() => served,
        () = drain => Ok(()),
    }
}

fn router(settings: Arc<DemoSettings>, end: CancellationToken, calls: TaskTracker) -> Router {
    // Host and Origin are checked by `guard`, one way for every server of mcpt.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_cancellation_token(end);
    let tool_settings = Arc::clone(&settings);
    let mcp = StreamableHttpService::new(
        move || Ok(DemoTools::new(Arc::clone(&tool_settings))),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    Router::new()
        .route_service("/mcp", mcp)
        .layer(middleware::from_fn_with_state(calls, track))
        .layer(middleware::from_fn_with_state(settings, guard))
        .route("/healthz", get(|| async { "ok\n" }))
}

/// Refuses requests whose `Host` or `Origin` is not accepted.
async fn guard(
    State(settings): State<Arc<DemoSettings>>,
    request: Request,
    next: Next,
) -> Response {
    let [host, origin] =
        [HOST, ORIGIN].map(|name| request.headers().get(name).map(HeaderValue::as_bytes));
    if let Err(refused) = settings.access.check(host, origin) {
        return (StatusCode::FORBIDDEN, format!("{refused}\n")).into_response();
    }
    next.run(request).await
}

/// Counts a POST as in progress until the last byte of its answer was sent.
async fn track(State(calls): State<TaskTracker>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let in_progress = calls.token();
    let (parts, body) = next.run(request).await.into_parts();
    let body = body.into_data_stream().inspect_ok(move |_| {
        let _held_until_the_stream_is_dropped = &in_progress;
    });
    Response::from_parts(parts, Body::from_stream(body))
}
