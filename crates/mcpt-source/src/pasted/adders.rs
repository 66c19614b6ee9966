//! Commands of clients that add a server: `claude mcp add … -- npx …`, `code --add-mcp '{…}'`.

use std::collections::VecDeque;

use super::{PastedError, carriers::Found, options::Known, refused, start};
use crate::{RemoteKind, Source, client_entry, draft::Draft};

const ADD: Known = Known {
    program: "mcp add",
    flags: &["trust", "no-trust", "all"],
    values: &[
        "s",
        "scope",
        "t",
        "transport",
        "type",
        "e",
        "env",
        "H",
        "header",
        "url",
        "bearer-token-env-var",
        "timeout",
        "description",
        "include-tools",
        "exclude-tools",
        "callback-port",
        "client-id",
        "tools",
    ],
};

/// The server that a client is told to add.
pub(super) fn source(
    program: &str,
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    if words
        .front()
        .is_some_and(|word| word.strip_prefix("--") == Some("add-mcp"))
    {
        words.pop_front();
        let json = words.pop_front().ok_or(PastedError::Missing {
            program: "the client",
            what: "the server in JSON",
        })?;
        return client_entry::pasted(None, &json, draft);
    }
    let first = words.pop_front();
    let second = words.pop_front();
    match (first.as_deref(), second.as_deref()) {
        (Some("mcp"), Some("add")) => add(words, draft, depth),
        (Some("mcp"), Some("add-json")) => {
            let mut rest: Vec<String> = Vec::new();
            while !words.is_empty() {
                if ADD.next(&mut words)?.is_none() {
                    rest.extend(words.pop_front());
                }
            }
            match rest.as_slice() {
                [name, json] => client_entry::pasted(Some(name), json, draft),
                _ => Err(PastedError::Missing {
                    program: "mcp add-json",
                    what: "a name and the server in JSON",
                }),
            }
        }
        _ => Err(refused(
            program,
            "of this program only its commands that add a server are known here",
        )),
    }
}

fn add(
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    let mut found = Found::default();
    let mut name = None;
    loop {
        let ended = words.front().is_some_and(|word| word == "--");
        if let Some(given) = ADD.next(&mut words)? {
            match given.name {
                "e" | "env" => {
                    if let Some((name, value)) = given.value.split_once('=') {
                        draft.outer(name, value);
                    }
                    // Several may follow one option.
                    while let Some((name, value)) =
                        words.front().and_then(|word| word.split_once('='))
                    {
                        draft.outer(name, value);
                        words.pop_front();
                    }
                }
                "H" | "header" => found.headers.push(given.value),
                "url" => found.url = Some(given.value),
                "t" | "transport" | "type" => {
                    found.kind = match given.value.as_str() {
                        "sse" => Some(RemoteKind::Sse),
                        "http" | "streamable-http" => Some(RemoteKind::StreamableHttp),
                        _ => None,
                    };
                }
                "bearer-token-env-var" => {
                    found
                        .headers
                        .push(format!("Authorization: Bearer ${{{}}}", given.value));
                }
                _ => {}
            }
            continue;
        }
        if ended || name.is_some() {
            break;
        }
        match words.pop_front() {
            Some(word) => name = Some(word),
            None => break,
        }
    }
    draft.name = name;
    if found.url.is_some() {
        return found.end(ADD.program, draft);
    }
    let Some(word) = words.front().cloned() else {
        return Err(PastedError::Missing {
            program: ADD.program,
            what: "the command or the address of the server",
        });
    };
    if word.starts_with("http://") || word.starts_with("https://") {
        found.url = words.pop_front();
        while !words.is_empty() {
            match ADD.next(&mut words)? {
                Some(given) if matches!(given.name, "H" | "header") => {
                    found.headers.push(given.value);
                }
                Some(_) => {}
                None => {
                    words.pop_front();
                }
            }
        }
        return found.end(ADD.program, draft);
    }
    // The whole command in one pair of quotes.
    if words.len() == 1 && word.contains(' ') {
        return super::in_text(&word, draft, depth + 1);
    }
    start(words, draft, depth + 1)
}
