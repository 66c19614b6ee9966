//! [`Noted`]: what comes to be known of a request on its way, for those who tell of it in the end: also when its client leaves
//! before an answer begins.

use std::sync::{Arc, OnceLock};

use hyper::HeaderMap;
use mcpt_protocol::Subject;
use mcpt_routing::{Server, ServerKey};

use crate::{access::Caller, audit::Arguments, reuse::Sent, upstream::Upstream};

/// What the stages have found out of one request. Each thing is said once; of two that say the same the first counts.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    caller: OnceLock<Caller>,
    server: OnceLock<Arc<Server<Upstream>>>,
    /// What its headers say that it is about, what its body does, and what of it goes to the server.
    headers: Subject,
    body: OnceLock<Subject>,
    sent: OnceLock<Sent>,
    arguments: OnceLock<Arguments>,
}

impl Noted {
    /// Of a request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self {
            headers: Subject::of_headers(headers),
            ..Self::default()
        }
    }

    /// Who sends it.
    pub(crate) fn note_caller(&self, caller: Caller) {
        let _ = self.caller.set(caller);
    }

    /// Which server is asked.
    pub(crate) fn note_server(&self, server: &Arc<Server<Upstream>>) {
        let _ = self.server.set(Arc::clone(server));
    }

    /// What its body says that it is about.
    pub(crate) fn note_body(&self, body: &[u8]) {
        self.note_subject(|| Subject::read(body).unwrap_or_default());
    }

    /// The same of a body that was read for it.
    pub(crate) fn note_subject(&self, subject: impl FnOnce() -> Subject) {
        self.body.get_or_init(subject);
    }

    /// What of its body goes to the server, which tells what it is about once it is there.
    pub(crate) fn note_sent(&self, sent: &Sent) {
        let _ = self.sent.set(sent.clone());
    }

    /// What it calls a tool with.
    pub(crate) fn note_arguments(&self, arguments: Arguments) {
        let _ = self.arguments.set(arguments);
    }

    /// Who has sent it, if that is known.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.get()
    }

    /// The server that was asked, if one was.
    pub(crate) fn server(&self) -> Option<&ServerKey> {
        Some(self.server.get()?.key())
    }

    /// What it is about, as the server calls it where it has come so far.
    pub(crate) fn subject(&self) -> Subject {
        let sent = self.sent.get().map(Sent::subject).unwrap_or_default();
        let body = self.body.get().cloned().unwrap_or_default();
        sent.or(body).or(self.headers.clone())
    }

    /// Takes what it calls a tool with.
    pub(crate) fn take_arguments(&mut self) -> Option<Arguments> {
        self.arguments.take()
    }
}
