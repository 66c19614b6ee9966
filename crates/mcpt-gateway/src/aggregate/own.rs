//! What the gateway answers at `/mcp` by itself.

use std::fmt::Write as _;

use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use mcpt_aggregate::ListKind;
use mcpt_protocol::{ErrorCode, Part, error_response, header::SESSION_ID, media};
use serde_json::{Value, json};

use super::{catalogue::State, client::Client};
use crate::{
    metrics::Outcome,
    refusal::page,
    relay::{Answer, GatewayBody},
};

/// Most characters of instructions that clients are told.
const MAX_INSTRUCTIONS: usize = 16 * 1024;

/// The result of a request.
pub(super) fn result(id: Part<'_>, result: &str) -> Answer {
    json_answer(result_text(id, result))
}

/// The text of a response.
pub(super) fn result_text(id: Part<'_>, result: &str) -> String {
    let id = id.text();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The error of a request whose HTTP exchange is well.
pub(super) fn error(id: Part<'_>, code: ErrorCode, message: &str) -> Answer {
    json_answer(error_response(Some(id), code, message, None))
}

/// An error of a request, or of something that is none, with an HTTP status.
pub(super) fn refused(
    status: StatusCode,
    id: Option<Part<'_>>,
    code: ErrorCode,
    why: &str,
) -> Answer {
    let text = error_response(id, code, why, None);
    Answer {
        response: page(status, media::JSON, text),
        outcome: Outcome::Refused,
        kept: None,
    }
}

/// A message that needs no answer was taken.
pub(super) fn accepted() -> Answer {
    let mut answer = Answer {
        response: Response::new(GatewayBody::empty()),
        outcome: Outcome::Answered,
        kept: None,
    };
    *answer.response.status_mut() = StatusCode::ACCEPTED;
    answer
}

/// A session has ended. Some clients take no other status for that, nor 202.
pub(super) fn ended() -> Answer {
    let mut answer = accepted();
    *answer.response.status_mut() = StatusCode::NO_CONTENT;
    answer
}

fn json_answer(text: String) -> Answer {
    Answer {
        response: page(StatusCode::OK, media::JSON, text),
        outcome: Outcome::Answered,
        kept: None,
    }
}

/// The answer to `initialize`.
pub(super) fn initialized(
    id: Part<'_>,
    client: &Client,
    state: &State,
    session: HeaderValue,
) -> Answer {
    let told = told(&client.protocol_version, state);
    let mut answer = result(id, &told.to_string());
    answer.response.headers_mut().insert(SESSION_ID, session);
    answer
}

/// What a client is told first, in any era.
pub(super) fn told(version: &str, state: &State) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": capabilities(),
        "serverInfo": server_info(state),
        "instructions": instructions(state),
    })
}

/// A list of what all servers have.
pub(super) fn list(id: Part<'_>, kind: ListKind, state: &State) -> Answer {
    result(id, &list_result(kind, state))
}

/// The same as a result alone.
pub(super) fn list_result(kind: ListKind, state: &State) -> String {
    let (member, list) = (kind.member(), state.merged.list(kind));
    let meta = meta(state).map(|meta| format!(r#","_meta":{meta}"#));
    let meta = meta.unwrap_or_default();
    format!(r#"{{"{member}":{list}{meta}}}"#)
}

/// As servers come and go, they come with their tools: each list there is may be there at any time.
fn capabilities() -> Value {
    let mut all = json!({});
    for kind in ListKind::ALL {
        all[kind.capability()] = json!({"listChanged": true});
    }
    all[ListKind::Resources.capability()]["subscribe"] = json!(true);
    all["completions"] = json!({});
    all["logging"] = json!({});
    all
}

fn server_info(state: &State) -> Value {
    let title = match &state.set {
        Some(set) => format!("The set {} of servers", set.name()),
        None => "All servers behind the gateway".to_owned(),
    };
    json!({
        "name": "mcpt-gateway",
        "title": title,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// Says which servers are missing, and why.
fn meta(state: &State) -> Option<Value> {
    let unavailable = state.unavailable();
    (!unavailable.is_empty()).then(|| json!({"mcpt.io/unavailable": unavailable}))
}

fn instructions(state: &State) -> String {
    let mut text = String::from("Several servers as one");
    // A set has names of its own.
    text.push_str(match &state.set {
        Some(_) => ".",
        None => ": names begin with the name of their server.",
    });
    for (server, said) in state.instructions() {
        if text.len() + said.len() > MAX_INSTRUCTIONS {
            break;
        }
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n\n## {server}\n\n{said}");
    }
    text
}

/// A stream of events.
pub(super) fn events(body: GatewayBody) -> Answer {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Answer {
        response,
        outcome: Outcome::Answered,
        kept: None,
    }
}
