//! The rules of streamable HTTP: sessions, headers, versions, access.

use hyper::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Bridge, text_of};

const PING: &str = r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#;

#[tokio::test]
async fn a_session_from_begin_to_end() {
    let bridge = Bridge::ready().await;
    let mut client = bridge.client();
    assert_eq!(client.post(PING).await.status, 400);

    let reply = client.initialize("2025-06-18").await;
    assert_eq!(reply.message()["result"]["protocolVersion"], "2025-06-18");
    let id = client.session.clone().unwrap();
    assert!(
        id.len() >= 32 && id.bytes().all(|b| b.is_ascii_graphic()),
        "{id}"
    );
    let reply = client
        .post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        .await;
    assert_eq!(
        (reply.status, reply.text.as_str()),
        (StatusCode::ACCEPTED, "")
    );
    let reply = client.call("1", "echo", json!({"message": "hello"})).await;
    assert_eq!(text_of(&reply.message()), "hello");
    let again = client.initialize("2025-06-18").await;
    assert_eq!(
        (again.status, again.error_code()),
        (StatusCode::BAD_REQUEST, -32600)
    );

    client.session = Some(id.clone());
    assert_eq!(client.delete().await.status, 204);
    assert_eq!(client.post(PING).await.status, 404);
    assert_eq!(client.delete().await.status, 404);
    assert_eq!(client.get("/mcp").await.status, 404);
    client.session = Some("0".repeat(48));
    assert_eq!(client.post(PING).await.status, 404);
    assert_ne!(bridge.session().await.session.unwrap(), id);
}

#[tokio::test]
async fn each_session_has_a_child_of_its_own() {
    let bridge = Bridge::ready().await;
    let (one, two) = (bridge.session().await, bridge.session().await);
    let pid = one.text("pid").await;
    assert_eq!(one.text("pid").await, pid);
    assert_ne!(two.text("pid").await, pid);
}

#[tokio::test]
async fn trap_08_requests_that_are_refused() {
    let bridge = Bridge::start(crate::harness::scripted(&[]), |c| c.max_message = 1000).await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    let post = Method::POST;
    let large = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#,
        "x".repeat(1000)
    );
    for (method, headers, body, status) in [
        (&post, vec![("content-type", "text/plain")], PING, 415),
        (&post, vec![("accept", "application/json")], PING, 406),
        (&post, vec![("accept", "*/*")], PING, 200),
        (&post, vec![("origin", "http://evil.example")], PING, 403),
        (&post, vec![("origin", "http://localhost:6274")], PING, 200),
        (&post, vec![("host", "evil.example")], PING, 403),
        (
            &post,
            vec![("mcp-protocol-version", "2025-11-25")],
            PING,
            200,
        ),
        (
            &post,
            vec![("mcp-protocol-version", "1999-01-01")],
            PING,
            400,
        ),
        (
            &post,
            vec![("mcp-protocol-version", "2026-07-28")],
            PING,
            400,
        ),
        (&post, vec![], large.as_str(), 413),
        (&post, vec![], "{", 400),
        (
            &post,
            vec![],
            r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
            400,
        ),
        (
            &post,
            vec![],
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            400,
        ),
        (&Method::GET, vec![("accept", "application/json")], "", 406),
        (
            &Method::GET,
            vec![("mcp-protocol-version", "2026-07-28")],
            "",
            405,
        ),
        (
            &Method::DELETE,
            vec![("mcp-protocol-version", "2026-07-28")],
            "",
            405,
        ),
        (&Method::PUT, vec![], "", 405),
    ] {
        let reply = client
            .exchange(method.clone(), "/mcp", &headers, body)
            .await;
        assert_eq!(reply.status, status, "{method} {headers:?} {}", reply.text);
    }
    assert_eq!(client.get("/other").await.status, 404);
    assert_eq!(client.get("/healthz").await.text, "ok\n");
}

#[tokio::test]
async fn a_server_that_refuses_initialize_is_heard() {
    let bridge = Bridge::start(crate::harness::scripted(&["refuse"]), |_| {}).await;
    crate::harness::until("the refusal is known", async || {
        bridge
            .client()
            .get("/readyz")
            .await
            .text
            .contains("not with you")
    })
    .await;
    assert_eq!(bridge.client().get("/readyz").await.status, 503);
}

#[tokio::test]
async fn a_slash_at_the_end_is_the_same_endpoint() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    for (path, status) in [
        ("/mcp", 200),
        ("/mcp/", 200),
        ("/mcp//", 404),
        ("/mcp/x", 404),
    ] {
        let reply = client.exchange(Method::POST, path, &[], PING).await;
        assert_eq!(reply.status, status, "{path}");
    }
}

#[tokio::test]
async fn pages_that_may_use_it_are_told_so() {
    let bridge = Bridge::start(crate::harness::scripted(&[]), |c| {
        c.access = c.access.clone().allow_origins(["https://app.example.com"]);
    })
    .await;
    bridge.until_ready().await;
    let mut client = bridge.client();
    let page = ("origin", "https://app.example.com");
    let asks = [
        page,
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "content-type,mcp-session-id",
        ),
    ];
    let reply = client.exchange(Method::OPTIONS, "/mcp", &asks, "").await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.headers["access-control-allow-origin"], page.1);
    assert_eq!(
        reply.headers["access-control-allow-headers"],
        "content-type,mcp-session-id"
    );
    client.initialize("2025-11-25").await;
    for (client, status) in [(&client, 200), (&bridge.client(), 400)] {
        let reply = client.exchange(Method::POST, "/mcp", &[page], PING).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.headers["access-control-allow-origin"], page.1);
        let exposed = reply.headers["access-control-expose-headers"]
            .to_str()
            .unwrap();
        assert!(exposed.contains("Mcp-Session-Id"), "{exposed}");
    }
    let evil = [("origin", "https://evil.example"), asks[1]];
    let reply = client.exchange(Method::OPTIONS, "/mcp", &evil, "").await;
    assert_eq!(reply.status, 403);
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
    assert_eq!(
        client
            .exchange(Method::OPTIONS, "/mcp", &[], "")
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn readiness_is_for_the_same_hosts_as_the_endpoint() {
    let bridge = Bridge::ready().await;
    let client = bridge.client();
    let reply = client.get("/readyz").await;
    assert_eq!(reply.headers["mcpt-ready-state"], "ready");
    let evil = [("host", "evil.example")];
    assert_eq!(
        client
            .exchange(Method::GET, "/readyz", &evil, "")
            .await
            .status,
        403
    );
    assert_eq!(
        client
            .exchange(Method::GET, "/healthz", &evil, "")
            .await
            .status,
        200
    );
}
