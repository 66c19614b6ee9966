//! A client that does exactly what is asked: raw messages in, status, headers and raw answers out.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};
use ureq::{Agent, Body, http::Response};

use crate::cluster::eventually;

/// The session era's newest version.
pub const LEGACY: &str = "2025-11-25";
/// The stateless era's version.
pub const MODERN: &str = "2026-07-28";

/// Connections of its own.
pub fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent()
}

/// Waits until connections to the address of a URL are taken. A node hears of a Service and of its pods later than those who
/// made them, and refuses connections until then.
///
/// # Panics
/// When that takes too long, or the URL has no address.
pub fn wait_for_address(url: &str) {
    let address = url.strip_prefix("http://").unwrap_or_default();
    let address = address.split('/').next().unwrap_or_default();
    let address: SocketAddr = address.parse().expect("an address and its port");
    eventually(
        Duration::from_secs(30),
        || match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("no connection to {address}: {error}")),
        },
    );
}

/// Sends a message with further headers.
pub fn post(agent: &Agent, url: &str, headers: &[(&str, &str)], message: &Value) -> Answer {
    try_post(agent, url, headers, message).expect("an HTTP answer")
}

fn try_post(
    agent: &Agent,
    url: &str,
    headers: &[(&str, &str)],
    message: &Value,
) -> Result<Answer, ureq::Error> {
    let mut request = agent
        .post(url)
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send(message.to_string()).map(Answer)
}

/// A tool call.
pub fn call(tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": "a-call", "method": "tools/call",
           "params": {"name": tool, "arguments": arguments}})
}

/// A tool call of the stateless era.
pub fn modern_call(agent: &Agent, url: &str, tool: &str, arguments: &Value) -> Answer {
    modern_call_with(agent, url, &[], tool, arguments)
}

/// The same by somebody who has a key or a token.
pub fn modern_call_as(
    agent: &Agent,
    url: &str,
    token: &str,
    tool: &str,
    arguments: &Value,
) -> Answer {
    let bearer = format!("Bearer {token}");
    modern_call_with(agent, url, &[("Authorization", &bearer)], tool, arguments)
}

fn modern_call_with(
    agent: &Agent,
    url: &str,
    headers: &[(&str, &str)],
    tool: &str,
    arguments: &Value,
) -> Answer {
    let mut message = call(tool, arguments);
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut all = vec![
        ("MCP-Protocol-Version", MODERN),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", tool),
    ];
    all.extend(headers);
    post(agent, url, &all, &message)
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer(pub Response<Body>);

impl Answer {
    /// Its status code.
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// One of its headers.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0
            .headers()
            .get(name)
            .map(|value| value.to_str().expect("a header of text"))
    }

    /// Lines of the body as they come.
    pub fn lines(self) -> impl Iterator<Item = String> {
        BufReader::new(self.0.into_body().into_reader())
            .lines()
            .map(|line| line.expect("the next line"))
    }

    /// The whole body.
    pub fn text(self) -> String {
        self.try_text().expect("the body")
    }

    fn try_text(self) -> io::Result<String> {
        let mut text = String::new();
        let mut reader = self
            .0
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .reader();
        reader.read_to_string(&mut text)?;
        Ok(text)
    }

    /// The message with an id, be the body JSON or a stream of events.
    pub fn message(self) -> Value {
        message_in(&self.text())
    }

    /// The text that a tool gave.
    pub fn tool_text(self) -> String {
        tool_text_in(&self.text())
    }

    /// Asserts that it is an error to the call that was made, and gives its text.
    pub fn refused(self, status: u16) -> String {
        assert_eq!(self.status(), status);
        let message = self.message();
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        assert_eq!(message["id"], "a-call", "{message}");
        assert!(message["error"]["code"].is_i64(), "{message}");
        message["error"]["message"]
            .as_str()
            .expect("a text")
            .to_owned()
    }
}

fn message_in(text: &str) -> Value {
    text.lines()
        .map(|line| line.strip_prefix("data:").unwrap_or(line).trim())
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|message| message.get("id").is_some() && message.get("method").is_none())
        .unwrap_or_else(|| panic!("no response in {text:?}"))
}

fn tool_text_in(text: &str) -> String {
    let message = message_in(text);
    let text = message["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text of a tool in {message}"))
        .to_owned()
}

/// A session of the session era.
#[derive(Debug)]
pub struct Session {
    agent: Agent,
    /// The id that the gateway gave.
    pub id: String,
}

impl Session {
    /// Shakes hands.
    pub fn open(agent: &Agent, url: &str) -> Self {
        let answer = Self::initialize(agent, url);
        assert_eq!(answer.status(), 200);
        let id = answer
            .header("Mcp-Session-Id")
            .expect("a session")
            .to_owned();
        assert_eq!(answer.message()["result"]["protocolVersion"], LEGACY);
        let session = Self {
            agent: agent.clone(),
            id,
        };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(session.post(url, &initialized).status(), 202);
        session
    }

    /// The same client with another session id.
    #[must_use]
    pub fn with_id(&self, id: String) -> Self {
        Self {
            agent: self.agent.clone(),
            id,
        }
    }

    /// Sends only the first message.
    pub fn initialize(agent: &Agent, url: &str) -> Answer {
        let initialize = json!({"jsonrpc": "2.0", "id": "a-call", "method": "initialize", "params":
            {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}});
        post(agent, url, &[], &initialize)
    }

    /// Sends a message.
    pub fn post(&self, url: &str, message: &Value) -> Answer {
        self.try_post(url, message).expect("an HTTP answer")
    }

    fn try_post(&self, url: &str, message: &Value) -> Result<Answer, ureq::Error> {
        let headers = [
            ("Mcp-Session-Id", self.id.as_str()),
            ("MCP-Protocol-Version", LEGACY),
        ];
        try_post(&self.agent, url, &headers, message)
    }

    /// Calls a tool.
    pub fn call(&self, url: &str, tool: &str, arguments: &Value) -> Answer {
        self.post(url, &call(tool, arguments))
    }

    /// How often it has called this now.
    pub fn count(&self, url: &str) -> u32 {
        self.try_count(url).expect("an HTTP answer")
    }

    /// The same, unless the connection breaks off.
    ///
    /// # Errors
    /// What became of the connection.
    pub fn try_count(&self, url: &str) -> Result<u32, ureq::Error> {
        let answer = self.try_post(url, &call("counter", &json!({})))?;
        Ok(tool_text_in(&answer.try_text()?).parse().expect("a number"))
    }

    /// Process id of the instance that it lives on.
    pub fn instance(&self, url: &str) -> u64 {
        self.whoami(url)["pid"].as_u64().expect("a process id")
    }

    /// Pod or host of the instance that it lives on.
    pub fn pod(&self, url: &str) -> String {
        let pod = self.whoami(url)["instance"].as_str().map(str::to_owned);
        pod.expect("the name of an instance")
    }

    fn whoami(&self, url: &str) -> Value {
        let mut who = self.call(url, "whoami", &json!({})).message();
        who["result"]["structuredContent"].take()
    }

    /// Opens the stream of what the server says by itself.
    pub fn listen(&self, url: &str) -> Answer {
        self.listen_with(url, &[])
    }

    /// Asks for what followed an event on its stream.
    pub fn listen_after(&self, url: &str, event: &str) -> Answer {
        self.listen_with(url, &[("Last-Event-ID", event)])
    }

    fn listen_with(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self
            .agent
            .get(url)
            .header("Accept", "text/event-stream")
            .header("Mcp-Session-Id", &self.id)
            .header("MCP-Protocol-Version", LEGACY);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer(request.call().expect("an HTTP answer"))
    }

    /// Ends it.
    pub fn delete(&self, url: &str) -> Answer {
        let request = self.agent.delete(url).header("Mcp-Session-Id", &self.id);
        Answer(request.call().expect("an HTTP answer"))
    }
}
