//! Calls of several rounds (2026-07-28): the next one goes to the instance that asked for it.

use std::net::SocketAddr;

use mcpt_routing::Conditions;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::harness::{Tellable, gateway, gateway_beside};

/// How a server answers.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    /// A stream of events that comes in pieces.
    Events,
}

/// Asks for more with a state that it alone understands, and ends the call that brings one back with the word whether it is its own.
async fn asks(name: &'static str, form: Form) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, name, form));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, name: &str, form: Form) {
    let mut asked = 0;
    loop {
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                return;
            }
        }
        let request = String::from_utf8(read).unwrap();
        let result = if request.contains("requestState") {
            let own = request.contains(&format!("\"state of \\\"{name}\\\""));
            json!({"resultType": "complete", "content": [], "own": own, "by": name})
        } else {
            asked += 1;
            let state = format!("state of \"{name}\" {asked} {}", "\u{e9}".repeat(1000));
            json!({"resultType": "input_required", "inputRequests": {}, "requestState": state})
        };
        let message = json!({"jsonrpc": "2.0", "id": "c", "result": result}).to_string();
        if answer(&mut stream, form, &message).await.is_err() {
            return;
        }
    }
}

async fn answer(stream: &mut TcpStream, form: Form, message: &str) -> std::io::Result<()> {
    let (kind, body) = match form {
        Form::Json => ("application/json", message.to_owned()),
        Form::Events => (
            "text/event-stream",
            format!(": begins\n\nevent: message\ndata: {message}\n\n"),
        ),
    };
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    for piece in body.as_bytes().chunks(97) {
        stream
            .write_all(format!("{:x}\r\n", piece.len()).as_bytes())
            .await?;
        stream.write_all(piece).await?;
        stream.write_all(b"\r\n").await?;
        tokio::task::yield_now().await;
    }
    stream.write_all(b"0\r\n\r\n").await
}

async fn before(form: Form) -> (Tellable, [SocketAddr; 2]) {
    let gateway = gateway();
    let addresses = [asks("a", form).await, asks("b", form).await];
    tell(&gateway, addresses).await;
    (gateway, addresses)
}

async fn tell(gateway: &Tellable, addresses: [SocketAddr; 2]) {
    gateway.endpoints(&[
        ("a", addresses[0], Conditions::READY),
        ("b", addresses[1], Conditions::READY),
    ]);
    gateway.shows("condition=\"ready\"} 2").await;
}

/// The state that a first round brings.
async fn first_round(gateway: &Tellable) -> String {
    let answer = gateway.modern_call("x").await;
    let (_, message) = answer.text.split_once('{').unwrap();
    let message: serde_json::Value =
        serde_json::from_str(format!("{{{message}").trim_end()).unwrap();
    message["result"]["requestState"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn next_round(gateway: &Tellable, state: &str) -> String {
    let params = json!({"name": "x", "inputResponses": {}, "requestState": state});
    gateway.modern("tools/call", &params).await.text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_12_the_next_round_goes_to_whom_asked_for_it() {
    for form in [Form::Json, Form::Events] {
        let (gateway, _) = before(form).await;
        for _ in 0..20 {
            // Two at a time, answered in the other order.
            let states = [first_round(&gateway).await, first_round(&gateway).await];
            // Each twice, which whoever takes turns does not get right.
            for state in states.iter().rev().flat_map(|state| [state; 2]) {
                let text = next_round(&gateway, state).await;
                assert!(text.contains("\"own\":true"), "{form:?}: {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_is_asked_who_asked() {
    let (first, addresses) = before(Form::Json).await;
    let second = gateway_beside(&first);
    tell(&second, addresses).await;
    // It is ready once it knows the other one.
    while second.exchange("GET", "/readyz", &[], "").await.status != 200 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        let states = [first_round(&first).await, first_round(&first).await];
        for state in states.iter().rev().flat_map(|state| [state; 2]) {
            let text = next_round(&second, state).await;
            assert!(text.contains("\"own\":true"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_here_asked_goes_anywhere() {
    let (gateway, addresses) = before(Form::Json).await;
    let state = first_round(&gateway).await;
    let (gone, left) = if state.contains("\"a\"") {
        ("b", 1)
    } else {
        ("a", 0)
    };
    gateway.endpoints(&[(gone, addresses[left], Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let text = next_round(&gateway, &state).await;
    assert!(text.contains("\"own\":false"), "{text}");
    let text = next_round(&gateway, "somebody's").await;
    assert!(text.contains("\"own\":false"), "{text}");
}
