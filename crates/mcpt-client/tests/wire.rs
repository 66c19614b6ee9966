//! What the client and the probe send and take, byte for byte: exact numbers, names of servers, redirects.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{
    convert::Infallible,
    future::IntoFuture as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{
        HeaderMap, Method, StatusCode, Uri,
        header::{CONTENT_TYPE, HOST, LOCATION},
    },
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use mcpt_client::{Client, ClientError, probe, probe_named};
use serde_json::{Value, value::RawValue};
use tokio::net::TcpListener;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A request as a server of these tests sees it.
#[derive(Debug, Clone)]
struct Asked {
    method: Method,
    path: String,
    host: String,
    session: bool,
    body: String,
}

impl Asked {
    /// The JSON-RPC method.
    fn rpc(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["method"].as_str().unwrap_or_default().to_owned()
    }

    fn id(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["id"].clone()
    }
}

type Log = Arc<Mutex<Vec<Asked>>>;
type Answer = Arc<dyn Fn(&Asked) -> Response + Send + Sync>;

/// A server whose answers the test writes; it keeps what it was asked.
async fn serving(
    listen: &str,
    answer: impl Fn(&Asked) -> Response + Send + Sync + 'static,
) -> (SocketAddr, Log) {
    let listener = TcpListener::bind(listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    let log = Log::default();
    let answer: Answer = Arc::new(answer);
    let handler = async |State((log, answer)): State<(Log, Answer)>,
                         method: Method,
                         uri: Uri,
                         headers: HeaderMap,
                         body: Bytes| {
        let asked = Asked {
            method,
            path: uri.path().to_owned(),
            host: headers[HOST].to_str().unwrap().to_owned(),
            session: headers.contains_key("mcp-session-id"),
            body: String::from_utf8(body.to_vec()).unwrap(),
        };
        log.lock().unwrap().push(asked.clone());
        answer(&asked)
    };
    let app = Router::new()
        .fallback(handler)
        .with_state((Arc::clone(&log), answer));
    tokio::spawn(axum::serve(listener, app).into_future());
    (address, log)
}

fn result(asked: &Asked, result: &str) -> Response {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
        asked.id()
    );
    let headers = [(CONTENT_TYPE, "application/json")];
    (headers, [("mcp-session-id", "s1")], body).into_response()
}

const INITIALIZED: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"a","version":"1"}}"#;

/// A server of the session era without tools.
fn legacy(asked: &Asked) -> Response {
    match (&asked.method, asked.rpc().as_str()) {
        (&Method::DELETE, _) => StatusCode::OK.into_response(),
        (&Method::POST, "initialize") => result(asked, INITIALIZED),
        (&Method::POST, "tools/list") => result(asked, r#"{"tools":[]}"#),
        (&Method::POST, "tools/call") => result(asked, r#"{"content":[]}"#),
        (&Method::POST, rpc) if rpc.starts_with("notifications/") => {
            StatusCode::ACCEPTED.into_response()
        }
        (&Method::POST, _) => StatusCode::BAD_REQUEST.into_response(),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/mcp")
}

fn redirect(status: u16, location: &str) -> Response {
    (
        StatusCode::from_u16(status).unwrap(),
        [(LOCATION, location)],
    )
        .into_response()
}

#[tokio::test]
async fn numbers_forms_and_order_survive_both_ways() {
    const EXACT: &str = r#"{"z":123456789012345678901234567890,"a":1.0,"m":{"y":1e2,"b":[0.10,-0,9007199254740993]}}"#;
    for stream in [false, true] {
        let (address, log) = serving("127.0.0.1:0", move |asked| match asked.rpc().as_str() {
            "tools/list" => result(asked, &format!(r#"{{"tools":[{{"name":"t","x":{EXACT}}}]}}"#)),
            "tools/call" if stream => {
                let id = asked.id();
                let body = format!(
                    "id: 1\r\ndata:\r\n\r\nevent: ping\r\ndata: 2026\r\n\r\ndata: {{\"jsonrpc\":\"2.0\",\"id\":{id},\r\ndata: \"result\":{{\"structuredContent\":{EXACT},\"content\":[]}}}}\r\n\r\n"
                );
                ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
            }
            "tools/call" => {
                result(asked, &format!(r#"{{"structuredContent":{EXACT},"content":[]}}"#))
            }
            _ => legacy(asked),
        })
        .await;
        let client = Client::connect(&url(address), TIMEOUT).await.unwrap();
        let tools = client.list_tools(TIMEOUT).await.unwrap();
        assert_eq!(tools[0].json(), format!(r#"{{"name":"t","x":{EXACT}}}"#));
        let answer = client.call_tool("t", json(EXACT), |_| {}, TIMEOUT).await;
        let answer = answer.unwrap();
        assert_eq!(
            answer.result.json(),
            format!(r#"{{"structuredContent":{EXACT},"content":[]}}"#)
        );
        assert_eq!(answer.result.member("structuredContent"), Some(EXACT));
        let log = log.lock().unwrap();
        let call = log
            .iter()
            .find(|asked| asked.rpc() == "tools/call")
            .unwrap();
        assert!(
            call.body.contains(&format!(r#""arguments":{EXACT}"#)),
            "{}",
            call.body
        );
    }
}

/// A server that only answers when it is called by one of these names, as guards against DNS rebinding do.
async fn called(listen: &str, name: Option<&'static str>) -> (SocketAddr, Log) {
    let port = Arc::new(Mutex::new(0));
    let own_port = Arc::clone(&port);
    let (address, log) = serving(listen, move |asked| {
        let local = format!("localhost:{}", own_port.lock().unwrap());
        if asked.host == name.unwrap_or(&local) {
            legacy(asked)
        } else {
            (StatusCode::FORBIDDEN, "host not allowed").into_response()
        }
    })
    .await;
    *port.lock().unwrap() = address.port();
    (address, log)
}

#[tokio::test]
async fn an_address_is_no_name_for_a_server() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let (address, _log) = called(listen, None).await;
        let url = url(address);
        probe(&url, TIMEOUT).await.unwrap();
        let client = Client::connect(&url, TIMEOUT).await.unwrap();
        client
            .call_tool("t", json("{}"), |_| {}, TIMEOUT)
            .await
            .unwrap();
        client.close().await;
    }
}

#[tokio::test]
async fn a_server_behind_a_tunnel_is_called_by_its_own_name() {
    let name = "localhost:8931";
    let (address, _log) = called("127.0.0.1:0", Some(name)).await;
    let url = url(address);
    probe_named(&url, Some(name), TIMEOUT).await.unwrap();
    let client = Client::connect_named(&url, Some(name), TIMEOUT)
        .await
        .unwrap();
    client.close().await;
    for error in [
        probe(&url, TIMEOUT).await.unwrap_err(),
        Client::connect(&url, TIMEOUT).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("HTTP 403"), "{error}");
    }
}

#[tokio::test]
async fn localhost_is_either_loopback() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let (address, _log) = called(listen, None).await;
        let url = format!("http://localhost:{}/mcp", address.port());
        probe(&url, TIMEOUT).await.unwrap();
    }
}

#[tokio::test]
async fn redirects_within_the_origin_are_followed() {
    for status in [301, 302, 307, 308] {
        for absolute in [None, Some("localhost"), Some("127.0.0.1")] {
            let port = Arc::new(Mutex::new(0));
            let own_port = Arc::clone(&port);
            let (address, log) = serving("127.0.0.1:0", move |asked| {
                let port = *own_port.lock().unwrap();
                match (asked.path.as_str(), absolute) {
                    ("/mcp/", _) => legacy(asked),
                    (_, None) => redirect(status, "mcp/"),
                    (_, Some(host)) => redirect(status, &format!("http://{host}:{port}/mcp/")),
                }
            })
            .await;
            *port.lock().unwrap() = address.port();
            let url = url(address);
            let found = probe(&url, TIMEOUT).await.unwrap();
            assert_eq!(found.protocol_version, "2025-06-18");
            let client = Client::connect(&url, TIMEOUT).await.unwrap();
            client
                .call_tool("t", json("{}"), |_| {}, TIMEOUT)
                .await
                .unwrap();
            client.close().await;
            let log = log.lock().unwrap();
            let ended = log.iter().filter(|asked| asked.method == Method::DELETE);
            let paths: Vec<&str> = ended.map(|asked| asked.path.as_str()).collect();
            assert_eq!(
                paths.last(),
                Some(&"/mcp/"),
                "{status} {absolute:?}: {paths:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_redirect_of_a_tunnel_leads_through_the_tunnel() {
    let name = "localhost:8931";
    let (address, _log) = serving("127.0.0.1:0", move |asked| match asked.path.as_str() {
        "/mcp/" if asked.host == name => legacy(asked),
        _ => redirect(307, &format!("http://{name}/mcp/")),
    })
    .await;
    let url = url(address);
    probe_named(&url, Some(name), TIMEOUT).await.unwrap();
    let client = Client::connect_named(&url, Some(name), TIMEOUT)
        .await
        .unwrap();
    client
        .call_tool("t", json("{}"), |_| {}, TIMEOUT)
        .await
        .unwrap();
}

#[tokio::test]
async fn nothing_is_sent_to_another_origin() {
    let (elsewhere, stolen) = serving("127.0.0.1:0", legacy).await;
    for status in [301, 302, 307, 308] {
        let to = format!("http://localhost:{}/mcp?x", elsewhere.port());
        // From the first request on, or only once there is a session and something to say.
        for from in ["", "tools/call"] {
            let location = to.clone();
            let (address, _log) = serving("127.0.0.1:0", move |asked| {
                if from.is_empty() || asked.rpc() == from {
                    redirect(status, &location)
                } else {
                    legacy(asked)
                }
            })
            .await;
            let url = url(address);
            let error = if from.is_empty() {
                let error = probe(&url, TIMEOUT).await.unwrap_err();
                assert!(matches!(error, ClientError::Redirected { .. }), "{error}");
                Client::connect(&url, TIMEOUT).await.unwrap_err()
            } else {
                let client = Client::connect(&url, TIMEOUT).await.unwrap();
                let called = client.call_tool("t", json("{}"), |_| {}, TIMEOUT).await;
                called.unwrap_err()
            };
            assert_eq!(
                error.to_string(),
                format!("{url} redirects to another place, which is not followed: {to}"),
                "{status} {from}"
            );
        }
    }
    assert!(stolen.lock().unwrap().is_empty(), "{stolen:?}");
}

#[tokio::test]
async fn a_redirect_without_end_ends() {
    let (address, log) = serving("127.0.0.1:0", |_| redirect(307, "/mcp")).await;
    let error = probe(&url(address), TIMEOUT).await.unwrap_err();
    assert!(
        error.to_string().contains("redirects more than 5 times"),
        "{error}"
    );
    assert_eq!(log.lock().unwrap().len(), 6);
    assert!(Client::connect(&url(address), TIMEOUT).await.is_err());
}

/// A stream that goes on after this text.
fn open_stream(text: String) -> Response {
    let begin = stream::once(async move { Ok::<_, Infallible>(Bytes::from(text)) });
    let body = Body::from_stream(begin.chain(stream::pending()));
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}

#[tokio::test]
async fn an_unusable_answer_ends_the_call() {
    for (answer, expected) in [
        (
            r#""id":"ID","result":{}"#,
            "it answered request \"ID\", which was not asked",
        ),
        (
            r#""id":99,"result":{}"#,
            "it answered request 99, which was not asked",
        ),
        (
            r#""id":null,"error":{"code":-32700,"message":"Parse error"}"#,
            "it answered error -32700 without saying to what: Parse error",
        ),
        (r#""id":ID,"result":{"mean":NaN}"#, "NaN"),
        (
            r#""id":ID,"result":null,"error":{"code":1,"message":"x"}"#,
            "both a result and an error",
        ),
    ] {
        for streams in [false, true] {
            let (address, _log) = serving("127.0.0.1:0", move |asked| {
                if asked.rpc() != "tools/call" {
                    return legacy(asked);
                }
                let answer = answer.replace("ID", &asked.id().to_string());
                let body = format!(r#"{{"jsonrpc":"2.0",{answer}}}"#);
                if streams {
                    return open_stream(format!("id: 1\ndata:\n\ndata: {body}\n\n"));
                }
                ([(CONTENT_TYPE, "application/json")], body).into_response()
            })
            .await;
            let client = Client::connect(&url(address), TIMEOUT).await.unwrap();
            let called = client.call_tool("t", json("{}"), |_| {}, TIMEOUT).await;
            let error = called.unwrap_err();
            assert!(
                !matches!(error, ClientError::TimedOut { .. }),
                "{answer} {streams}"
            );
            let text = error.to_string();
            let said = expected.split("ID").all(|part| text.contains(part));
            assert!(said || !streams, "{text}: {answer}");
            assert!(
                matches!(error, ClientError::Protocol(_)) || !streams,
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_probe_takes_what_clients_take() {
    let wrong = |answer: &str| format!(r#"{{"jsonrpc":"2.0",{answer}}}"#);
    let initialized = |id: &str| wrong(&format!(r#""id":{id},"result":{INITIALIZED}"#));
    for (answer, expected) in [
        (initialized("1"), None),
        (initialized("1.0"), None),
        (
            initialized("2"),
            Some("it answered request 2, where 1 was asked"),
        ),
        (
            initialized("\"1\""),
            Some("it answered request \"1\", where 1 was asked"),
        ),
        (
            wrong(r#""id":1,"result":{}"#),
            Some("its answer to initialize names no protocol version"),
        ),
        (
            wrong(r#""id":1,"result":null,"error":{"code":1,"message":"x"}"#),
            Some("JSON that is not JSON-RPC"),
        ),
        (
            wrong(r#""id":1,"result":{"x":NaN}"#),
            Some("is not an MCP server"),
        ),
        (
            wrong(r#""id":null,"error":{"code":-32700,"message":"Parse error"}"#),
            Some("the server answered with error -32700: Parse error"),
        ),
        (
            wrong(r#""error":{"code":-32700,"message":"Parse error"}"#),
            Some("the server answered with error -32700: Parse error"),
        ),
        (
            initialized("1").replace("2.0", "1.0"),
            Some("JSON that is not JSON-RPC"),
        ),
    ] {
        for stream in [false, true] {
            let body = if stream {
                format!("data: {{\"jsonrpc\":\"2.0\",\"method\":\"x\"}}\n\ndata: {answer}\n\n")
            } else {
                answer.clone()
            };
            let (address, log) = serving("127.0.0.1:0", move |asked| {
                let media = if stream {
                    "text/event-stream"
                } else {
                    "application/json"
                };
                match asked.rpc().as_str() {
                    "initialize" => ([(CONTENT_TYPE, media)], body.clone()).into_response(),
                    _ => legacy(asked),
                }
            })
            .await;
            match (probe(&url(address), TIMEOUT).await, expected) {
                (Ok(_), None) => {}
                // What is no message at all passes by in a stream, like any other noise.
                (Err(ClientError::NotMcp { .. }), Some(_)) if stream => {}
                (Err(error), Some(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}: {answer}");
                }
                (found, _) => panic!("{found:?}: {answer}"),
            }
            assert!(log.lock().unwrap().iter().all(|asked| !asked.session));
        }
    }
}
