//! The gateway as a black box: real servers and gateways as processes, raw messages through them.

mod behind;
#[cfg(feature = "servers")]
mod eras;
mod exhausted;
mod lock;
mod rules;
#[cfg(feature = "servers")]
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use mcpt_tests::{
    Mcpt, in_flight,
    processes::{Process, key_file, servers},
    raw::{Answer, LEGACY, Session, agent, call, modern_call, post},
};
use serde_json::{Value, json};

const KEY: &str = "a key of at least thirty-two characters";
const DEMO: &str = "/mcp/demo";

fn demos(count: usize) -> Vec<Process> {
    (0..count).map(|_| Process::demo()).collect()
}

#[test]
fn sessions_are_spread_and_outlive_gateways() {
    let demos = demos(3);
    let keys = key_file(KEY);
    let arguments = [
        &*servers("demo", &demos),
        "--session-key-file",
        keys.path().to_str().expect("UTF-8"),
    ];
    let (mut one, two) = (Process::gateway(&arguments), Process::gateway(&arguments));
    let agent = agent();
    let urls = [one.url(DEMO), two.url("/mcp/mcp-servers/demo")];
    let sessions: Vec<_> = (0..100)
        .map(|number| Session::open(&agent, &urls[number % 2]))
        .collect();

    let mut per_instance = BTreeMap::<u64, usize>::new();
    for (number, session) in sessions.iter().enumerate() {
        *per_instance
            .entry(session.instance(&urls[number % 2]))
            .or_default() += 1;
        for count in 1..=4 {
            // Any gateway with the key goes on with any session.
            assert_eq!(session.count(&urls[(number + count as usize) % 2]), count);
        }
    }
    assert_eq!(per_instance.len(), 3);
    let largest = per_instance.values().max().copied().unwrap_or_default();
    assert!(
        largest * 3 * 10 <= 100 * 12,
        "largest to mean at most 1.2: {per_instance:?}"
    );

    one.kill();
    for session in &sessions {
        assert_eq!(session.count(&urls[1]), 5);
    }
    let again = Process::gateway(&arguments);
    drop(two);
    for session in &sessions {
        assert_eq!(session.count(&again.url(DEMO)), 6);
    }
}

#[test]
fn calls_in_flight_break_with_their_gateway_and_are_made_once() {
    let demos = demos(2);
    let keys = key_file(KEY);
    let arguments = [
        &*servers("demo", &demos),
        "--session-key-file",
        keys.path().to_str().expect("UTF-8"),
    ];
    let (mut one, two) = (Process::gateway(&arguments), Process::gateway(&arguments));
    let (carrier, other) = (one.url(DEMO), two.url(DEMO));
    in_flight::outlive_their_gateway(&carrier, &other, 10, || one.kill());
}

#[test]
fn sessions_of_a_dead_instance_are_gone_and_new_ones_begin_elsewhere() {
    let mut demos = demos(2);
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    let sessions: Vec<_> = (0..10).map(|_| Session::open(&agent, &url)).collect();
    let dead = u64::from(demos[0].pid());
    let (lost, kept): (Vec<_>, Vec<_>) = sessions
        .iter()
        .partition(|session| session.instance(&url) == dead);
    assert_eq!((lost.len(), kept.len()), (5, 5));
    demos[0].kill();
    for session in lost {
        session.call(&url, "counter", &json!({})).refused(404);
        assert_eq!(session.listen(&url).status(), 404);
    }
    for session in kept {
        assert_eq!(session.count(&url), 1);
    }
    for _ in 0..4 {
        let session = Session::open(&agent, &url);
        assert_eq!(session.instance(&url), u64::from(demos[1].pid()));
    }
    demos[1].kill();
    Session::initialize(&agent, &url).refused(502);
    let metrics = Answer(
        agent
            .get(gateway.admin_url("/metrics"))
            .call()
            .expect("metrics"),
    )
    .text();
    for sample in ["outcome=\"session_gone\"} 10", "outcome=\"unreachable\"} 1"] {
        assert!(metrics.contains(sample), "{sample} in\n{metrics}");
    }
}

#[test]
fn a_new_gateway_learns_from_its_peers_where_sessions_are() {
    let demos = demos(3);
    let keys = key_file(KEY);
    let key = ["--session-key-file", keys.path().to_str().expect("UTF-8")];
    let old = Process::gateway(&[&[&*servers("demo", &demos[..2])][..], &key].concat());
    let agent = agent();
    for _ in 0..20 {
        let _session = Session::open(&agent, &old.url(DEMO));
    }
    let peers = ["--peers", old.admin_address()];
    let new = Process::gateway(&[&[&*servers("demo", &demos)][..], &key, &peers].concat());
    let url = new.url(DEMO);
    let begin = Instant::now();
    while Answer(agent.get(new.url("/readyz")).call().expect("its state")).status() != 200 {
        assert!(begin.elapsed() < Duration::from_secs(20), "not ready");
    }
    let sessions = || {
        let page = agent.get(new.admin_url("/api/v1/servers")).call();
        let page = Answer(page.expect("servers")).text();
        let known: Value = serde_json::from_str(&page).expect("JSON");
        known["servers"][0]["sessions"].clone()
    };
    // It is ready as well when a peer takes long to answer, which is asked again.
    while sessions() != 20 {
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", sessions());
    }
    let third = u64::from(demos[2].pid());
    for _ in 0..10 {
        let session = Session::open(&agent, &url);
        assert_eq!(session.instance(&url), third, "the others have ten each");
    }
    assert_eq!(sessions(), 30);
}

#[test]
fn its_pages_tell_what_it_knows() {
    let demos = demos(2);
    let named = [servers("tools/demo", &demos), servers("demo", &demos[..1])];
    let gateway = Process::gateway(&[&named[0], &named[1]]);
    let agent = agent();
    let _session = Session::open(&agent, &gateway.url(DEMO));
    let page = Answer(
        agent
            .get(gateway.admin_url("/api/v1/servers"))
            .call()
            .expect("servers"),
    );
    let mut known: Value = serde_json::from_str(&page.text()).expect("JSON");
    let mut answered = Vec::new();
    for server in known["servers"].as_array_mut().expect("servers") {
        let figures = server.as_object_mut().and_then(|s| s.remove("figures"));
        answered.push(figures.expect("figures")["outcomes"]["answered"].clone());
    }
    // A session began with two messages.
    assert_eq!(json!(answered), json!([2, null]));
    let expected = json!({"servers": [
        {"namespace": "mcp-servers", "name": "demo", "path": "/mcp/demo",
            "endpoints": 1, "ready": 1, "terminating": 0, "sessions": 1},
        {"namespace": "tools", "name": "demo", "path": "/mcp/tools/demo",
            "endpoints": 2, "ready": 2, "terminating": 0, "sessions": 0},
    ]});
    assert_eq!(known, expected);

    let mcpt = Mcpt::default();
    let ready = ["probe", "--http-get", &gateway.url("/readyz")];
    let _ = mcpt.run(&ready).ok();
    let _ = mcpt
        .run(&["probe", "--http-get", &gateway.url("/nothing")])
        .exits(1)
        .says(&["404"]);
    let _ = mcpt.run(&["probe", &gateway.url("/readyz")]).exits(4);
}

#[test]
fn an_ended_session_is_unknown() {
    let demos = demos(1);
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    let session = Session::open(&agent, &url);
    let sessions = || {
        let metrics = Answer(
            agent
                .get(gateway.admin_url("/metrics"))
                .call()
                .expect("metrics"),
        )
        .text();
        let gauge = metrics
            .lines()
            .find(|l| l.starts_with("mcpt_gateway_endpoint_sessions{"));
        gauge
            .and_then(|line| line.rsplit(' ').next())
            .map(str::to_owned)
    };
    assert_eq!(sessions().as_deref(), Some("1"));
    let deleted = session.delete(&url).status();
    assert!((200..300).contains(&deleted), "{deleted}");
    assert_eq!(sessions().as_deref(), Some("0"));
    assert_eq!(session.call(&url, "counter", &json!({})).status(), 404);
}

#[test]
fn stateless_calls_go_to_all_that_live() {
    let mut demos = demos(3);
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    let instances = |calls: usize| {
        let call = |_| {
            let answer = modern_call(&agent, &url, "whoami", &json!({}));
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.header("Mcp-Session-Id"), None);
            answer.message()["result"]["structuredContent"]["pid"].as_u64()
        };
        (0..calls).map(call).collect::<BTreeSet<_>>()
    };
    assert_eq!(instances(9).len(), 3);
    demos[1].kill();
    let dead = Some(u64::from(demos[1].pid()));
    let left = instances(30);
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&dead));
}

#[test]
fn a_session_id_means_nothing_in_the_stateless_era() {
    let demos = demos(1);
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let message = json!({"jsonrpc": "2.0", "id": "a-call", "method": "tools/call", "params": {"name": "whoami",
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}});
    let headers = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "whoami"),
        ("Mcp-Session-Id", "from-another-life"),
    ];
    let answer = post(&agent(), &gateway.url(DEMO), &headers, &message);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("Mcp-Session-Id"), None);
    let listen = agent()
        .get(gateway.url(DEMO))
        .header("MCP-Protocol-Version", "2026-07-28")
        .call();
    let listen = Answer(listen.expect("an HTTP answer"));
    assert_eq!(
        (listen.status(), listen.header("Allow")),
        (405, Some("POST"))
    );
}

#[test]
fn events_come_through_one_by_one() {
    let demos = demos(1);
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    let session = Session::open(&agent, &url);
    // This call takes an hour: whatever is read of its answer came before its end.
    let endless = session.call(&url, "slow", &json!({"seconds": 3600}));
    assert_eq!(endless.header("Content-Type"), Some("text/event-stream"));
    let first = endless.lines().find(|line| line.starts_with("id:"));
    assert!(first.is_some(), "an event before the answer");

    let mut short = call("slow", &json!({"seconds": 0.2}));
    short["params"]["_meta"] = json!({"progressToken": 7});
    let text = session.post(&url, &short).text();
    assert_eq!(text.matches("notifications/progress").count(), 10, "{text}");
    assert!(text.contains("\"progressToken\":7"), "{text}");
    assert!(text.contains("done after 0.2 s"), "{text}");
    assert_eq!(
        session.listen(&url).header("Content-Type"),
        Some("text/event-stream")
    );
}

#[test]
fn session_ids_cannot_be_made_up_or_moved() {
    let demos = demos(1);
    let both = [servers("demo", &demos), servers("other", &demos)];
    let gateway = Process::gateway(&[&*both[0], &*both[1]]);
    let stranger = Process::gateway(&[&*both[0]]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    let good = Session::open(&agent, &url);
    let mut changed = good.id.clone();
    let last = changed.pop().expect("a character");
    changed.push(if last == 'A' { 'B' } else { 'A' });
    for id in [
        changed,
        good.id[1..].to_owned(),
        "x".to_owned(),
        "x".repeat(5000),
        Session::open(&agent, &stranger.url(DEMO)).id,
        Session::open(&agent, &gateway.url("/mcp/other")).id,
    ] {
        let session = good.with_id(id);
        session.call(&url, "counter", &json!({})).refused(404);
        assert_eq!(session.listen(&url).status(), 404);
        assert_eq!(session.delete(&url).status(), 404);
    }
    let twice = [
        ("Mcp-Session-Id", good.id.as_str()),
        ("Mcp-Session-Id", "x"),
    ];
    post(&agent, &url, &twice, &call("counter", &json!({}))).refused(400);
    assert_eq!(good.count(&url), 1, "the good one is none the worse for it");
}

#[test]
fn foreign_hosts_and_origins_are_refused() {
    let demos = demos(1);
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    for (name, value, says) in [
        ("Host", "evil.example.com", "host"),
        ("Origin", "https://evil.example.com", "origin"),
    ] {
        let answer = post(&agent, &url, &[(name, value)], &call("whoami", &json!({})));
        assert_eq!(answer.status(), 403, "{name}");
        let message = answer.message();
        assert!(
            message["error"]["message"]
                .as_str()
                .expect("a text")
                .contains(says),
            "{message}"
        );
    }
    let own = post(
        &agent,
        &url,
        &[("Origin", "http://localhost:5173")],
        &call("x", &json!({})),
    );
    assert_ne!(own.status(), 403);
}

#[test]
fn large_messages_pass_and_too_large_ones_do_not() {
    let demos = demos(1);
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    let session = Session::open(&agent, &url);
    let text = "0123456789abcdef".repeat(64 * 1024);
    assert_eq!(text.len(), 1024 * 1024);
    let arguments = json!({"message": text});
    assert!(
        session.call(&url, "echo", &arguments).tool_text() == text,
        "in a session"
    );
    assert!(
        modern_call(&agent, &url, "echo", &arguments).tool_text() == text,
        "without one"
    );
    // Refused by its announced size, before any of it is sent.
    for id in [None, Some(&session.id)] {
        let mut stream = TcpStream::connect(gateway.address()).expect("connecting");
        let session = id
            .map(|id| format!("Mcp-Session-Id: {id}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "POST {DEMO} HTTP/1.1\r\nHost: localhost\r\n{session}Content-Length: 100000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sending a head");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 413");
    }
}

#[test]
fn slow_readers_hold_up_nobody_else() {
    let demos = demos(1);
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    let session = Session::open(&agent, &url);
    let text = "x".repeat(3 * 1024 * 1024);
    let slow = session.call(&url, "echo", &json!({"message": text}));
    for count in 1..=20 {
        assert_eq!(session.count(&url), count);
    }
    assert!(slow.tool_text() == text, "all of it, once it is read");
}

#[test]
fn a_gateway_finishes_calls_and_closes_streams_before_it_ends() {
    let demos = demos(1);
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    let session = Session::open(&agent, &url);
    let stream = session.listen(&url);
    assert_eq!(stream.status(), 200);
    let slow = session.call(&url, "slow", &json!({"seconds": 1}));
    gateway.terminate();
    assert_eq!(slow.tool_text(), "done after 1 s");
    // Ends, and in good order: reading to the end would fail if it were cut off.
    stream.text();
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn what_is_not_there_is_named() {
    let gateway = Process::gateway(&["--server=idle=http://127.0.0.1:9/mcp"]);
    let agent = agent();
    let get = |path: &str| Answer(agent.get(gateway.url(path)).call().expect("an HTTP answer"));
    for path in ["/healthz", "/readyz"] {
        let answer = get(path);
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (200, "ok\n"),
            "{path}"
        );
    }
    let message = call("whoami", &json!({}));
    for (path, status, says) in [
        ("/mcp/missing", 404, "mcp-servers/missing"),
        ("/mcp/other/idle", 404, "other/idle"),
        ("/elsewhere", 404, "/mcp/NAME"),
        ("/mcp/idle", 502, "cannot be reached"),
    ] {
        let text = post(&agent, &gateway.url(path), &[], &message).refused(status);
        assert!(text.contains(says), "{path}: {text}");
    }
    let put = agent
        .put(gateway.url("/mcp/idle"))
        .send("{}")
        .expect("an HTTP answer");
    assert_eq!(Answer(put).header("Allow"), Some("GET, POST, DELETE"));
    let version = [("MCP-Protocol-Version", LEGACY)];
    assert_eq!(
        post(&agent, &gateway.url("/mcp/idle"), &version, &message).status(),
        502
    );
}

#[test]
fn servers_of_this_machine_come_and_go() {
    let mcpt = Mcpt::default();
    let gateway = Process::gateway_of(&mcpt, &[]);
    let (agent, url) = (agent(), gateway.url(DEMO));
    let becomes = |url: &str, status: u16| {
        let deadline = Instant::now() + Duration::from_secs(20);
        // Nothing tells from outside when a gateway has heard of something.
        while modern_call(&agent, url, "whoami", &json!({})).status() != status {
            assert!(Instant::now() < deadline, "{url} does not become {status}");
            std::thread::yield_now();
        }
    };
    becomes(&url, 404);
    drop(mcpt.run(&["deploy", "demo"]).ok());
    becomes(&url, 200);
    let session = Session::open(&agent, &url);
    assert_eq!(session.count(&url), 1);
    drop(mcpt.run(&["deploy", "demo", "--name", "second"]).ok());
    assert_eq!(session.count(&url), 2, "others do not disturb it");
    drop(mcpt.run(&["delete", "demo"]).ok());
    becomes(&url, 404);
    session.call(&url, "counter", &json!({})).refused(404);

    let second = gateway.url("/mcp/second");
    becomes(&second, 200);
    let state = mcpt.home().join("state/servers/second/run-1/state.json");
    let state = std::fs::read(state).expect("the state of the second server");
    let state: Value = serde_json::from_slice(&state).expect("JSON");
    let supervisor = state["supervisor"].to_string();
    let killed = Command::new("kill").args(["-KILL", &supervisor]).status();
    assert!(killed.expect("running kill").success());
    becomes(&second, 404);
}

#[test]
fn bad_options_are_refused_before_anything_listens() {
    let mcpt = Mcpt::default();
    let short = key_file("short");
    let short = short.path().to_str().expect("UTF-8");
    let guessed = key_file(&"a".repeat(32));
    let guessed = guessed.path().to_str().expect("UTF-8");
    for (arguments, says) in [
        (["--server", "demo"], "NAME=URL"),
        (["--server", "demo=ftp://a/mcp"], "http://"),
        (["--server", "Demo=http://a/mcp"], "lower-case"),
        (["--session-key-file", short], "32 characters"),
        (["--session-key-file", guessed], "line 1 can be guessed"),
        (["--session-key-file", "/nowhere/key"], "/nowhere/key"),
    ] {
        let all = [
            &["gateway", "run", "--listen", "127.0.0.1:0"],
            arguments.as_slice(),
        ]
        .concat();
        let outcome = mcpt.run(&all).exits(2).says(&[says]);
        assert!(
            outcome.stdout.is_empty(),
            "stdout is for results: {}",
            outcome.stdout
        );
    }
}
