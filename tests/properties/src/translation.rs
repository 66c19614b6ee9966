//! Messages between the eras: whatever is sent on is one message on one line, of the sender's own values, and its answer goes to
//! the request that was made.

use http::{HeaderMap, HeaderValue};
use mcpt_protocol::{
    Kind, MODERN_VERSION, Message, MessageId, Part,
    header::{METHOD, NAME, PROTOCOL_VERSION},
    translate::{Client, Object, mirrored, new, old},
};

const CLIENT: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{},"sampling":{},"roots":{}}}}"#;
const SERVER: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#;

/// Panics when it does not hold for these bytes: a client's message, or a server's.
pub fn translation(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    from_old(&message);
    from_new(&message);
    if let Some(client) = Client::of_initialize(&message) {
        let text = client.to_text();
        let read = Client::read(&text).expect("what was written");
        assert_eq!(read.version(), client.version());
        one(&client.initialize_request(1));
    }
    if let Some(result) = message.result() {
        let client = client();
        if let Some(initialized) = old::initialize_result(result.get(), &client) {
            Object::read(&initialized).expect("a result");
        }
        let wanted = old::Subscription::default();
        if let Some(request) = old::listen_request(7, &client, result.get(), &wanted) {
            one(&request.body);
        }
    }
    if let Some(heard) = old::heard(&message) {
        assert!(matches!(one(&heard).kind(), Kind::Notification { .. }));
    }
}

fn client() -> Client {
    let message = Message::parse(CLIENT.as_bytes()).expect("a message");
    Client::of_initialize(&message).expect("a client")
}

/// A text is one message on one line.
fn one(text: &str) -> Message<'_> {
    assert!(!text.contains(['\n', '\r']), "{text:?}");
    Message::parse(text.as_bytes()).expect("a message")
}

/// The answer is to the request that the client has made.
fn answers(text: &str, id: &serde_json::value::RawValue) {
    let id = MessageId::of(Part::alone(id)).expect("an id");
    assert!(one(text).answers(&id), "{text:?}");
}

fn from_old(message: &Message<'_>) {
    let tools = Message::parse(br#"{"jsonrpc":"2.0","id":"a","method":"tools/call"}"#);
    let tools = tools.expect("a message");
    for request in [message, &tools] {
        let Some(mut call) = old::Call::new(request, &client(), "info") else {
            continue;
        };
        let sent = call.request(7);
        let again = one(&sent.body);
        assert_eq!(again.method(), request.method());
        let version = again.params().meta_protocol_version;
        assert_eq!(version.as_deref(), Some(MODERN_VERSION));
        let headers: HeaderMap = sent.headers.into_iter().collect();
        // What the gateway sends is what it would take.
        new::Call::read(&again, &headers, &[MODERN_VERSION]).expect("a request that is right");
        match call.take(message) {
            old::Said::Nothing => {}
            old::Said::Notification(text) => drop(one(&text)),
            old::Said::Answer(text) => answers(&text, call.id()),
            old::Said::Asks(asks) => {
                let all = asks.questions.iter();
                let results: Vec<_> = all
                    .map(|question| {
                        one(&question.request("q"));
                        "{}".to_owned()
                    })
                    .collect();
                call.answered(&asks, &results);
                one(&call.request(8).body);
            }
        }
    }
}

fn from_new(message: &Message<'_>) {
    let mut headers = HeaderMap::new();
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(MODERN_VERSION));
    if let (Some(method), Kind::Request { .. }) = (message.method(), message.kind()) {
        let params = message.param("name").or_else(|| message.param("uri"));
        let params = params.map(|part| format!(r#"{{"name":{0},"uri":{0}}}"#, part.text()));
        let params = params.as_deref().and_then(Object::read).unwrap_or_default();
        headers.extend(
            mirrored(method, &params)
                .into_iter()
                .map(|(n, v)| (Some(n), v)),
        );
        assert!(headers.contains_key(METHOD));
    }
    let asked = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"n","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}"#;
    let asked = Message::parse(asked.as_bytes()).expect("a message");
    let mut right = HeaderMap::new();
    right.insert(PROTOCOL_VERSION, HeaderValue::from_static(MODERN_VERSION));
    right.insert(METHOD, HeaderValue::from_static("tools/call"));
    right.insert(NAME, HeaderValue::from_static("n"));
    for (request, headers) in [(message, &headers), (&asked, &right)] {
        let call = match new::Call::read(request, headers, &[MODERN_VERSION]) {
            Ok(call) => call,
            Err(refused) => {
                assert!((400..500).contains(&refused.status));
                one(&refused.text(None));
                continue;
            }
        };
        let sent = call.request(7);
        assert_eq!(one(&sent).method(), request.method());
        assert_eq!(one(&sent).params().meta_protocol_version, None);
        answers(&call.discovered(SERVER, &[MODERN_VERSION]), call.id());
        if let Some(filter) = call.filter() {
            one(&call.acknowledged(&filter));
            call.heard(message, &filter).as_deref().map(one);
        }
        match call.take(message, SERVER) {
            new::Said::Nothing => {}
            new::Said::Notification(text) | new::Said::Reply(text) => drop(one(&text)),
            new::Said::Answer { status, text } => {
                assert!((200..600).contains(&status));
                answers(&text, call.id());
            }
            new::Said::Asks(question) => {
                one(&question.answer("{}"));
                answers(&call.asks(&[("k".to_owned(), question)], "s"), call.id());
            }
        }
    }
}
