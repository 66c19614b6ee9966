//! A page in a real browser that uses a server behind the gateway, from another origin.

#![expect(
    clippy::expect_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use mcpt_tests::processes::{Process, servers};
use serde_json::{Value, json};

const CHROMIUM: &str = "/usr/bin/chromium";
/// A browser that is started on a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(2);
/// Not a name of this machine, for the browser nor for the gateway.
const HOST: &str = "app.example.com";

/// What the page does: a session, a call in it, and its end; then it tells its own server what came of that.
const SCRIPT: &str = r#"
async function run(url) {
  const post = (message, headers) => fetch(url, {method: "POST", body: JSON.stringify(message), headers: {
    "Content-Type": "application/json", "Accept": "application/json, text/event-stream", ...headers}});
  const begun = await post({jsonrpc: "2.0", id: 1, method: "initialize", params: {protocolVersion: "2025-11-25",
    capabilities: {}, clientInfo: {name: "page", version: "1"}}});
  const session = {"Mcp-Session-Id": begun.headers.get("Mcp-Session-Id"), "Mcp-Protocol-Version": "2025-11-25"};
  await post({jsonrpc: "2.0", method: "notifications/initialized"}, session);
  const called = await post({jsonrpc: "2.0", id: 2, method: "tools/call",
    params: {name: "counter", arguments: {}}}, session);
  const text = await called.text();
  const ended = await fetch(url, {method: "DELETE", headers: session});
  const after = await post({jsonrpc: "2.0", id: 3, method: "ping"}, session);
  return {session: session["Mcp-Session-Id"] !== null, begun: begun.status, called: called.status,
    counted: text.includes("\"text\":\"1\""), ended: ended.ok, after: after.status};
}
run(new URLSearchParams(location.search).get("server"))
  .catch(error => ({error: String(error)}))
  .then(told => fetch("/told", {method: "POST", body: JSON.stringify(told)}));
"#;

/// The page's own server, and what the page tells it.
struct Page {
    port: u16,
    told: Receiver<Value>,
}

impl Page {
    fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            // A browser keeps connections that it says nothing on.
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                std::thread::spawn(move || answer(stream, &tell));
            }
        });
        Self { port, told }
    }

    fn origin(&self) -> String {
        format!("http://{HOST}:{}", self.port)
    }

    /// What comes of it when a browser opens the page.
    fn open(&self, server: &str) -> Value {
        let profile = tempfile::tempdir().expect("a folder");
        let url = format!("{}/?server={server}", self.origin());
        let browser = Command::new(CHROMIUM)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args(["--disable-sync", "--disable-dev-shm-usage"])
            .arg(format!(
                "--host-resolver-rules=MAP {HOST} 127.0.0.1,MAP *.com ~NOTFOUND"
            ))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting the browser");
        let _browser = Browser(browser);
        self.told.recv_timeout(PATIENCE).expect("the page's word")
    }
}

/// Ended with the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn answer(stream: TcpStream, tell: &Sender<Value>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or_default() == 0 {
        return;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).unwrap_or_default() == 0 {
            return;
        }
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body");
    let page = if line.starts_with("POST /told") {
        // Another page's test may be over.
        drop(tell.send(serde_json::from_slice(&body).expect("JSON")));
        String::new()
    } else {
        format!("<!doctype html><title>a page</title><script>{SCRIPT}</script>")
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    // The browser may have gone.
    drop(reader.get_mut().write_all((head + &page).as_bytes()));
}

#[test]
fn a_page_of_an_allowed_origin_has_a_session_and_another_has_none() {
    let demos = [Process::demo()];
    let page = Page::serve();
    let named = servers("demo", &demos);
    let open = Process::gateway(&[&named, "--allowed-origin", &page.origin()]);
    let told = page.open(&open.url("/mcp/demo"));
    let expected = json!({"session": true, "begun": 200, "called": 200, "counted": true,
        "ended": true, "after": 404});
    assert_eq!(told, expected);

    let closed = Process::gateway(&[&named]);
    let told = page.open(&closed.url("/mcp/demo"));
    let error = told["error"].as_str().unwrap_or_default();
    assert!(error.contains("Failed to fetch"), "{told}");
}
