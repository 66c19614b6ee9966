//! A bridge in this process in front of the scripted server, and a client that shows the raw HTTP.

use std::{env, ffi::OsString, path::PathBuf, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{ACCEPT, CONTENT_TYPE},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use mcpt_bridge::{BridgeConfig, BridgeError};
use serde_json::{Value, json};
use sse_stream::SseStream;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// Limit on whatever must happen: a test that hits it has failed.
pub(crate) const SOON: Duration = Duration::from_secs(30);
const SESSION_ID: &str = "mcp-session-id";

/// An example of this crate, as a program.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build -p mcpt-bridge --examples`",
        path.display()
    );
    path
}

pub(crate) fn scripted(arguments: &[&str]) -> Vec<OsString> {
    let mut command = vec![example("scripted_server").into_os_string()];
    command.extend(arguments.iter().map(OsString::from));
    command
}

/// A running bridge.
pub(crate) struct Bridge {
    pub(crate) base: String,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), BridgeError>>,
}

impl Bridge {
    /// A bridge in front of the scripted server, ready.
    pub(crate) async fn ready() -> Self {
        let bridge = Self::start(scripted(&[]), |_| {}).await;
        bridge.until_ready().await;
        bridge
    }

    pub(crate) async fn start(
        command: Vec<OsString>,
        change: impl FnOnce(&mut BridgeConfig),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = BridgeConfig::new(address, command);
        config.keeper = vec![example("bridge").into(), "keep".into()];
        change(&mut config);
        let (shutdown, asked) = oneshot::channel();
        let task = tokio::spawn(mcpt_bridge::serve(listener, config, async {
            drop(asked.await);
        }));
        Self {
            base: format!("http://{address}"),
            shutdown: Some(shutdown),
            task,
        }
    }

    pub(crate) async fn until_ready(&self) {
        until("the bridge is ready", async || {
            self.client().get("/readyz").await.status == 200
        })
        .await;
    }

    pub(crate) fn client(&self) -> RawClient {
        RawClient::new(&self.base)
    }

    /// A client with a session.
    pub(crate) async fn session(&self) -> RawClient {
        let mut client = self.client();
        let reply = client.initialize("2025-11-25").await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        client
    }

    pub(crate) fn ask_to_stop(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn stopped(self) {
        self.ended().await.unwrap();
    }

    /// How it ended.
    pub(crate) async fn ended(self) -> Result<(), BridgeError> {
        tokio::time::timeout(SOON, self.task)
            .await
            .unwrap()
            .unwrap()
    }
}

/// Waits for a state that nothing announces.
pub(crate) async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(SOON, wait).await.is_ok(),
        "never: {what}"
    );
}

/// What came back for a request.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    async fn read(response: hyper::Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(SOON, body.collect())
            .await
            .unwrap()
            .unwrap();
        Self {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        }
    }

    /// All messages of it, whether they came as JSON or as events.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let json = self.headers[CONTENT_TYPE] == "application/json";
        let texts: Vec<&str> = if json {
            vec![&self.text]
        } else {
            self.text
                .lines()
                .filter_map(|l| l.strip_prefix("data: "))
                .collect()
        };
        texts
            .iter()
            .map(|t| serde_json::from_str(t).unwrap())
            .collect()
    }

    /// The only message of it.
    pub(crate) fn message(&self) -> Value {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "{}", self.text);
        messages.remove(0)
    }

    pub(crate) fn error_code(&self) -> i64 {
        self.message()["error"]["code"].as_i64().unwrap()
    }
}

/// Text of a tool's answer.
pub(crate) fn text_of(message: &Value) -> &str {
    message["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{message}"))
}

/// A response that is still coming.
pub(crate) struct Events(pub(crate) SseStream<Incoming>);

impl Events {
    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let next = async {
            loop {
                let event = self.0.next().await?.unwrap();
                if let Some(data) = event.data.filter(|data| !data.is_empty()) {
                    return Some(serde_json::from_str(&data).unwrap());
                }
            }
        };
        tokio::time::timeout(SOON, next).await.unwrap()
    }
}

/// An MCP client of the session era without any comfort.
#[derive(Clone)]
pub(crate) struct RawClient {
    http: Client<HttpConnector, Full<Bytes>>,
    base: String,
    pub(crate) session: Option<String>,
}

impl RawClient {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            http: Client::builder(TokioExecutor::new()).build_http(),
            base: base.to_owned(),
            session: None,
        }
    }

    /// Where the bridge listens.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> hyper::Response<Incoming> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        let defaults = [
            (CONTENT_TYPE.as_str(), "application/json"),
            (ACCEPT.as_str(), "application/json, text/event-stream"),
        ];
        let session = self.session.as_deref().map(|id| (SESSION_ID, id));
        for (name, value) in defaults.into_iter().chain(session) {
            if !headers.iter().any(|(given, _)| *given == name) {
                request = request.header(name, value);
            }
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        tokio::time::timeout(SOON, self.http.request(request))
            .await
            .unwrap()
            .unwrap()
    }

    pub(crate) async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        Reply::read(self.send(method, path, headers, body).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.exchange(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, body: &str) -> Reply {
        self.exchange(Method::POST, "/mcp", &[], body).await
    }

    pub(crate) async fn delete(&self) -> Reply {
        self.exchange(Method::DELETE, "/mcp", &[], "").await
    }

    /// Begins a session, which later requests are part of.
    pub(crate) async fn initialize(&mut self, version: &str) -> Reply {
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let reply = self.post(&body.to_string()).await;
        let id = reply.headers.get(SESSION_ID);
        self.session = id.map(|id| id.to_str().unwrap().to_owned());
        reply
    }

    /// Calls a tool; the id is JSON text.
    pub(crate) async fn call(&self, id: &str, tool: &str, arguments: Value) -> Reply {
        self.post(&call_body(id, tool, &arguments)).await
    }

    /// Calls a tool and gives its text.
    pub(crate) async fn text(&self, tool: &str) -> String {
        let reply = self.call("77", tool, json!({})).await;
        text_of(reply.messages().last().unwrap()).to_owned()
    }

    /// Calls a tool whose answer is to come as events.
    pub(crate) async fn stream(&self, id: &str, tool: &str, arguments: Value) -> Events {
        let body = call_body(id, tool, &arguments);
        let response = self.send(Method::POST, "/mcp", &[], &body).await;
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        Events(SseStream::new(response.into_body()))
    }

    /// A request of 2026-07-28, with the headers that belong to it and `meta` besides.
    pub(crate) async fn send_stateless(
        &self,
        more: &[(&str, &str)],
        method: &str,
        params: &Value,
        meta: &Value,
    ) -> hyper::Response<Incoming> {
        let mut params = params.clone();
        let mut whole = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        for (name, value) in meta.as_object().unwrap() {
            whole[name] = value.clone();
        }
        params["_meta"] = whole;
        let body = json!({"jsonrpc": "2.0", "id": "m", "method": method, "params": params});
        let mut headers = vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        if let Some(name) = params["name"].as_str() {
            headers.push(("mcp-name", name));
        }
        headers.extend(more);
        self.send(Method::POST, "/mcp", &headers, &body.to_string())
            .await
    }

    /// The same, and all that comes back.
    pub(crate) async fn stateless(
        &self,
        more: &[(&str, &str)],
        method: &str,
        params: &Value,
        meta: &Value,
    ) -> Reply {
        let response = self.send_stateless(more, method, params, meta).await;
        Reply::read(response).await
    }

    /// The text of a tool, called so.
    pub(crate) async fn stateless_text(&self, tool: &str) -> String {
        let params = json!({"name": tool, "arguments": {}});
        let reply = self.stateless(&[], "tools/call", &params, &json!({})).await;
        text_of(reply.messages().last().unwrap()).to_owned()
    }

    /// Opens the GET stream.
    pub(crate) async fn listen(&self) -> Events {
        let response = self.send(Method::GET, "/mcp", &[], "").await;
        assert_eq!(response.status(), 200);
        Events(SseStream::new(response.into_body()))
    }
}

/// The progress token is the id.
pub(crate) fn call_body(id: &str, tool: &str, arguments: &Value) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"progressToken":{id}}}}}}}"#
    )
}
