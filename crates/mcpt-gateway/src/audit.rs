//! [`AuditLog`]: who called what, and what became of it: one JSON line for each request that came to its end.

mod arguments;

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hyper::StatusCode;
use jiff::Timestamp;
use mcpt_access::Principal;
use mcpt_protocol::Subject;
use mcpt_routing::ServerKey;
use serde::Serialize;
use serde_json::value::RawValue;

pub(crate) use self::arguments::Arguments;
use crate::lines::{AppendedFile, Lines, Room};

/// Where each call is recorded.
#[derive(Debug)]
pub struct AuditLog {
    lines: Lines,
    /// Whether the arguments of tools are recorded too.
    pub(crate) arguments: bool,
    /// Whether what cannot be recorded is not done.
    required: bool,
}

/// What is recorded, and what becomes of what cannot be.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditOptions {
    /// Record the arguments of tools, without what looks like a secret.
    pub arguments: bool,
    /// Refuse requests for as long as they cannot be recorded. Else lines that find no room are counted, and no answer waits for
    /// them.
    pub required: bool,
}

impl AuditLog {
    /// A log that is written there, line by line.
    ///
    /// # Errors
    /// What the system says when there can be no further thread.
    pub fn to(place: impl Write + Send + 'static, options: AuditOptions) -> io::Result<Self> {
        Ok(Self {
            lines: Lines::to("audit log", place)?,
            arguments: options.arguments,
            required: options.required,
        })
    }

    /// One at the end of a file, which is made anew when it was moved away.
    ///
    /// # Errors
    /// What the system says when it cannot be had.
    pub fn file(path: &Path, options: AuditOptions) -> io::Result<Self> {
        Self::to(AppendedFile::open(path)?, options)
    }

    /// Begins to record a request; `None` when that cannot be done and must be.
    pub(crate) fn begin(
        self: &Arc<Self>,
        http_method: &str,
        trace: Option<String>,
    ) -> Option<Call> {
        let room = self.required.then(|| self.lines.room());
        let room = match room {
            Some(None) => return None,
            Some(Some(room)) => Some(room),
            None => None,
        };
        Some(Call {
            log: Arc::clone(self),
            room,
            time: SystemTime::now(),
            http_method: http_method.to_owned(),
            trace,
            principal: None,
            server: None,
            status: None,
            arguments: None,
        })
    }

    /// How many lines found no room, or could not be written.
    pub(crate) fn lost(&self) -> u64 {
        self.lines.lost()
    }
}

/// A request that is being recorded.
#[derive(Debug)]
pub(crate) struct Call {
    log: Arc<AuditLog>,
    room: Option<Room>,
    time: SystemTime,
    http_method: String,
    trace: Option<String>,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) server: Option<ServerKey>,
    /// `None` when no answer has begun.
    pub(crate) status: Option<StatusCode>,
    pub(crate) arguments: Option<Arguments>,
}

/// A line. Its fields are a contract; what is not known is not there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    http_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    outcome: &'a str,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_left_out: Option<usize>,
}

impl Call {
    /// The request is over.
    pub(crate) fn end(self, subject: &Subject, error: Option<&str>, took: Duration) {
        let time = Timestamp::try_from(self.time).unwrap_or(Timestamp::UNIX_EPOCH);
        let principal = self.principal.as_deref();
        let arguments = self.arguments.as_ref();
        let line = Line {
            time: format!("{time:.3}"),
            principal: principal.map(Principal::name),
            issuer: principal.and_then(Principal::issuer),
            server: self.server.as_ref().map(ToString::to_string),
            http_method: &self.http_method,
            method: subject.method(),
            tool: subject.tool().map(AsRef::as_ref),
            status: self.status.map(|status| status.as_u16()),
            outcome: error.unwrap_or("answered"),
            seconds: took.as_micros() as f64 / 1e6,
            trace: self.trace.as_deref(),
            arguments: arguments.and_then(Arguments::text),
            arguments_left_out: arguments.and_then(Arguments::left_out),
        };
        // Texts and numbers can always be written.
        let line = serde_json::to_string(&line).unwrap_or_default();
        match self.room {
            Some(room) => room.write(line),
            None => self.log.lines.write(line),
        }
    }
}
