//! A connection to the gateway within the process, for messages of a client that was recognised by another path.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::Full;
use hyper::{Request, Response, Uri, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use mcpt_http::client::{self, ExchangeError};
use tokio::io::{DuplexStream, duplex};

use crate::{access::Caller, stages::Stages};

/// Bytes that wait on a connection, each way.
const PIPE: usize = 64 * 1024;

/// By which URL a client has called, where the request says another one. It travels in the extensions of the request.
#[derive(Debug, Clone)]
pub(crate) struct CalledAt(pub(crate) Uri);

/// Asks the gateway on behalf of a caller who has called `called`.
///
/// # Errors
/// [`ExchangeError`] when there is no answer.
pub(super) async fn ask(
    stages: &Arc<Stages>,
    caller: Option<Caller>,
    called: Uri,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ExchangeError> {
    client::exchange_over(connection(stages, caller, called), request).await
}

fn connection(stages: &Arc<Stages>, caller: Option<Caller>, called: Uri) -> DuplexStream {
    let (near, far) = duplex(PIPE);
    let (stages, called) = (Arc::clone(stages), CalledAt(called));
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(caller) = &caller {
            request.extensions_mut().insert(caller.clone());
        }
        request.extensions_mut().insert(called.clone());
        let stages = Arc::clone(&stages);
        async move { Ok::<_, Infallible>(stages.answer(request).await) }.boxed()
    });
    tokio::spawn(async move {
        let served = http1::Builder::new().serve_connection(TokioIo::new(far), service);
        if let Err(error) = served.await {
            tracing::trace!(%error, "a connection within the process ended");
        }
    });
    near
}
