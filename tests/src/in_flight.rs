//! Calls that are in flight when the gateway that carries them ends.
//!
//! One that ends in order lets them finish. Of one that dies nobody can know what became of the call, so its client must see
//! a broken connection: not an answer, and not the silence of a call that somebody made again. The session and the
//! instance are as they were.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, BufReader},
    sync::Barrier,
    thread,
};

use serde_json::{Value, json};

use crate::raw::{Session, agent, call};

/// Sessions that count as fast as they can.
const COUNTING: usize = 8;
/// Progress that `slow` reports in all.
const STEPS: u64 = 10;

/// Begins so many calls of that length, does what they are to outlast, and hears each of them to its end.
///
/// # Panics
/// When a call is not answered as if nothing had happened.
pub fn outlast(url: &str, calls: usize, seconds: u32, happening: impl FnOnce()) {
    let begun: Vec<_> = thread::scope(|scope| {
        let beginning: Vec<_> = (0..calls)
            .map(|_| scope.spawn(|| SlowCall::begin(url, seconds)))
            .collect();
        let begun = beginning.into_iter();
        begun.map(|begun| begun.join().expect("a call")).collect()
    });
    happening();
    for call in begun {
        call.finishes();
    }
}

/// Calls over one gateway, has it killed, and goes on over another. `seconds` is longer than `kill` takes.
///
/// # Panics
/// When a call is answered that cannot have been, is made twice, or a session does not go on.
pub fn outlive_their_gateway(carrier: &str, other: &str, seconds: u32, kill: impl FnOnce()) {
    let mut slow = SlowCall::begin(carrier, seconds);
    let sessions: Vec<_> = (0..COUNTING)
        .map(|_| Session::open(&agent(), carrier))
        .collect();
    let all_count = Barrier::new(COUNTING + 1);
    let last: Vec<u32> = thread::scope(|scope| {
        let counting: Vec<_> = sessions
            .iter()
            .map(|session| scope.spawn(|| count_until_it_breaks(session, carrier, &all_count)))
            .collect();
        all_count.wait();
        kill();
        counting
            .into_iter()
            .map(|count| count.join().expect("a client"))
            .collect()
    });
    slow.breaks();
    for (session, last) in sessions.iter().zip(last) {
        let next = session.count(other);
        let made = next - last - 1;
        assert!(made <= 1, "{made} calls were made of one that broke off");
    }
    slow.goes_on(other);
}

/// What the last call said that was answered.
fn count_until_it_breaks(session: &Session, url: &str, begun: &Barrier) -> u32 {
    let mut last = session.count(url);
    begun.wait();
    while let Ok(count) = session.try_count(url) {
        assert_eq!(count, last + 1, "a call was lost or made twice");
        last = count;
    }
    last
}

/// A call that takes its time and reports progress.
struct SlowCall {
    session: Session,
    lines: Box<dyn Iterator<Item = io::Result<String>> + Send>,
    /// What came of the present event.
    id: Option<String>,
    data: String,
    /// Events that came completely. Some servers send the last one again when they are asked for what followed it.
    seen: BTreeSet<String>,
    last_event: String,
    progress: u64,
}

impl SlowCall {
    fn begin(url: &str, seconds: u32) -> Self {
        let session = Session::open(&agent(), url);
        let mut message = call("slow", &json!({"seconds": seconds}));
        message["params"]["_meta"] = json!({"progressToken": "p"});
        let answer = session.post(url, &message);
        assert_eq!(answer.status(), 200);
        let mut slow = Self {
            session,
            lines: Box::new(BufReader::new(answer.0.into_body().into_reader()).lines()),
            id: None,
            data: String::new(),
            seen: BTreeSet::new(),
            last_event: String::new(),
            progress: 0,
        };
        while slow.progress == 0 {
            let line = slow.lines.next().expect("progress").expect("a line");
            assert_eq!(slow.hear(&line), None);
        }
        slow
    }

    /// Takes in a line; gives the text of the result. An event counts when the empty line after it is there.
    fn hear(&mut self, line: &str) -> Option<String> {
        if let Some(id) = line.strip_prefix("id:") {
            self.id = Some(id.trim().to_owned());
        } else if let Some(data) = line.strip_prefix("data:") {
            data.trim().clone_into(&mut self.data);
        }
        if !line.is_empty() {
            return None;
        }
        let data = std::mem::take(&mut self.data);
        if let Some(id) = self.id.take() {
            self.last_event.clone_from(&id);
            if !self.seen.insert(id) {
                return None;
            }
        }
        let message: Value = serde_json::from_str(&data).ok()?;
        if message["method"] == "notifications/progress" {
            self.progress += 1;
            assert_eq!(
                message["params"]["progress"].as_f64(),
                Some(self.progress as f64)
            );
        }
        let text = message["result"]["content"][0]["text"].as_str()?;
        Some(text.to_owned())
    }

    /// It is answered on the stream that it began with, with all of its progress.
    fn finishes(mut self) {
        let result = loop {
            let line = self.lines.next().expect("a stream that brings the result");
            if let Some(result) = self.hear(&line.expect("a line")) {
                break result;
            }
        };
        assert!(result.starts_with("done after"), "{result}");
        assert_eq!(self.progress, STEPS);
    }

    /// Its stream breaks off: it neither ends in order nor brings a result.
    fn breaks(&mut self) {
        loop {
            match self.lines.next() {
                Some(Ok(line)) => assert_eq!(self.hear(&line), None),
                Some(Err(_)) => return,
                None => panic!("the stream ended as if it were complete"),
            }
        }
    }

    /// It went on at its instance: a client that asks for the rest gets it.
    fn goes_on(mut self, url: &str) {
        // What was begun when it broke off comes anew.
        (self.id, self.data) = (None, String::new());
        let rest = self.session.listen_after(url, &self.last_event);
        assert_eq!(rest.status(), 200);
        let result = rest.lines().find_map(|line| self.hear(&line));
        assert!(result.expect("the result").starts_with("done after"));
        assert_eq!(self.progress, STEPS);
    }
}
