//! [`Shared`]: children that speak 2026-07-28, each for many requests at once.
//!
//! One is enough but for log messages, which name no request: a request that takes them goes to a child where no other one
//! does, nor was given up while its child still works for it. The next round of a call goes to the child that has asked for it, since usually no other can read its state.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::HeaderMap;

use crate::sessions::{NewSession, NoSession, Sessions};

/// How long a child stays that nobody uses.
const IDLE: Duration = Duration::from_mins(5);
/// How many states of rounds are remembered.
const STATES: usize = 4096;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    children: Mutex<Vec<Arc<NewSession>>>,
    /// Only one is started at a time, so that those who come meanwhile share it.
    starting: tokio::sync::Mutex<()>,
    /// Which child has handed out which state, the newest last.
    states: Mutex<VecDeque<(u64, String)>>,
    hasher: RandomState,
}

/// What a request wants of its child.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChildRequest<'a> {
    /// Log messages.
    pub(crate) log: bool,
    /// What was handed out with the questions that it answers.
    pub(crate) state: Option<&'a str>,
}

impl Shared {
    /// The child for a request.
    ///
    /// # Errors
    /// [`NoSession`] when there is none and none can be started now.
    pub(crate) async fn child(
        &self,
        sessions: &Arc<Sessions>,
        wanted: ChildRequest<'_>,
    ) -> Result<Arc<NewSession>, NoSession> {
        if let Some(child) = self.pick(wanted, false) {
            return Ok(child);
        }
        let _starting = self.starting.lock().await;
        if let Some(child) = self.pick(wanted, false) {
            return Ok(child);
        }
        match sessions.start(&HeaderMap::new()).await {
            Ok(child) => Ok(self.add(child)),
            // Without log messages of its own it is served all the same.
            Err(none) => self.pick(wanted, true).ok_or(none),
        }
    }

    /// Adds a child.
    pub(crate) fn add(&self, child: NewSession) -> Arc<NewSession> {
        child.is_used_without_session();
        let child = Arc::new(child);
        locked(&self.children).push(Arc::clone(&child));
        child
    }

    /// Adds a child that was started to be looked at, unless there is one already: it is not counted among the sessions, so looks
    /// that come again must not leave one each.
    pub(crate) fn add_first(&self, child: NewSession) {
        let mut children = locked(&self.children);
        children.retain(|child| child.over().is_none());
        if children.is_empty() {
            child.is_used_without_session();
            children.push(Arc::new(child));
        }
    }

    fn pick(&self, wanted: ChildRequest<'_>, any: bool) -> Option<Arc<NewSession>> {
        let asked_by = wanted.state.and_then(|state| self.who_asked(state));
        let mut children = locked(&self.children);
        children.retain(|child| child.over().is_none());
        if wanted.log {
            // One beside the first that may still log for whom nobody waits is of no further use.
            let mut first = true;
            children.retain(|child| {
                let used = child.is_busy() || Arc::strong_count(child) > 1;
                std::mem::take(&mut first) || used || !child.logs_of_somebody()
            });
        }
        let same = children
            .iter()
            .find(|child| Some(child.id()) == asked_by.as_deref());
        let fit = |child: &&Arc<NewSession>| any || !wanted.log || !child.logs_of_somebody();
        same.or_else(|| children.iter().find(fit)).cloned()
    }

    fn who_asked(&self, state: &str) -> Option<String> {
        let digest = self.hasher.hash_one(state);
        let states = locked(&self.states);
        let found = states.iter().rev().find(|(known, _)| *known == digest);
        found.map(|(_, child)| child.clone())
    }

    /// Remembers which child has handed out a state.
    pub(crate) fn has_asked(&self, child: &NewSession, state: &str) {
        let digest = self.hasher.hash_one(state);
        let mut states = locked(&self.states);
        if states.len() == STATES {
            states.pop_front();
        }
        states.push_back((digest, child.id().to_owned()));
    }

    /// Whether any request is under way.
    pub(crate) fn is_used(&self) -> bool {
        locked(&self.children).iter().any(|child| child.is_busy())
    }

    /// Ends one that nobody uses; `false` when there is none.
    pub(crate) fn end_unused(&self) -> bool {
        let mut children = locked(&self.children);
        let unused = |child: &Arc<NewSession>| Arc::strong_count(child) == 1 && !child.is_busy();
        let Some(at) = children.iter().position(unused) else {
            return false;
        };
        drop(children.swap_remove(at));
        true
    }

    /// Ends those that nobody has used for a while.
    pub(super) fn sweep(&self) {
        locked(&self.children).retain(|child| {
            let idle = child
                .idle_since()
                .is_some_and(|since| since.elapsed() >= IDLE);
            let unused = idle && !child.is_busy() && Arc::strong_count(child) == 1;
            child.over().is_none() && !unused
        });
    }

    /// Ends all listening with its result, since no more will come.
    pub(crate) fn end_listening(&self) {
        for child in locked(&self.children).iter() {
            child.end_listening();
        }
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
