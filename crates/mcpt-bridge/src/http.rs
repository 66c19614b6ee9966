//! The HTTP side: routes, access rules, health, and the drain at the end.

mod older;
mod post;
mod reply;
mod stateless;

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header::ORIGIN, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use hyper_util::service::TowerToHyperService;
use mcpt_http::{Budget, Connections, ReadyState};
use mcpt_protocol::{
    Era, era_of_version,
    header::{LAST_EVENT_ID, PROTOCOL_VERSION},
    is_preflight, media,
};
use tokio::{net::TcpListener, time::Instant};
use tokio_util::task::TaskTracker;

use self::reply::{refuse, session_of};
use crate::{
    BridgeConfig, BridgeError,
    readiness::{self, Check, Readiness, StartFailure},
    replay::is_of_a_call,
    sessions::Sessions,
    sse,
};

/// How long connections may at least take to close after everything was answered, and again after sessions have ended.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Bridge {
    config: Arc<BridgeConfig>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) readiness: Arc<Readiness>,
    /// Holds what is on the way, of sessions and of requests without one.
    budget: Budget,
    /// Requests whose answers were not sent to their ends.
    requests: TaskTracker,
    /// Requests that have no session are left to who asks.
    sessions_only: bool,
}

impl Bridge {
    /// A bridge whose children are among these.
    pub(crate) fn new(
        config: &Arc<BridgeConfig>,
        children: TaskTracker,
        sessions_only: bool,
    ) -> Arc<Self> {
        let readiness = Arc::new(Readiness::new());
        // What accounts can count on: as many sessions as there may be, and as many requests without one.
        let budget = Budget::new(
            config.max_held,
            config.max_held / 8 / config.max_sessions.max(1),
        );
        let sessions = Sessions::new(
            Arc::clone(config),
            Arc::clone(&readiness),
            children,
            budget.clone(),
        );
        Arc::new(Self {
            config: Arc::clone(config),
            sessions: Arc::new(sessions),
            readiness,
            budget,
            requests: TaskTracker::new(),
            sessions_only,
        })
    }

    /// Its MCP endpoint at whatever path, for whoever may do everything.
    pub(crate) fn endpoint_alone(self: &Arc<Self>) -> Router {
        Router::new().fallback_service(endpoint().with_state(Arc::clone(self)))
    }
}

pub(crate) async fn serve(
    listener: TcpListener,
    config: Arc<BridgeConfig>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), BridgeError> {
    let children = TaskTracker::new();
    let bridge = Bridge::new(&config, children.clone(), false);
    let (readiness, sessions) = (Arc::clone(&bridge.readiness), Arc::clone(&bridge.sessions));
    let address = listener.local_addr().map_err(BridgeError::Serve)?;
    tracing::info!(%address, path = config.path, "bridge listens");
    let connections = Connections::at_most(config.max_connections);
    let serve = connections.serve(listener, TowerToHyperService::new(router(&bridge)));

    let checks = {
        let (readiness, sessions) = (Arc::clone(&readiness), Arc::clone(&sessions));
        async move {
            let check = || -> Check { Box::pin(look(Arc::clone(&sessions))) };
            readiness.keep_checking(check).await
        }
    };
    let drain = async {
        shutdown.await;
        tracing::info!(requests = bridge.requests.len(), "bridge drains");
        readiness.drain();
        sessions.pools().shared.end_listening();
        connections.leave().await;
        bridge.requests.close();
        let began = Instant::now();
        let answered = tokio::time::timeout(config.drain_grace, bridge.requests.wait()).await;
        connections.stop();
        if answered.is_ok() {
            // Sessions are there as long as a request may come for them. One whose body was on its way has the rest of the
            // grace for its answer, as those before it.
            let rest = config.drain_grace.saturating_sub(began.elapsed());
            drop(tokio::time::timeout(rest.max(CLOSE_GRACE), connections.quiet()).await);
        }
        let requests = bridge.requests.len();
        if requests > 0 {
            tracing::warn!(requests, "requests still in progress are cut off");
        }
        sessions.end_all();
        children.close();
        children.wait().await;
        drop(tokio::time::timeout(CLOSE_GRACE, connections.closed()).await);
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(serve, drain) } => Ok(()),
        // Both go on for ever until then, unless the command can never be started.
        ended = async { tokio::try_join!(checks, async { sessions.end_idle().await; Ok(()) }) } => ended.map(drop),
    }
}

/// Looks at the server. While it serves sessions it is ready, also when no other one can begin beside them.
async fn look(sessions: Arc<Sessions>) -> Result<(), StartFailure> {
    match sessions.check().await {
        Err(failure) if sessions.is_used() => {
            tracing::warn!(
                "no session can begin beside those that there are: {}; where only one can be, start the bridge with room for one session",
                failure.reason
            );
            Ok(())
        }
        looked => looked,
    }
}

fn router(bridge: &Arc<Bridge>) -> Router {
    // Clients differ in whether they end a URL with a slash.
    let path = bridge.config.path.trim_end_matches('/');
    let mut router = Router::new()
        .route(path, endpoint())
        .route(&format!("{path}/"), endpoint());
    if path != older::PATH {
        router = router.route(older::PATH, get(older::open).post(older::post));
    }
    router
        .route("/readyz", get(ready))
        .layer(middleware::from_fn_with_state(Arc::clone(bridge), guard))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(Arc::clone(bridge))
}

/// The MCP endpoint.
fn endpoint() -> MethodRouter<Arc<Bridge>> {
    get(open_stream).post(post::post).delete(end_session)
}

/// Refuses requests whose `Host` or `Origin` is not accepted, and tells browsers which pages may read the answers.
async fn guard(State(bridge): State<Arc<Bridge>>, request: Request, next: Next) -> Response {
    let access = &bridge.config.access;
    let target = request.uri().authority().map(Authority::as_str);
    if let Err(refused) = access.check(request.headers(), target) {
        return refuse(refused.status(), &refused.to_string());
    }
    if is_preflight(request.method(), request.headers()) {
        return (StatusCode::NO_CONTENT, access.preflight(request.headers())).into_response();
    }
    if !request.headers().contains_key(ORIGIN) {
        return next.run(request).await;
    }
    let asked = request.headers().clone();
    let mut response = next.run(request).await;
    access.share(&asked, response.headers_mut());
    response
}

/// `/readyz`: whether a new session would work, and if not, why. What the server wrote to stderr is for its log alone.
async fn ready(State(bridge): State<Arc<Bridge>>) -> Response {
    let (state, text) = match bridge.readiness.state() {
        readiness::State::Ready => (ReadyState::Ready, "ready".to_owned()),
        readiness::State::Starting => (ReadyState::Starting, "the server is starting".to_owned()),
        readiness::State::Draining => {
            let text = "the server is shutting down";
            (ReadyState::Draining, text.to_owned())
        }
        readiness::State::Failing(failure) => (ReadyState::Failing, failure.reason),
    };
    let status = match state {
        ReadyState::Ready => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let state = [(ReadyState::HEADER, state.value())];
    (status, state, format!("{text}\n")).into_response()
}

/// The era that the version header names.
///
/// # Errors
/// The response that refuses a version which nobody knows.
fn header_era(headers: &HeaderMap) -> Result<Option<Era>, Box<Response>> {
    let Some(value) = headers.get(PROTOCOL_VERSION) else {
        return Ok(None);
    };
    match value.to_str().ok().and_then(era_of_version) {
        Some(era) => Ok(Some(era)),
        None => Err(Box::new(refuse(
            StatusCode::BAD_REQUEST,
            "MCP-Protocol-Version is not a version that is supported",
        ))),
    }
}

/// GET: the stream of messages that belong to no request.
async fn open_stream(State(bridge): State<Arc<Bridge>>, headers: HeaderMap) -> Response {
    match header_era(&headers) {
        Err(refusal) => return *refusal,
        Ok(Some(Era::Modern)) => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
        Ok(_) => {}
    }
    if !media::accepts(&headers, media::EVENT_STREAM) {
        return refuse(
            StatusCode::NOT_ACCEPTABLE,
            "Accept must list text/event-stream",
        );
    }
    let session = match session_of(&bridge.sessions, &headers) {
        Ok(session) => session,
        Err(refusal) => return *refusal,
    };
    let after = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    if let Some(after) = after.filter(|id| is_of_a_call(id)) {
        let Some(reader) = session.replay().after(after) else {
            let why = "what was said after that event is not kept any more";
            return refuse(StatusCode::BAD_REQUEST, why);
        };
        return sse::recorded(None, reader, ());
    }
    match session.open_general() {
        Ok(events) => sse::response(None, events, None, ()),
        Err(over) => refuse(StatusCode::NOT_FOUND, &over.to_string()),
    }
}

/// DELETE: the client is done with its session.
async fn end_session(State(bridge): State<Arc<Bridge>>, headers: HeaderMap) -> Response {
    match header_era(&headers) {
        Err(refusal) => return *refusal,
        Ok(Some(Era::Modern)) => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
        Ok(_) => {}
    }
    match session_of(&bridge.sessions, &headers) {
        Ok(session) => {
            bridge.sessions.end(session.id());
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refusal) => *refusal,
    }
}
