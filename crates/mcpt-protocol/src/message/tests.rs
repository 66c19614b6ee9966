//! Tables and properties of the envelope.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{ErrorCode, error_response};

fn line(message: &Message<'_>, replacements: &[(Part<'_>, &str)]) -> String {
    let mut out = Vec::new();
    message.write_line(replacements, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn kinds() {
    let kind = |text: &str| match Message::parse(text.as_bytes()).map(|m| m.kind().clone()) {
        Ok(Kind::Request { id, method }) => format!("request {} {method}", id.text()),
        Ok(Kind::Notification { method }) => format!("notification {method}"),
        Ok(Kind::Response { id, is_error }) => {
            format!("response {} {is_error}", id.map_or("none", Part::text))
        }
        Err(MalformedMessage::NotJson(_)) => "not JSON".to_owned(),
        Err(other) => other.to_string(),
    };
    for (text, expect) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            "request 1 ping",
        ),
        (
            r#"{"jsonrpc":"2.0","id":"1","method":"a\u0062"}"#,
            "request \"1\" ab",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.50,"method":"m"}"#,
            "request 1.50 m",
        ),
        (
            r#"{"jsonrpc":"2.0","id":9007199254740993000000,"method":"m"}"#,
            "request 9007199254740993000000 m",
        ),
        (
            r#"{"jsonrpc":"2.0","id":-1e3,"method":"m"}"#,
            "request -1e3 m",
        ),
        (
            r#"{"jsonrpc":"2.0","method":"m","params":[]}"#,
            "notification m",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
            "response 1 false",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"error":{}}"#,
            "response none true",
        ),
        (
            r#"{"jsonrpc":"2.0","error":{"code":1,"message":"m"}}"#,
            "response none true",
        ),
        (
            r#"{"jsonrpc":"2.0","result":{}}"#,
            "not a JSON-RPC 2.0 message: neither a method nor an answer to an id",
        ),
        (
            r#"{"jsonrpc":"2.0","id":{},"error":{}}"#,
            "not a JSON-RPC 2.0 message: neither a method nor an answer to an id",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{},"result":null}"#,
            "not a JSON-RPC 2.0 message: both a result and an error",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"result":1}"#,
            "not a JSON-RPC 2.0 message: neither a method nor an answer to an id",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
            "not a JSON-RPC 2.0 message: the id is neither string nor number",
        ),
        (
            r#"{"jsonrpc":"2.0","id":true,"method":"m"}"#,
            "not a JSON-RPC 2.0 message: the id is neither string nor number",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#,
            "not a JSON-RPC 2.0 message: a field of the envelope is duplicate or of a wrong type",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            "not a JSON-RPC 2.0 message: a field of the envelope is duplicate or of a wrong type",
        ),
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
            "not a JSON-RPC 2.0 message: jsonrpc is not \"2.0\"",
        ),
        (
            r#"{"id":1,"method":"m"}"#,
            "not a JSON-RPC 2.0 message: jsonrpc is not \"2.0\"",
        ),
        (
            r#" [{"jsonrpc":"2.0"}]"#,
            "a batch, where one message is expected",
        ),
        ("12", "not a JSON-RPC 2.0 message: not an object"),
        ("listening on stdio", "not JSON"),
        ("", "not JSON"),
        (r#"{"jsonrpc":"2.0","#, "not JSON"),
        (r#"{"jsonrpc":"2.0","method":"m"} x"#, "not JSON"),
    ] {
        assert_eq!(kind(text), expect, "{text}");
    }
    assert!(matches!(
        Message::parse(b"\xff{}"),
        Err(MalformedMessage::NotJson(_))
    ));
}

#[test]
fn parameters() {
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":"\u0031","io.modelcontextprotocol/protocolVersion":"2026-07-28"},"requestId":7,"progressToken":1.0,"protocolVersion":"x"}}"#;
    let message = Message::parse(text.as_bytes()).unwrap();
    let params = message.params();
    assert_eq!(params.meta_progress_token.unwrap().text(), r#""\u0031""#);
    assert_eq!(params.meta_protocol_version.as_deref(), Some("2026-07-28"));
    assert_eq!(params.request_id.unwrap().as_u64(), Some(7));
    assert_eq!(params.progress_token.unwrap().text(), "1.0");
    assert_eq!(params.protocol_version.as_deref(), Some("x"));
    let rewritten = line(
        &message,
        &[
            (params.meta_progress_token.unwrap(), "5"),
            (params.request_id.unwrap(), "\"seven\""),
        ],
    );
    assert_eq!(
        rewritten,
        text.replace(r#""\u0031""#, "5")
            .replace(r#""requestId":7"#, r#""requestId":"seven""#)
    );

    for odd in [
        "[1]",
        "null",
        "3",
        r#"{"_meta":3}"#,
        r#"{"_meta":{"progressToken":null}}"#,
        r#"{"_meta":{"progressToken":{}}}"#,
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"m","params":{odd}}}"#);
        let message = Message::parse(text.as_bytes()).unwrap();
        assert!(message.params().meta_progress_token.is_none(), "{odd}");
    }
}

#[test]
fn a_rewritten_message_is_one_line() {
    let text = "{\r\n \"jsonrpc\": \"2.0\",\n\t\"id\": 1,\n \"method\": \"m\", \"params\": {\"a\":\n\"x\\ny\"}\n}";
    let message = Message::parse(text.as_bytes()).unwrap();
    let Kind::Request { id, .. } = message.kind() else {
        panic!("a request")
    };
    let out = line(&message, &[(*id, "22")]);
    assert!(!out.contains(['\n', '\r']));
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap(),
        json!({"jsonrpc": "2.0", "id": 22, "method": "m", "params": {"a": "x\ny"}})
    );
}

#[test]
fn batches() {
    assert_eq!(
        split_batch(b" [ {\"a\":1} ,2] ", 2),
        Ok(vec![&b"{\"a\":1}"[..], b"2"])
    );
    for refused in ["[]", "{}", "[1,2,3]", "[1", "[1] 2", ""] {
        assert!(split_batch(refused.as_bytes(), 2).is_err(), "{refused}");
    }
    // No more is looked at than may be there.
    let endless = "[1,2,3,".repeat(1000);
    assert!(matches!(
        split_batch(endless.as_bytes(), 2),
        Err(MalformedMessage::NotJsonRpc(_))
    ));
}

#[test]
fn one_parameter() {
    let text = r#"{"jsonrpc":"2.0","method":"m","params":{"a":1.0, "\u0062":[2]}}"#;
    let message = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(message.param("a").unwrap().text(), "1.0");
    let out = line(&message, &[(message.param("b").unwrap(), "{}")]);
    assert_eq!(out, text.replace("[2]", "{}"));
    assert!(message.param("c").is_none());
}

#[test]
fn answers_are_matched_by_value() {
    let answers = |answer: &str, id: u64| {
        let answer = Message::parse(answer.as_bytes()).unwrap();
        answer.answers(&MessageId::from(id))
    };
    assert!(answers(r#"{"jsonrpc":"2.0","id":1,"result":1}"#, 1));
    assert!(answers(r#"{"jsonrpc":"2.0","id":1.0,"result":1}"#, 1));
    assert!(!answers(r#"{"jsonrpc":"2.0","id":2,"result":1}"#, 1));
    assert!(!answers(r#"{"jsonrpc":"2.0","id":"1","result":1}"#, 1));
    assert!(!answers(r#"{"jsonrpc":"2.0","error":{},"id":null}"#, 1));
    assert!(!answers(r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#, 1));
}

#[test]
fn error_responses_keep_the_id() {
    let message = Message::parse(br#"{"jsonrpc":"2.0","id":1.0,"method":"m"}"#).unwrap();
    let Kind::Request { id, .. } = message.kind() else {
        panic!("a request")
    };
    let data = json!({"supported": []});
    assert_eq!(
        error_response(
            Some(*id),
            ErrorCode::INVALID_REQUEST,
            "no \"x\"",
            Some(&data)
        ),
        r#"{"jsonrpc":"2.0","id":1.0,"error":{"code":-32600,"message":"no \"x\"","data":{"supported":[]}}}"#
    );
    assert_eq!(
        error_response(None, ErrorCode::PARSE_ERROR, "p", None),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"p"}}"#
    );
}

/// Any JSON value as text, with blanks where JSON allows them.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?",
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[ {}]", items.join(" ,"))),
            prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|fields| {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(k, v)| format!("{}: {v}", serde_json::to_string(k).unwrap()))
                    .collect();
                format!("{{{} }}", fields.join(", "))
            }),
        ]
    })
}

fn id_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        "[1-9][0-9]{20,40}",
        "-?[0-9]\\.[0-9]{1,9}",
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
    ]
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::parse(&bytes) {
            let _ = message.params();
        }
        let _ = split_batch(&bytes, 5);
    }

    #[test]
    fn never_panics_on_nearly_json(text in r#"[\[\]{}",:0-9a-z\\ ]{0,80}"#) {
        let text = format!(r#"{{"jsonrpc":"2.0",{text}}}"#);
        if let Ok(message) = Message::parse(text.as_bytes()) {
            let _ = message.params();
            let _ = line(&message, &[]);
        }
    }

    #[test]
    fn all_but_the_id_survives(id in id_text(), params in json_text(), extra in json_text()) {
        let with_id = |id: &str| format!(
            r#"{{"extra":{extra}, "params" : {params},"id":{id} ,"method":"m","jsonrpc":"2.0"}}"#
        );
        let text = with_id(&id);
        let message = Message::parse(text.as_bytes()).unwrap();
        let Kind::Request { id: part, .. } = message.kind() else {
            return Err(TestCaseError::fail("a request"));
        };
        prop_assert_eq!(part.text(), &id);
        prop_assert_eq!(line(&message, &[]), text.as_str());
        let rewritten = line(&message, &[(*part, "42")]);
        prop_assert_eq!(&rewritten, &with_id("42"));
        let back = Message::parse(rewritten.as_bytes()).unwrap();
        let Kind::Request { id: part, .. } = back.kind() else {
            return Err(TestCaseError::fail("a request"));
        };
        prop_assert_eq!(line(&back, &[(*part, &id)]), text);
    }

    #[test]
    fn progress_tokens_go_out_and_back(token in id_text(), rest in json_text()) {
        let request = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"x":{rest},"_meta":{{"y":{rest},"progressToken":{token}}}}}}}"#
        );
        let message = Message::parse(request.as_bytes()).unwrap();
        let part = message.params().meta_progress_token.unwrap();
        let sent = line(&message, &[(part, "7")]);
        let sent = Message::parse(sent.as_bytes()).unwrap();
        let part = sent.params().meta_progress_token.unwrap();
        prop_assert_eq!(part.as_u64(), Some(7));
        prop_assert_eq!(line(&sent, &[(part, &token)]), request);
    }
}
