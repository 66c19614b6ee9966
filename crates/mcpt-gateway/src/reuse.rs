//! When a connection to a server may carry another request: the rule, in the one place that says it.
//!
//! The next request on a connection is somebody else's. Whatever the server has left there of this one, it would take for
//! the beginning of that one, and from then on each client would get the answer to what another one asked. So a
//! connection carries a further request only after an exchange that is certainly over, on both sides:
//!
//! 1. *The server has read the request to its end.* Either it has no body, as no GET and no DELETE has by the time it is sent.
//!    Or its body is one JSON text of a known length, all of it was sent before the answer began, and the answer is one
//!    that nobody can give who has not read the message: 200 with JSON or a stream of events, or 202. A refusal may have
//!    been given by the head alone, and so may a page, a redirection, or an error of the server.
//! 2. *The gateway has read the answer to its end*, and the answer itself said where that is, in HTTP/1.1, without interim
//!    answers and without `Connection: close`. (hyper sees to the last of these.)
//!
//! Any other connection is closed.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use mcpt_protocol::{Subject, media};

/// What of a request's body went to the connection, as far as it decides about the next request.
#[derive(Debug, Clone)]
pub(crate) enum Sent {
    /// There is none.
    NoBody,
    /// All of it at once; what it is about if it is one message.
    AtOnce { message: Option<Subject> },
    /// It comes from the client piece by piece.
    AsItComes(Arc<Pieces>),
}

/// What has come of a body.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// What it is about, once all of it was sent and was one message.
    message: OnceLock<Subject>,
    /// Whether a copy is wanted, and the copy of what came in one piece.
    wanted: AtomicBool,
    copy: OnceLock<Bytes>,
}

impl Sent {
    /// A body that is complete before it is sent.
    pub(crate) fn whole(body: &[u8]) -> Self {
        if body.is_empty() {
            return Self::NoBody;
        }
        Self::AtOnce {
            message: Subject::read(body),
        }
    }

    /// What is known of the message that was sent: nothing of one that came in several pieces.
    pub(crate) fn subject(&self) -> Subject {
        let known = match self {
            Self::NoBody => None,
            Self::AtOnce { message } => message.as_ref(),
            Self::AsItComes(pieces) => pieces.message.get(),
        };
        known.cloned().unwrap_or_default()
    }

    /// Notes a piece that was all there is of a body of known length.
    pub(crate) fn only_piece(&self, body: &Bytes) {
        if let Self::AsItComes(pieces) = self {
            // There is only one such piece, so nothing is there yet.
            if let Some(subject) = Subject::read(body) {
                let _ = pieces.message.set(subject);
            }
            if pieces.wanted.load(Relaxed) {
                let _ = pieces.copy.set(body.clone());
            }
        }
    }
}

impl Pieces {
    /// Asks for a copy of what comes in one piece.
    pub(crate) fn want_copy(&self) {
        self.wanted.store(true, Relaxed);
    }

    /// The whole body, if it came in one piece and a copy was wanted.
    pub(crate) fn copy(&self) -> Option<Bytes> {
        self.copy.get().cloned()
    }
}

/// Whether the connection on which this answer begins may carry another request, once the answer was read to its end.
/// `interim`: whether answers came before this one.
pub(crate) fn may_carry_another<B>(sent: &Sent, interim: bool, answer: &Response<B>) -> bool {
    let request_was_read = match sent {
        Sent::NoBody => true,
        Sent::AtOnce { message } => message.is_some() && needs_the_message(answer),
        Sent::AsItComes(pieces) => pieces.message.get().is_some() && needs_the_message(answer),
    };
    request_was_read && !interim && answer.version() == Version::HTTP_11 && tells_its_end(answer)
}

/// Whether nobody can give this answer who has not read the message that it answers.
fn needs_the_message<B>(answer: &Response<B>) -> bool {
    match answer.status() {
        StatusCode::ACCEPTED => true,
        StatusCode::OK => {
            let headers = answer.headers();
            media::is_type(headers, media::JSON) || media::is_type(headers, media::EVENT_STREAM)
        }
        _ => false,
    }
}

/// Whether an answer says where its body ends, in the one way that all understand alike. What follows a status that allows no
/// body is somebody's guess.
fn tells_its_end<B>(answer: &Response<B>) -> bool {
    let bodiless = [
        StatusCode::NO_CONTENT,
        StatusCode::RESET_CONTENT,
        StatusCode::NOT_MODIFIED,
    ];
    let headers = answer.headers();
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    !answer.status().is_informational()
        && !bodiless.contains(&answer.status())
        && lengths + usize::from(headers.contains_key(TRANSFER_ENCODING)) == 1
}

/// What is wrong with an answer that cannot be passed on: nobody knows where its body ends, or what its connection is used
/// for.
pub(crate) fn fault_of(status: StatusCode, headers: &HeaderMap) -> Option<&'static str> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Some("it switches to another protocol, which nobody asked for");
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next();
    if lengths.any(|other| Some(other) != length) {
        return Some("it has several lengths");
    }
    let coding = coding?;
    if length.is_some() {
        return Some("it has both a Content-Length and a Transfer-Encoding");
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Some("its Transfer-Encoding is not chunked alone");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Response<()> {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(()).unwrap()
    }

    #[test]
    fn only_an_answer_to_the_message_shows_that_it_was_read() {
        let (length, json) = (
            ("content-length", "2"),
            ("content-type", "application/json"),
        );
        let message = Sent::whole(br#"{"id":1}"#);
        for (status, headers, reused) in [
            (200, &[length, json][..], true),
            (200, &[("transfer-encoding", "chunked"), json], true),
            (
                200,
                &[
                    length,
                    ("content-type", "Text/Event-Stream ; charset=utf-8"),
                ],
                true,
            ),
            (202, &[("content-length", "0")], true),
            (200, &[json], false),
            (202, &[], false),
            (200, &[length], false),
            (200, &[length, ("content-type", "text/html")], false),
            (201, &[length, json], false),
            (204, &[length], false),
            (307, &[length], false),
            (401, &[length, json], false),
            (500, &[length, json], false),
        ] {
            let answer = answer(status, headers);
            let may = may_carry_another(&message, false, &answer);
            assert_eq!(may, reused, "{status} {headers:?}");
            assert!(
                !may_carry_another(&message, true, &answer),
                "after interim answers"
            );
            for body in [
                &b"GET / HTTP/1.1\r\n\r\n"[..],
                b"{} {}",
                b"{}GET / HTTP/1.1\r\n\r\n",
            ] {
                assert!(
                    !may_carry_another(&Sent::whole(body), false, &answer),
                    "{body:?}"
                );
            }
        }
        let mut old = answer(200, &[length, json]);
        *old.version_mut() = Version::HTTP_10;
        assert!(!may_carry_another(&message, false, &old));
    }

    #[test]
    fn without_a_body_nothing_is_left() {
        for (status, headers, reused) in [
            (200, &[("content-length", "2")][..], true),
            (405, &[("content-length", "2")], true),
            (405, &[], false),
            (204, &[], false),
            (304, &[("content-length", "2")], false),
        ] {
            let may = may_carry_another(&Sent::whole(b""), false, &answer(status, headers));
            assert_eq!(may, reused, "{status} {headers:?}");
        }
    }

    #[test]
    fn what_arrives_in_pieces_counts_once_all_was_sent() {
        let json = [
            ("content-length", "2"),
            ("content-type", "application/json"),
        ];
        let answer = answer(200, &json);
        let sent = Sent::AsItComes(Arc::default());
        assert!(!may_carry_another(&sent, false, &answer), "an early answer");
        sent.only_piece(&Bytes::from_static(b"{} {}"));
        assert!(!may_carry_another(&sent, false, &answer));
        sent.only_piece(&Bytes::from_static(br#"{"method":"ping"}"#));
        assert!(may_carry_another(&sent, false, &answer));
        assert_eq!(sent.subject().method(), Some("ping"));
    }

    #[test]
    fn answers_that_nobody_understands_alike() {
        let length = ("content-length", "2");
        for (status, headers, faulty) in [
            (200, &[length][..], false),
            (200, &[length, length], false),
            (200, &[], false),
            (200, &[("transfer-encoding", "Chunked")], false),
            (200, &[length, ("content-length", "3")], true),
            (200, &[length, ("transfer-encoding", "chunked")], true),
            (200, &[("transfer-encoding", "gzip, chunked")], true),
            (200, &[("transfer-encoding", "identity")], true),
            (101, &[("upgrade", "websocket")], true),
        ] {
            let answer = answer(status, headers);
            let fault = fault_of(answer.status(), answer.headers());
            assert_eq!(fault.is_some(), faulty, "{status} {headers:?}: {fault:?}");
        }
    }
}
