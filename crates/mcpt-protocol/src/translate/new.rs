//! A client of 2026-07-28 in front of a server of the session era.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json, value::RawValue};

use super::{
    Client, META_CAPABILITIES, META_CLIENT, META_LEVEL, META_SERVER, META_SUBSCRIPTION,
    META_VERSION, Object, client::without_tasks, decoded, is_sort, may_ask, name_parameter,
    object::one_line, quoted,
};
use crate::{
    ErrorCode, Kind, MODERN_VERSION, Message, Part, error_response, handshake,
    header::{self, METHOD, NAME, PROTOCOL_VERSION},
    methods::{McpMethod, MethodSort},
};

/// The error by which a server of 2025-11-25 sends its client to a URL first.
const URL_FIRST: i64 = -32042;

/// Why a request is not taken, as HTTP and as JSON-RPC say it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// Status of the answer.
    pub status: u16,
    /// Code of the error.
    pub code: ErrorCode,
    /// What is wrong.
    pub message: String,
    /// What programs can read of it.
    pub data: Option<Value>,
}

impl Refused {
    fn new(status: u16, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            data: None,
        }
    }

    fn mismatch(name: &HeaderName, fault: &str) -> Self {
        Self::new(
            400,
            ErrorCode::HEADER_MISMATCH,
            format!("the header {name} {fault}"),
        )
    }

    fn unknown(method: &str) -> Self {
        Self::new(
            404,
            ErrorCode::METHOD_NOT_FOUND,
            format!("no method {method}"),
        )
    }

    /// The error's text, to the request with this id.
    pub fn text(&self, id: Option<Part<'_>>) -> String {
        error_response(id, self.code, &self.message, self.data.as_ref())
    }
}

/// One request of the client.
#[derive(Debug)]
pub struct Call {
    id: Box<RawValue>,
    method: String,
    /// What goes on to the server.
    params: Object<'static>,
    client: Client,
    level: Option<String>,
}

/// What a message of the server means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing for the client.
    Nothing,
    /// A notification for it.
    Notification(String),
    /// The answer to its request, with the status that it has.
    Answer {
        /// HTTP's.
        status: u16,
        /// The message.
        text: String,
    },
    /// A request to the client, which no server may make in its era: a question of the answer.
    Asks(Question),
    /// A request that is answered without the client, by this message.
    Reply(String),
}

/// What a server wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The id that the server waits for, as JSON.
    id: String,
    method: String,
    params: Option<String>,
}

impl Question {
    /// The answer to the server, by the JSON text of the result.
    pub fn answer(&self, result: &str) -> String {
        let result = one_line(result);
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, self.id)
    }
}

/// What a client wants to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    lists: Vec<&'static str>,
    /// URIs of resources.
    pub resources: Vec<String>,
}

impl Call {
    /// Reads a request as strictly as a server of 2026-07-28 does; `spoken` are the versions that the address speaks.
    ///
    /// # Errors
    /// [`Refused`] when it is not as it must be, or of a method that only the session era has.
    pub fn read(
        message: &Message<'_>,
        headers: &HeaderMap,
        spoken: &[&str],
    ) -> Result<Self, Refused> {
        let call = Self::checked(message, headers, spoken)?;
        if is_sort(&call.method, MethodSort::OfSessions) {
            return Err(Refused::unknown(&call.method));
        }
        Ok(call)
    }

    /// Like [`Call::read`], but for a server of 2026-07-28: which methods there are is its own matter, but for `initialize`,
    /// which would take it out of its era.
    ///
    /// # Errors
    /// [`Refused`] when it is not as it must be.
    pub fn checked(
        message: &Message<'_>,
        headers: &HeaderMap,
        spoken: &[&str],
    ) -> Result<Self, Refused> {
        let Kind::Request { id, method } = message.kind() else {
            let why = "only requests and notifications are taken";
            return Err(Refused::new(400, ErrorCode::INVALID_REQUEST, why));
        };
        let lacks = |name: &str| {
            let why = format!("_meta lacks {name}");
            Refused::new(400, ErrorCode::INVALID_PARAMS, why)
        };
        let mut params = message.params_object().unwrap_or_default().into_owned();
        let meta = params.take("_meta").ok_or_else(|| lacks(META_VERSION))?;
        let mut meta = Object::read(&meta).ok_or_else(|| lacks(META_VERSION))?;
        let version = meta.text(META_VERSION).ok_or_else(|| lacks(META_VERSION))?;
        let client = Client::of_meta(&meta).ok_or_else(|| lacks(META_CAPABILITIES))?;
        check_header(headers, &PROTOCOL_VERSION, &version)?;
        if version != MODERN_VERSION {
            return Err(Refused {
                data: Some(json!({"supported": spoken, "requested": version})),
                ..Refused::new(
                    400,
                    ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
                    "the protocol version is not supported",
                )
            });
        }
        check_header(headers, &METHOD, method)?;
        if let Some(name) = name_parameter(method).and_then(|name| params.text(name)) {
            check_header(headers, &NAME, &name)?;
        }
        if *method == handshake::INITIALIZE {
            return Err(Refused::unknown(method));
        }
        let level = meta.text(META_LEVEL);
        for name in [META_VERSION, META_CAPABILITIES, META_CLIENT, META_LEVEL] {
            meta.take(name);
        }
        if !meta.is_empty() {
            params.set("_meta", meta.to_string());
        }
        Ok(Self {
            id: (*id).to_owned(),
            method: method.clone().into_owned(),
            params,
            client,
            level,
        })
    }

    /// The id that the client gave it.
    pub fn id(&self) -> &RawValue {
        &self.id
    }

    /// Its method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Who asks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// From which level on it wants log messages.
    pub fn level(&self) -> Option<&str> {
        self.level.as_deref()
    }

    /// What was handed out with the questions that this call answers.
    pub fn request_state(&self) -> Option<String> {
        self.params.text("requestState")
    }

    /// The answer to the question with this key, as JSON.
    pub fn response(&self, key: &str) -> Option<String> {
        self.params
            .object("inputResponses")?
            .get(key)
            .map(str::to_owned)
    }

    /// The text that is the same for all rounds of one call.
    pub fn subject(&self) -> String {
        let mut params = self.params.clone();
        for name in ["requestState", "inputResponses", "_meta"] {
            params.take(name);
        }
        format!("{} {params}", self.method)
    }

    /// Whether it listens until one of both ends it.
    pub fn listens(&self) -> bool {
        self.method == "subscriptions/listen"
    }

    /// What it wants to hear of, if it listens.
    pub fn filter(&self) -> Option<Filter> {
        if !self.listens() {
            return None;
        }
        let wanted = self.params.object("notifications").unwrap_or_default();
        let lists = [
            "toolsListChanged",
            "promptsListChanged",
            "resourcesListChanged",
        ];
        let is_wanted = |name: &&str| wanted.get(name) == Some("true");
        let resources = wanted.get("resourceSubscriptions");
        let resources = resources.and_then(|uris| serde_json::from_str(uris).ok());
        Some(Filter {
            lists: lists.into_iter().filter(is_wanted).collect(),
            resources: resources.unwrap_or_default(),
        })
    }

    /// The message to the server, with an id that is of the session.
    pub fn request(&self, id: u64) -> String {
        let (method, params) = (quoted(&self.method), self.params.to_string());
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#)
    }

    /// What a message of the server means, which has said in `initialized` who it is.
    pub fn take(&self, message: &Message<'_>, initialized: &str) -> Said {
        match message.kind() {
            Kind::Notification { method } if method == "notifications/message" => {
                let wanted = self.level.is_some();
                let text = wanted.then(|| one_line(message.text()));
                text.map_or(Said::Nothing, Said::Notification)
            }
            Kind::Notification { method } if method == "notifications/progress" => {
                Said::Notification(one_line(message.text()))
            }
            Kind::Notification { .. } => Said::Nothing,
            Kind::Request { id, method } => self.asked(message, *id, method),
            Kind::Response { is_error, .. } => {
                let id = &self.id;
                if *is_error {
                    return self.failed(message);
                }
                let result = message.result().map_or("null", RawValue::get);
                let result = Object::read(result)
                    .map(|result| as_stateless_result(&self.method, result, initialized));
                let text = match result {
                    Some(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
                    None => self.without_answer("the server's result is no object"),
                };
                Said::Answer { status: 200, text }
            }
        }
    }

    fn asked(&self, message: &Message<'_>, id: Part<'_>, method: &str) -> Said {
        let id = id.text();
        if method == "ping" {
            return Said::Reply(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        }
        if self.client.answers(method) && may_ask(&self.method) {
            let params = message.params_object();
            return Said::Asks(Question {
                id: id.to_owned(),
                method: method.to_owned(),
                params: params.map(|params| params.to_string()),
            });
        }
        let why = "the client cannot be asked this";
        let code = ErrorCode::METHOD_NOT_FOUND.0;
        let error = format!(r#"{{"code":{code},"message":"{why}"}}"#);
        Said::Reply(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
    }

    fn failed(&self, message: &Message<'_>) -> Said {
        let mut error = message.error_object().unwrap_or_default();
        let code: i64 = error
            .get("code")
            .and_then(|code| code.parse().ok())
            .unwrap_or_default();
        if code == URL_FIRST
            && may_ask(&self.method)
            && let Some(text) = self.url_first(&error)
        {
            return Said::Answer { status: 200, text };
        }
        if code == i64::from(ErrorCode::RESOURCE_NOT_FOUND.0) {
            error.set("code", ErrorCode::INVALID_PARAMS.0.to_string());
        }
        let is = |one: ErrorCode| code == i64::from(one.0);
        let status = if is(ErrorCode::METHOD_NOT_FOUND) {
            404
        } else if is(ErrorCode::MISSING_CLIENT_CAPABILITY) {
            400
        } else {
            200
        };
        let error = error.to_string();
        Said::Answer {
            status,
            text: format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, self.id),
        }
    }

    /// A client that must go to a URL before its call is asked to do so, and calls again then.
    fn url_first(&self, error: &Object<'_>) -> Option<String> {
        let data = error.object("data")?;
        let all: Vec<&RawValue> = serde_json::from_str(data.get("elicitations")?).ok()?;
        let mut requests = Object::default();
        for (index, params) in all.iter().enumerate() {
            let params = one_line(params.get());
            requests.set(
                &format!("url-{index}"),
                format!(r#"{{"method":"elicitation/create","params":{params}}}"#),
            );
        }
        (!requests.is_empty()).then(|| self.input_required(&requests, None))
    }

    /// The answer that asks the client: a key for each question, and what it must give back.
    pub fn asks(&self, questions: &[(String, Question)], state: &str) -> String {
        let mut requests = Object::default();
        for (key, question) in questions {
            let params = question.params.as_deref().unwrap_or("{}");
            let method = quoted(&question.method);
            requests.set(key, format!(r#"{{"method":{method},"params":{params}}}"#));
        }
        self.input_required(&requests, Some(state))
    }

    fn input_required(&self, requests: &Object<'_>, state: Option<&str>) -> String {
        let mut result = Object::default();
        result.set("resultType", r#""input_required""#);
        result.set("inputRequests", requests.to_string());
        if let Some(state) = state {
            result.set("requestState", quoted(state));
        }
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, self.id)
    }

    /// The answer when the server gave none that can be used.
    pub fn without_answer(&self, why: &str) -> String {
        let id = Part::alone(&self.id);
        error_response(Some(id), ErrorCode::INTERNAL_ERROR, why, None)
    }

    /// The answer, with its status, when the server has refused the request by HTTP alone, with this status.
    pub fn refused(&self, status: u16) -> (u16, String) {
        // Servers that know no such method say so in many ways.
        if matches!(status, 400 | 404 | 405 | 501) && !is_sort(&self.method, MethodSort::OfBoth) {
            let id = Part::alone(&self.id);
            return (404, Refused::unknown(&self.method).text(Some(id)));
        }
        let why = format!("the server answered {status} without a message");
        (502, self.without_answer(&why))
    }

    /// The answer to `server/discover`, by the server's answer to `initialize`.
    pub fn discovered(&self, initialized: &str, spoken: &[&str]) -> String {
        let initialized_by = initialized;
        let initialized = Object::read(initialized).unwrap_or_default();
        let mut capabilities = initialized.object("capabilities").unwrap_or_default();
        without_tasks(&mut capabilities);
        let mut result = Object::default();
        let spoken: Vec<_> = spoken.iter().map(|version| quoted(version)).collect();
        result.set("supportedVersions", format!("[{}]", spoken.join(",")));
        result.set("capabilities", capabilities.to_string());
        if let Some(instructions) = initialized.get("instructions") {
            result.set("instructions", instructions.to_owned());
        }
        let result = as_stateless_result(&self.method, result, initialized_by);
        format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, self.id)
    }

    /// The first message to a client that listens: what of its filter a server of the session era can tell.
    pub fn acknowledged(&self, filter: &Filter) -> String {
        let mut honoured = Object::default();
        for name in &filter.lists {
            honoured.set(name, "true");
        }
        if !filter.resources.is_empty() {
            let uris: Vec<_> = filter.resources.iter().map(|uri| quoted(uri)).collect();
            honoured.set("resourceSubscriptions", format!("[{}]", uris.join(",")));
        }
        let mut params = Object::default();
        params.set("notifications", honoured.to_string());
        self.tagged("notifications/subscriptions/acknowledged", params)
    }

    /// A notification as a client that listens gets it; `None` if it is nothing that it wants to hear of.
    pub fn heard(&self, message: &Message<'_>, filter: &Filter) -> Option<String> {
        let params = message.params_object().unwrap_or_default();
        let method = message.method()?;
        let wanted = match method {
            "notifications/tools/list_changed" => filter.lists.contains(&"toolsListChanged"),
            "notifications/prompts/list_changed" => filter.lists.contains(&"promptsListChanged"),
            "notifications/resources/list_changed" => {
                filter.lists.contains(&"resourcesListChanged")
            }
            "notifications/resources/updated" => {
                let uri = params.text("uri")?;
                filter.resources.contains(&uri)
            }
            _ => false,
        };
        wanted.then(|| self.tagged(method, params))
    }

    fn tagged(&self, method: &str, mut params: Object<'_>) -> String {
        let meta = params.take("_meta");
        let mut meta = meta.as_deref().and_then(Object::read).unwrap_or_default();
        meta.set(META_SUBSCRIPTION, self.id.get());
        let meta = meta.to_string();
        params.set("_meta", meta);
        let (method, params) = (quoted(method), params.to_string());
        format!(r#"{{"jsonrpc":"2.0","method":{method},"params":{params}}}"#)
    }
}

/// The status of the answer of a server of 2026-07-28 over stdio, where there is none.
pub fn status_of(answer: &Message<'_>) -> u16 {
    let code = answer.error().map(|error| error.code);
    let is = |one: ErrorCode| code == Some(i64::from(one.0));
    if is(ErrorCode::METHOD_NOT_FOUND) {
        404
    } else if [
        ErrorCode::HEADER_MISMATCH,
        ErrorCode::MISSING_CLIENT_CAPABILITY,
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
    ]
    .into_iter()
    .any(is)
    {
        400
    } else {
        200
    }
}

/// A result with what 2026-07-28 wants in each.
fn as_stateless_result(method: &str, mut result: Object<'_>, initialized: &str) -> String {
    let asks = may_ask(method)
        && (result.get("inputRequests").is_some() || result.get("requestState").is_some());
    // Servers that know the stateless era too may ask in its way even here.
    let kind = if asks {
        r#""input_required""#
    } else {
        r#""complete""#
    };
    result.set("resultType", kind);
    if McpMethod::find(method).is_some_and(|method| method.kept) && !asks {
        // How long a result holds is nothing that a server of the session era says.
        result.set("ttlMs", "0");
        result.set("cacheScope", r#""private""#);
    }
    let server = Object::read(initialized);
    if let Some(server) = server.as_ref().and_then(|said| said.get("serverInfo")) {
        let meta = result.take("_meta");
        let mut meta = meta.as_deref().and_then(Object::read).unwrap_or_default();
        meta.set(META_SERVER, server.to_owned());
        let meta = meta.to_string();
        result.set("_meta", meta);
    }
    result.to_string()
}

/// A header that must say what the body says.
fn check_header(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> Result<(), Refused> {
    let value: Option<&HeaderValue> = header::single(headers, name)
        .map_err(|_| Refused::mismatch(name, "stands there more than once"))?;
    let value = value.ok_or_else(|| Refused::mismatch(name, "is missing"))?;
    // What decides by the version compares it as it stands.
    let same = if name == PROTOCOL_VERSION {
        value == wanted
    } else {
        decoded(value).as_deref() == Some(wanted)
    };
    if same {
        Ok(())
    } else {
        Err(Refused::mismatch(name, "says something else than the body"))
    }
}
