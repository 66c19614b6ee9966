//! `/mcp` in front of very many servers.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use serde_json::json;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    aggregate::{Client, nobody, servers},
    harness::{PATIENCE, gateway},
    scripted::{Said, scripted},
    wire::Wire,
};

/// A server with so many tools, told in pages of a hundred.
async fn with_tools(count: usize) -> SocketAddr {
    let server = scripted(json!({"tools": {}}), move |asked| {
        if asked.rpc() != "tools/list" {
            return None;
        }
        let cursor = &asked.message["params"]["cursor"];
        let begin: usize = cursor.as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let end = count.min(begin + 100);
        let tools: Vec<_> = (begin..end)
            .map(|n| json!({"name": format!("tool-{n}")}))
            .collect();
        let next = (end < count).then(|| end.to_string());
        Some(asked.result(&match next {
            Some(next) => json!({"tools": tools, "nextCursor": next}),
            None => json!({"tools": tools}),
        }))
    });
    server.await.address
}

#[tokio::test]
async fn fifty_servers_of_which_one_hangs_one_is_dead_and_one_is_huge() {
    let mut known = Vec::new();
    for number in 0..47 {
        known.push((format!("s{number}"), with_tools(3).await));
    }
    known.push(("huge".to_owned(), with_tools(500).await));
    known.push(("dead".to_owned(), nobody().await));
    let hung = scripted(json!({}), |_| Some(Said::Silence)).await;
    known.push(("hung".to_owned(), hung.address));
    let known: Vec<_> = known.iter().map(|(name, at)| (&**name, *at)).collect();
    let gateway = gateway();
    servers(&gateway, &known);
    let client = Client::open(&gateway).await;
    client.has_so_many(47 * 3 + 500).await;
    let (tools, unavailable) = client.tools().await;
    let distinct: BTreeSet<_> = tools.iter().collect();
    assert_eq!(distinct.len(), tools.len());
    assert!(tools.iter().all(|name| name.len() <= 50));
    let missing: Vec<_> = unavailable.as_object().unwrap().keys().collect();
    assert_eq!(missing, ["dead", "hung"]);
    // One that comes is there beside all others.
    let more = [&known[..], &[("new", with_tools(2).await)]].concat();
    servers(&gateway, &more);
    client.has_so_many(47 * 3 + 500 + 2).await;
    drop(hung);
}

/// A gateway that has only just started knows no lists yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_for_the_first_lists_of_its_server() {
    let let_through = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&let_through);
    let server = scripted(json!({"tools": {}}), move |asked| match asked.rpc() {
        "tools/list" => match asked.result(&json!({"tools": [{"name": "tool"}]})) {
            Said::Json(text) => Some(Said::Held(Arc::clone(&held), text)),
            other => Some(other),
        },
        "tools/call" => Some(asked.result(&json!({"content": []}))),
        _ => None,
    })
    .await;
    let gateway = gateway();
    servers(&gateway, &[("late", server.address)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let client = Client::open(&gateway).await;
    let mut wire = Wire::open(gateway.address).await.unwrap();
    client.begin_call(&mut wire, "late_tool").await;
    // By then nobody waits for lists any more who asks for what there is.
    let (tools, unavailable) = client.tools().await;
    assert!(tools.is_empty() && unavailable["late"].is_string());
    let_through.add_permits(100);
    let answer = timeout(PATIENCE, wire.answer()).await.unwrap().unwrap();
    assert!(answer.text.contains("\"result\""), "{answer:?}");
}
