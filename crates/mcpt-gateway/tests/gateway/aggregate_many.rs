//! `/mcp` in front of very many servers.

use std::{collections::BTreeSet, net::SocketAddr};

use serde_json::json;

use crate::{
    aggregate::{Client, nobody, servers},
    harness::gateway,
    scripted::{Said, scripted},
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
