//! A stdio MCP server with every fault that a bridge must live with, for the tests. Its tools do what they are called.
//!
//! With the argument `both` it speaks 2026-07-28 too, and like some real servers does not take `initialize` after its first
//! request of that. With `deaf` it leaves before it has read anything but `initialize`. With `refuse` it answers `initialize` with an error; with `crash` it ends before it reads anything.

use std::{
    io::{self, BufRead, Write},
    process::{Command, Stdio, exit},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    log("scripted server starts");
    if mode == "crash" {
        log("cannot read the secret plan");
        exit(3);
    }
    let mut server = Server {
        refuse: mode == "refuse",
        both: mode == "both",
        deaf: mode == "deaf",
        ..Server::default()
    };
    for line in io::stdin().lock().lines() {
        match serde_json::from_str(&line?) {
            Ok(message) => server.receive(&message)?,
            Err(error) => log(&format!("not JSON on stdin: {error}")),
        }
    }
    if server.stubborn {
        loop {
            thread::park();
        }
    }
    Ok(())
}

fn log(text: &str) {
    // A bridge that is gone needs no log.
    drop(writeln!(io::stderr(), "{text}"));
}

fn send(message: &Value) -> io::Result<()> {
    raw(&message.to_string())
}

fn raw(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

fn answer(id: &Value, text: &str) -> io::Result<()> {
    let result = json!({"content": [{"type": "text", "text": text}], "isError": false});
    send(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

#[derive(Default)]
struct Server {
    refuse: bool,
    both: bool,
    deaf: bool,
    /// Has had a request of 2026-07-28.
    modern: bool,
    initialized: bool,
    /// The id of a `subscriptions/listen`.
    listening: Option<Value>,
    calls: u64,
    stubborn: bool,
    /// Calls of `gather` that wait for the others: id, progress token, message.
    gathered: Vec<(Value, Value, String)>,
    /// Calls that are not answered until cancelled or released.
    held: Vec<Value>,
    cancelled: u64,
    /// The call that waits for the client's answer to `sampling/createMessage`.
    asking: Option<Value>,
    /// Answers to its own pings.
    pongs: u64,
}

impl Server {
    fn receive(&mut self, message: &Value) -> io::Result<()> {
        let id = &message["id"];
        let meta = &message["params"]["_meta"];
        let is_modern = !meta["io.modelcontextprotocol/protocolVersion"].is_null();
        if self.deaf && !self.initialized && message["method"] != "initialize" {
            log("expected initialize");
            exit(6);
        }
        if self.both && is_modern {
            self.modern = true;
            return self.receive_modern(id, message);
        }
        match message["method"].as_str() {
            Some("initialize") if self.modern => send(&json!({
                "jsonrpc": "2.0", "id": id, "error": {"code": -32022, "message": "not any more"},
            })),
            Some("initialize") if self.refuse => send(&json!({
                "jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "not with you"},
            })),
            Some("initialize") if message["params"]["clientInfo"]["name"] == "unbearable" => {
                log("TypeError: clientInfo.title is undefined");
                exit(5)
            }
            Some("initialize") => {
                self.initialized = true;
                raw("this server talks before it answers")?;
                send(&json!({"jsonrpc": "2.0", "id": id, "result": {
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "scripted", "version": "1"},
                }}))
            }
            Some("ping") => send(&json!({"jsonrpc": "2.0", "id": id, "result": {}})),
            Some("tools/call") => self.call(id, &message["params"]),
            Some("notifications/cancelled") => {
                let request = &message["params"]["requestId"];
                if self.held.contains(request) {
                    self.held.retain(|id| id != request);
                    self.cancelled += 1;
                }
                Ok(())
            }
            None if message["id"] == json!("ping-1") => {
                self.pongs += 1;
                Ok(())
            }
            None if message["id"] == json!("ask-1") => match self.asking.take() {
                Some(call) => answer(&call, &message["result"].to_string()),
                None => Ok(()),
            },
            Some(method) if !id.is_null() => send(&json!({
                "jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": method},
            })),
            _ => Ok(()),
        }
    }

    /// A request of 2026-07-28.
    fn receive_modern(&mut self, id: &Value, message: &Value) -> io::Result<()> {
        let params = &message["params"];
        let result = |result: Value| send(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
        match message["method"].as_str().unwrap_or_default() {
            "server/discover" => result(json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28", "2025-11-25"],
                "capabilities": {"tools": {"listChanged": true}}, "ttlMs": 5, "cacheScope": "public",
            })),
            "subscriptions/listen" => {
                self.listening = Some(id.clone());
                let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
                send(
                    &json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                    "params": {"_meta": meta, "notifications": {"toolsListChanged": true}}}),
                )
            }
            "tools/call" if params["name"] == "announce" => {
                let meta = json!({"io.modelcontextprotocol/subscriptionId": self.listening});
                send(
                    &json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed",
                    "params": {"_meta": meta}}),
                )?;
                answer(id, "announced")
            }
            "tools/call" if params["name"] == "log" => {
                // It goes on with what was cancelled, and says so.
                if self.cancelled > 0 {
                    send(
                        &json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {
                            "level": "info", "data": "of one that was given up",
                        }}),
                    )?;
                }
                send(
                    &json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {
                        "level": "info", "data": params["arguments"]["message"],
                    }}),
                )?;
                answer(id, "logged")
            }
            // Its state is only known to this process.
            "tools/call" if params["name"] == "rounds" => {
                let own = std::process::id().to_string();
                match params["requestState"].as_str() {
                    None => result(json!({
                        "resultType": "input_required", "requestState": own,
                        "inputRequests": {"q": {"method": "roots/list", "params": {}}},
                    })),
                    Some(state) if state == own => {
                        answer(id, &params["inputResponses"].to_string())
                    }
                    Some(_) => answer(id, "whose state is that?"),
                }
            }
            "tools/call" => self.call(id, params),
            other => send(&json!({
                "jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": other},
            })),
        }
    }

    fn call(&mut self, id: &Value, params: &Value) -> io::Result<()> {
        let arguments = &params["arguments"];
        let token = &params["_meta"]["progressToken"];
        let progress = |token: &Value, text: &str| {
            send(
                &json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {
                    "progressToken": token, "progress": 1, "message": text,
                }}),
            )
        };
        match params["name"].as_str().unwrap_or_default() {
            "echo" => answer(id, arguments["message"].as_str().unwrap_or_default()),
            "count" => {
                self.calls += 1;
                answer(id, &self.calls.to_string())
            }
            "pid" => answer(id, &std::process::id().to_string()),
            // Answers when `count` calls are there, the last first, so that nothing pairs up by order.
            "gather" => {
                let message = arguments["message"].as_str().unwrap_or_default().to_owned();
                self.gathered.push((id.clone(), token.clone(), message));
                if self.gathered.len() as u64 == arguments["count"].as_u64().unwrap_or(1) {
                    for (id, token, message) in self.gathered.drain(..).rev() {
                        progress(&token, &message)?;
                        answer(&id, &message)?;
                    }
                }
                Ok(())
            }
            "noise" => {
                for line in [
                    "",
                    "Listening…",
                    "{\"level\":\"info\"}",
                    "[1,2]",
                    "{\"jsonrpc\":\"2.0\"}",
                ] {
                    raw(line)?;
                }
                io::stdout().write_all(b"\xff\xfe not UTF-8\n")?;
                answer(id, "after the noise")
            }
            "big" => answer(
                id,
                &"x".repeat(arguments["bytes"].as_u64().unwrap_or(0) as usize),
            ),
            "crash" => {
                log("crashing as told");
                exit(7)
            }
            // Says that it is under way and does not answer.
            "hold" => {
                self.held.push(id.clone());
                progress(token, "held")
            }
            "release" => {
                for held in self.held.drain(..) {
                    answer(&held, "released")?;
                }
                answer(id, "done")
            }
            "cancellations" => answer(id, &self.cancelled.to_string()),
            "slow" => {
                progress(token, "begun")?;
                thread::sleep(Duration::from_millis(
                    arguments["milliseconds"].as_u64().unwrap_or(0),
                ));
                answer(id, "slept")
            }
            "ask" => {
                self.asking = Some(id.clone());
                send(
                    &json!({"jsonrpc": "2.0", "id": "ask-1", "method": "sampling/createMessage", "params": {}}),
                )
            }
            "announce" => {
                answer(id, "answered first")?;
                send(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}))
            }
            // Writes just this, byte for byte where its characters are bytes, with the id of the call in the place of ID
            // and something long in that of LONG.
            "say" => {
                let text = arguments["text"].as_str().unwrap_or_default();
                let long = arguments["long"].as_u64().unwrap_or(0) as usize;
                let text = text
                    .replace("ID", &id.to_string())
                    .replace("LONG", &"é".repeat(long));
                let bytes: Vec<u8> = if arguments["latin1"] == true {
                    text.chars().map(|c| c as u8).collect()
                } else {
                    text.into_bytes()
                };
                let mut stdout = io::stdout().lock();
                stdout.write_all(&bytes)?;
                stdout.flush()
            }
            "ping me later" => {
                answer(id, "answered first")?;
                send(&json!({"jsonrpc": "2.0", "id": "ping-1", "method": "ping"}))
            }
            "pongs" => answer(id, &self.pongs.to_string()),
            "stubborn" => {
                self.stubborn = true;
                answer(id, "will not leave at the end of stdin")
            }
            // All outlive this process; the second leaves the process group too, and holds stdout open; the third does both
            // and clears its environment.
            "litter" => {
                let mut pids = Vec::new();
                for program in [
                    &["sleep", "1000"][..],
                    &["setsid", "sleep", "1000"],
                    &["env", "-i", "setsid", "sleep", "1000"],
                ] {
                    let child = Command::new(program[0])
                        .args(&program[1..])
                        .stdin(Stdio::null())
                        .spawn()?;
                    pids.push(child.id().to_string());
                }
                answer(id, &pids.join(" "))
            }
            // Six processes in a session of their own, each the parent of the next: the end of one hands over one.
            "nest" => {
                let script =
                    r#"test "$1" = 0 && exec sleep 1000; sh -c "$0" "$0" $(($1 - 1)); exit"#;
                let child = Command::new("setsid")
                    .args(["sh", "-c", script, script, "5"])
                    .stdin(Stdio::null())
                    .spawn()?;
                answer(id, &child.id().to_string())
            }
            other => answer(id, &format!("no tool {other}")),
        }
    }
}
