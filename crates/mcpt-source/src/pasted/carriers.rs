//! Programs that carry the messages of another server: what they carry is what is meant.

use std::collections::{BTreeMap, VecDeque};

use super::{PastedError, in_text, is_address, options::OptionSet, refused, start};
use crate::{RemoteKind, Source, draft::Draft};

const MCP_REMOTE: OptionSet = OptionSet {
    program: "mcp-remote",
    flags: &["allow-http", "debug", "enable-proxy", "silent", "verbose"],
    values: &[
        "header",
        "transport",
        "host",
        "auth-timeout",
        "ignore-tool",
        "resource",
        "static-oauth-client-info",
        "static-oauth-client-metadata",
        "authorize-resource",
    ],
};

const SUPERGATEWAY: OptionSet = OptionSet {
    program: "supergateway",
    flags: &["cors", "stateful", "healthEndpoint", "help"],
    values: &[
        "stdio",
        "sse",
        "streamableHttp",
        "header",
        "oauth2Bearer",
        "port",
        "baseUrl",
        "ssePath",
        "messagePath",
        "logLevel",
        "outputTransport",
        "sessionTimeout",
        "streamableHttpPath",
        "protocolVersion",
        "base-url",
    ],
};

const MCP_PROXY: OptionSet = OptionSet {
    program: "mcp-proxy",
    flags: &[
        "pass-environment",
        "stateless",
        "no-stateless",
        "debug",
        "shell",
        "allow-http",
        "verify-ssl",
        "no-verify-ssl",
    ],
    values: &[
        "H",
        "headers",
        "transport",
        "port",
        "host",
        "sse-port",
        "sse-host",
        "sse-url",
        "e",
        "env",
        "cwd",
        "allow-origin",
        "log-level",
        "named-server",
        "named-server-config",
        "client-id",
        "client-secret",
        "token-url",
        "server",
        "endpoint",
        "sseEndpoint",
        "streamEndpoint",
        "apiKey",
        "tunnel",
    ],
};

const MCPO: OptionSet = OptionSet {
    program: "mcpo",
    flags: &["hot-reload", "strict-auth"],
    values: &[
        "port",
        "p",
        "host",
        "api-key",
        "k",
        "config",
        "c",
        "server-type",
        "type",
        "header",
        "cors-allow-origins",
        "name",
        "description",
        "path-prefix",
        "root-path",
        "env",
        "e",
        "log-level",
    ],
};

const INSPECTOR: OptionSet = OptionSet {
    program: "the MCP inspector",
    flags: &["cli", "web"],
    values: &[
        "e",
        "method",
        "transport",
        "header",
        "server-url",
        "config",
        "server",
        "cwd",
    ],
};

/// The carrier in an npm package.
pub(super) fn of_npm(name: &str) -> Option<&'static str> {
    Some(match name {
        "mcp-remote" => "mcp-remote",
        "supergateway" => "supergateway",
        "mcp-proxy" => "mcp-proxy",
        "@modelcontextprotocol/inspector" => "mcp-inspector",
        _ => return None,
    })
}

/// The carrier in a Python package.
pub(super) fn of_pypi(name: &str) -> Option<&'static str> {
    Some(match name {
        "mcp-proxy" => "mcp-proxy",
        "mcpo" => "mcpo",
        _ => return None,
    })
}

/// What a carrier with these arguments carries.
pub(super) fn program(
    name: &str,
    words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    draft.note(format!("{name} is left out: mcpt carries messages itself"));
    match name {
        "mcp-remote" => mcp_remote(words, draft),
        "supergateway" => supergateway(words, draft, depth),
        "mcp-proxy" => mcp_proxy(words, draft, depth),
        "mcpo" => behind(&MCPO, words, draft, depth),
        "mcpt" => bridge(words, draft, depth),
        _ => behind(&INSPECTOR, words, draft, depth),
    }
}

/// An address alone, with what may follow it.
pub(super) fn address(
    word: &str,
    words: VecDeque<String>,
    draft: &mut Draft,
) -> Result<Source, PastedError> {
    let mut all = words;
    all.push_front(word.to_owned());
    mcp_remote(all, draft)
}

fn mcp_remote(mut words: VecDeque<String>, draft: &mut Draft) -> Result<Source, PastedError> {
    let mut found = RemoteOptions::default();
    loop {
        if let Some(given) = MCP_REMOTE.next(&mut words)? {
            match given.name {
                "header" => found.headers.push(given.value),
                "transport" => found.kind = kind(&given.value),
                "static-oauth-client-info" | "static-oauth-client-metadata" | "resource" => {
                    draft.note("what the command says about signing in is left out");
                }
                _ => given.note_unknown(&MCP_REMOTE, draft),
            }
            continue;
        }
        let Some(word) = words.pop_front() else { break };
        // The port of its own that may follow is no concern of the server.
        if found.url.is_none() {
            found.url = Some(word);
        }
    }
    found.end(MCP_REMOTE.program, draft)
}

fn supergateway(
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let mut found = RemoteOptions::default();
    let mut inner = None;
    while !words.is_empty() {
        let Some(given) = SUPERGATEWAY.next(&mut words)? else {
            words.pop_front();
            continue;
        };
        match given.name {
            "stdio" => inner = Some(given.value),
            "sse" => {
                found.kind = Some(RemoteKind::Sse);
                found.url = Some(given.value);
            }
            "streamableHttp" => {
                found.kind = Some(RemoteKind::StreamableHttp);
                found.url = Some(given.value);
            }
            "header" => found.headers.push(given.value),
            "oauth2Bearer" => found
                .headers
                .push(format!("Authorization: Bearer {}", given.value)),
            _ => given.note_unknown(&SUPERGATEWAY, draft),
        }
    }
    match inner {
        Some(text) => in_text(&text, draft, depth + 1),
        None => found.end(SUPERGATEWAY.program, draft),
    }
}

fn mcp_proxy(
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let mut found = RemoteOptions::default();
    let mut named = Vec::new();
    while let Some(given) = MCP_PROXY.next(&mut words)? {
        match given.name {
            // A name and a value.
            "H" | "headers" => {
                let value = words.pop_front().unwrap_or_default();
                found.headers.push(format!("{}: {value}", given.value));
            }
            "e" | "env" => {
                let value = words.pop_front().unwrap_or_default();
                draft.outer(&given.value, &value);
            }
            "transport" => found.kind = kind(&given.value),
            "sse-url" => found.url = Some(given.value),
            // A name and a whole command.
            "named-server" => named.push((given.value, words.pop_front())),
            "named-server-config" => return Err(in_a_file(MCP_PROXY.program)),
            _ => given.note_unknown(&MCP_PROXY, draft),
        }
    }
    let url = words.front().filter(|word| word.contains("://")).cloned();
    if let Some(url) = url.or_else(|| found.url.take()) {
        found.url = Some(url);
        return found.end(MCP_PROXY.program, draft);
    }
    if !named.is_empty() && (named.len() > 1 || !words.is_empty()) {
        let names = named.into_iter().map(|(name, _)| name);
        return Err(PastedError::Servers(names.collect()));
    }
    if let Some((name, command)) = named.pop() {
        draft.name.get_or_insert(name);
        return in_text(&command.unwrap_or_default(), draft, depth + 1);
    }
    start(words, draft, depth + 1)
}

fn in_a_file(program: &'static str) -> PastedError {
    refused(program, "a client's file is read with mcpt import FILE")
}

/// A carrier whose command follows its own options.
fn behind(
    known: &'static OptionSet,
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let mut found = RemoteOptions::default();
    while let Some(given) = known.next(&mut words)? {
        given.note_unknown(known, draft);
        match given.name {
            "header" => found.headers.push(given.value.clone()),
            "server-type" | "type" | "transport" => found.kind = kind(&given.value),
            _ => {}
        }
        if matches!(given.name, "e" | "env")
            && let Some((name, value)) = given.value.split_once('=')
        {
            draft.outer(name, value);
        }
        if matches!(given.name, "config" | "c") {
            return Err(in_a_file(known.program));
        }
    }
    if words.is_empty() {
        return Err(PastedError::Missing {
            program: known.program,
            what: "the command of the server",
        });
    }
    if words.len() == 1 && words.front().is_some_and(|word| is_address(word)) {
        found.url = words.pop_front();
        return found.end(known.program, draft);
    }
    start(words, draft, depth + 1)
}

/// Our own bridge: what stands behind the sign is the server's command.
fn bridge(
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let at = words.iter().position(|word| word == "--");
    match (words.front().map(String::as_str), at) {
        (Some("bridge"), Some(at)) => {
            let words = words.split_off(at + 1);
            start(words, draft, depth + 1)
        }
        _ => Err(refused(
            "mcpt",
            "give this command itself, without another one around it",
        )),
    }
}

fn kind(transport: &str) -> Option<RemoteKind> {
    match transport {
        "sse" | "sse-only" => Some(RemoteKind::Sse),
        "http" | "http-only" | "streamablehttp" | "streamable-http" | "streamable_http" => {
            Some(RemoteKind::StreamableHttp)
        }
        _ => None,
    }
}

/// What is known of a remote server.
#[derive(Default)]
pub(super) struct RemoteOptions {
    pub(super) url: Option<String>,
    pub(super) headers: Vec<String>,
    pub(super) kind: Option<RemoteKind>,
}

impl RemoteOptions {
    pub(super) fn end(
        self,
        program: &'static str,
        draft: &mut Draft,
    ) -> Result<Source, PastedError> {
        let Some(url) = self.url else {
            return Err(PastedError::Missing {
                program,
                what: "the address",
            });
        };
        let mut remote = draft.address(&url)?;
        remote.kind = self.kind;
        for header in self.headers {
            let all =
                headers(&header).ok_or_else(|| refused(program, "a header is NAME: VALUE"))?;
            for (name, value) in all {
                let value = draft.expanded(&value, &name);
                remote.headers.insert(name, value);
            }
        }
        Ok(Source::Remote(remote))
    }
}

/// The headers in one word: `NAME: VALUE`, `NAME=VALUE`, or an object of them in JSON; `None` for anything else.
fn headers(text: &str) -> Option<Vec<(String, String)>> {
    if text.trim_start().starts_with('{') {
        let all: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        return Some(all.into_iter().collect());
    }
    let (name, value) = text.split_once([':', '='])?;
    let name = name.trim();
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    is_name.then(|| vec![(name.to_owned(), value.trim().to_owned())])
}
