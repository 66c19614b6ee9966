//! Calls of the stateless era that go on while something else happens, and a record of each that failed.
//!
//! Nothing is tried again, not even a connection: what fails here is lost for a client that takes no care.

use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use ureq::http::HeaderMap;

const VERSION: &str = "2026-07-28";
/// Between two calls of one client.
const PAUSE: Duration = Duration::from_millis(15);
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How many short calls each client makes at least, however soon it is over: fewer would prove little.
const LEAST: u64 = 300;

/// How a client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// One short call after the other on a kept connection.
    Kept,
    /// A new connection for each short call.
    Fresh,
    /// Calls that take two seconds, on a kept connection.
    Long,
}

/// Clients in threads of their own, until they are asked for their record.
#[derive(Debug)]
pub struct SteadyCalls {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Record>>,
}

/// What one client has seen.
#[derive(Debug)]
pub struct Record {
    /// The way that its calls took, and its habit.
    pub client: String,
    /// Calls that were answered as they should.
    pub answered: usize,
    /// What was seen instead, and how many seconds after the start.
    pub failures: Vec<String>,
}

impl SteadyCalls {
    /// Starts one client of each habit for each URL of a demo server; the names are for the record.
    pub fn start(ways: &[(&str, &str)]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = Instant::now();
        let mut clients = Vec::new();
        for (way, url) in ways {
            for habit in [Habit::Kept, Habit::Fresh, Habit::Long] {
                let client = Client {
                    name: format!("{way}, {habit:?}"),
                    url: (*url).to_owned(),
                    habit,
                    stop: Arc::clone(&stop),
                    begin,
                };
                clients.push(std::thread::spawn(move || client.run()));
            }
        }
        Self { stop, clients }
    }

    /// Lets them finish their last calls, of the short ones a few hundred each, and gives the records.
    ///
    /// # Panics
    /// When a client did.
    pub fn finish(mut self) -> Vec<Record> {
        self.stop.store(true, Relaxed);
        let clients = std::mem::take(&mut self.clients);
        clients
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .collect()
    }
}

impl Drop for SteadyCalls {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

struct Client {
    name: String,
    url: String,
    habit: Habit,
    stop: Arc<AtomicBool>,
    begin: Instant,
}

impl Client {
    fn run(self) -> Record {
        let agent = agent(usize::from(self.habit != Habit::Fresh));
        let mut record = Record {
            client: self.name.clone(),
            answered: 0,
            failures: Vec::new(),
        };
        for number in 1_u64.. {
            if self.stop.load(Relaxed) && (number > LEAST || self.habit == Habit::Long) {
                break;
            }
            let began = self.begin.elapsed();
            match self.call(&agent, number) {
                Ok(()) => record.answered += 1,
                Err(why) => record.failures.push(format!(
                    "call {number}, {:.3} s to {:.3} s: {why}",
                    began.as_secs_f64(),
                    self.begin.elapsed().as_secs_f64()
                )),
            }
            std::thread::sleep(PAUSE);
        }
        record
    }

    fn call(&self, agent: &ureq::Agent, number: u64) -> Result<(), String> {
        let text = format!("call-{number}");
        let (tool, arguments, wanted) = match self.habit {
            Habit::Long => ("slow", json!({"seconds": 2}), "done after 2 s"),
            _ => ("echo", json!({"message": text}), text.as_str()),
        };
        call(agent, &self.url, number, (tool, &arguments), wanted).map(drop)
    }
}

/// An HTTP client that keeps so many connections and hides nothing.
pub fn agent(kept_connections: usize) -> ureq::Agent {
    ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(CALL_TIMEOUT))
            .max_idle_connections(kept_connections)
            .max_idle_connections_per_host(kept_connections)
            .build(),
    )
}

/// Calls a tool once, outside of any session, and gives the headers of the answer.
///
/// # Errors
/// What was seen instead of an answer with status 200 that has the wanted text.
pub fn call(
    agent: &ureq::Agent,
    url: &str,
    id: u64,
    (tool, arguments): (&str, &Value),
    wanted: &str,
) -> Result<HeaderMap, String> {
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
    "name": tool, "arguments": arguments, "_meta": {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "steady-calls", "version": "1"},
    }}});
    let response = agent
        .post(url)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .header("MCP-Protocol-Version", VERSION)
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", tool)
        .send(body.to_string());
    let response = response.map_err(|error| format!("no answer: {error:?}"))?;
    let (head, mut body) = response.into_parts();
    let mut answer = String::new();
    body.as_reader()
        .read_to_string(&mut answer)
        .map_err(|error| {
            format!(
                "{}, but its body broke: {error:?} after {answer:?}",
                head.status
            )
        })?;
    if head.status == 200 && answer.contains(wanted) {
        Ok(head.headers)
    } else {
        Err(format!("{} {answer:?}", head.status))
    }
}
