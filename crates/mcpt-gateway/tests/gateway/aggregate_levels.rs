//! Levels of log messages at `/mcp`.

use serde_json::json;

use crate::{
    aggregate::{Client, asked, response, servers},
    harness::gateway,
    scripted::{ReceivedRequest, scripted},
};

#[tokio::test]
async fn each_server_of_a_session_hears_of_its_level() {
    let server = async || {
        let script = |asked: &ReceivedRequest| match asked.rpc() {
            "tools/call" | "logging/setLevel" => Some(asked.result(&json!({"content": []}))),
            _ => None,
        };
        scripted(json!({"tools": {}}), script).await
    };
    let [mut one, mut two] = [server().await, server().await];
    let gateway = gateway();
    servers(&gateway, &[("one", one.address), ("two", two.address)]);
    let (client, begun) = Client::opened(&gateway, &json!({})).await;
    assert_eq!(begun["result"]["capabilities"]["logging"], json!({}));
    client.call("one_tool").await;
    let set = async |level: &str| {
        let params = json!({"level": level});
        response(&client.ask("logging/setLevel", &params).await)
    };
    assert_eq!(set("loud").await["error"]["code"], -32602);
    assert_eq!(set("warning").await["result"], json!({}));
    let told = asked(&mut one, "logging/setLevel").await;
    assert_eq!(told.message["params"]["level"], "warning");
    // It comes to have to do with this one later.
    client.call("two_tool").await;
    let told = asked(&mut two, "logging/setLevel").await;
    assert_eq!(told.message["params"]["level"], "warning");
}
