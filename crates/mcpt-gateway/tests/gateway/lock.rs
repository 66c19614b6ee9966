//! A gateway that wants a key: who comes in, what the servers behind it see, and whose a session is.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use mcpt_access::ApiKey;
use mcpt_gateway::{Gateway, GatewayConfig, LockConfig};
use mcpt_routing::{Conditions, SessionKeys};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    harness::{PATIENCE, Tellable, call, demo, gateway_locked, modern},
    wire::Answer,
};

const PLAIN: &str = "Bearer realm=\"mcpt\"";
const UNKNOWN: &str = "Bearer realm=\"mcpt\", error=\"invalid_token\", error_description=\"the key is not one of this gateway\"";
const SEVERAL: &str = "Bearer realm=\"mcpt\", error=\"invalid_request\", error_description=\"more than one key or token\"";

/// All that a gateway sends to a real server, which stands behind.
async fn seen_on_the_way_to(server: SocketAddr) -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<String>>::default();
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
                    let text = String::from_utf8_lossy(&bytes[..length]);
                    noted.lock().unwrap().push_str(&text);
                    if to_server.write_all(&bytes[..length]).await.is_err() {
                        return;
                    }
                }
            });
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        }
    });
    (address, seen)
}

struct Locked {
    gateway: Tellable,
    folder: TempDir,
    alice: ApiKey,
    bob: ApiKey,
    seen: Arc<Mutex<String>>,
}

fn drawn(name: &str) -> ApiKey {
    ApiKey::draw(name, &[]).unwrap()
}

fn write(folder: &Path, keys: &[&ApiKey]) {
    let lines: Vec<_> = keys.iter().map(|key| format!("{}\n", key.line())).collect();
    std::fs::write(folder.join("new"), lines.concat()).unwrap();
    std::fs::rename(folder.join("new"), folder.join("keys")).unwrap();
}

/// A gateway with the keys of two users, and a demo server behind it.
async fn locked() -> Locked {
    let (alice, bob) = (drawn("alice"), drawn("bob"));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[&alice, &bob]);
    let keys = folder.path().join("keys");
    let gateway = gateway_locked(LockConfig {
        keys: Some(keys),
        tokens: None,
        rules: None,
    });
    let (address, seen) = seen_on_the_way_to(demo("d").await).await;
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    Locked {
        gateway,
        folder,
        alice,
        bob,
        seen,
    }
}

fn bearer(key: &ApiKey) -> String {
    format!("Bearer {}", key.key().expose())
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
}

impl Locked {
    async fn post(&self, headers: &[(&str, &str)], message: &Value) -> Answer {
        self.gateway.post(headers, message).await
    }

    /// A call without a session, by somebody who says that it is theirs.
    async fn modern(&self, key: &ApiKey) -> Answer {
        let (headers, body) = modern("tools/call", &json!({"name": "whoami"}));
        let bearer = bearer(key);
        let mut headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        headers.push(("Authorization", &bearer));
        let gateway = &self.gateway;
        gateway.exchange("POST", "/mcp/demo", &headers, &body).await
    }

    /// Waits until a key is taken, or is taken no more.
    async fn until(&self, key: &ApiKey, taken: bool) {
        let changed = async {
            while (self.modern(key).await.status == 200) != taken {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, changed).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_key_does_not_come_in() {
    let locked = locked().await;
    let (alice, nobody) = (bearer(&locked.alice), bearer(&drawn("alice")));
    let basic = "Basic YWxpY2U6YWxpY2U=".to_owned();
    let key = locked.alice.key().expose().to_owned();
    let line = format!("Bearer {}", locked.alice.line());
    for (headers, status, challenge) in [
        (&[][..], 401, Some(PLAIN)),
        (&[("Authorization", &*basic)], 401, Some(PLAIN)),
        (&[("Authorization", &*key)], 401, Some(PLAIN)),
        (&[("Authorization", &*nobody)], 401, Some(UNKNOWN)),
        (&[("Authorization", &*line)], 401, Some(UNKNOWN)),
        (&[("X-API-Key", "mcpt_nobody's")], 401, Some(UNKNOWN)),
        (
            &[("Authorization", &*alice), ("X-API-Key", &*key)],
            400,
            Some(SEVERAL),
        ),
        (
            &[("Authorization", &*nobody), ("Authorization", &*alice)],
            400,
            Some(SEVERAL),
        ),
        (&[("Authorization", &*alice)], 200, None),
        (&[("X-API-Key", &*key)], 200, None),
    ] {
        let answer = locked.post(headers, &initialize()).await;
        assert_eq!(answer.status, status, "{headers:?} {answer:?}");
        assert_eq!(answer.header("www-authenticate"), challenge);
        if status != 200 {
            let error: Value = serde_json::from_str(&answer.text).unwrap();
            assert_eq!(error["id"], 1, "{error}");
            assert!(error["error"]["message"].is_string(), "{error}");
        }
    }
    // Nor does who has none learn which servers there are; a path that is no server's needs no key.
    let gateway = &locked.gateway;
    for (method, path, status) in [
        ("POST", "/mcp/nobody", 401),
        ("GET", "/mcp/ns/demo", 401),
        ("DELETE", "/mcp/demo", 401),
        ("GET", "/.well-known/oauth-protected-resource/mcp/demo", 404),
        ("GET", "/.well-known/oauth-authorization-server", 404),
        ("GET", "/healthz", 200),
    ] {
        let answer = gateway.exchange(method, path, &[], "").await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    // A page of the gateway's own is nothing that a client may see, with whatever key.
    for path in [
        "/metrics",
        "/api/v1/servers",
        "/api/v1/sessions",
        "/api/v1/rounds/00",
    ] {
        let headers = [("Authorization", &*alice)];
        let answer = gateway.exchange("GET", path, &headers, "").await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_20_no_key_goes_on_to_a_server() {
    let locked = locked().await;
    let (authorization, key) = (bearer(&locked.alice), locked.alice.key().expose());
    for credentials in [("Authorization", &*authorization), ("x-api-key", key)] {
        let session = locked.post(&[credentials], &initialize()).await;
        let session = session.session.unwrap();
        let in_session = [credentials, ("Mcp-Session-Id", &session)];
        let answer = locked.post(&in_session, &call("whoami")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(locked.modern(&locked.alice).await.status, 200);
        let ended = locked
            .gateway
            .exchange("DELETE", "/mcp/demo", &in_session, "");
        assert!(ended.await.status < 300);
    }
    let seen = locked.seen.lock().unwrap().to_ascii_lowercase();
    assert!(seen.matches("post /mcp").count() >= 6, "{seen}");
    for never in ["authorization", "x-api-key", &key.to_ascii_lowercase()] {
        assert!(!seen.contains(never), "{never}: {seen}");
    }
    assert!(!locked.gateway.metrics().await.contains(key));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_told_callers_apart_but_not_who_they_are() {
    let locked = locked().await;
    for user in [&locked.alice, &locked.bob, &locked.alice] {
        let headers = [("Authorization", &*bearer(user)), ("Mcpt-Caller", "forged")];
        let begun = locked.post(&headers, &initialize()).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        // In a session too: a server may take a request for one of none.
        let session = begun.session.unwrap();
        let headers = [&headers[..], &[("Mcp-Session-Id", &session)]].concat();
        assert_eq!(locked.post(&headers, &call("whoami")).await.status, 200);
        assert_eq!(locked.modern(user).await.status, 200);
    }
    let seen = locked.seen.lock().unwrap().to_ascii_lowercase();
    let told: Vec<_> = seen
        .lines()
        .filter_map(|line| line.strip_prefix("mcpt-caller: "))
        .collect();
    let callers: std::collections::BTreeSet<_> = told.iter().collect();
    assert!(told.len() >= 9 && callers.len() == 2, "{told:?}");
    for never in ["forged", "alice", "bob"] {
        assert!(!told.iter().any(|id| id.contains(never)), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_20_a_session_is_its_beginner_s_alone() {
    let locked = locked().await;
    let (alice, bob) = (bearer(&locked.alice), bearer(&locked.bob));
    let begun = locked
        .post(&[("Authorization", &alice)], &initialize())
        .await;
    let session = begun.session.unwrap();
    for (key, status) in [(&alice, 200), (&bob, 404), (&alice, 200)] {
        let headers = [("Authorization", &**key), ("Mcp-Session-Id", &session)];
        let answer = locked.post(&headers, &call("whoami")).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    for method in ["GET", "DELETE"] {
        let headers = [("Authorization", &*bob), ("Mcp-Session-Id", &session)];
        let answer = locked.gateway.exchange(method, "/mcp/demo", &headers, "");
        assert_eq!(answer.await.status, 404, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_changed_while_calls_go_on() {
    let locked = locked().await;
    let headers = [("X-API-Key", locked.alice.key().expose())];
    let begun = locked.post(&headers, &initialize()).await;
    let session = begun.session.unwrap();
    let folder = locked.folder.path();
    // The new key beside the old one, and then the old one goes.
    let new = drawn("alice");
    write(folder, &[&locked.alice, &locked.bob, &new]);
    locked.until(&new, true).await;
    assert_eq!(locked.modern(&locked.alice).await.status, 200);
    write(folder, &[&locked.bob, &new]);
    locked.until(&locked.alice, false).await;
    let headers = [
        ("X-API-Key", new.key().expose()),
        ("Mcp-Session-Id", &session),
    ];
    let answer = locked.post(&headers, &call("whoami")).await;
    assert_eq!(
        answer.status, 200,
        "the session is still alice's: {answer:?}"
    );

    // What is no file of keys changes nothing; the next one that is does.
    std::fs::write(folder.join("keys"), "alice hunter2\n").unwrap();
    std::fs::write(folder.join("keys"), format!("{}\n", locked.bob.line())).unwrap();
    locked.until(&new, false).await;
    std::fs::remove_file(folder.join("keys")).unwrap();
    assert_eq!(locked.modern(&locked.bob).await.status, 200);
    // Kubernetes replaces a link, of whatever name, that the file's own link goes through.
    let kubernetes = ["..data-1", "..data-2"].map(|name| folder.join(name));
    for (folder, key) in kubernetes.iter().zip([&locked.bob, &new]) {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("keys"), key.line()).unwrap();
    }
    std::os::unix::fs::symlink(&kubernetes[0], folder.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/keys", folder.join("keys")).unwrap();
    std::os::unix::fs::symlink(&kubernetes[1], folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    locked.until(&new, true).await;
    assert_eq!(locked.modern(&locked.bob).await.status, 401);
}

#[test]
fn a_gateway_does_not_begin_with_keys_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let bind = || {
        let namespace = mcpt_core::Namespace::new("ns").unwrap();
        let keys = SessionKeys::random().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = GatewayConfig::new(listen, namespace, keys);
        config.lock = Some(LockConfig {
            keys: Some(file.clone()),
            tokens: None,
            rules: None,
        });
        let error = Gateway::bind(config).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        format!("{error}: {source}")
    };
    assert!(bind().ends_with("/keys: cannot read it"), "{}", bind());
    std::fs::write(&file, "# mine\nalice hunter2").unwrap();
    let told = bind();
    assert!(
        told.contains("/keys: line 2: ") && !told.contains("hunter2"),
        "{told}"
    );
}
