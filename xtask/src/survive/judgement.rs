//! What calls say of what they went through: the figures, and what must not be.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    client::Call,
    mcp::{Failure, Kind},
};

/// How many violations are told in words.
const SHOWN: usize = 20;

/// What else is known of a run.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    /// When instances ended that took their sessions with them.
    pub(crate) deaths: BTreeMap<String, Instant>,
    /// Those of them that have not come back by the same name.
    pub(crate) gone: BTreeSet<String>,
    /// From when to when each kill of a process was under way: calls that were in flight there broke.
    pub(crate) kills: Vec<(Instant, Instant)>,
    /// How often a server ran the call with that id.
    pub(crate) executed: BTreeMap<String, usize>,
    /// How soon a client whose session is over must have a good call in a new one.
    pub(crate) again_within: Duration,
}

impl Knowledge {
    /// Takes in which pods an event left: of those from before it that are not there any more, and of those that came and
    /// went while it happened, the sessions have ended now at the latest.
    pub(crate) fn pods_are_gone(
        &mut self,
        before: Vec<String>,
        seen: BTreeSet<String>,
        after: &[String],
    ) {
        let now = Instant::now();
        let new = seen.into_iter().filter(|pod| !self.gone.contains(pod));
        let gone: Vec<_> = before.into_iter().chain(new).collect();
        for pod in gone.into_iter().filter(|pod| !after.contains(pod)) {
            self.gone.insert(pod.clone());
            self.deaths.insert(pod, now);
        }
    }

    /// Concludes from the calls alone which instances ended: those with sessions that were over, when from then on none of
    /// the sessions that they had was answered any more.
    pub(crate) fn conclude_deaths(&mut self, calls: &[Call]) {
        for call in calls {
            let kind = call.outcome.as_ref().err().map(|failure| failure.kind);
            if let (Some(Kind::Gone), Some((instance, _))) = (kind, &call.session) {
                let first = self
                    .deaths
                    .entry(instance.to_string())
                    .or_insert(call.ended);
                *first = call.ended.min(*first);
            }
        }
        self.deaths.retain(|instance, death| {
            let mut of_it = calls.iter().filter(|call| call.outcome.is_ok());
            !of_it.any(|call| {
                let session = call.session.as_ref();
                let had = session.is_some_and(|(of, began)| **of == **instance && began < death);
                had && call.due > *death
            })
        });
    }
}

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
    /// Sessions that were called in, by their instance.
    pub(crate) sessions: BTreeMap<String, usize>,
    /// In words, the first of them.
    pub(crate) violations: Vec<String>,
    pub(crate) holds: bool,
}

impl Figures {
    /// Judges the calls of one event.
    pub(crate) fn of(event: &str, calls: &[&Call], known: &Knowledge) -> Self {
        let mut judge = Judge::new(known, calls.iter().map(|call| call.due).min());
        for call in calls {
            judge.take(call);
            if known.executed.get(&call.id).is_some_and(|times| *times > 1) {
                judge.doubled += 1;
                judge.violation(call, "it was made twice");
            }
        }
        judge.figures(event, calls.len())
    }
}

struct Judge<'a> {
    known: &'a Knowledge,
    begin: Option<Instant>,
    failed: BTreeMap<String, usize>,
    doubled: usize,
    resets: usize,
    ended: usize,
    cut_off: usize,
    refused: u64,
    latencies: Vec<f64>,
    sessions: BTreeSet<(Arc<str>, Instant)>,
    again: Option<Duration>,
    violations: Vec<String>,
    /// Those that are only a matter of time, told last.
    slow: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(known: &'a Knowledge, begin: Option<Instant>) -> Self {
        Self {
            known,
            begin,
            failed: BTreeMap::new(),
            doubled: 0,
            resets: 0,
            ended: 0,
            cut_off: 0,
            refused: 0,
            latencies: Vec::new(),
            sessions: BTreeSet::new(),
            again: None,
            violations: Vec::new(),
            slow: Vec::new(),
        }
    }

    fn take(&mut self, call: &Call) {
        self.refused += call.refused;
        self.sessions.extend(call.session.clone());
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
            if again > self.known.again_within {
                let why = format!("a good call only {again:?} after the 404");
                let slow = self.told(call, &why);
                self.slow.push(slow);
            }
        }
    }

    fn fail(&mut self, call: &Call, failure: &Failure) {
        match failure.kind {
            Kind::Gone if self.died(call) => self.ended += 1,
            _ if is_cut_off(call) && self.was_in_flight(call) => self.cut_off += 1,
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
        let death = self.known.deaths.get(&**instance);
        death.is_some_and(|death| began < death)
    }

    /// Whether a process was killed while the call was in flight.
    fn was_in_flight(&self, call: &Call) -> bool {
        let mut kills = self.known.kills.iter();
        kills.any(|(from, to)| call.due <= *to && call.ended >= *from)
    }

    fn violation(&mut self, call: &Call, why: &str) {
        let told = self.told(call, why);
        self.violations.push(told);
    }

    fn told(&self, call: &Call, why: &str) -> String {
        let since = |at: Instant| {
            let begin = self.begin.unwrap_or(at);
            at.saturating_duration_since(begin).as_secs_f64()
        };
        let instance = call.session.as_ref().map_or("", |(instance, _)| instance);
        format!(
            "call {} ({}) {instance} {:.3} s to {:.3} s: {why}",
            call.id,
            call.manner,
            since(call.due),
            since(call.ended),
        )
    }

    fn figures(mut self, event: &str, calls: usize) -> Figures {
        let mut sessions = BTreeMap::new();
        for (instance, _) in &self.sessions {
            *sessions.entry((**instance).to_owned()).or_default() += 1;
        }
        self.latencies.sort_by(f64::total_cmp);
        let share = |share: f64| {
            let index = (self.latencies.len() as f64 * share) as usize;
            let index = index.min(self.latencies.len().saturating_sub(1));
            self.latencies.get(index).copied().unwrap_or_default()
        };
        self.violations.append(&mut self.slow);
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
            sessions,
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

    fn judged(calls: &[Call], known: &Knowledge) -> Figures {
        let calls: Vec<_> = calls.iter().collect();
        Figures::of("event", &calls, known)
    }

    #[test]
    fn a_session_may_end_with_its_instance_and_in_no_other_way() {
        let now = Instant::now();
        let gone = [call(now, Some(Kind::Gone))];
        let died_at = |after| Knowledge {
            deaths: BTreeMap::from([("pod".to_owned(), now + Duration::from_secs(after))]),
            ..Knowledge::default()
        };
        let after = judged(&gone, &died_at(1));
        assert!(after.holds && after.ended == 1);
        // It began on the instance that took the place of the dead one.
        assert!(!judged(&gone, &died_at(0)).holds);
        assert!(!judged(&gone, &Knowledge::default()).holds);
    }

    #[test]
    fn pods_that_came_and_went_within_an_event_are_gone_too() {
        let pods = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut known = Knowledge::default();
        let seen = |text| pods(text).into_iter().collect();
        known.pods_are_gone(pods("a b"), seen("a b c d"), &pods("a d"));
        let deaths: Vec<_> = known.deaths.keys().cloned().collect();
        assert_eq!(deaths, ["b", "c"]);
        let first = known.deaths["c"];
        known.pods_are_gone(pods("a d"), seen("a b c d e"), &pods("d e"));
        let deaths: Vec<_> = known.deaths.keys().cloned().collect();
        assert_eq!(deaths, ["a", "b", "c"]);
        // When it happened does not change any more.
        assert_eq!(known.deaths["c"], first);
    }

    #[test]
    fn an_instance_that_answers_its_sessions_has_not_ended() {
        let now = Instant::now();
        let at = |after, outcome, began| {
            let mut call = call(now + Duration::from_secs(after), outcome);
            call.session = Some((Arc::from("pod"), now + Duration::from_secs(began)));
            call
        };
        let holds = |calls: &[Call]| {
            let mut known = Knowledge {
                again_within: Duration::MAX,
                ..Knowledge::default()
            };
            known.conclude_deaths(calls);
            judged(calls, &known).holds
        };
        let (good, gone) = (at(1, None, 0), at(2, Some(Kind::Gone), 0));
        assert!(holds(&[good.clone(), gone.clone()]));
        // Of the same name, and begun after that.
        assert!(holds(&[good.clone(), gone.clone(), at(4, None, 3)]));
        assert!(!holds(&[good, gone, at(4, None, 0)]));
    }

    #[test]
    fn a_kill_excuses_what_was_in_flight() {
        let now = Instant::now();
        let killed = |from, to| Knowledge {
            kills: vec![(
                now + Duration::from_millis(from),
                now + Duration::from_millis(to),
            )],
            ..Knowledge::default()
        };
        let mut broken = call(now, Some(Kind::Broken));
        broken.ended = now + Duration::from_millis(100);
        let cut = judged(&[broken.clone()], &killed(50, 60));
        assert!(cut.holds && cut.cut_off == 1);
        assert!(!judged(&[broken.clone()], &killed(101, 110)).holds);
        assert!(!judged(&[broken], &Knowledge::default()).holds);
        let mut wrong = call(now, Some(Kind::Wrong));
        wrong.ended = now + Duration::from_millis(100);
        assert!(!judged(&[wrong], &killed(50, 60)).holds);
    }

    #[test]
    fn nothing_at_all_is_no_proof() {
        assert!(!judged(&[], &Knowledge::default()).holds);
        let known = Knowledge {
            executed: BTreeMap::from([("a".to_owned(), 2)]),
            ..Knowledge::default()
        };
        let twice = judged(&[call(Instant::now(), None)], &known);
        assert!(!twice.holds && twice.doubled == 1);
    }

    #[test]
    fn a_new_session_must_answer_in_time() {
        let now = Instant::now();
        let mut again = call(now + Duration::from_millis(400), None);
        again.gone_at = Some(now);
        let within = |milliseconds| Knowledge {
            again_within: Duration::from_millis(milliseconds),
            ..Knowledge::default()
        };
        assert!(judged(&[again.clone()], &within(500)).holds);
        assert!(!judged(&[again], &within(300)).holds);
    }
}
