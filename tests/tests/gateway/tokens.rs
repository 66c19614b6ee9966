//! A gateway that takes the tokens of a real identity provider (npm's `oidc-provider`), as a black box.

#![expect(
    clippy::expect_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use mcpt_tests::{
    processes::{Process, servers},
    raw::{Answer, agent, call, modern_call_as, post},
};
use serde_json::{Value, json};
use ureq::Agent;

const PROVIDER: &str = "oidc-provider@9.13.3";
const PUBLIC: &str = "https://mcp.example.com";

/// The provider, as a process.
struct Issuer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    url: String,
    agent: Agent,
}

impl Issuer {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/issuer.mjs");
        let mut child = Command::new("npx")
            .args(["--yes", "--package", PROVIDER, "--call"])
            .arg(format!("exec node '{script}'"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting npx");
        let input = child.stdin.take().expect("stdin");
        let output = BufReader::new(child.stdout.take().expect("stdout"));
        let mut issuer = Self {
            child,
            input,
            output,
            url: String::new(),
            agent: agent(),
        };
        issuer.url = issuer.line();
        issuer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).expect("a line");
        assert!(read > 0, "the provider ended");
        line.trim_end().to_owned()
    }

    /// Has it sign with a new key from now on.
    fn rotate(&mut self) {
        writeln!(self.input, "rotate").expect("writing");
        // It may have more to say.
        while self.line() != "{}" {}
    }

    /// A token of a user for a resource.
    fn token(&self, user: &str, resource: &str) -> String {
        let secret = format!("{user}-secret-of-this-test");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", user),
            ("client_secret", &secret),
            ("resource", resource),
        ];
        let answer = self
            .agent
            .post(format!("{}/token", self.url))
            .send_form(form);
        let text = answer.expect("an answer").into_body().read_to_string();
        let answer: Value = serde_json::from_str(&text.expect("text")).expect("JSON");
        let token = answer["access_token"].as_str();
        token.expect("a token").to_owned()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Before {
    issuer: Issuer,
    gateway: Process,
    _demos: [Process; 1],
}

fn before() -> Before {
    let issuer = Issuer::start();
    let demos = [Process::demo()];
    let arguments = [
        &*servers("demo", &demos),
        "--issuer",
        &issuer.url,
        "--public-url",
        PUBLIC,
    ];
    let gateway = Process::gateway(&arguments);
    Before {
        issuer,
        gateway,
        _demos: demos,
    }
}

impl Before {
    fn asked(&self, token: &str) -> Answer {
        let agent = &self.issuer.agent;
        modern_call_as(
            agent,
            &self.gateway.url("/mcp/demo"),
            token,
            "whoami",
            &json!({}),
        )
    }

    fn status(&self, token: &str) -> u16 {
        self.asked(token).status()
    }
}

#[test]
fn clients_find_where_to_log_in_and_are_let_in_with_what_they_get_there() {
    let before = before();
    let url = before.gateway.url("/mcp/demo");
    let refused = post(&before.issuer.agent, &url, &[], &call("whoami", &json!({})));
    assert_eq!(refused.status(), 401);
    let metadata_at = format!("{PUBLIC}/.well-known/oauth-protected-resource/mcp/demo");
    assert_eq!(
        refused.header("www-authenticate"),
        Some(&*format!(
            r#"Bearer realm="mcpt", resource_metadata="{metadata_at}""#
        ))
    );
    // What stands before it for clients is the gateway itself.
    let here = metadata_at.replace(PUBLIC, &before.gateway.url(""));
    let metadata = before.issuer.agent.get(here).call().expect("metadata");
    let metadata = metadata.into_body().read_to_string().expect("text");
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let resource = metadata["resource"].as_str().expect("a resource");
    assert_eq!(resource, format!("{PUBLIC}/mcp/demo"));
    assert_eq!(
        metadata["authorization_servers"],
        json!([before.issuer.url])
    );

    for audience in [
        resource,
        PUBLIC,
        &format!("{PUBLIC}/"),
        &format!("{resource}/"),
    ] {
        let token = before.issuer.token("alice", audience);
        assert_eq!(before.status(&token), 200, "{audience}");
    }
    // Signed in another way.
    assert_eq!(before.status(&before.issuer.token("erin", PUBLIC)), 200);
    for audience in ["https://other.example.com", &format!("{PUBLIC}/mcp/other")] {
        let token = before.issuer.token("alice", audience);
        // With the token in the cache, too.
        for _ in 0..2 {
            let answer = before.asked(&token);
            assert_eq!(answer.status(), 401, "{audience}");
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.contains("is for another audience"), "{challenge}");
        }
    }
    // A token of another issuer, of the same name and for the same resource, is none.
    let other = Issuer::start();
    assert_eq!(before.status(&other.token("alice", PUBLIC)), 401);
}

#[test]
fn keys_are_changed_under_load_without_a_failed_call() {
    let mut before = before();
    let old = before.issuer.token("alice", PUBLIC);
    assert_eq!(before.status(&old), 200);
    for _ in 0..3 {
        before.issuer.rotate();
        let new = before.issuer.token("bob", PUBLIC);
        std::thread::scope(|scope| {
            let threads: Vec<_> = [&old, &new, &old, &new]
                .into_iter()
                .map(|token| {
                    let before = &before;
                    scope.spawn(move || (0..25).map(|_| before.status(token)).all(|s| s == 200))
                })
                .collect();
            for thread in threads {
                assert!(thread.join().expect("the thread"));
            }
        });
    }
}
