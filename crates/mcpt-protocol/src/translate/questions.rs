//! [`Questions`]: what a server with sessions asks in a call, as a client of 2026-07-28 is asked.

use std::time::Duration;

use serde_json::json;

use super::new::{Call, Question};

/// How long a server that has asked something may ask more before its client is told: it does not say that it was all.
pub const MORE_QUESTIONS: Duration = Duration::from_millis(30);

/// What the server of one call has asked and waits for, by the keys that its client knows it by.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    open: Vec<(String, Question)>,
    /// How many there were: no key comes twice in a call.
    asked: usize,
}

impl Questions {
    /// Adds one.
    pub fn add(&mut self, question: Question) {
        self.asked += 1;
        self.open
            .push((format!("question-{}", self.asked), question));
    }

    /// Whether the server waits for any answer.
    pub fn are_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The answers that the next round of its call brings, as messages to the server, which waits for nothing more then. `None`
    /// when it lacks one: then all stay open, and the client is asked for them once more.
    pub fn answers(&mut self, round: &Call) -> Option<Vec<String>> {
        let answer = |(key, question): &(String, Question)| {
            let response = round.response(key)?;
            let is_object = response.starts_with('{');
            is_object.then(|| question.answer(&response))
        };
        let answers = self.open.iter().map(answer).collect::<Option<_>>()?;
        self.open.clear();
        Some(answers)
    }

    /// What the client of the call is answered: it is asked for all that are open, and gives `state` back with its answers.
    pub fn of_client(&self, call: &Call, state: &str) -> String {
        call.asks(&self.open, state)
    }
}

/// What a server with sessions is told when the client of a request has gone away.
pub fn cancelled(id: u64) -> String {
    let params = json!({"requestId": id, "reason": "the client has gone away"});
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).to_string()
}
