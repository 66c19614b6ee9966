//! [`Interim`]: the interim responses (1xx) of one exchange, none of which is passed on.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use hyper::Request;
use tokio::sync::Notify;

use crate::exchange::RequestBody;

/// Most interim responses to one request. Servers send one or two, if any.
const MAX_INTERIM: u32 = 16;

/// Those that came so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Interim(Arc<(AtomicU32, Notify)>);

impl Interim {
    /// Those to a request that is about to be sent.
    pub(super) fn watch(request: &mut Request<RequestBody>) -> Self {
        let interim = Self::default();
        let seen = interim.clone();
        hyper::ext::on_informational(request, move |_| {
            let (count, endless) = &*seen.0;
            if count.fetch_add(1, Relaxed) == MAX_INTERIM {
                endless.notify_one();
            }
        });
        interim
    }

    pub(super) fn any(&self) -> bool {
        self.0.0.load(Relaxed) > 0
    }

    /// Completes when there were too many.
    pub(super) async fn endless(&self) {
        self.0.1.notified().await;
    }
}
