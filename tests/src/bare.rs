//! An MCP server run bare, without mcpt: the truth that `mcpt tools` is compared with.
//!
//! Speaks just enough of the session era over standard input and output, and deliberately uses none of mcpt's code.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

/// A stdio server as a child of this test; it ends with this value.
#[derive(Debug)]
pub struct BareServer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next_id: u64,
}

impl BareServer {
    /// Starts it and shakes hands.
    ///
    /// # Panics
    /// When it cannot be started or does not answer as a server does.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("stdout of the child"));
        let mut server = Self {
            child,
            input,
            output,
            next_id: 0,
        };
        server.request(
            "initialize",
            &json!({"protocolVersion": "2025-11-25", "capabilities": {},
                   "clientInfo": {"name": "bare", "version": "1"}}),
        );
        server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        server
    }

    fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().expect("stdin of the child");
        writeln!(input, "{message}").expect("writing to the child");
    }

    /// Sends a request and gives its result; notifications before it are passed over.
    ///
    /// # Panics
    /// When the server answers with an error or ends.
    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let mut line = String::new();
            let read = self
                .output
                .read_line(&mut line)
                .expect("reading from the child");
            assert!(
                read > 0,
                "the bare server ended before it answered {method}"
            );
            let message: Value = serde_json::from_str(&line).expect("JSON from the child");
            if message["id"] == json!(id) && message.get("method").is_none() {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        drop(self.input.take());
        // It may have ended by itself at the end of its input.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// All pages of `tools/list` of a server run bare.
pub fn list_tools(command: &mut Command) -> Vec<Value> {
    let mut server = BareServer::start(command);
    let mut tools = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let params = if cursor.is_null() {
            json!({})
        } else {
            json!({"cursor": cursor})
        };
        let page = server.request("tools/list", &params);
        tools.extend(
            page["tools"]
                .as_array()
                .expect("a list of tools")
                .iter()
                .cloned(),
        );
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            return tools;
        }
    }
}

/// One of the servers inside the binary run bare over HTTP, as a child of this test; it ends with this value.
#[derive(Debug)]
pub struct BareHttp {
    child: Child,
    url: String,
}

impl BareHttp {
    /// Starts `COMMAND SUBCOMMAND --listen ADDRESS` on a free port and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not within its own start.
    pub fn start(command: &mut Command, subcommand: &str) -> Self {
        Self::start_with(command, subcommand, &[])
    }

    /// Like [`BareHttp::start`], with more arguments after the address.
    ///
    /// # Panics
    /// When it does not within its own start.
    pub fn start_with(command: &mut Command, subcommand: &str, more: &[&str]) -> Self {
        let mut child = command
            .args(subcommand.split(' '))
            .args(["--listen", "127.0.0.1:0"])
            .args(more)
            .env_remove("MCPT_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting the server");
        // A line of its log says where it listens.
        let mut log = BufReader::new(child.stderr.take().expect("stderr of the child")).lines();
        let address = log.find_map(|line| {
            let line = line.expect("reading its log");
            let (_, address) = line.split_once("address=")?;
            address.split(' ').next().map(str::to_owned)
        });
        let address = address.expect("the server says where it listens before it ends");
        std::thread::spawn(move || log.for_each(drop));
        Self {
            child,
            url: format!("http://{address}/mcp"),
        }
    }

    /// Its endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end and gives its exit code.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn end(&mut self) -> Option<i32> {
        self.child.wait().expect("waiting for the server").code()
    }

    /// All tools of `tools/list`.
    ///
    /// # Panics
    /// When the server does not answer as a server of the session era.
    pub fn list_tools(&self) -> Vec<Value> {
        let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bare", "version": "1"}}});
        let (session, _) = self.post(&initialize, None);
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.post(&initialized, session.as_deref());
        let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
        let (_, body) = self.post(&list, session.as_deref());
        let answer = body
            .lines()
            .map(|line| line.strip_prefix("data:").unwrap_or(line).trim())
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|message| message["id"] == 2)
            .unwrap_or_else(|| panic!("no answer to tools/list in {body}"));
        answer["result"]["tools"]
            .as_array()
            .expect("a list of tools")
            .clone()
    }

    fn post(&self, message: &Value, session: Option<&str>) -> (Option<String>, String) {
        let mut request = ureq::post(&self.url)
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json");
        if let Some(session) = session {
            request = request
                .header("Mcp-Session-Id", session)
                .header("MCP-Protocol-Version", "2025-11-25");
        }
        let mut response = request.send(message.to_string()).expect("an answer");
        let session = response
            .headers()
            .get("Mcp-Session-Id")
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let mut body = String::new();
        response
            .body_mut()
            .as_reader()
            .read_to_string(&mut body)
            .expect("the body");
        (session, body)
    }
}

impl Drop for BareHttp {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
