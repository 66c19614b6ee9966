//! [`serve`]: a shelf over HTTP, for clients and web pages.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, uri::Authority},
    response::{IntoResponse, Response},
};
use hyper_util::service::TowerToHyperService;
use mcpt_http::Connections;
use mcpt_protocol::HostRules;
use tokio::net::TcpListener;

use crate::{Answer, Error, Shelf};

/// How long answers may take that are under way when the end is ordered.
const GRACE: Duration = Duration::from_secs(10);

/// The most connections at once.
const MOST_CONNECTIONS: usize = 1000;

/// A shelf that is made anew when the copies that it stands on are.
pub struct Served {
    make: Box<dyn Fn() -> Result<Shelf, Error> + Send + Sync>,
    copies: Vec<PathBuf>,
    made: Mutex<Option<(Vec<Identity>, Arc<Shelf>)>>,
}

/// Which file is at a path; none when there is none.
type Identity = Option<(u64, u64, i64, i64)>;

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &mut f.debug_struct("Served");
        shown.field("copies", &self.copies).finish_non_exhaustive()
    }
}

impl Served {
    /// What `make` makes, now and whenever another file is at one of the paths.
    pub fn new(
        copies: Vec<PathBuf>,
        make: impl Fn() -> Result<Shelf, Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            make: Box::new(make),
            copies,
            made: Mutex::new(None),
        }
    }

    /// The shelf as it is now.
    ///
    /// # Errors
    /// When it must be made and cannot be.
    pub fn shelf(&self) -> Result<Arc<Shelf>, Error> {
        let identity = |path: &PathBuf| -> Identity {
            let data = std::fs::metadata(path).ok()?;
            Some((data.dev(), data.ino(), data.mtime(), data.mtime_nsec()))
        };
        // What a panic has left is whole: it is only ever replaced.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let now: Vec<Identity> = self.copies.iter().map(identity).collect();
        if let Some((before, shelf)) = &*made
            && *before == now
        {
            return Ok(Arc::clone(shelf));
        }
        let shelf = Arc::new((self.make)()?);
        *made = Some((now, Arc::clone(&shelf)));
        Ok(shelf)
    }
}

/// Answers at `listen` until `shutdown` completes; then lets requests in progress finish. Any web page may read what is told, as
/// with the official registry, but `Host` must name this server. `bound` hears where it listens.
///
/// # Errors
/// What the system says when the address cannot be had.
pub async fn serve(
    listen: SocketAddr,
    served: Served,
    shutdown: impl Future<Output = ()> + Send + 'static,
    bound: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let listener = mcpt_http::listen(listen).and_then(TcpListener::from_std)?;
    let address = listener.local_addr()?;
    bound(address);
    let rules = HostRules::for_listener(address).allow_origins(["*"]);
    let app = Router::new()
        .fallback(answer)
        .with_state((Arc::new(served), Arc::new(rules)));
    let connections = Connections::at_most(MOST_CONNECTIONS);
    let serving = connections.serve(listener, TowerToHyperService::new(app));
    let end = async {
        shutdown.await;
        connections.leave().await;
        connections.stop();
        // Whoever is slower is cut off.
        drop(tokio::time::timeout(GRACE, connections.quiet()).await);
    };
    tokio::join!(serving, end);
    Ok(())
}

async fn answer(
    State((served, rules)): State<(Arc<Served>, Arc<HostRules>)>,
    request: Request,
) -> Response {
    let target = request.uri().authority().map(Authority::as_str);
    if let Err(refused) = rules.check(request.headers(), target) {
        return (refused.status(), format!("{refused}\n")).into_response();
    }
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Method::GET | Method::HEAD => {
            let uri = request.uri().clone();
            let answered = tokio::task::spawn_blocking(move || {
                let shelf = served.shelf()?;
                Ok::<Answer, Error>(shelf.answer(uri.path(), uri.query().unwrap_or_default()))
            });
            match answered.await {
                Ok(Ok(answer)) => json(&answer),
                Ok(Err(error)) => {
                    tracing::error!(%error, "the copies of registries cannot be read");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        _ => (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET, HEAD, OPTIONS")],
        )
            .into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, OPTIONS"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn json(answer: &Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, answer.body.to_string()).into_response()
}
