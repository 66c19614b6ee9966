//! [`OldSessions`]: what a client with sessions has said in its session, while the gateway answers for a server that keeps none.
//!
//! A session id carries who the client is and what it can do, so that any replica goes on with it. What changes during a
//! session, the log level and which resources it hears of, is known only to the replicas that were told: elsewhere the
//! session is as it began.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use mcpt_protocol::MessageId;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Log messages that a client gets that has not said from which level on it wants them.
const FIRST_LEVEL: &str = "info";
/// How long a session is remembered that is not used.
const IDLE: Duration = Duration::from_mins(30);
/// Most sessions that are remembered; of more, those that were not used for the longest time are forgotten.
const MOST: usize = 16 * 1024;
/// Most subscriptions of one session.
pub(super) const MOST_RESOURCES: usize = 1024;

/// All of them, by their sealed ids.
#[derive(Debug)]
pub(super) struct OldSessions {
    by_id: Mutex<HashMap<Vec<u8>, KeptSession>>,
    /// What ids of questions begin with: no two replicas ask by the same one.
    tag: u64,
    questions: AtomicU64,
}

#[derive(Debug)]
struct KeptSession {
    session: Arc<OldSession>,
    used: Instant,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct OldSession {
    said: Mutex<Said>,
    /// Changes with the resources that it hears of.
    pub(super) changed: watch::Sender<u64>,
    /// It is over.
    pub(super) ended: CancellationToken,
}

#[derive(Debug, Default)]
struct Said {
    level: Option<String>,
    resources: BTreeSet<String>,
    /// Calls that are in progress, by the client's ids.
    running: HashMap<MessageId, CancellationToken>,
    /// Who waits for the client's answers, by the ids of the questions.
    waiting: HashMap<String, oneshot::Sender<Result<String, Declined>>>,
}

/// A client has not answered a question, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client gave no answer to the server: {0}")]
pub(super) struct Declined(pub(super) String);

impl Default for OldSessions {
    fn default() -> Self {
        Self {
            by_id: Mutex::default(),
            tag: RandomState::new().build_hasher().finish(),
            questions: AtomicU64::new(0),
        }
    }
}

impl OldSessions {
    /// The session with this sealed id.
    pub(super) fn of(&self, sealed: &[u8]) -> Arc<OldSession> {
        let mut all = locked(&self.by_id);
        let now = Instant::now();
        if let Some(known) = all.get_mut(sealed) {
            known.used = now;
            return Arc::clone(&known.session);
        }
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, known)| known.used)
        {
            let oldest = oldest.0.clone();
            all.remove(&oldest);
        }
        let session = Arc::<OldSession>::default();
        let known = KeptSession {
            session: Arc::clone(&session),
            used: now,
        };
        all.insert(sealed.to_vec(), known);
        session
    }

    /// Notes that it is over, and ends what is in progress in it.
    pub(super) fn end(&self, sealed: &[u8]) {
        self.of(sealed).ended.cancel();
    }

    /// Forgets those that were not used for a while.
    pub(super) fn sweep(&self) {
        locked(&self.by_id).retain(|_, known| known.used.elapsed() < IDLE);
    }

    /// The id of a question that no other has.
    pub(super) fn question(&self) -> String {
        let number = self.questions.fetch_add(1, Relaxed);
        format!("{:016x}-{number}", self.tag)
    }
}

impl OldSession {
    /// From which level on it gets log messages.
    pub(super) fn level(&self) -> String {
        let said = locked(&self.said);
        said.level.clone().unwrap_or_else(|| FIRST_LEVEL.to_owned())
    }

    pub(super) fn set_level(&self, level: String) {
        locked(&self.said).level = Some(level);
    }

    /// The resources that it hears of.
    pub(super) fn resources(&self) -> Vec<String> {
        locked(&self.said).resources.iter().cloned().collect()
    }

    /// Wants to hear of a resource; `false` when it hears of too many.
    pub(super) fn subscribe(&self, uri: String) -> bool {
        let mut said = locked(&self.said);
        if said.resources.len() >= MOST_RESOURCES && !said.resources.contains(&uri) {
            return false;
        }
        if said.resources.insert(uri) {
            self.changed.send_modify(|changes| *changes += 1);
        }
        true
    }

    pub(super) fn unsubscribe(&self, uri: &str) {
        if locked(&self.said).resources.remove(uri) {
            self.changed.send_modify(|changes| *changes += 1);
        }
    }

    /// Notes a call, by the client's id; what ends it.
    pub(super) fn runs(&self, id: &MessageId) -> CancellationToken {
        let cancelled = self.ended.child_token();
        let mut said = locked(&self.said);
        said.running.insert(id.clone(), cancelled.clone());
        cancelled
    }

    pub(super) fn ran(&self, id: &MessageId) {
        locked(&self.said).running.remove(id);
    }

    /// The client does not want an answer any more.
    pub(super) fn cancel(&self, id: &MessageId) {
        if let Some(running) = locked(&self.said).running.remove(id) {
            running.cancel();
        }
    }

    /// Waits for the client's answer to a question: its result as JSON, or the words of its error.
    pub(super) fn wait_for(&self, question: String) -> oneshot::Receiver<Result<String, Declined>> {
        let (answered, answer) = oneshot::channel();
        locked(&self.said).waiting.insert(question, answered);
        answer
    }

    /// Nobody waits for these answers any more.
    pub(super) fn give_up(&self, questions: &[String]) {
        let mut said = locked(&self.said);
        for question in questions {
            said.waiting.remove(question);
        }
    }

    /// Takes the client's answer in; `false` when nobody waits for it.
    pub(super) fn answered(&self, question: &str, answer: Result<String, Declined>) -> bool {
        let waiting = locked(&self.said).waiting.remove(question);
        waiting.is_some_and(|waiting| waiting.send(answer).is_ok())
    }
}

/// Nothing is ever half done under the lock, so a panic elsewhere has left it whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
