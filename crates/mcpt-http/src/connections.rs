//! [`Connections`]: all connections of one server, and how their clients are asked to leave.

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    http::header::{CONNECTION, HeaderValue},
    middleware::{self, Next},
    response::Response,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::CountedListener;

/// How long connections are still served once clients were asked to leave.
const LINGER: Duration = Duration::from_secs(1);

/// All connections of one server.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    open: TaskTracker,
    leaving: CancellationToken,
}

impl Connections {
    /// A listener whose connections are counted here. They send small messages without waiting for further ones.
    pub fn listen(&self, listener: TcpListener) -> CountedListener {
        CountedListener::new(listener, self.open.clone())
    }

    /// The same routes, with answers that close their connections once [`Connections::leave`] has begun.
    pub fn served_by(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(
            self.leaving.clone(),
            last_when_leaving,
        ))
    }

    /// Asks the clients to leave: from now on each answer is the last on its connection. Completes when all have left, or
    /// after a second; those that are there then were silent, or wait for long answers. New connections are still
    /// accepted, so that whoever was asked to leave can come back for what only this server has.
    pub async fn leave(&self) {
        self.leaving.cancel();
        self.open.close();
        // Whoever stays is closed by the graceful shutdown of the server.
        drop(tokio::time::timeout(LINGER, self.open.wait()).await);
    }
}

async fn last_when_leaving(
    State(leaving): State<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if leaving.is_cancelled() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}
