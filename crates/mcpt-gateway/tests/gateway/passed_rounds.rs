//! Calls that wait for their clients in one replica of the gateway, while the next round comes to another.

use mcpt_routing::Conditions;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    harness::{PATIENCE, Tellable, gateway, gateway_beside, modern},
    scripted::{ReceivedRequest, Said, Scripted, event, scripted},
    wire::{Answer, Wire},
};

/// A server with sessions that asks its client who it is, and says the rest as the test has it.
async fn asks() -> Scripted {
    scripted(json!({"tools": {}}), |asked| match asked.rpc() {
        "tools/call" => Some(Said::Open(vec![event(&question(0))])),
        "server/discover" => Some(Said::Status(404)),
        _ => None,
    })
    .await
}

fn question(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": {"message": "Who?"}})
}

/// Three replicas of one gateway before a server.
async fn three(server: &Scripted) -> [Tellable; 3] {
    let first = gateway();
    let others = [gateway_beside(&first), gateway_beside(&first)];
    let [second, third] = others;
    for gateway in [&first, &second, &third] {
        gateway.endpoints(&[("a", server.address, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
    }
    for gateway in [&second, &third] {
        let ready = async {
            while gateway.exchange("GET", "/readyz", &[], "").await.status != 200 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, ready).await.unwrap();
    }
    [first, second, third]
}

/// A request of a client that can be asked.
fn request(params: &Value) -> (Vec<(&'static str, String)>, String) {
    let (headers, body) = modern("tools/call", params);
    let body = body.replace(
        "clientCapabilities\":{}",
        "clientCapabilities\":{\"elicitation\":{}}",
    );
    (headers.into(), body)
}

async fn send(gateway: &Tellable, params: &Value, more: &[(&str, &str)]) -> Wire {
    let (headers, body) = request(params);
    let mut headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    headers.extend(more);
    let mut wire = Wire::open(gateway.address).await.unwrap();
    wire.send("POST", "/mcp/demo", &headers, &body)
        .await
        .unwrap();
    wire
}

fn message(answer: &Answer) -> Value {
    let text = answer.text.trim_end();
    let json = text.rsplit_once("data: ").map_or(text, |(_, json)| json);
    serde_json::from_str(json).unwrap_or_else(|_| panic!("{answer:?}"))
}

async fn answer(mut wire: Wire) -> Answer {
    let answer = timeout(PATIENCE, wire.answer()).await.unwrap();
    answer.unwrap()
}

impl Scripted {
    async fn is_asked(&mut self, so: impl Fn(&ReceivedRequest) -> bool) -> ReceivedRequest {
        let found = async {
            loop {
                let asked = self.asked.recv().await.unwrap();
                if so(&asked) {
                    return asked;
                }
            }
        };
        timeout(PATIENCE, found).await.unwrap()
    }
}

/// The first round of a call: the id that the server knows it by, and what the client is asked and gets to give back.
async fn first_round(gateway: &Tellable, server: &mut Scripted) -> (Value, String, String) {
    let asked = send(gateway, &json!({"name": "tool"}), &[]).await;
    let called = server.is_asked(|asked| asked.rpc() == "tools/call").await;
    let asked = message(&answer(asked).await);
    let (key, state) = asks_for(&asked);
    (called.message["id"].clone(), key, state)
}

fn asks_for(asked: &Value) -> (String, String) {
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let questions = asked["result"]["inputRequests"].as_object().unwrap();
    let key = questions.keys().next().unwrap().clone();
    let state = asked["result"]["requestState"].as_str().unwrap().to_owned();
    (key, state)
}

fn next(key: &str, state: &str) -> Value {
    json!({"name": "tool", "requestState": state,
        "inputResponses": {key: {"action": "accept", "content": {"name": "Ada"}}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_12_a_round_goes_on_whichever_replica_it_comes_to() {
    let mut server = asks().await;
    let gateways = three(&server).await;
    // The second and the third know each other by the first alone, as yet.
    for (at, then) in [(0, 1), (1, 0), (0, 2), (2, 0)] {
        let (id, key, state) = first_round(&gateways[at], &mut server).await;
        // It is nobody else's, and no other call's.
        let mut other = next(&key, &state);
        other["name"] = json!("other");
        for (params, headers) in [
            (other, &[][..]),
            (next(&key, &state), &[("Authorization", "Bearer eve")]),
            (next(&key, &format!("{state}x")), &[]),
        ] {
            let refused = send(&gateways[then], &params, headers).await;
            let refused = answer(refused).await;
            assert_eq!(refused.status, 400, "{refused:?}");
            let refused = message(&refused);
            assert_eq!(
                (&refused["id"], &refused["error"]["code"]),
                (&json!("c"), &json!(-32602))
            );
        }
        // The server asks once more.
        let again = send(&gateways[then], &next(&key, &state), &[]).await;
        let told = |asked: &ReceivedRequest| asked.message["result"].is_object();
        let answered = server.is_asked(told).await;
        assert_eq!(answered.message["id"], 0);
        assert_eq!(answered.message["result"]["content"]["name"], "Ada");
        server.say.send(event(&question(7))).unwrap();
        let (key, state) = asks_for(&message(&answer(again).await));
        // And has enough then. Each round may come anywhere.
        let last = send(&gateways[then], &next(&key, &state), &[]).await;
        assert_eq!(server.is_asked(told).await.message["id"], 7);
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/message",
            "params": {"level": "info", "data": "logged"}});
        server.say.send(event(&progress)).unwrap();
        let done = json!({"jsonrpc": "2.0", "id": id, "result": {"content": [], "by": at}});
        server.say.send(event(&done)).unwrap();
        let done = answer(last).await;
        assert_eq!(
            (done.status, &message(&done)["result"]["by"]),
            (200, &json!(at))
        );
        // It was one call all the time.
        let gone = send(&gateways[then], &next(&key, &state), &[]).await;
        assert_eq!(answer(gone).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_another_replica_has_cancelled_its_call() {
    let mut server = asks().await;
    let [first, second, _third] = three(&server).await;
    let (id, key, state) = first_round(&first, &mut server).await;
    let wire = send(&second, &next(&key, &state), &[]).await;
    server
        .is_asked(|asked| asked.message["result"].is_object())
        .await;
    drop(wire);
    let cancelled = server
        .is_asked(|asked| asked.rpc() == "notifications/cancelled")
        .await;
    assert_eq!(cancelled.message["params"]["requestId"], id);
    server.is_asked(|asked| asked.method == "DELETE").await;
}
