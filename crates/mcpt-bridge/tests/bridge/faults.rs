//! Servers that misbehave.

use std::{fs, path::Path, time::Duration};

use serde_json::json;

use crate::harness::{Bridge, example, scripted, text_of, until};

#[tokio::test]
async fn noise_on_stdout_is_dropped() {
    let bridge = Bridge::ready().await;
    assert_eq!(
        bridge.session().await.text("noise").await,
        "after the noise"
    );
}

#[tokio::test]
async fn large_answers_pass_up_to_the_limit() {
    let bridge = Bridge::start(scripted(&[]), |c| c.max_message = 3_000_000).await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    let reply = client.call("1", "big", json!({"bytes": 2_900_000})).await;
    assert_eq!(text_of(&reply.message()).len(), 2_900_000);
    let reply = client.call("2", "big", json!({"bytes": 3_100_000})).await;
    let message = reply.message();
    assert_eq!(
        (&message["id"], &message["error"]["code"]),
        (&json!(2), &json!(-32603))
    );
    // The session lives on.
    assert_eq!(client.text("noise").await, "after the noise");
}

#[tokio::test]
async fn a_crash_answers_all_requests_and_ends_the_session() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let other = bridge.session().await;
    let mut held = client.stream("1", "hold", json!({})).await;
    held.next().await.unwrap();
    let reply = client.call("2", "crash", json!({})).await;
    let message = reply.message();
    assert_eq!(message["id"], 2);
    let error = message["error"]["message"].as_str().unwrap();
    assert!(error.contains("exit code 7"), "{error}");
    assert_eq!(held.next().await.unwrap()["error"]["code"], -32603);
    assert_eq!(held.next().await, None);
    assert_eq!(client.call("3", "echo", json!({})).await.status, 404);
    // Nobody else is touched, and the client can come back.
    assert_eq!(other.text("noise").await, "after the noise");
    assert_eq!(
        bridge.session().await.text("noise").await,
        "after the noise"
    );
}

#[tokio::test]
async fn a_crash_loop_is_told_with_its_reason_until_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mended = folder.path().join("mended");
    let script = r#"test -e "$1" && exec "$2"; exec "$2" crash"#;
    let command = ["sh", "-c", script, "sh"].map(Into::into).into_iter();
    let command = command.chain([mended.clone().into(), example("scripted_server").into()]);
    let bridge = Bridge::start(command.collect(), |_| {}).await;
    let mut client = bridge.client();
    until("the failure is known", async || {
        let reply = client.get("/readyz").await;
        reply.status == 503 && reply.text.contains("exit code 3")
    })
    .await;
    let text = client.get("/readyz").await.text;
    // What it wrote to stderr is for its log alone.
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(client.get("/healthz").await.status, 200);
    let reply = client.initialize("2025-11-25").await;
    assert_eq!(reply.status, 503);
    assert!(reply.text.contains("exit code 3"), "{}", reply.text);

    fs::write(&mended, "").unwrap();
    bridge.until_ready().await;
    bridge.session().await;
}

#[tokio::test]
async fn a_command_that_cannot_be_executed_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    for (program, why) in [
        ("no-such-program", "no such program is on PATH"),
        (
            "/no/such/program",
            "the file, or the interpreter that it names, does not exist",
        ),
        (plain.to_str().unwrap(), "it is not executable"),
    ] {
        let bridge = Bridge::start(vec![program.into()], |_| {}).await;
        let error = bridge.ended().await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot start {program}: {why}"));
    }
}

#[tokio::test]
async fn a_command_that_is_gone_for_a_while_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("server");
    let aside = folder.path().join("aside");
    std::os::unix::fs::symlink(example("scripted_server"), &program).unwrap();
    let bridge = Bridge::start(vec![program.clone().into()], |_| {}).await;
    bridge.until_ready().await;
    fs::rename(&program, &aside).unwrap();
    let reply = bridge.client().initialize("2025-11-25").await;
    assert_eq!(reply.status, 502);
    assert!(reply.text.contains("does not exist"), "{}", reply.text);
    fs::rename(&aside, &program).unwrap();
    // What is known of the failure may be told for a moment yet.
    until("a session begins again", async || {
        bridge.client().initialize("2025-11-25").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let command = vec!["sleep".into(), "1000".into()];
    let bridge = Bridge::start(command, |c| {
        c.initialize_timeout = Duration::from_millis(50);
        c.exit_grace = Duration::from_millis(50);
    })
    .await;
    until("the failure is known", async || {
        let text = bridge.client().get("/readyz").await.text;
        text.contains("did not answer initialize within 0.05 s")
    })
    .await;
}

#[tokio::test]
async fn sessions_have_a_limit_and_an_end() {
    let bridge = Bridge::start(scripted(&[]), |c| {
        c.max_sessions = 1;
        c.session_idle = Duration::from_secs(2);
    })
    .await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    let stream = client.listen().await;
    let refused = bridge.client().initialize("2025-11-25").await;
    assert_eq!(
        (refused.status.as_u16(), refused.error_code()),
        (503, -32000)
    );
    // An answer that nobody waits for any more is no use.
    let mut left = client.stream("1", "hold", json!({})).await;
    left.next().await.unwrap();
    drop(left);
    // An open stream is use; without it the session ends by itself and makes room.
    drop(stream);
    until("the idle session is gone", async || {
        bridge.client().initialize("2025-11-25").await.status == 200
    })
    .await;
    assert_eq!(client.call("1", "echo", json!({})).await.status, 404);
}

#[tokio::test]
async fn a_client_that_leaves_during_initialize_leaves_no_child() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = r#"echo $$ >> "$1"; exec sleep 1000"#;
    let command = ["sh", "-c", script, "sh"].map(Into::into).into_iter();
    let command = command.chain([file.clone().into()]);
    let bridge = Bridge::start(command.collect(), |c| {
        c.exit_grace = Duration::from_millis(50);
    })
    .await;
    let mut client = bridge.client();
    let impatient = tokio::spawn(async move { client.initialize("2025-11-25").await.status });
    let started = || fs::read_to_string(&file).unwrap_or_default();
    let alive = |pid: &&str| Path::new("/proc").join(pid).exists();
    until("the check and the session have children", async || {
        started().lines().count() == 2
    })
    .await;
    assert!(started().lines().all(|pid| alive(&pid)));
    impatient.abort();
    until("the child of the session is gone", async || {
        started().lines().filter(alive).count() == 1
    })
    .await;
}

#[tokio::test]
async fn a_start_that_fails_for_one_client_is_no_matter_of_others() {
    let bridge = Bridge::ready().await;
    let initialize = |name: &str| {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": name, "version": "1"}});
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string()
    };
    for _ in 0..3 {
        let reply = bridge.client().post(&initialize("unbearable")).await;
        assert_eq!(reply.status, 502);
        assert!(reply.text.contains("exit code 5"), "{}", reply.text);
        let reply = bridge.client().post(&initialize("good")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(bridge.client().get("/readyz").await.status, 200);
    }
}

#[tokio::test]
async fn a_server_that_can_exist_once_serves_one_session_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    let command = ["flock".into(), "-n".into(), lock.clone().into()].into_iter();
    let command: Vec<_> = command.chain(scripted(&[])).collect();
    let bridge = Bridge::start(command.clone(), |c| c.max_sessions = 1).await;
    bridge.until_ready().await;
    for _ in 0..2 {
        // Also at once after the one before.
        let client = bridge.session().await;
        let reply = bridge.client().initialize("2025-11-25").await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (503, -32000));
        assert_eq!(reply.headers["retry-after"], "5");
        assert!(
            reply.text.contains("one session at a time"),
            "{}",
            reply.text
        );
        assert_eq!(bridge.client().get("/readyz").await.status, 200);
        assert_eq!(client.text("noise").await, "after the noise");
        assert_eq!(client.delete().await.status, 204);
    }
    // Not told so, the bridge tells who comes second what the server says, and the server stays ready.
    let lock = folder.path().join("other");
    let command = ["flock".into(), "-n".into(), lock.into()].into_iter();
    let bridge = Bridge::start(command.chain(scripted(&[])).collect(), |_| {}).await;
    bridge.until_ready().await;
    let mut client = bridge.client();
    until("the look at it has ended", async || {
        client.initialize("2025-11-25").await.status == 200
    })
    .await;
    for _ in 0..3 {
        let reply = bridge.client().initialize("2025-11-25").await;
        assert_eq!(reply.status, 502, "{}", reply.text);
        assert_eq!(bridge.client().get("/readyz").await.status, 200);
    }
    assert_eq!(client.text("noise").await, "after the noise");
}
