//! What only Docker and Podman can show: `MCPT_TEST_BACKEND` says which of them. What is on the engine is looked at with its own
//! command.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

#[path = "helm_registries/registry.rs"]
#[expect(dead_code, reason = "the suite of charts has it speak TLS, too")]
mod registry;

#[path = "engines/left_behind.rs"]
mod left_behind;

use std::{
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcpt_tests::{
    Mcpt, commands_run_beside, engine, engine_command, engine_objects, eventually, inspect,
    processes::Process,
};
use registry::{Certificates, Registry, Way};
use serde_json::Value;

/// The engine under test.
fn name() -> String {
    std::env::var("MCPT_TEST_BACKEND").expect("MCPT_TEST_BACKEND names an engine")
}

fn mcpt() -> Mcpt {
    Mcpt::new(&["--backend", &name()])
}

fn objects(server: &str) -> Vec<String> {
    engine_objects(&name(), &format!("mcpt-{server}"))
}

/// As long as it is held no test cleans up, as `gc` does everywhere on the engine.
fn cleaning() -> MutexGuard<'static, ()> {
    static CLEANING: Mutex<()> = Mutex::new(());
    // A test that failed meanwhile has left nothing half-done here.
    CLEANING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gc(mcpt: &Mcpt) {
    let _alone = cleaning();
    let _ = mcpt.run(&["gc"]).ok();
}

fn echo(mcpt: &Mcpt, server: &str) -> String {
    let result = mcpt.json(&["call", server, "echo", "--arg", "message=you"]);
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

fn url(mcpt: &Mcpt, server: &str) -> Value {
    mcpt.json(&["status", server])["url"].take()
}

/// A deploy that is killed at each of its steps, and the same command again; and `gc` where nobody runs it again.
#[test]
fn a_killed_deploy_leaves_nothing_that_is_not_finished_or_undone() {
    let mcpt = mcpt();
    let server = "killed";
    let first = ["deploy", "demo", "--name", server, "-c", "greeting=One"];
    for mark in ["starting", "waiting for its first answer"] {
        mcpt.kill_at(&first, mark);
        let _ = mcpt.run(&first).ok();
        assert_eq!(echo(&mcpt, server), "One you");
        let _ = mcpt.run(&["delete", server]).ok();
        assert_eq!(objects(server), [""; 0], "after {mark:?}");

        mcpt.kill_at(&first, mark);
        gc(&mcpt);
        assert_eq!(objects(server), [""; 0], "after {mark:?}, and gc");
    }
    let _ = mcpt.run(&first).ok();
    let at = url(&mcpt, server);
    let second = ["deploy", "demo", "--name", server, "-c", "greeting=Two"];
    for mark in [
        "starting",
        "waiting for its first answer",
        "ending the old one",
    ] {
        mcpt.kill_at(&second, mark);
        let said = echo(&mcpt, server);
        assert!(
            ["One you", "Two you"].contains(&&*said),
            "{said} after {mark:?}"
        );
        let _ = mcpt.run(&second).ok();
        assert_eq!(echo(&mcpt, server), "Two you", "after {mark:?}");
        assert_eq!(url(&mcpt, server), at, "the port stays");
        let _ = mcpt.run(&["rollback", server]).ok();
        assert_eq!(echo(&mcpt, server), "One you", "after {mark:?}, and back");
    }
    mcpt.kill_at(&["delete", server], "ending");
    let _ = mcpt.run(&["delete", server]);
    gc(&mcpt);
    assert_eq!(objects(server), [""; 0]);
}

/// A removal that an engine goes on with, or begins, for somebody else while mcpt removes the same thing.
#[test]
fn what_others_remove_at_the_same_time_is_gone_as_well() {
    let mcpt = mcpt();
    for _ in 0..3 {
        let deploy = ["deploy", "demo", "--name", "raced", "--replicas", "3"];
        let _ = mcpt.run(&deploy).ok();
        let others: Vec<_> = (1..=3)
            .map(|number| {
                let container = format!("mcpt-raced.r1.{number}");
                engine_command(&name(), &["rm", "--force", &container])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        // The front is ours alone, so that there is a server to delete.
        let _ = mcpt.run(&["delete", "raced"]).ok();
        for mut other in others {
            let _ = other.wait().unwrap();
        }
        assert_eq!(objects("raced"), [""; 0]);
    }
}

/// A restart that is killed half-way, and the same command again; and what two revisions differ in.
#[test]
fn a_killed_restart_is_brought_to_its_end() {
    let mcpt = mcpt();
    let server = "anew";
    let deploy = |greeting: &str, token: &str| {
        let settings = [format!("greeting={greeting}"), format!("token={token}")];
        let deploy = [
            "deploy",
            "demo",
            "--name",
            server,
            "-c",
            &settings[0],
            "-c",
            &settings[1],
        ];
        let _ = mcpt.run(&deploy).ok();
    };
    deploy("One", "hunter2");
    let at = url(&mcpt, server);
    for mark in ["waiting for its first answer", "ending the old one"] {
        mcpt.kill_at(&["restart", server], mark);
        assert_eq!(echo(&mcpt, server), "One you", "after {mark:?}");
        let before = mcpt.json(&["status", server]);
        let _ = mcpt.run(&["restart", server]).ok();
        let after = mcpt.json(&["status", server]);
        assert_eq!(
            (&after["desired"], &after["ready"]),
            (&1.into(), &1.into()),
            "{after}"
        );
        assert_ne!(after["replicas"], before["replicas"], "after {mark:?}");
        assert_eq!((&after["url"], &after["revision"]), (&at, &1.into()));
        assert_eq!(echo(&mcpt, server), "One you", "after {mark:?}");
    }
    deploy("One", "hunter3");
    deploy("Two", "hunter3");
    let last = mcpt.run(&["diff", server]).exits(1).stdout;
    assert!(
        last.contains("\n-  MCPT_DEMO_GREETING: One\n+  MCPT_DEMO_GREETING: Two\n"),
        "{last}"
    );
    let token = mcpt.run(&["diff", server, "1", "2"]).exits(1).stdout;
    assert!(token.contains("[redacted, before]"), "{token}");
    assert_eq!(mcpt.run(&["diff", server, "3", "3"]).ok().stdout, "");
    for shown in [last, token] {
        assert!(!shown.contains("hunter"), "{shown}");
    }
    let _ = mcpt.run(&["delete", server]).ok();
    assert_eq!(objects(server), [""; 0]);
}

/// Commands beside a server, with input, at a terminal, and those that cannot be run.
#[test]
fn commands_run_beside_a_server() {
    let mcpt = mcpt();
    let server = "beside";
    let _ = mcpt
        .run(&["deploy", "time", "--name", server, "--replicas", "2"])
        .ok();
    commands_run_beside(&mcpt, server);
    let _ = mcpt.run(&["delete", server]).ok();
    assert_eq!(objects(server), [""; 0]);
}

/// From a process to the engine and back: the same answers, the secret too, and nothing is left where it was. One that cannot come
/// leaves all as it was.
#[test]
fn a_server_moves_here_and_back() {
    let process = Mcpt::new(&["--backend", "process"]);
    let state = process.home().join("state");
    let here = mcpt().env("MCPT_STATE_DIR", state.to_str().unwrap());
    let server = "mover";
    let deploy = ["deploy", "demo", "--name", server, "-c", "greeting=Moved"];
    let token = ["-c", "token=hunter2"];
    let _ = process.run(&[&deploy[..], &token].concat()).ok();
    let to = ["move", server, "--to", &name()];
    let dry = process.run(&[&to[..], &["--dry-run"]].concat()).ok();
    assert!(
        dry.stdout.contains("mcpt-mover") && !dry.stdout.contains("hunter2"),
        "{dry:?}"
    );
    assert_eq!(objects(server), [""; 0]);
    // One of that name that is something else.
    let _ = here.run(&["deploy", "demo", "--name", server]).ok();
    let _ = process
        .run(&to)
        .exits(1)
        .says(&["another server of that name"]);
    let _ = here.run(&["delete", server]).ok();
    assert_eq!(echo(&process, server), "Moved you");

    let gateway = Process::gateway_of(&process, &["--also", &name()]);
    // What a client says first.
    let answers = || {
        let hello = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
        let answer = ureq::post(gateway.url("/mcp/mover"))
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .send(hello.to_string());
        answer.map(drop).map_err(|error| error.to_string())
    };
    eventually(Duration::from_mins(1), answers);
    // A move that dies on its way is finished by the next, and one that dies at its end by the supervisor of the old one.
    process.kill_at(&to, "waiting for its first answer");
    process.kill_at(&to, "ending mover");
    eventually(Duration::from_mins(1), || {
        match process.run(&["status", server]).code {
            Some(3) => Ok(()),
            code => Err(format!("{code:?}")),
        }
    });
    assert_eq!(echo(&here, server), "Moved you");
    eventually(Duration::from_mins(1), answers);
    let container = inspect(&name(), "mcpt-mover.r1.1");
    assert!(container["Config"]["Env"].to_string().contains("hunter2"));
    assert!(
        !container["Config"]["Labels"]
            .to_string()
            .contains("hunter2")
    );

    let _ = here.run(&["move", server, "--to", "process"]).ok();
    assert_eq!(objects(server), [""; 0]);
    assert_eq!(echo(&process, server), "Moved you");
    let _ = process
        .run(&["move", server, "--to", "process"])
        .exits(2)
        .says(&["where it is now"]);
    let _ = process.run(&["delete", server]).ok();
}

/// Containers, networks and volumes that look like a server's, of which one thing or another is missing.
#[test]
fn look_alikes_stay() {
    let mcpt = mcpt();
    let engine_name = name();
    let run = |arguments: &[&str]| engine(&engine_name, arguments);
    let _ = mcpt.run(&["deploy", "demo", "--name", "twin"]).ok();
    let label = "mcpt.io/server=twin";
    let role = "mcpt.io/role=replica";
    let image = "localhost/mcpt:0.1.0";
    for container in [
        "twin",
        "mcpt-twin.old",
        "mcpt-twin.r9",
        "mcpt-twin.r9.1.bak",
        "mcpt-twin-r9.1",
    ] {
        run(&[
            "create", "--name", container, "--label", label, "--label", role, image,
        ]);
    }
    run(&["create", "--name", "mcpt-twin.r9.1", image]);
    run(&[
        "create",
        "--name",
        "mcpt-twin.r9.2",
        "--label",
        label,
        image,
    ]);
    run(&["create", "--name", "mcpt-twin.r9.3", "--label", role, image]);
    run(&[
        "create",
        "--name",
        "mcpt-twin.lock2",
        "--label",
        label,
        image,
    ]);
    for network in ["mcpt-twin-2", "twin", "mcpt-twin.net"] {
        run(&["network", "create", "--label", label, network]);
    }
    run(&["network", "create", "mcpt-twins"]);
    for volume in ["mcpt-twin", "twin.workspace"] {
        run(&["volume", "create", "--label", label, volume]);
    }
    run(&["volume", "create", "mcpt-twin.workspace"]);
    let theirs = |all: Vec<String>| -> Vec<String> {
        let own = [
            "container mcpt-twin",
            "container mcpt-twin.r1.1",
            "network mcpt-twin",
        ];
        all.into_iter()
            .filter(|object| !own.contains(&&**object))
            .collect()
    };
    let all = || {
        [
            engine_objects(&engine_name, "mcpt-twin"),
            engine_objects(&engine_name, "twin"),
        ]
        .concat()
    };
    let before = theirs(all());
    assert_eq!(before.len(), 16, "{before:?}");
    let listed = mcpt.json(&["status", "twin"]);
    assert_eq!(
        (&listed["desired"], &listed["revision"]),
        (&1.into(), &1.into()),
        "{listed}"
    );
    gc(&mcpt);
    assert_eq!(theirs(all()), before, "after gc");
    let _ = mcpt.run(&["delete", "twin", "--purge-data"]).ok();
    assert_eq!(all(), before, "after delete");
    for object in before {
        let (kind, name) = object.split_once(' ').unwrap();
        run(&[kind, "rm", name]);
    }
}

/// A folder on a volume outlives the server, until it is told to go too.
#[test]
fn data_stays_until_it_is_purged() {
    let mcpt = mcpt();
    let deploy = [
        "deploy",
        "filesystem",
        "--name",
        "kept",
        "-c",
        "allowed_dirs=:/workspace",
    ];
    let _ = mcpt.run(&deploy).ok();
    let file = r#"{"path":"/workspace/a.txt","content":"precious"}"#;
    let _ = mcpt
        .run(&["call", "kept", "write_file", "--json", file])
        .ok();
    let deleted = mcpt.run(&["delete", "kept"]).ok();
    assert!(
        deleted.stdout.contains("mcpt-kept.workspace"),
        "{deleted:?}"
    );
    assert_eq!(objects("kept"), ["volume mcpt-kept.workspace"]);
    let _ = mcpt.run(&deploy).ok();
    let read = mcpt.json(&[
        "call",
        "kept",
        "read_text_file",
        "--arg",
        "path=/workspace/a.txt",
    ]);
    assert_eq!(read["content"][0]["text"], "precious");
    let _ = mcpt.run(&["delete", "kept", "--purge-data"]).ok();
    assert_eq!(objects("kept"), [""; 0]);
}

/// A secret reaches the environment of the server's container, and nothing else that the engine or mcpt shows.
#[test]
fn a_secret_is_in_the_environment_alone() {
    let mcpt = mcpt();
    let secret = "hunter2-of-the-engine";
    let setting = format!("token={secret}");
    let deployed = mcpt
        .run(&[
            "deploy",
            "demo",
            "--name",
            "secretive",
            "-c",
            &setting,
            "-v",
        ])
        .ok();
    let status = mcpt.run(&["status", "secretive", "-o", "json"]).ok();
    let logs = mcpt.run(&["logs", "secretive"]).ok();
    let events = mcpt.run(&["events", "secretive"]).ok();
    let dry = mcpt
        .run(&["deploy", "demo", "-c", &setting, "--dry-run"])
        .ok();
    for shown in [&deployed, &status, &logs, &events, &dry] {
        assert!(
            !shown.stdout.contains(secret) && !shown.stderr.contains(secret),
            "{shown:?}"
        );
    }
    let mut container = inspect(&name(), "mcpt-secretive.r1.1");
    let environment = container["Config"]["Env"].take();
    let has = |value: &Value| value.to_string().contains(secret);
    assert!(has(&environment), "{environment}");
    // Podman tells there with which command it could have been made.
    container["Config"]["CreateCommand"].take();
    assert!(!has(&container), "{container}");
    assert!(!has(&inspect(&name(), "mcpt-secretive")));
    let _ = mcpt.run(&["delete", "secretive"]).ok();
}

/// What keeps a server from running is told.
#[test]
fn failures_name_their_cause() {
    let mcpt = mcpt();
    let missing = [
        "deploy",
        "demo",
        "--name",
        "imageless",
        "--image",
        "localhost:1/no/such:1",
    ];
    let _ = mcpt
        .run(&missing)
        .exits(1)
        .says(&["localhost:1/no/such:1", "cannot be pulled"]);
    assert_eq!(objects("imageless"), [""; 0]);

    let _ = mcpt.run(&["deploy", "demo", "--name", "ender"]).ok();
    // An image whose program is something else.
    let other = "localhost/mcp-server-time:2026.10.19";
    let update = ["deploy", "demo", "--name", "ender", "--image", other];
    let _ = mcpt
        .run(&update)
        .exits(1)
        .says(&["goes on as it was before"]);
    assert_eq!(echo(&mcpt, "ender"), "you");
    assert_eq!(
        mcpt.json(&["history", "ender"]).as_array().unwrap().len(),
        1
    );
    engine(&name(), &["stop", "--time", "30", "mcpt-ender.r1.1"]);
    let status = mcpt.json(&["status", "ender"]);
    assert_eq!(status["state"], "stopped", "{status}");
    assert!(
        status["reason"]
            .as_str()
            .unwrap()
            .contains("mcpt-ender.r1.1 exited"),
        "{status}"
    );
    let _ = mcpt.run(&["delete", "ender"]).ok();
}

/// Images are pulled with the login that the engine's own command has at their registry.
#[test]
fn logins_of_the_engines_own_command_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let registry = Registry::start(&folder.path().join("registry"), Way::Login, &certificates);
    let host = &registry.address;
    let config = folder.path().join("config.json");
    let none = folder.path().join("none.json");
    let config = config.to_str().unwrap();
    let mcpt = mcpt()
        .env("DOCKER_CONFIG", folder.path().to_str().unwrap())
        .env("REGISTRY_AUTH_FILE", config)
        .env("HELM_REGISTRY_CONFIG", none.to_str().unwrap());
    let login = |text: &str| std::fs::write(config, text).unwrap();
    // The user u with the password w.
    let good = format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"dTp3\"}}}}}}");
    login(&good);
    let image = format!("{host}/team/demo:{}", name());
    let _ = mcpt.run(&["image", "push", &image, "--no-remember"]).ok();

    let deploy = ["deploy", "demo", "--name", "private", "--image", &image];
    for (text, warning) in [
        ("{}", ""),
        (
            "{\"credsStore\": \"mcpt-has-none\"}",
            "docker-credential-mcpt-has-none",
        ),
    ] {
        login(text);
        let refused = mcpt.run(&deploy).exits(1);
        let _ = refused.says(&[&image, "cannot be pulled", warning]);
    }
    login(&good);
    let _ = mcpt.run(&deploy).ok();
    assert_eq!(echo(&mcpt, "private"), "you");
    let _ = mcpt.run(&["delete", "private"]).ok();
    engine(&name(), &["rmi", &image]);
}

/// A gateway on this machine hears of servers as they come and go.
#[test]
fn a_gateway_follows_the_engine() {
    let mcpt = mcpt();
    let gateway = Process::gateway_of(&mcpt, &[]);
    let _ = mcpt
        .run(&["deploy", "demo", "--name", "routed", "--replicas", "2"])
        .ok();
    let endpoints = || {
        let page = ureq::get(gateway.admin_url("/api/v1/servers"))
            .call()
            .map_err(|error| error.to_string())?
            .body_mut()
            .read_to_string()
            .map_err(|error| error.to_string())?;
        let servers: Value = serde_json::from_str(&page).map_err(|error| error.to_string())?;
        let routed = servers["servers"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .find(|server| server["name"] == "routed");
        Ok::<_, String>(routed.map_or(0, |server| server["ready"].as_u64().unwrap_or(0)))
    };
    let become_ = |wanted: u64| {
        eventually(Duration::from_mins(1), || match endpoints()? {
            number if number == wanted => Ok(()),
            number => Err(format!("{number} endpoints, not {wanted}")),
        });
    };
    become_(2);
    let _ = mcpt.run(&["scale", "routed", "--replicas", "1"]).ok();
    become_(1);
    let _ = mcpt.run(&["delete", "routed"]).ok();
    become_(0);
}
