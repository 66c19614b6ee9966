//! A gateway with keys as a black box: made by one command, followed while it runs, written nowhere.

#![expect(
    clippy::expect_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use mcpt_tests::{
    Mcpt,
    processes::{Process, servers},
    raw::{agent, call, modern_call, post},
};
use serde_json::json;
use tempfile::NamedTempFile;

/// A gateway that logs all that it can, with what it prints.
struct Gateway {
    child: Child,
    log: NamedTempFile,
    url: String,
    metrics: String,
}

impl Gateway {
    fn start(mcpt: &Mcpt, listen: &str, arguments: &[&str]) -> Self {
        let log = NamedTempFile::new().expect("a file");
        let mut child = mcpt
            .command(&["gateway", "run", "--listen", listen])
            .args(arguments)
            .env("MCPT_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("the file"))
            .spawn()
            .expect("starting the gateway");
        let mut output = BufReader::new(child.stdout.take().expect("stdout"));
        let mut urls = Vec::new();
        while !urls
            .last()
            .is_some_and(|url: &String| url.ends_with("/metrics"))
        {
            let mut line = String::new();
            let read = output.read_line(&mut line).expect("a line");
            assert!(read > 0, "the gateway ended: {urls:?}");
            urls.push(line.trim_end().to_owned());
        }
        Self {
            child,
            log,
            url: urls[0].replace("NAME", "demo"),
            metrics: urls.pop().expect("a URL"),
        }
    }

    /// All that it said on standard error, once it is ended.
    fn log(mut self) -> String {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("the end");
        fs::read_to_string(self.log.path()).expect("text")
    }
}

fn key(mcpt: &Mcpt, file: &Path, name: &str) -> String {
    let file = file.to_str().expect("UTF-8");
    let made = mcpt.run(&["gateway", "key", "new", name, "--keys", file]);
    made.ok().stdout.trim_end().to_owned()
}

fn status(agent: &ureq::Agent, url: &str, key: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    let headers = [("Authorization", &*bearer)];
    post(agent, url, &headers, &call("whoami", &json!({}))).status()
}

#[test]
fn keys_let_in_and_are_written_nowhere() {
    let mcpt = Mcpt::default();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.txt");
    let alice = key(&mcpt, &file, "alice");
    let demo = [Process::demo()];
    let arguments = [
        &*servers("demo", &demo),
        "--keys",
        file.to_str().expect("UTF-8"),
    ];
    let gateway = Gateway::start(&mcpt, "127.0.0.1:0", &arguments);
    let agent = agent();
    let wrong = "mcpt_that-was-never-drawn-for-anybody";
    assert_eq!(
        modern_call(&agent, &gateway.url, "whoami", &json!({})).status(),
        401
    );
    assert_eq!(status(&agent, &gateway.url, wrong), 401);
    // The server itself wants a session for this call.
    assert_eq!(status(&agent, &gateway.url, &alice), 400);
    let bob = key(&mcpt, &file, "bob");
    while status(&agent, &gateway.url, &bob) == 401 {
        std::thread::yield_now();
    }
    fs::write(&file, format!("alice {alice}\n")).expect("writing");
    let metrics = agent.get(&gateway.metrics).call().expect("metrics");
    let metrics = metrics.into_body().read_to_string().expect("text");
    let log = gateway.log();
    assert!(
        log.contains("gateway listens") && log.contains("the file was read again"),
        "{log}"
    );
    for secret in [&*alice, &bob, wrong] {
        assert!(!metrics.contains(secret) && !log.contains(secret), "{log}");
    }
}

#[test]
fn who_serves_others_without_a_key_is_told_so() {
    let mcpt = Mcpt::default();
    let warned = |listen: &str, arguments: &[&str]| {
        let log = Gateway::start(&mcpt, listen, arguments).log();
        log.contains("warning: whoever reaches 0.0.0.0:0 may call every server: --keys FILE")
    };
    assert!(warned("0.0.0.0:0", &[]));
    assert!(!warned("0.0.0.0:0", &["--open"]));
    assert!(!warned("127.0.0.1:0", &[]));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.txt");
    key(&mcpt, &file, "alice");
    let file = file.to_str().expect("UTF-8");
    assert!(!warned("0.0.0.0:0", &["--keys", file]));
}

#[test]
fn a_file_that_is_none_of_keys_stops_the_start() {
    let mcpt = Mcpt::default();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.txt");
    fs::write(&file, "alice hunter2\n").expect("writing");
    let file = file.to_str().expect("UTF-8");
    for arguments in [
        &["gateway", "run", "--keys", file][..],
        &["gateway", "key", "new", "bob", "--keys", file],
    ] {
        let failed = mcpt.run(arguments).exits(2);
        assert!(failed.stderr.contains("line 1"), "{failed:?}");
        assert!(!failed.stderr.contains("hunter2"), "{failed:?}");
    }
}
