//! Redirects that reqwest meets: followed within the same origin, noted where it cannot follow them.

use std::sync::{Arc, Mutex, PoisonError};

use mcpt_protocol::{REDIRECTS_MAX, Redirect, redirect};
use reqwest::redirect::{Attempt, Policy};
use url::{Position, Url};

/// Where the last redirect led that was not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfollowed {
    /// To another path of the same origin, in a way that would make a GET of a POST.
    Moved(Url),
    /// To another origin.
    Elsewhere(Url),
}

/// What a client has met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redirects(Arc<Mutex<Option<Unfollowed>>>);

impl Redirects {
    /// The last redirect that was not followed.
    pub(crate) fn take(&self) -> Option<Unfollowed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The policy of a client that calls its server `host` in requests.
    pub(crate) fn policy(&self, host: String) -> Policy {
        let this = self.clone();
        Policy::custom(move |attempt| match judged(&attempt, &host) {
            None => attempt.stop(),
            Some(Judged::Follow) => attempt.follow(),
            Some(Judged::Unfollowed(unfollowed)) => {
                let mut noted = this.0.lock().unwrap_or_else(PoisonError::into_inner);
                *noted = Some(unfollowed);
                attempt.stop()
            }
        })
    }
}

enum Judged {
    Follow,
    Unfollowed(Unfollowed),
}

/// `None` when it is no redirect for MCP, or one too many.
fn judged(attempt: &Attempt<'_>, host: &str) -> Option<Judged> {
    let asked = attempt.previous().last()?;
    if attempt.previous().len() > REDIRECTS_MAX {
        return None;
    }
    // The server knows itself by the name that it was called by.
    let named = format!("{}://{host}", asked.scheme());
    let named = Url::parse(&named).ok()?.join(path_of(asked)).ok()?;
    let to = attempt.url().as_str().as_bytes();
    match [asked, &named].map(|asked| redirect(asked, attempt.status(), Some(to))) {
        [Redirect::Follow(_), _] if matches!(attempt.status().as_u16(), 307 | 308) => {
            Some(Judged::Follow)
        }
        [Redirect::Follow(to), _] | [_, Redirect::Follow(to)] => {
            let moved = asked.join(path_of(&to)).ok()?;
            Some(Judged::Unfollowed(Unfollowed::Moved(moved)))
        }
        [Redirect::Elsewhere(to), _] => Some(Judged::Unfollowed(Unfollowed::Elsewhere(to))),
        [Redirect::None, _] => None,
    }
}

/// Path and query.
fn path_of(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}
