//! Which errors of a watch are final, and the one watch that any user of a cluster needs: for the end of an object.

use std::fmt::Debug;

use futures_util::StreamExt;
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;

use crate::{Cluster, Result};

/// Waits until the object of exactly this uid is gone; another one by its name may be there then. Lost connections are taken
/// up again.
///
/// # Errors
/// When the API server refuses the watch for good.
pub async fn gone<K>(cluster: &Cluster, api: Api<K>, name: &str, uid: &str) -> Result<()>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut changes = watcher::watch_object(api, name).default_backoff().boxed();
    loop {
        match changes.next().await {
            Some(Ok(Some(object))) if object.meta().uid.as_deref() == Some(uid) => {}
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => {
                let is_refused = refused(&error);
                let error = cluster.watch_error(error);
                if is_refused {
                    return Err(error);
                }
                tracing::debug!(%error, "watch interrupted");
            }
            // Watches never end by themselves.
            None => return std::future::pending().await,
        }
    }
}

/// The code with which the API server answered a watch, if it answered.
pub fn status_code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error as E;
    match error {
        E::InitialListFailed(e) | E::WatchStartFailed(e) | E::WatchFailed(e) => match e {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        },
        E::WatchError(status) => Some(status.code),
        E::NoResourceVersion => None,
    }
}

/// Whether asking again is in vain.
pub fn refused(error: &watcher::Error) -> bool {
    status_code(error).is_some_and(is_final)
}

/// Whether an answer of the API server is final; others may pass.
pub fn is_final(code: u16) -> bool {
    matches!(code, 401 | 403 | 404 | 405)
}
