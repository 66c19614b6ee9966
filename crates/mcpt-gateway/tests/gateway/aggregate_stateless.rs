//! `/mcp`: all servers as one, for clients of the stateless era.

use mcpt_routing::Change;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    aggregate::{UNNAMED, asked, heard, response, servers, unnamed},
    harness::{PATIENCE, Tellable, demo, gateway, modern},
    scripted::{Said, event, scripted},
    wire::{Answer, Wire},
};

async fn ask(gateway: &Tellable, method: &str, params: &Value) -> Answer {
    ask_with(gateway, method, params, &[]).await
}

async fn ask_with(
    gateway: &Tellable,
    method: &str,
    params: &Value,
    further: &[(&str, &str)],
) -> Answer {
    let (headers, body) = modern(method, params);
    let mut headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    for (name, value) in further {
        headers.retain(|(other, _)| other != name);
        headers.push((name, value));
    }
    gateway.exchange("POST", "/mcp", &headers, &body).await
}

/// Waits until a server is listed.
async fn lists(gateway: &Tellable, tool: &str) {
    let listed = timeout(PATIENCE, async {
        while !ask(gateway, "tools/list", &json!({}))
            .await
            .text
            .contains(tool)
        {
            tokio::task::yield_now().await;
        }
    });
    assert!(listed.await.is_ok(), "{tool} is not listed");
}

#[tokio::test]
async fn each_answer_names_the_request_that_the_client_waits_for() {
    let server = scripted(json!({"tools": {}}), unnamed).await;
    let gateway = gateway();
    servers(&gateway, &[("s", server.address)]);
    lists(&gateway, "s_tool").await;
    for (how, why) in UNNAMED {
        let params = json!({"name": "s_tool", "arguments": {"how": how}});
        let (_, sent) = modern("tools/call", &params);
        let sent: Value = serde_json::from_str(&sent).unwrap();
        let answer = ask_with(&gateway, "tools/call", &params, &[("Mcp-Name", "s_tool")]).await;
        let response = response(&answer);
        assert_eq!(response["id"], sent["id"], "{how}: {answer:?}");
        assert!(
            response["error"]["message"].to_string().contains(why),
            "{how}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn requests_that_stand_alone_go_to_the_servers_that_they_are_about() {
    let gateway = gateway();
    let known = [("one", demo("one").await), ("x/two", demo("two").await)];
    servers(&gateway, &known);
    lists(&gateway, "x__two_whoami").await;
    let discovered = ask(&gateway, "server/discover", &json!({})).await;
    let result = response(&discovered)["result"].clone();
    assert_eq!(result["supportedVersions"][0], "2026-07-28", "{result}");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
    let listed = response(&ask(&gateway, "tools/list", &json!({})).await);
    let listed = &listed["result"];
    assert_eq!(listed["resultType"], "complete");
    assert_eq!(listed["cacheScope"], "private");
    assert_eq!(listed["tools"][0]["name"], "one_add");
    for (tool, instance) in [("one_whoami", "one"), ("x__two_whoami", "two")] {
        let answer = ask(&gateway, "tools/call", &json!({"name": tool})).await;
        assert_eq!((answer.status, answer.session.as_deref()), (200, None));
        assert_eq!(answer.instance(), instance);
    }
    let params = json!({"name": "one_whoami"});
    let smuggled = ask_with(&gateway, "tools/call", &params, &[("Mcp-Name", "one_echo")]).await;
    assert_eq!(smuggled.status, 400);
    assert_eq!(response(&smuggled)["error"]["code"], -32020);
    let unknown = ask(&gateway, "sessions/list", &json!({})).await;
    assert_eq!(unknown.status, 404);
    assert_eq!(response(&unknown)["error"]["code"], -32601);
    let nobody = ask(&gateway, "tools/call", &json!({"name": "whoami"})).await;
    assert_eq!(response(&nobody)["error"]["code"], -32602);
}

#[tokio::test]
async fn trap_11_headers_are_about_what_the_server_calls_it() {
    let server = scripted(json!({"tools": {}}), |asked| match asked.rpc() {
        "server/discover" => Some(asked.result(&json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {},
            "ttlMs": 0, "cacheScope": "private",
        }))),
        "tools/call" => Some(Said::Events(vec![event(&json!({
            "jsonrpc": "2.0", "id": asked.message["id"], "result": {"resultType": "complete",
                "content": [{"type": "resource_link", "uri": "file:///a", "name": "a"}]},
        }))])),
        _ => None,
    });
    let mut server = server.await;
    let gateway = gateway();
    servers(&gateway, &[("s", server.address)]);
    lists(&gateway, "s_tool").await;
    let params = json!({"name": "s_tool", "arguments": {"name": "s_tool", "region": "eu"}});
    let further = [
        ("Mcp-Param-Region", "eu"),
        ("Authorization", "Bearer secret"),
    ];
    let answer = ask_with(&gateway, "tools/call", &params, &further).await;
    assert!(
        answer.text.contains(r#""uri":"mcpt+s+file:///a""#),
        "{answer:?}"
    );
    let call = asked(&mut server, "tools/call").await;
    for (name, value) in [
        ("mcp-name", Some("tool")),
        ("mcp-method", Some("tools/call")),
        ("mcp-protocol-version", Some("2026-07-28")),
        ("mcp-param-region", Some("eu")),
        ("authorization", None),
    ] {
        assert_eq!(call.header(name), value, "{name}");
    }
    assert_eq!(call.message["params"]["name"], "tool");
    assert_eq!(call.message["params"]["arguments"]["name"], "s_tool");
}

#[tokio::test]
async fn a_server_that_knows_sessions_only_is_one_of_them() {
    let server = scripted(json!({"tools": {}}), |asked| match asked.rpc() {
        "server/discover" => {
            let error = json!({"code": -32601, "message": "unknown"});
            let id = &asked.message["id"];
            let message = json!({"jsonrpc": "2.0", "id": id, "error": error});
            Some(Said::Json(message.to_string()))
        }
        "tools/call" => Some(asked.result(&json!({"content": [], "of": "a session"}))),
        _ => None,
    });
    let server = server.await;
    let gateway = gateway();
    servers(&gateway, &[("old", server.address)]);
    lists(&gateway, "old_tool").await;
    let answer = ask(&gateway, "tools/call", &json!({"name": "old_tool"})).await;
    let result = &response(&answer)["result"];
    assert_eq!(result["of"], "a session", "{answer:?}");
    assert_eq!(result["resultType"], "complete");
}

#[tokio::test]
async fn who_listens_hears_of_servers_that_come() {
    let gateway = gateway();
    gateway.tell.send(Change::Snapshot(Vec::new())).unwrap();
    let params = json!({"notifications": {"toolsListChanged": true}});
    let (headers, body) = modern("subscriptions/listen", &params);
    let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
    let mut stream = Wire::open(gateway.address).await.unwrap();
    stream.send("POST", "/mcp", &headers, &body).await.unwrap();
    heard(&mut stream, "notifications/subscriptions/acknowledged").await;
    servers(&gateway, &[("one", demo("one").await)]);
    heard(&mut stream, "notifications/tools/list_changed").await;
    heard(&mut stream, r#"subscriptionId":"c""#).await;
}

#[tokio::test]
async fn who_listens_hears_of_resources_by_the_names_that_it_knows() {
    let capabilities = json!({"resources": {"subscribe": true}});
    let server = scripted(capabilities.clone(), move |asked| match asked.rpc() {
        "server/discover" => Some(asked.result(&json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": capabilities, "ttlMs": 0, "cacheScope": "private",
        }))),
        "resources/list" => Some(asked.result(&json!({"resources": [
            {"uri": "file:///a", "name": "a"},
        ]}))),
        "resources/templates/list" => Some(asked.result(&json!({"resourceTemplates": []}))),
        "subscriptions/listen" => {
            let uris = &asked.message["params"]["notifications"]["resourceSubscriptions"];
            Some(Said::Open(vec![event(&json!({
                "jsonrpc": "2.0", "method": "notifications/resources/updated",
                "params": {"uri": uris[0]},
            }))]))
        }
        _ => None,
    });
    let server = server.await;
    let gateway = gateway();
    servers(&gateway, &[("s", server.address)]);
    let listed = timeout(PATIENCE, async {
        while !ask(&gateway, "resources/list", &json!({}))
            .await
            .text
            .contains("mcpt+s+file:///a")
        {
            tokio::task::yield_now().await;
        }
    });
    assert!(listed.await.is_ok(), "the resource is not listed");
    let params = json!({"notifications": {"resourceSubscriptions": ["mcpt+s+file:///a"]}});
    let (headers, body) = modern("subscriptions/listen", &params);
    let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
    let mut stream = Wire::open(gateway.address).await.unwrap();
    stream.send("POST", "/mcp", &headers, &body).await.unwrap();
    heard(
        &mut stream,
        r#""resourceSubscriptions":["mcpt+s+file:///a"]"#,
    )
    .await;
    heard(&mut stream, r#""uri":"mcpt+s+file:///a""#).await;
}
