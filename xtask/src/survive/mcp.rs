//! The few messages of MCP that the clients send, in both eras, and how their answers are read.

use std::sync::Arc;

use anyhow::{Context, bail};
use hyper::{
    Method, StatusCode,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use super::exchange::{Answer, Connection, Lost, Message, Target, post};

const WITH_SESSIONS: &str = "2025-11-25";
const STATELESS: &str = "2026-07-28";
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// What the tools are called at an endpoint; where it stands for many servers, their names have more before them.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    /// Counts its calls within a session.
    pub(super) counter: String,
    /// Answers with its argument `message`.
    pub(super) echo: String,
    /// Names the instance that answers.
    pub(super) whoami: Option<String>,
}

/// An endpoint that is called, with its tools.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) target: Target,
    pub(super) tools: Tools,
}

/// Why a call is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// No connection could be made.
    Unreachable,
    /// The connection broke after the request was sent.
    Broken,
    /// No answer in time.
    Late,
    /// Any other status than 200.
    Status(u16),
    /// The answer has something else than what was asked for.
    Wrong,
    /// 404 in a session: it is over.
    Gone,
    /// The counter of a session fell back.
    Reset,
    /// The counter of a session went on by more than the calls that were made.
    Doubled,
}

#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) why: String,
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        let (kind, why) = match lost {
            Lost::Unreachable(why) => (Kind::Unreachable, why),
            Lost::Broken(why) => (Kind::Broken, why),
            Lost::Late => (Kind::Late, "no complete answer".to_owned()),
        };
        Self { kind, why }
    }
}

impl Failure {
    /// An answer that is not the one that was wanted.
    fn of(answer: &Answer, in_session: bool) -> Self {
        let kind = match answer.status {
            StatusCode::NOT_FOUND if in_session => Kind::Gone,
            StatusCode::OK => Kind::Wrong,
            status => Kind::Status(status.as_u16()),
        };
        let start = &answer.body[..answer.body.len().min(300)];
        let why = format!("{} {}", answer.status, String::from_utf8_lossy(start));
        Self { kind, why }
    }
}

/// The session of a client.
#[derive(Debug, Clone)]
pub(super) struct SessionId(HeaderValue);

#[cfg(test)]
impl SessionId {
    pub(super) fn example() -> Self {
        Self(HeaderValue::from_static("an-id"))
    }
}

/// Begins a session.
pub(super) async fn initialize(
    connection: &mut Connection,
    target: &Target,
    id: &str,
) -> Result<SessionId, Failure> {
    let client = json!({"name": "survive", "version": "1"});
    let params =
        json!({"protocolVersion": WITH_SESSIONS, "capabilities": {}, "clientInfo": client});
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params});
    let answer = connection.exchange(target, &post(body.to_string())).await?;
    let session = answer.headers.get(SESSION_ID).cloned();
    let (Some(session), true) = (session, result(&answer, id).is_some()) else {
        return Err(Failure::of(&answer, false));
    };
    let session = SessionId(session);
    let body = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let answer = connection
        .exchange(target, &in_session(&session, post(body.to_string())))
        .await?;
    if answer.status != StatusCode::ACCEPTED {
        return Err(Failure::of(&answer, true));
    }
    Ok(session)
}

/// Asks in a session.
pub(super) async fn ask(
    connection: &mut Connection,
    target: &Target,
    session: &SessionId,
    id: &str,
    (method, params): (&str, Value),
) -> Result<Value, Failure> {
    let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let message = in_session(session, post(body.to_string()));
    let answer = connection.exchange(target, &message).await?;
    result(&answer, id).ok_or_else(|| Failure::of(&answer, true))
}

/// Calls a tool in a session, and gives the result.
pub(super) async fn call(
    connection: &mut Connection,
    target: &Target,
    session: &SessionId,
    id: &str,
    tool: &str,
) -> Result<Value, Failure> {
    let params = json!({"name": tool, "arguments": {}});
    ask(connection, target, session, id, ("tools/call", params)).await
}

/// Ends a session.
pub(super) async fn end(
    connection: &mut Connection,
    target: &Target,
    session: &SessionId,
) -> Result<(), Failure> {
    let mut message = in_session(session, post(String::new()));
    message.method = Method::DELETE;
    let answer = connection.exchange(target, &message).await?;
    // A server need not let clients end sessions.
    if answer.status.is_success() || answer.status == StatusCode::METHOD_NOT_ALLOWED {
        Ok(())
    } else {
        Err(Failure::of(&answer, true))
    }
}

/// Calls `echo` outside of any session.
pub(super) async fn echo(connection: &mut Connection, way: &Way, id: &str) -> Result<(), Failure> {
    let tool = &way.tools.echo;
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": tool, "arguments": {"message": id}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": STATELESS,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "survive", "version": "1"},
    }}});
    let mut message = post(body.to_string());
    let headers = &mut message.headers;
    headers.insert(VERSION, HeaderValue::from_static(STATELESS));
    headers.insert("mcp-method", HeaderValue::from_static("tools/call"));
    let wrong = |_| Failure {
        kind: Kind::Wrong,
        why: format!("{tool:?} is no name that a header can have"),
    };
    headers.insert("mcp-name", HeaderValue::try_from(tool).map_err(wrong)?);
    let answer = connection.exchange(&way.target, &message).await?;
    match result(&answer, id).as_ref().and_then(text) {
        Some(text) if text.ends_with(id) => Ok(()),
        _ => Err(Failure::of(&answer, false)),
    }
}

/// Finds out what an endpoint calls its tools.
pub(super) async fn tools(target: &Target, counter: &str, echo: &str) -> anyhow::Result<Tools> {
    let at = || format!("asking {} for its tools", target.url);
    let failed = |failure: Failure| anyhow::anyhow!("{:?}: {}", failure.kind, failure.why);
    let mut connection = Connection::new(true);
    let session = initialize(&mut connection, target, "begin").await;
    let session = session.map_err(failed).with_context(at)?;
    let list = ("tools/list", json!({}));
    let listed = ask(&mut connection, target, &session, "list", list).await;
    let listed = listed.map_err(failed).with_context(at)?;
    end(&mut connection, target, &session)
        .await
        .map_err(failed)
        .with_context(at)?;
    let names: Vec<_> = listed["tools"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    let named = |name: &str| {
        let longer = format!("_{name}");
        let found = names
            .iter()
            .find(|known| **known == name || known.ends_with(&longer));
        found.map(|known| (*known).to_owned())
    };
    let (Some(counter), Some(echo)) = (named(counter), named(echo)) else {
        bail!(
            "{} has no tools {counter:?} and {echo:?}; it has {}",
            target.url,
            names.join(", ")
        );
    };
    Ok(Tools {
        counter,
        echo,
        whoami: named("whoami"),
    })
}

/// The instance that a result of `whoami` names.
pub(super) fn instance(result: &Value) -> Option<Arc<str>> {
    result["structuredContent"]["instance"]
        .as_str()
        .map(Arc::from)
}

/// The number that a result of `counter` has.
pub(super) fn number(result: &Value) -> Result<u64, Failure> {
    let number = text(result).and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| Failure {
        kind: Kind::Wrong,
        why: format!("no number: {result}"),
    })
}

fn in_session(session: &SessionId, mut message: Message) -> Message {
    message.headers.insert(SESSION_ID, session.0.clone());
    message
        .headers
        .insert(VERSION, HeaderValue::from_static(WITH_SESSIONS));
    message
}

/// The text of a result that is no error of the tool.
fn text(result: &Value) -> Option<&str> {
    if result["isError"] == true {
        return None;
    }
    result["content"][0]["text"].as_str()
}

/// The result with that id, from an answer in JSON or as a stream of events.
fn result(answer: &Answer, id: &str) -> Option<Value> {
    if answer.status != StatusCode::OK {
        return None;
    }
    let body = std::str::from_utf8(&answer.body).ok()?;
    let events = body.lines().filter_map(|line| line.strip_prefix("data:"));
    let mut messages = events
        .chain([body])
        .filter_map(|text| serde_json::from_str::<Value>(text).ok());
    let mut message = messages.find(|message| message["id"] == id)?;
    message.get_mut("result").map(Value::take)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer {
            status: StatusCode::OK,
            headers: hyper::HeaderMap::new(),
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn results_are_read_from_json_and_from_events() {
        let plain =
            r#"{"jsonrpc":"2.0","id":"7","result":{"content":[{"type":"text","text":"3"}]}}"#;
        let stream =
            format!("id: 1\ndata: {{\"method\":\"x\"}}\n\nevent: message\ndata: {plain}\n\n");
        for body in [plain, &stream] {
            let result = result(&answer(body), "7").unwrap();
            assert_eq!(number(&result).unwrap(), 3);
        }
        assert!(result(&answer(plain), "8").is_none());
        assert!(number(&json!({"isError": true, "content": [{"text": "3"}]})).is_err());
    }

    #[test]
    fn a_404_ends_a_session_and_nothing_else() {
        let mut gone = answer("no such session");
        gone.status = StatusCode::NOT_FOUND;
        assert_eq!(Failure::of(&gone, true).kind, Kind::Gone);
        assert_eq!(Failure::of(&gone, false).kind, Kind::Status(404));
    }
}
