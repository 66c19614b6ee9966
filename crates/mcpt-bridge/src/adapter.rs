//! [`Adapter`]: a server of the older transport as streamable HTTP, for one who speaks that within the same process.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{DuplexStream, duplex},
    task::AbortHandle,
};
use tokio_util::task::TaskTracker;

use crate::{BridgeConfig, OlderServer, http::Bridge};

/// Bytes that wait on a connection, each way.
const PIPE: usize = 64 * 1024;

/// Sessions with a server of the older transport. It takes requests with sessions alone, and tells who sends others so: who has
/// it knows better on whose behalf they are. Dropping it ends all sessions.
pub struct Adapter {
    bridge: Arc<Bridge>,
    router: Router,
    idle: AbortHandle,
}

/// Why the server could not be reached for a session that was to begin, if that is why there is none: nothing of the request
/// was sent to it.
#[derive(Debug, Clone, Default)]
pub struct Unreached(Arc<Mutex<Option<io::Error>>>);

impl Unreached {
    pub(crate) fn note(&self, reason: io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// What kept it from being reached. Known once the answer has come.
    pub fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Adapter {
    /// One that has no session yet. Only within a runtime.
    pub fn new(server: Arc<dyn OlderServer>) -> Self {
        let nowhere = ([0, 0, 0, 0], 0).into();
        let config = Arc::new(BridgeConfig {
            older: Some(server),
            ..BridgeConfig::new(nowhere, Vec::new())
        });
        let bridge = Bridge::new(&config, TaskTracker::new(), true);
        // Who begins a session is told whether the server is there.
        bridge.readiness.succeeded();
        let sessions = Arc::clone(&bridge.sessions);
        let idle = tokio::spawn(async move { sessions.end_idle().await }).abort_handle();
        Self {
            router: bridge.endpoint_alone(),
            bridge,
            idle,
        }
    }

    /// Whether it has this session.
    pub fn has(&self, session: &str) -> bool {
        self.bridge.sessions.get(session).is_some()
    }

    /// A connection to it, on which HTTP/1.1 is spoken, and where it says that the server could not be reached for a session
    /// that was to begin on it.
    pub fn connect(&self) -> (DuplexStream, Unreached) {
        let (near, far) = duplex(PIPE);
        let unreached = Unreached::default();
        let router = self.router.clone().layer(Extension(unreached.clone()));
        let service = TowerToHyperService::new(router);
        tokio::spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(far), service);
            if let Err(error) = served.await {
                tracing::trace!(%error, "a connection within the process ended");
            }
        });
        (near, unreached)
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.idle.abort();
        self.bridge.sessions.end_all();
    }
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter").finish_non_exhaustive()
    }
}
