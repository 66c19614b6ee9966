//! A client of the session era in front of a server of 2026-07-28.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::{
    Client, META_LEVEL, META_SERVER, META_SUBSCRIPTION, Object, client::without_tasks, is_sort,
    may_ask, mirrored, object::one_line, quoted,
};
use crate::{
    ErrorCode, Kind, MODERN_VERSION, Message, Part, error_response, header::PROTOCOL_VERSION,
    methods::MethodSort,
};

/// Most rounds of one call: a server that asks again and again is no use to its client.
pub const MOST_ROUNDS: usize = 10;

/// A request of 2026-07-28.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The message.
    pub body: String,
    /// The headers that it must have.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// One request of the client, which takes one round at the server or several.
#[derive(Debug)]
pub struct Call {
    id: Box<RawValue>,
    method: String,
    params: Object<'static>,
    meta: Object<'static>,
}

/// What a message of the server means for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// A notification for it.
    Notification(String),
    /// The answer to its request.
    Answer(String),
    /// It is asked for more. A further round follows when it has answered.
    Asks(Asks),
}

/// What a server wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    /// Its questions; none when it only wants to be asked again.
    pub questions: Vec<Question>,
    /// What it wants back with the answers, as JSON.
    state: Option<String>,
}

/// One request to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    key: String,
    method: String,
    params: Option<String>,
}

impl Question {
    /// The request with an id.
    pub fn request(&self, id: &str) -> String {
        let (id, method) = (quoted(id), quoted(&self.method));
        let params = self
            .params
            .as_deref()
            .map(|params| format!(r#","params":{params}"#));
        let params = params.unwrap_or_default();
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method}{params}}}"#)
    }

    /// What it asks for.
    pub fn method(&self) -> &str {
        &self.method
    }
}

impl Call {
    /// A request of this client, which hears log messages from `level` on; `None` if the message is no request, or one that
    /// only the session era has.
    pub fn new(message: &Message<'_>, client: &Client, level: &str) -> Option<Self> {
        let Kind::Request { id, method } = message.kind() else {
            return None;
        };
        if is_sort(method, MethodSort::OfSessions) {
            return None;
        }
        let mut params = message.params_object().unwrap_or_default().into_owned();
        let meta = params.take("_meta");
        let meta = meta.as_deref().and_then(Object::read).unwrap_or_default();
        let mut meta = meta.into_owned();
        client.tell(&mut meta);
        meta.set(META_LEVEL, quoted(level));
        Some(Self {
            id: (*id).to_owned(),
            method: method.clone().into_owned(),
            params,
            meta,
        })
    }

    /// The id that the client gave it.
    pub fn id(&self) -> &RawValue {
        &self.id
    }

    /// Whether it changes nothing, or nothing that anybody would notice twice.
    pub fn only_reads(&self) -> bool {
        self.method != "tools/call"
    }

    /// The request of the next round. Each needs an id of its own.
    pub fn request(&self, id: u64) -> Request {
        let mut params = self.params.clone();
        params.set("_meta", self.meta.to_string());
        request(id, &self.method, &params)
    }

    /// Takes in the answers of the client, each as the JSON text of its result and in the order of the questions.
    pub fn answered(&mut self, asks: &Asks, answers: &[String]) {
        let mut responses = Object::default();
        for (question, answer) in asks.questions.iter().zip(answers) {
            responses.set(&question.key, answer.clone());
        }
        self.params.take("requestState");
        self.params.set("inputResponses", responses.to_string());
        if let Some(state) = &asks.state {
            self.params.set("requestState", state.clone());
        }
    }

    /// What the server has said means for the client.
    pub fn take(&self, message: &Message<'_>) -> Said {
        match message.kind() {
            Kind::Notification { .. } => heard(message).map_or(Said::Nothing, Said::Notification),
            // A server of this era asks nothing by itself.
            Kind::Request { .. } => Said::Nothing,
            Kind::Response { is_error: true, .. } => Said::Answer(self.failed(message)),
            Kind::Response { .. } => self.result(message),
        }
    }

    /// The answer when the server gave none that can be used.
    pub fn without_answer(&self, why: &str) -> String {
        error_response(Some(self.id_part()), ErrorCode::INTERNAL_ERROR, why, None)
    }

    fn id_part(&self) -> Part<'_> {
        Part::alone(&self.id)
    }

    fn failed(&self, message: &Message<'_>) -> String {
        let mut error = message.error_object().unwrap_or_default();
        if self.method == "resources/read"
            && error.get("code") == Some(&*ErrorCode::INVALID_PARAMS.0.to_string())
        {
            error.set("code", ErrorCode::RESOURCE_NOT_FOUND.0.to_string());
        }
        format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, self.id)
    }

    fn result(&self, message: &Message<'_>) -> Said {
        let result = message.result().map(RawValue::get);
        let Some(mut result) = result.and_then(Object::read) else {
            return Said::Answer(self.without_answer("the server's result is no object"));
        };
        match result.text("resultType").as_deref() {
            None | Some("complete") => {}
            Some("input_required") if may_ask(&self.method) => {
                return match asks(&result) {
                    Some(asks) => Said::Asks(asks),
                    None => Said::Answer(
                        self.without_answer("the server asks for more in a way that is not valid"),
                    ),
                };
            }
            Some(_) => {
                let why = "the server's result is of a type that this client cannot know";
                return Said::Answer(self.without_answer(why));
            }
        }
        as_session_result(&self.method, &mut result);
        Said::Answer(format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
            self.id
        ))
    }
}

/// The questions of a result.
fn asks(result: &Object<'_>) -> Option<Asks> {
    let mut questions = Vec::new();
    if let Some(requests) = result.get("inputRequests") {
        for (key, request) in Object::read(requests)?.fields() {
            let request = Object::read(request)?;
            questions.push(Question {
                key: key.to_owned(),
                method: request.text("method")?,
                params: request.get("params").map(str::to_owned),
            });
        }
    }
    let state = result.get("requestState").map(str::to_owned);
    (!questions.is_empty() || state.is_some()).then_some(Asks { questions, state })
}

/// Takes out of a result what the session era does not have.
fn as_session_result(method: &str, result: &mut Object<'_>) {
    for name in ["resultType", "ttlMs", "cacheScope"] {
        result.take(name);
    }
    let meta = result.take("_meta");
    if let Some(mut meta) = meta.as_deref().and_then(Object::read) {
        meta.take(META_SERVER);
        if !meta.is_empty() {
            let meta = meta.to_string();
            result.set("_meta", meta);
        }
    }
    if method == "tools/call"
        && result
            .get("structuredContent")
            .is_some_and(|c| !is_object(c))
    {
        result.take("structuredContent");
    }
    if method == "tools/list" {
        let tools = result.get("tools").and_then(|tools| {
            let tools = serde_json::from_str::<Vec<&RawValue>>(tools).ok()?;
            let tools: Vec<_> = tools
                .into_iter()
                .map(|tool| as_session_tool(tool.get()))
                .collect();
            Some(format!("[{}]", tools.join(",")))
        });
        if let Some(tools) = tools {
            result.set("tools", tools);
        }
    }
}

/// A tool as the session era describes it: its output, if it is described, is an object.
fn as_session_tool(text: &str) -> Cow<'_, str> {
    let Some(mut tool) = Object::read(text) else {
        return Cow::Borrowed(text);
    };
    let of_object = tool.get("outputSchema").is_none_or(|schema| {
        Object::read(schema).and_then(|s| s.text("type")).as_deref() == Some("object")
    });
    if of_object {
        return Cow::Borrowed(text);
    }
    tool.take("outputSchema");
    Cow::Owned(tool.to_string())
}

fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

fn request(id: u64, method: &str, params: &Object<'_>) -> Request {
    let named = quoted(method);
    let mut headers = vec![(PROTOCOL_VERSION, HeaderValue::from_static(MODERN_VERSION))];
    headers.extend(mirrored(method, params));
    Request {
        body: format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{named},"params":{params}}}"#),
        headers,
    }
}

/// The result of `initialize`, by that of `server/discover`; `None` if that is none.
pub fn initialize_result(discovered: &str, client: &Client) -> Option<String> {
    let discovered = Object::read(discovered)?;
    let mut capabilities = discovered.object("capabilities")?;
    without_tasks(&mut capabilities);
    let meta = discovered.object("_meta");
    let server = meta.as_ref().and_then(|meta| meta.object(META_SERVER));
    let server = server.filter(|server| server.text("name").is_some());
    let server = server.map_or_else(
        || r#"{"name":"unknown","version":"0"}"#.to_owned(),
        |server| server.to_string(),
    );
    let mut result = Object::default();
    result.set("protocolVersion", quoted(client.version()));
    result.set("capabilities", capabilities.to_string());
    result.set("serverInfo", server);
    if let Some(instructions) = discovered.get("instructions") {
        result.set("instructions", instructions.to_owned());
    }
    Some(result.to_string())
}

/// What a client wants to hear of without having asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// URIs of resources that it has subscribed to.
    pub resources: Vec<String>,
}

/// The request that listens for what a server with this result of `server/discover` may have to say to the client by itself;
/// `None` if it is nothing.
pub fn listen_request(
    id: u64,
    client: &Client,
    discovered: &str,
    wanted: &Subscription,
) -> Option<Request> {
    let discovered = Object::read(discovered)?;
    let capabilities = discovered.object("capabilities")?;
    let mut filter = Object::default();
    for (name, field) in [
        ("tools", "toolsListChanged"),
        ("prompts", "promptsListChanged"),
        ("resources", "resourcesListChanged"),
    ] {
        let offered = capabilities.object(name);
        if offered.is_some_and(|offered| offered.get("listChanged") == Some("true")) {
            filter.set(field, "true");
        }
    }
    if !wanted.resources.is_empty() {
        let uris: Vec<_> = wanted.resources.iter().map(|uri| quoted(uri)).collect();
        filter.set("resourceSubscriptions", format!("[{}]", uris.join(",")));
    }
    if filter.is_empty() {
        return None;
    }
    let mut meta = Object::default();
    client.tell(&mut meta);
    let mut params = Object::default();
    params.set("notifications", filter.to_string());
    params.set("_meta", meta.to_string());
    Some(request(id, "subscriptions/listen", &params))
}

/// A notification of the server as the client gets it; `None` if it is none for it.
pub fn heard(message: &Message<'_>) -> Option<String> {
    let Kind::Notification { method } = message.kind() else {
        return None;
    };
    if method == "notifications/subscriptions/acknowledged" || method == "notifications/cancelled" {
        return None;
    }
    let Some(mut params) = message.params_object() else {
        return Some(one_line(message.text()));
    };
    let meta = params.take("_meta");
    if let Some(mut meta) = meta.as_deref().and_then(Object::read) {
        meta.take(META_SUBSCRIPTION);
        if !meta.is_empty() {
            let meta = meta.to_string();
            params.set("_meta", meta);
        }
    }
    let method = quoted(method);
    let params = params.to_string();
    Some(format!(
        r#"{{"jsonrpc":"2.0","method":{method},"params":{params}}}"#
    ))
}
