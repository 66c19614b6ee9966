//! Ends: of sessions, of the bridge, and of everything that was started.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{Bridge, RawClient, call_body, example, scripted, until};

fn lives(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[tokio::test]
async fn a_drain_lets_requests_finish() {
    let mut bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let pid = client.text("pid").await;
    let _general = client.listen().await;
    let mut events = client.stream("1", "hold", json!({})).await;
    events.next().await.unwrap();
    bridge.ask_to_stop();
    until("the bridge drains", async || {
        bridge
            .client()
            .get("/readyz")
            .await
            .text
            .contains("shutting down")
    })
    .await;
    assert_eq!(bridge.client().initialize("2025-11-25").await.status, 503);
    // The session lives on for as long as it is used.
    assert_eq!(client.call("2", "echo", json!({})).await.status, 200);
    assert!(lives(&pid));
    let cancelled =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(client.post(cancelled).await.status, 202);
    assert_eq!(events.next().await, None);
    bridge.stopped().await;
    assert!(!lives(&pid));
}

#[tokio::test]
async fn a_drain_waits_for_the_answer() {
    let mut bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let mut events = client
        .stream("1", "slow", json!({"milliseconds": 700}))
        .await;
    events.next().await.unwrap();
    bridge.ask_to_stop();
    assert_eq!(
        events.next().await.unwrap()["result"]["content"][0]["text"],
        "slept"
    );
    assert_eq!(events.next().await, None);
    bridge.stopped().await;
}

#[tokio::test]
async fn a_drain_waits_for_the_answer_to_a_request_that_was_only_coming() {
    let mut bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let address = bridge.base.trim_start_matches("http://").to_owned();
    let body = call_body("1", "slow", &json!({"milliseconds": 1500}));
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nMcp-Session-Id: {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        client.session.as_deref().unwrap(),
        body.len(),
    );
    let mut request = TcpStream::connect(&address).await.unwrap();
    request.write_all(head.as_bytes()).await.unwrap();
    // Its head has arrived when the body is asked for.
    let mut asked = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    request.read_exact(&mut asked).await.unwrap();
    bridge.ask_to_stop();
    until("nothing is accepted any more", async || {
        TcpStream::connect(&address).await.is_err()
    })
    .await;
    request.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("slept"), "{answer}");
    bridge.stopped().await;
}

#[tokio::test]
async fn a_drain_cuts_off_what_exceeds_the_grace() {
    let mut bridge = Bridge::start(scripted(&[]), |c| {
        c.drain_grace = Duration::from_millis(50);
        c.exit_grace = Duration::from_millis(50);
    })
    .await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    client.text("stubborn").await;
    let pid = client.text("pid").await;
    let mut events = client.stream("1", "hold", json!({})).await;
    events.next().await.unwrap();
    bridge.ask_to_stop();
    assert_eq!(events.next().await.unwrap()["error"]["code"], -32603);
    bridge.stopped().await;
    until("the child is reaped", async || !lives(&pid)).await;
}

#[tokio::test]
async fn a_drain_ends_a_session_that_is_only_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let (pids, slow) = (folder.path().join("pids"), folder.path().join("slow"));
    // The readiness check has its answer at once; the session's child never gives one.
    let script = r#"test -e "$2" || exec "$3"; echo $$ > "$1"; exec sleep 1000"#;
    let command = ["sh", "-c", script, "sh"].map(Into::into).into_iter();
    let command = command.chain([
        pids.clone().into(),
        slow.clone().into(),
        example("scripted_server").into(),
    ]);
    let mut bridge = Bridge::start(command.collect(), |c| {
        c.drain_grace = Duration::from_millis(50);
        c.exit_grace = Duration::from_millis(50);
    })
    .await;
    bridge.until_ready().await;
    fs::write(&slow, "").unwrap();
    let mut client = bridge.client();
    let beginning = tokio::spawn(async move { client.initialize("2025-11-25").await });
    let pid = || fs::read_to_string(&pids).unwrap_or_default();
    until("the session has a child", async || pid().ends_with('\n')).await;
    bridge.ask_to_stop();
    let reply = beginning.await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.error_code()), (503, -32000));
    bridge.stopped().await;
    until("the child is reaped", async || !lives(pid().trim())).await;
}

#[tokio::test]
async fn a_server_that_stays_is_told_to_leave_before_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let script = r#"trap 'echo told > "$1"' TERM; "$2"; exit 0"#;
    let command = ["sh", "-c", script, "sh"].map(Into::into).into_iter();
    let command = command.chain([told.clone().into(), example("scripted_server").into()]);
    let bridge = Bridge::start(command.collect(), |c| c.exit_grace = Duration::from_secs(3)).await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    client.text("stubborn").await;
    let pid = client.text("pid").await;
    assert_eq!(client.delete().await.status, 204);
    until("it was told and left", async || {
        told.exists() && !lives(&pid)
    })
    .await;
}

/// A bridge in a process of its own, which owns its orphans.
struct Program {
    child: Child,
    client: RawClient,
}

impl Program {
    async fn start() -> Self {
        let mut child = Command::new(example("bridge"))
            .args(scripted(&[]))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = log.find_map(|line| {
            let line = line.unwrap();
            let (_, address) = line.split_once("address=")?;
            address.split(' ').next().map(str::to_owned)
        });
        // It must not wait for a reader of its log.
        thread::spawn(move || log.for_each(drop));
        let mut client = RawClient::new(&format!("http://{}", address.unwrap()));
        until("the bridge is ready", async || {
            client.get("/readyz").await.status == 200
        })
        .await;
        assert_eq!(client.initialize("2025-11-25").await.status, 200);
        Self { child, client }
    }

    /// How many processes have it as their parent, zombies included.
    fn children(&self) -> usize {
        processes(1, &self.child.id().to_string())
    }

    /// Asks it to end and waits until it has.
    async fn ended(&mut self) {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        )
        .unwrap();
        let mut status = None;
        until("the bridge ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert!(status.unwrap().success());
    }

    /// Has its server leave a nest of processes, and gives their session.
    async fn nest(&self) -> String {
        let nest = self.client.text("nest").await;
        until("the nest is whole", async || in_session(&nest) == 6).await;
        nest
    }
}

/// How many processes have this in a field of their `stat`, counted from the one after the name.
fn processes(field: usize, value: &str) -> usize {
    let stats = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("stat")).ok());
    stats
        .filter(|stat| {
            let (_, rest) = stat.rsplit_once(')').unwrap();
            rest.split_whitespace().nth(field) == Some(value)
        })
        .count()
}

/// How many processes are in this session of the system, zombies included.
fn in_session(id: &str) -> usize {
    processes(3, id)
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_session() {
    let program = Program::start().await;
    let litter = program.client.text("litter").await;
    let pid = program.client.text("pid").await;
    assert!(litter.split(' ').all(lives) && lives(&pid));
    assert_eq!(program.client.delete().await.status, 204);
    until("all processes are gone and reaped", async || {
        !litter.split(' ').any(lives) && !lives(&pid) && program.children() == 0
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_a_child_that_was_killed() {
    let program = Program::start().await;
    let litter = program.client.text("litter").await;
    let pid = program.client.text("pid").await;
    let mut events = program.client.stream("1", "hold", json!({})).await;
    events.next().await.unwrap();
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
    let error = events.next().await.unwrap();
    let text = error["error"]["message"].as_str().unwrap();
    assert!(text.contains("signal 9"), "{text}");
    until("all processes are gone and reaped", async || {
        !litter.split(' ').any(lives) && program.children() == 0
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_the_bridge() {
    let mut program = Program::start().await;
    let litter = program.client.text("litter").await;
    program.ended().await;
    assert!(!litter.split(' ').any(lives));
}

#[tokio::test]
async fn nothing_is_left_of_a_bridge_that_was_killed() {
    let mut program = Program::start().await;
    let litter = program.client.text("litter").await;
    program.client.text("stubborn").await;
    let pid = program.client.text("pid").await;
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    until("all processes are gone", async || {
        !litter.split(' ').any(lives) && !lives(&pid)
    })
    .await;
}

#[tokio::test]
async fn what_a_session_left_behind_ends_with_all_that_it_started() {
    let program = Program::start().await;
    let nest = program.nest().await;
    assert_eq!(program.client.delete().await.status, 204);
    until("the nest is gone", async || in_session(&nest) == 0).await;
}

#[tokio::test]
async fn the_bridge_ends_after_all_that_was_left_behind() {
    let mut program = Program::start().await;
    let nest = program.nest().await;
    program.ended().await;
    assert_eq!(in_session(&nest), 0);
}

/// How many clients break off in each run of the tests; `MCPT_DISCONNECTS` says another number.
const DISCONNECTS: usize = 240;

/// Sends a request and closes the connection, once what is awaited has come.
async fn break_off(address: &str, number: usize) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("Host: {address}\r\nContent-Type: application/json\r\n");
    let accept = "Accept: application/json, text/event-stream\r\n";
    let (request, awaited) = match number % 3 {
        0 => (
            format!("GET /sse HTTP/1.1\r\n{head}{accept}\r\n"),
            "sessionId=",
        ),
        1 => {
            let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":1}"#;
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"hold","arguments":{{}},{meta}}}}}"#
            );
            let routing =
                "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: hold\r\n";
            let length = body.len();
            let request = format!(
                "POST /mcp HTTP/1.1\r\n{head}{accept}{routing}Content-Length: {length}\r\n\r\n{body}"
            );
            (request, "notifications/progress")
        }
        _ => {
            let request = format!(
                "POST /mcp HTTP/1.1\r\n{head}{accept}Content-Length: 1000\r\n\r\n{{\"jsonrpc\""
            );
            (request, "")
        }
    };
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(awaited) {
        let got = stream.read_buf(&mut read).await.unwrap();
        assert_ne!(got, 0, "{}", String::from_utf8_lossy(&read));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_break_off_leave_nothing() {
    let count = std::env::var("MCPT_DISCONNECTS").map_or(DISCONNECTS, |n| n.parse().unwrap());
    let program = Program::start().await;
    assert_eq!(program.client.delete().await.status, 204);
    until("its first session is gone", async || {
        program.children() == 0
    })
    .await;
    let address = program.client.address().to_owned();
    for begin in (0..count).step_by(12) {
        let all = (begin..count.min(begin + 12)).map(|number| break_off(&address, number));
        futures_util::future::join_all(all).await;
    }
    until("no process and no zombie is left", async || {
        program.children() == 0
    })
    .await;
    let descriptors = format!("/proc/{}/fd", program.child.id());
    // Its listener, its log, the client's own connection and what the runtime has.
    until("connections are closed", async || {
        fs::read_dir(&descriptors).unwrap().count() < 40
    })
    .await;
}
