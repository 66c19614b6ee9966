//! What calls say of what they went through: the figures, and what must not be.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    client::Call,
    mcp::{Failure, Kind},
};

/// How soon a client whose session is over must have a good call in a new one.
const AGAIN_WITHIN: Duration = Duration::from_millis(500);
/// How far apart calls may break that one kill broke.
const ONE_MOMENT: Duration = Duration::from_millis(500);
/// How many violations are told in words.
const SHOWN: usize = 20;

/// What an event may do to calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// Nothing at all.
    Nothing,
    /// A process was killed: calls that were in flight there broke.
    Killed,
}

/// When instances ended that took their sessions with them.
pub(crate) type Deaths = BTreeMap<String, Instant>;

/// Figures of the calls of one event.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) event: String,
    pub(crate) calls: usize,
    /// By what was seen instead of the answer.
    pub(crate) failed: BTreeMap<String, usize>,
    pub(crate) doubled: usize,
    pub(crate) resets: usize,
    /// Sessions that were over because their instance was.
    pub(crate) ended: usize,
    /// Calls that broke at the moment at which a process was killed.
    pub(crate) cut_off: usize,
    /// Attempts to connect that failed and were made again.
    pub(crate) refused: u64,
    /// From when a call was to be made to its good answer.
    pub(crate) longest_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// From the 404 of a session to a good call in a new one, at most.
    pub(crate) again_ms: Option<f64>,
    /// In words, the first of them.
    pub(crate) violations: Vec<String>,
    pub(crate) holds: bool,
}

impl Figures {
    /// Judges calls of one event, which may have happened several times. `executed` says how often a server ran the call
    /// with that id, where that is known.
    pub(crate) fn of(
        event: &str,
        times: &[Vec<&Call>],
        excuse: Excuse,
        deaths: &Deaths,
        executed: &BTreeMap<String, usize>,
    ) -> Self {
        let mut judge = Judge::new(deaths);
        for calls in times {
            judge.begin(calls, excuse);
            for call in calls {
                judge.take(call);
                if executed.get(&call.id).is_some_and(|times| *times > 1) {
                    judge.doubled += 1;
                    judge.violation(call, "it was made twice");
                }
            }
        }
        judge.figures(event, times.iter().map(Vec::len).sum())
    }
}

struct Judge<'a> {
    deaths: &'a Deaths,
    /// When calls may have been cut off.
    moment: Option<(Instant, Instant)>,
    begin: Option<Instant>,
    failed: BTreeMap<String, usize>,
    doubled: usize,
    resets: usize,
    ended: usize,
    cut_off: usize,
    refused: u64,
    latencies: Vec<f64>,
    again: Option<Duration>,
    violations: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(deaths: &'a Deaths) -> Self {
        Self {
            deaths,
            moment: None,
            begin: None,
            failed: BTreeMap::new(),
            doubled: 0,
            resets: 0,
            ended: 0,
            cut_off: 0,
            refused: 0,
            latencies: Vec::new(),
            again: None,
            violations: Vec::new(),
        }
    }

    /// What follows are the calls of one time that the event happened.
    fn begin(&mut self, calls: &[&Call], excuse: Excuse) {
        let broken = calls.iter().filter(|call| is_cut_off(call));
        let first = broken.map(|call| call.ended).min();
        let first = first.filter(|_| excuse == Excuse::Killed);
        self.moment = first.map(|first| (first, first + ONE_MOMENT));
        self.begin = calls.iter().map(|call| call.due).min();
    }

    fn take(&mut self, call: &Call) {
        self.refused += call.refused;
        match &call.outcome {
            Ok(()) => {
                let took = call.ended.saturating_duration_since(call.due);
                self.latencies.push(took.as_secs_f64() * 1e3);
            }
            Err(failure) => self.fail(call, failure),
        }
        if let Some(gone) = call.gone_at {
            let again = call.ended.saturating_duration_since(gone);
            self.again = self.again.max(Some(again));
            if again > AGAIN_WITHIN {
                self.violation(call, &format!("a good call only {again:?} after the 404"));
            }
        }
    }

    fn fail(&mut self, call: &Call, failure: &Failure) {
        match failure.kind {
            Kind::Gone if self.died(call) => self.ended += 1,
            _ if is_cut_off(call) && self.in_the_moment(call) => self.cut_off += 1,
            Kind::Reset => {
                self.resets += 1;
                self.violation(call, &failure.why);
            }
            Kind::Doubled => {
                self.doubled += 1;
                self.violation(call, &failure.why);
            }
            kind => {
                *self.failed.entry(name(kind)).or_default() += 1;
                self.violation(call, &format!("{}: {}", name(kind), failure.why));
            }
        }
    }

    /// Whether the instance of the call's session ended after the session began.
    fn died(&self, call: &Call) -> bool {
        let Some((instance, began)) = &call.session else {
            return false;
        };
        let death = self.deaths.get(&**instance);
        death.is_some_and(|death| began < death)
    }

    fn in_the_moment(&self, call: &Call) -> bool {
        let within = |(from, to)| (from..=to).contains(&call.ended);
        self.moment.is_some_and(within)
    }

    fn violation(&mut self, call: &Call, why: &str) {
        let since = |at: Instant| {
            let begin = self.begin.unwrap_or(at);
            at.saturating_duration_since(begin).as_secs_f64()
        };
        let instance = call.session.as_ref().map_or("", |(instance, _)| instance);
        self.violations.push(format!(
            "call {} ({}) {instance} {:.3} s to {:.3} s: {why}",
            call.id,
            call.manner,
            since(call.due),
            since(call.ended),
        ));
    }

    fn figures(mut self, event: &str, calls: usize) -> Figures {
        self.latencies.sort_by(f64::total_cmp);
        let share = |share: f64| {
            let index = (self.latencies.len() as f64 * share) as usize;
            let index = index.min(self.latencies.len().saturating_sub(1));
            self.latencies.get(index).copied().unwrap_or_default()
        };
        let holds = self.violations.is_empty() && calls > 0;
        self.violations.truncate(SHOWN);
        Figures {
            event: event.to_owned(),
            calls,
            longest_ms: share(1.0),
            p50_ms: share(0.5),
            p99_ms: share(0.99),
            again_ms: self.again.map(|again| again.as_secs_f64() * 1e3),
            failed: self.failed,
            doubled: self.doubled,
            resets: self.resets,
            ended: self.ended,
            cut_off: self.cut_off,
            refused: self.refused,
            violations: self.violations,
            holds,
        }
    }
}

/// Whether that is how a call fails whose gateway or server dies while it is in flight.
fn is_cut_off(call: &Call) -> bool {
    let kind = call.outcome.as_ref().err().map(|failure| failure.kind);
    matches!(kind, Some(Kind::Broken | Kind::Status(502)))
}

fn name(kind: Kind) -> String {
    match kind {
        Kind::Unreachable => "no connection".to_owned(),
        Kind::Broken => "broken".to_owned(),
        Kind::Late => "no answer".to_owned(),
        Kind::Status(status) => format!("status {status}"),
        Kind::Wrong => "wrong answer".to_owned(),
        Kind::Gone => "session lost".to_owned(),
        Kind::Reset => "reset".to_owned(),
        Kind::Doubled => "doubled".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn call(at: Instant, outcome: Option<Kind>) -> Call {
        Call {
            id: "a".to_owned(),
            manner: "session",
            due: at,
            ended: at,
            outcome: outcome.map_or(Ok(()), |kind| {
                Err(Failure {
                    kind,
                    why: String::new(),
                })
            }),
            refused: 0,
            session: Some((Arc::from("pod"), at)),
            gone_at: None,
        }
    }

    fn judged(calls: &[Call], excuse: Excuse, deaths: &Deaths) -> Figures {
        let calls: Vec<_> = calls.iter().collect();
        Figures::of("event", &[calls], excuse, deaths, &BTreeMap::new())
    }

    #[test]
    fn a_session_may_end_with_its_instance_and_in_no_other_way() {
        let now = Instant::now();
        let gone = [call(now, Some(Kind::Gone))];
        let died_at = |after| Deaths::from([("pod".to_owned(), now + Duration::from_secs(after))]);
        let after = judged(&gone, Excuse::Nothing, &died_at(1));
        assert!(after.holds && after.ended == 1);
        // It began on the instance that took the place of the dead one.
        assert!(!judged(&gone, Excuse::Nothing, &died_at(0)).holds);
        assert!(!judged(&gone, Excuse::Nothing, &Deaths::new()).holds);
    }

    #[test]
    fn a_kill_excuses_one_moment() {
        let now = Instant::now();
        let broken = |after| call(now + Duration::from_millis(after), Some(Kind::Broken));
        let none = Deaths::new();
        let cut = judged(&[broken(0), broken(100)], Excuse::Killed, &none);
        assert!(cut.holds && cut.cut_off == 2);
        assert!(!judged(&[broken(0), broken(1000)], Excuse::Killed, &none).holds);
        assert!(!judged(&[broken(0)], Excuse::Nothing, &none).holds);
    }

    #[test]
    fn nothing_at_all_is_no_proof() {
        assert!(!judged(&[], Excuse::Nothing, &Deaths::new()).holds);
        let once = BTreeMap::from([("a".to_owned(), 2)]);
        let good = call(Instant::now(), None);
        let twice = Figures::of("event", &[vec![&good]], Excuse::Nothing, &Deaths::new(), &once);
        assert!(!twice.holds && twice.doubled == 1);
    }
}
