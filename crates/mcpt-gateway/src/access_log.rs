//! [`AccessLog`]: one JSON line for each request that came to its end. No session id, no token and no argument is in it.

use std::{
    io::{self, Write},
    path::Path,
    time::{Duration, SystemTime},
};

use hyper::Response;
use jiff::Timestamp;
use mcpt_protocol::Subject;
use mcpt_routing::EndpointId;
use serde::Serialize;

use crate::{
    lines::{AppendedFile, Lines},
    relay::GatewayBody,
};

/// Where each request is said.
#[derive(Debug)]
pub struct AccessLog(Lines);

impl AccessLog {
    /// A log that is written there, line by line. Lines that find no room are counted, and no answer waits for them.
    ///
    /// # Errors
    /// What the system says when there can be no further thread.
    pub fn to(place: impl Write + Send + 'static) -> io::Result<Self> {
        Lines::to("access log", place).map(Self)
    }

    /// One at the end of a file, which is made anew when it was moved away.
    ///
    /// # Errors
    /// What the system says when it cannot be had.
    pub fn file(path: &Path) -> io::Result<Self> {
        Self::to(AppendedFile::open(path)?)
    }

    /// Takes a line, if there is room for it.
    pub(crate) fn write(&self, line: String) {
        self.0.write(line);
    }

    /// How many lines found no room, or could not be written.
    pub(crate) fn lost(&self) -> u64 {
        self.0.lost()
    }
}

/// What is known of an exchange, much of it from the beginning of its answer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) time: SystemTime,
    /// The server that was asked, if one was: a path that leads nowhere may be anything, also a secret.
    pub(crate) route: Option<String>,
    pub(crate) http_method: String,
    /// `None` when no answer has begun.
    pub(crate) status: Option<u16>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
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
    /// Takes in what the beginning of the answer says.
    pub(crate) fn begun(&mut self, answer: &Response<GatewayBody>) {
        self.status = Some(answer.status().as_u16());
        self.endpoint = answer.body().endpoint().cloned();
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
