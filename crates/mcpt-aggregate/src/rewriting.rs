//! What is changed in messages on their way: names and URIs, and the ids by which servers ask.

use std::borrow::Cow;

use mcpt_protocol::{Kind, Message};
use serde_json::value::RawValue;

use crate::{
    ListKind, ServerLabel, Tag,
    edits::{Edits, quoted},
    object::{Object, elements, string},
    uris::expose_uri,
};

/// What becomes of a server's message on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// It goes on as it is.
    AsItIs,
    /// It goes on as this.
    Rewritten(String),
    /// It says that a list is another one: the lists that the client knows are others.
    ListChanged,
}

/// What a request of a client is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About<'m> {
    /// A tool, by the name that the client knows.
    Tool(Cow<'m, str>),
    /// A prompt, likewise.
    Prompt(Cow<'m, str>),
    /// A resource or a template, by its URI.
    Resource(Cow<'m, str>),
}

/// What a request is about; `None` when it is about none of these, or does not say which one.
pub fn about<'m>(message: &Message<'m>) -> Option<About<'m>> {
    let (value, sort) = subject_values(message).into_iter().next_back()?;
    let text = string(value)?;
    Some(match sort {
        Sort::Tool => About::Tool(text),
        Sort::Prompt => About::Prompt(text),
        Sort::Resource => About::Resource(text),
    })
}

/// A request as its server gets it: about what the server calls `own`.
pub fn to_server(message: &Message<'_>, own: &str) -> String {
    let mut edits = Edits::of(message.text());
    for (value, _) in subject_values(message) {
        edits.value(value, quoted(own));
    }
    edits.applied().unwrap_or_else(|| message.text().to_owned())
}

/// A client's answer to a server's question, or its word on how far that is: which server it is for, and as that gets it.
/// `None` when it answers no server.
pub fn answer_to_server(message: &Message<'_>) -> Option<(ServerLabel, String)> {
    let root = root(message)?;
    let place = match message.kind() {
        Kind::Response { .. } => root.get("id")?,
        Kind::Notification { method } if method == "notifications/progress" => {
            Object::of(root.get("params")?).get("progressToken")?
        }
        _ => return None,
    };
    let tag = Tag::read(place)?;
    let mut edits = Edits::of(message.text());
    edits.value(place, tag.own.get().to_owned());
    Some((tag.server, edits.applied()?))
}

/// A server's message as the client gets it.
pub fn from_server(server: &ServerLabel, message: &Message<'_>) -> FromServer {
    let Some(root) = root(message) else {
        return FromServer::AsItIs;
    };
    let mut edits = Edits::of(message.text());
    match message.kind() {
        Kind::Request { .. } => {
            if let Some(id) = root.get("id") {
                edits.value(id, Tag::json(server, id));
            }
            let params = root.get("params").map(Object::of).unwrap_or_default();
            let meta = params.get("_meta").map(Object::of).unwrap_or_default();
            if let Some(token) = meta.get("progressToken") {
                edits.value(token, Tag::json(server, token));
            }
        }
        Kind::Notification { method } => {
            if ListKind::ALL.iter().any(|kind| kind.changed() == method) {
                return FromServer::ListChanged;
            }
            if method == "notifications/resources/updated" {
                let params = root.get("params").map(Object::of).unwrap_or_default();
                uris(&mut edits, server, &params);
            }
        }
        Kind::Response { .. } => {
            if let Some(result) = root.get("result") {
                result_uris(&mut edits, server, &Object::of(result));
            }
        }
    }
    edits
        .applied()
        .map_or(FromServer::AsItIs, FromServer::Rewritten)
}

#[derive(Debug, Clone, Copy)]
enum Sort {
    Tool,
    Prompt,
    Resource,
}

/// The values by which a request says what it is about.
fn subject_values<'m>(message: &Message<'m>) -> Vec<(&'m RawValue, Sort)> {
    let params = root(message).and_then(|root| root.get("params"));
    let params = params.map(Object::of).unwrap_or_default();
    let of = |member: &str, sort| params.all(member).map(|v| (v, sort)).collect();
    match message.method().unwrap_or_default() {
        "tools/call" => of("name", Sort::Tool),
        "prompts/get" => of("name", Sort::Prompt),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            of("uri", Sort::Resource)
        }
        "completion/complete" => {
            let mut values = Vec::new();
            for reference in params.all("ref").map(Object::of) {
                values.extend(reference.all("name").map(|v| (v, Sort::Prompt)));
                values.extend(reference.all("uri").map(|v| (v, Sort::Resource)));
            }
            values
        }
        _ => Vec::new(),
    }
}

fn root<'m>(message: &Message<'m>) -> Option<Object<'m>> {
    serde_json::from_str(message.text()).ok()
}

/// The URIs in the result of a tool, a prompt or a resource, which are told by their form.
fn result_uris<'a>(edits: &mut Edits<'a>, server: &ServerLabel, result: &Object<'a>) {
    ui_uris(edits, server, result);
    let lists = result.all("content").chain(result.all("contents"));
    for item in lists.flat_map(elements).map(Object::of) {
        content_uris(edits, server, &item);
    }
    for message in result.all("messages").flat_map(elements).map(Object::of) {
        for content in message.all("content") {
            content_uris(edits, server, &Object::of(content));
            for item in elements(content).into_iter().map(Object::of) {
                content_uris(edits, server, &item);
            }
        }
    }
}

/// A link, an embedded resource, or what was read of one.
fn content_uris<'a>(edits: &mut Edits<'a>, server: &ServerLabel, item: &Object<'a>) {
    uris(edits, server, item);
    ui_uris(edits, server, item);
    for resource in item.all("resource").map(Object::of) {
        uris(edits, server, &resource);
        ui_uris(edits, server, &resource);
    }
}

fn uris<'a>(edits: &mut Edits<'a>, server: &ServerLabel, object: &Object<'a>) {
    for uri in object.all("uri") {
        edits.string(uri, |uri| Some(expose_uri(server, uri)));
    }
}

/// Where a tool or its result names its user interface.
pub(crate) fn ui_uris<'a>(edits: &mut Edits<'a>, server: &ServerLabel, object: &Object<'a>) {
    for meta in object.all("_meta").map(Object::of) {
        let nested = meta.all("ui").map(Object::of);
        let nested: Vec<_> = nested
            .flat_map(|ui| ui.all("resourceUri").collect::<Vec<_>>())
            .collect();
        for uri in nested.into_iter().chain(meta.all("ui/resourceUri")) {
            edits.string(uri, |uri| Some(expose_uri(server, uri)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> ServerLabel {
        ServerLabel::new(None, "demo")
    }

    #[test]
    fn requests_say_what_the_server_calls_it() {
        for (text, subject, wanted) in [
            (
                r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"old","arguments":{"name":"old", "n":1e2}}}"#,
                About::Tool("old".into()),
                r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"new","arguments":{"name":"old", "n":1e2}}}"#,
            ),
            (
                r#"{"params":{"name":"safe","name":"o\u006cd"},"jsonrpc":"2.0","id":"a","method":"prompts/get"}"#,
                About::Prompt("old".into()),
                r#"{"params":{"name":"new","name":"new"},"jsonrpc":"2.0","id":"a","method":"prompts/get"}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"old"}}}"#,
                About::Resource("old".into()),
                r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"new"}}}"#,
            ),
        ] {
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(about(&message), Some(subject));
            assert_eq!(to_server(&message, "new"), wanted);
        }
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":"a"}}"#,
        ] {
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(about(&message), None, "{text}");
        }
    }

    #[test]
    fn questions_of_servers_are_told_apart_and_answers_find_back() {
        let asked = r#"{"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{"_meta":{"progressToken":"p"},"message":"?"}}"#;
        let message = Message::parse(asked.as_bytes()).unwrap();
        let FromServer::Rewritten(told) = from_server(&demo(), &message) else {
            panic!("it stays")
        };
        let wanted = r#"{"jsonrpc":"2.0","id":"demo 0","method":"elicitation/create","params":{"_meta":{"progressToken":"demo \"p\""},"message":"?"}}"#;
        assert_eq!(told, wanted);
        for (answer, wanted) in [
            (
                r#"{"jsonrpc":"2.0","id":"demo 0","result":{"action": "accept"}}"#,
                r#"{"jsonrpc":"2.0","id":0,"result":{"action": "accept"}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"demo \"p\"","progress":1}}"#,
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}"#,
            ),
        ] {
            let answer = Message::parse(answer.as_bytes()).unwrap();
            assert_eq!(answer_to_server(&answer), Some((demo(), wanted.to_owned())));
        }
        let foreign = br#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
        assert_eq!(answer_to_server(&Message::parse(foreign).unwrap()), None);
    }

    #[test]
    fn uris_of_results_tell_their_server() {
        for (text, wanted) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"resource_link","uri":"file:///a"},{"type":"resource","resource":{"uri":"ui://x","text":"ui://x"}}],"_meta":{"ui":{"resourceUri":"ui://x/y"}},"structuredContent":{"uri":"file:///a"}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"resource_link","uri":"mcpt+demo+file:///a"},{"type":"resource","resource":{"uri":"ui://demo/x","text":"ui://x"}}],"_meta":{"ui":{"resourceUri":"ui://demo/x/y"}},"structuredContent":{"uri":"file:///a"}}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"contents":[{"uri":"file:///a"}]}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"contents":[{"uri":"mcpt+demo+file:///a"}]}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"messages":[{"role":"user","content":{"type":"resource_link","uri":"a:"}}]}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"messages":[{"role":"user","content":{"type":"resource_link","uri":"mcpt+demo+a:"}}]}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:"}}"#,
                r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"mcpt+demo+a:"}}"#,
            ),
        ] {
            let message = Message::parse(text.as_bytes()).unwrap();
            let wanted = FromServer::Rewritten(wanted.to_owned());
            assert_eq!(from_server(&demo(), &message), wanted);
        }
        for (text, wanted) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"x"}]}}"#,
                FromServer::AsItIs,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"result":7}"#, FromServer::AsItIs),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
                FromServer::ListChanged,
            ),
        ] {
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(from_server(&demo(), &message), wanted, "{text}");
        }
    }
}
