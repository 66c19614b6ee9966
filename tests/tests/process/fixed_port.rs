//! Updates of a server that can listen on one port only: the new one cannot be tried beside the old one.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use mcpt_tests::Mcpt;

use crate::{echo, pid, servers, signal, template, until_state, wait_for};

/// A port for this test alone, also while its server does not run: the system gives it to nobody who asks for any.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(process::id() % 10_000).expect("below 10,000");
    loop {
        let port = first + NEXT.fetch_add(1, Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A server that can listen on one port only, and starts serving once the file is there. With the mode `broken` it ends.
fn fixed(mcpt: &Mcpt) -> (String, PathBuf) {
    let port = port();
    let gate = mcpt.home().join("gate");
    fs::write(&gate, "").expect("opening the gate");
    let script = format!(
        "[ \"$MODE\" != broken ] || exit 1; until [ -e {} ]; do sleep 0.05; done; exec $MCPT demo --listen 127.0.0.1:{port}",
        gate.display()
    );
    let folder = template(mcpt, "fixed", &script);
    let file = Path::new(&folder).join("template.json");
    let text = fs::read_to_string(&file).expect("the template");
    let text = text
        .replace("8080", &port.to_string())
        .replace("\"port_env\":\"PORT\"", "\"port_env\":\"\"");
    fs::write(&file, text).expect("the template");
    (folder, gate)
}

#[test]
fn a_failed_update_of_a_fixed_port_leaves_the_server_as_it_was() {
    let mcpt = Mcpt::new(&[]);
    let (folder, _) = fixed(&mcpt);
    let _ = mcpt.run(&["deploy", &folder]).ok();
    let url = mcpt.json(&["status", "fixed"])["url"].clone();
    let _ = mcpt
        .run(&["deploy", &folder, "-c", "mode=broken"])
        .exits(1)
        .says(&["fixed is started again as it was before"]);
    until_state(&mcpt, "fixed", "running");
    assert_eq!(echo(&mcpt, "fixed"), "there");
    assert_eq!(mcpt.json(&["status", "fixed"])["url"], url);

    let _ = mcpt.run(&["deploy", &folder, "-c", "greeting=new"]).ok();
    assert_eq!(echo(&mcpt, "fixed"), "new there");
    let _ = mcpt.run(&["delete", "fixed"]).ok();
    assert_eq!(servers(&mcpt), 0);
}

/// The time of a command is for all of it: an old server that does not want to end takes no more.
#[test]
fn an_old_one_that_does_not_end_has_the_time_of_the_command() {
    let mcpt = Mcpt::new(&[]);
    let port = port();
    let stubborn = mcpt.home().join("stubborn");
    fs::write(&stubborn, "").expect("a file");
    let script = format!(
        "[ ! -e {} ] || trap '' TERM; $MCPT demo --listen 127.0.0.1:{port} & while :; do wait; sleep 0.05; done",
        stubborn.display()
    );
    let folder = template(&mcpt, "fixed", &script);
    let file = Path::new(&folder).join("template.json");
    let text = fs::read_to_string(&file).expect("the template");
    let text = text
        .replace("8080", &port.to_string())
        .replace("\"port_env\":\"PORT\"", "\"port_env\":\"\"");
    fs::write(&file, text).expect("the template");
    let _ = mcpt.run(&["deploy", &folder]).ok();
    let old = pid(&mcpt.json(&["status", "fixed"]));
    let deploy = ["deploy", &folder, "-c", "greeting=new", "--timeout", "2s"];
    let _ = mcpt
        .run(&deploy)
        .exits(6)
        .says(&["has not ended within 2 s", "--timeout"]);
    // It would be waited for longer; then it is started again, since nobody took its place.
    fs::remove_file(&stubborn).expect("the file");
    signal(&old, "KILL");
    until_state(&mcpt, "fixed", "running");
    assert_eq!(echo(&mcpt, "fixed"), "there");
    let _ = mcpt.run(&["delete", "fixed"]).ok();
}

#[test]
fn a_server_that_is_started_again_outlives_a_second_failed_update() {
    let mcpt = Mcpt::new(&[]);
    let (folder, gate) = fixed(&mcpt);
    let _ = mcpt.run(&["deploy", &folder]).ok();
    fs::remove_file(&gate).expect("closing the gate");
    for _ in 0..2 {
        let _ = mcpt
            .run(&["deploy", &folder, "-c", "mode=broken"])
            .exits(1)
            .says(&["fixed is started again as it was before"]);
        until_state(&mcpt, "fixed", "pending");
    }
    fs::write(&gate, "").expect("opening the gate");
    until_state(&mcpt, "fixed", "running");
    assert_eq!(echo(&mcpt, "fixed"), "there");
    let _ = mcpt.run(&["delete", "fixed"]).ok();
    assert_eq!(servers(&mcpt), 0);
}

#[test]
fn an_interrupted_update_of_a_fixed_port_keeps_server_and_working_data() {
    let mcpt = Mcpt::new(&[]);
    let (folder, gate) = fixed(&mcpt);
    let _ = mcpt.run(&["deploy", &folder]).ok();
    let data = mcpt.home().join("state/servers/fixed/work/data.db");
    fs::write(&data, "precious").expect("the server's working data");

    fs::remove_file(&gate).expect("closing the gate");
    let update = ["deploy", &folder, "-c", "greeting=new"];
    let mut child = mcpt.spawn(&update);
    wait_for(&mut child, "waiting");
    let aside = mcpt.json(&["status", "fixed"]);
    assert_eq!(aside["state"], "pending", "{aside}");
    assert_eq!(aside["reason"], "it makes room for an update");
    signal(&child.id().to_string(), "INT");
    child.wait().expect("waiting for the command");
    fs::write(&gate, "").expect("opening the gate");
    until_state(&mcpt, "fixed", "running");
    assert_eq!(echo(&mcpt, "fixed"), "there");
    let _ = mcpt.run(&update).ok();
    assert_eq!(echo(&mcpt, "fixed"), "new there");
    assert_eq!(fs::read_to_string(&data).expect("the data"), "precious");
    let _ = mcpt.run(&["delete", "fixed"]).ok();
    assert_eq!(servers(&mcpt), 0);
}
