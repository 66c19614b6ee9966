//! [`AccessLog`]: one JSON line for each request that came to its end. No session id, no token and no argument is in it.

use std::{
    io::{self, BufWriter, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use hyper::Response;
use jiff::Timestamp;
use mcpt_protocol::Subject;
use mcpt_routing::{EndpointId, ServerKey};
use serde::Serialize;

use crate::relay::GatewayBody;

/// Most lines that wait to be written. A disk that does not keep up costs lines, never answers.
const MOST_WAITING: usize = 16 * 1024;
/// How long the last lines may take when the gateway ends: a reader that has stopped to read must not keep it.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Where lines are written, by a thread of its own.
#[derive(Debug)]
pub struct AccessLog {
    lines: Option<SyncSender<String>>,
    /// Closed when all is written.
    written: Mutex<Receiver<()>>,
    lost: AtomicU64,
}

impl AccessLog {
    /// A log that is written there, line by line.
    ///
    /// # Errors
    /// What the system says when there can be no further thread.
    pub fn to(place: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(MOST_WAITING);
        let (writing, written) = channel::<()>();
        let writer = thread::Builder::new().name("access-log".to_owned());
        writer.spawn(move || {
            write_all(&waiting, place);
            drop(writing);
        })?;
        Ok(Self {
            lines: Some(lines),
            written: Mutex::new(written),
            lost: AtomicU64::new(0),
        })
    }

    /// Takes a line, if there is room for it.
    pub(crate) fn write(&self, line: &str) {
        let taken = self
            .lines
            .as_ref()
            .map(|lines| lines.try_send(line.to_owned()));
        if !matches!(taken, Some(Ok(()))) {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// How many lines found no room, or could not be written any more.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

/// What was said is written before it ends.
impl Drop for AccessLog {
    fn drop(&mut self) {
        drop(self.lines.take());
        let written = self.written.get_mut();
        let written = written.unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent there: it is either closed or late.
        let _ = written.recv_timeout(LAST_LINES);
    }
}

fn write_all(waiting: &Receiver<String>, place: impl Write) {
    let mut place = BufWriter::new(place);
    let mut next = waiting.recv().ok();
    while let Some(line) = next {
        let written = writeln!(place, "{line}");
        next = match waiting.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                if let Err(error) = written.and_then(|()| place.flush()) {
                    tracing::error!(%error, "the access log cannot be written: it ends here");
                    return;
                }
                waiting.recv().ok()
            }
        };
    }
}

/// What is known of an exchange from the beginning of its answer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) time: SystemTime,
    /// The server that was asked, if one was: a path that leads nowhere may be anything, also a secret.
    pub(crate) route: Option<String>,
    pub(crate) http_method: String,
    pub(crate) status: u16,
    pub(crate) endpoint: Option<EndpointId>,
    pub(crate) trace: Option<String>,
    /// Of the answer's body, as they go out.
    pub(crate) bytes: u64,
}

/// A line. Its fields are a contract; what is not known is not there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    http_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    bytes: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
}

impl Entry {
    /// Takes in what the beginning of the answer says, and which server was asked.
    pub(crate) fn begun(&mut self, answer: &Response<GatewayBody>, server: Option<&ServerKey>) {
        self.status = answer.status().as_u16();
        self.endpoint = answer.body().endpoint().cloned();
        self.route = server.map(|server| format!("/mcp/{server}"));
    }

    /// The line of an exchange that is over.
    pub(crate) fn line(
        &self,
        subject: &Subject,
        error: Option<&'static str>,
        took: Duration,
    ) -> String {
        let time = Timestamp::try_from(self.time).unwrap_or(Timestamp::UNIX_EPOCH);
        let line = Line {
            time: format!("{time:.3}"),
            route: self.route.as_deref(),
            http_method: &self.http_method,
            method: subject.method(),
            tool: subject.tool().map(AsRef::as_ref),
            status: self.status,
            error,
            bytes: self.bytes,
            seconds: took.as_micros() as f64 / 1e6,
            endpoint: self.endpoint.as_ref().map(EndpointId::as_str),
            trace: self.trace.as_deref(),
        };
        // Texts and numbers can always be written.
        serde_json::to_string(&line).unwrap_or_default()
    }
}
