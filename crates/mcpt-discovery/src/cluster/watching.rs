//! [`follow`]: a watch that never ends, whatever the API server does.

use std::{fmt::Debug, time::Duration};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use kube_access::{Error, refused};
use mcpt_core::marks::SERVER_LABEL;
use serde::de::DeserializeOwned;

/// After this time without a word the API server ends a watch by itself, and one that is silent for longer is dead:
/// so long may a vanished API server, whose connections nobody closed, go unnoticed.
const WATCH_SECONDS: u32 = 30;
/// Pause before the first attempt to take a broken watch up again; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause. Short, since until then endpoints may be out of date, and two watches are no load.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Pause after a refusal, which only somebody who changes rights can end.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

struct Watch<K> {
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    kind: &'static str,
    address: String,
    /// How long to wait after the next error.
    pause: Duration,
    /// Whether an error was told that is not over yet.
    broken: bool,
}

/// Events of all objects with a server's label. `kind` says in the log what they are, `address` whom they come from.
pub(super) fn follow<K>(
    api: Api<K>,
    kind: &'static str,
    address: &str,
) -> BoxStream<'static, Event<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default()
        .labels(SERVER_LABEL)
        .timeout(WATCH_SECONDS);
    let watch = Watch {
        events: watcher(api, config).boxed(),
        kind,
        address: address.to_owned(),
        pause: FIRST_PAUSE,
        broken: false,
    };
    stream::unfold(watch, |mut watch| async {
        loop {
            match watch.events.next().await? {
                Ok(event) => {
                    watch.goes_on(&event);
                    return Some((event, watch));
                }
                Err(error) => watch.rest(error).await,
            }
        }
    })
    .boxed()
}

impl<K> Watch<K> {
    fn goes_on(&mut self, event: &Event<K>) {
        // A list that only begins proves nothing.
        if matches!(event, Event::Init) {
            return;
        }
        self.pause = FIRST_PAUSE;
        if std::mem::take(&mut self.broken) {
            tracing::info!(kind = self.kind, "watch goes on");
        }
    }

    /// Tells the first of a series of errors, and waits.
    async fn rest(&mut self, error: watcher::Error) {
        let is_refused = refused(&error);
        let error = Error::Watch {
            address: self.address.clone(),
            source: Box::new(error),
        };
        let kind = self.kind;
        if std::mem::replace(&mut self.broken, true) {
            tracing::debug!(kind, %error, "cannot watch");
        } else {
            tracing::warn!(kind, %error, "cannot watch: what is known holds until it goes on");
        }
        let pause = if is_refused {
            REFUSED_PAUSE
        } else {
            self.pause
        };
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        tokio::time::sleep(pause).await;
    }
}
