//! Many sessions of clients that others wrote, told to call all at the same time.

use std::collections::BTreeMap;

mod python;
mod rmcp;

pub use self::{python::PythonSessions, rmcp::RmcpSessions};

/// What came of one call of `counter` in one session of the demo server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The instance that holds the session, and what its counter says.
    Counted {
        /// Pod or host.
        instance: String,
        /// Calls of `counter` in this session up to now.
        counter: u64,
    },
    /// 404: the session is not there any more.
    Gone,
    /// Anything else.
    Failed(String),
}

impl Answer {
    /// The instance that answered, if one did.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Counted { instance, .. } => Some(instance),
            _ => None,
        }
    }
}

/// Sessions of one kind of client, numbered from 0. A connection that could not be made is tried again for a while, since
/// nothing was sent on it; nothing else is ever sent twice.
pub trait Sessions {
    /// Opens more of them, and calls in each.
    fn open(&mut self, url: &str, count: usize) -> Vec<Answer>;
    /// Calls in all of them.
    fn call(&mut self) -> Vec<Answer>;
    /// Gives these a new client, and calls in each.
    fn reopen(&mut self, sessions: &[usize]) -> Vec<Answer>;
}

/// Sessions per instance.
pub fn spread(answers: &[Answer]) -> BTreeMap<&str, usize> {
    let mut spread = BTreeMap::new();
    for instance in answers.iter().filter_map(Answer::instance) {
        *spread.entry(instance).or_default() += 1;
    }
    spread
}
