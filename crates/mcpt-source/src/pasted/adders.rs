//! Commands of clients that add a server: `claude mcp add … -- npx …`, `code --add-mcp '{…}'`, and programs that write a server
//! into clients' files: `npx add-mcp …`.

use std::collections::VecDeque;

use serde_json::Value;

use super::{
    PastedError, carriers::RemoteOptions, in_text, is_line, is_runner, javascript,
    options::OptionSet, refused, start,
};
use crate::{RemoteKind, Source, client_entry, draft::Draft};

const ADD: OptionSet = OptionSet {
    program: "mcp add",
    flags: &["trust", "no-trust", "all", "force", "disabled"],
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
        "headers",
        "url",
        "bearer-token-env-var",
        "timeout",
        "description",
        "include-tools",
        "exclude-tools",
        "callback-port",
        "client-id",
        "tools",
        "name",
        "command",
        "args",
        "agent",
    ],
};

/// What programs know that write a server into the files of clients.
const INSTALL: OptionSet = OptionSet {
    program: "the installer",
    flags: &[
        "g", "global", "y", "yes", "f", "force", "all", "local", "project",
    ],
    values: &[
        "n",
        "name",
        "c",
        "client",
        "clients",
        "a",
        "agent",
        "t",
        "transport",
        "type",
        "scope",
        "s",
        "e",
        "env",
        "H",
        "h",
        "header",
        "headers",
        "oauth",
        "command",
        "url",
        "args",
    ],
};

/// Clients that take several variables or arguments in one word, with commas between them.
const COMMAS: [&str; 2] = ["q", "kiro-cli"];

/// Options of installers that stand behind a command that is not in quotes, and are none of the server.
const CLIENTS: [&str; 4] = ["client", "clients", "agent", "oauth"];

/// Options of Goose that a server stands behind.
const EXTENSIONS: [&str; 3] = [
    "with-extension",
    "with-streamable-http-extension",
    "with-remote-extension",
];

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
    let is_extension = |word: &String| {
        let name = word.strip_prefix("--");
        name.is_some_and(|name| EXTENSIONS.contains(&name))
    };
    if words.iter().filter(|word| is_extension(word)).count() > 1 {
        return Err(refused(
            program,
            "this starts several servers: give the command or address of one",
        ));
    }
    let extension = words.iter().position(is_extension);
    if let Some(text) = extension.and_then(|at| words.get(at + 1)) {
        return in_text(text, draft, depth + 1);
    }
    let first = words.pop_front();
    let second = words.pop_front();
    match (first.as_deref(), second.as_deref()) {
        (Some("mcp"), Some("add")) => {
            let mut adding = Adding::new(&ADD);
            adding.commas = COMMAS.contains(&program);
            adding.read(words, draft, depth)
        }
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

/// The server that a program is told to write into the files of clients: an address, a package, or a command in one word.
pub(super) fn installer(
    name: &str,
    words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    draft.note(format!(
        "{name} is left out: the server is run here, and no client's file is written"
    ));
    Adding::new(&INSTALL).read(words, draft, depth)
}

/// A command that adds a server, while it is read.
struct Adding {
    known: &'static OptionSet,
    found: RemoteOptions,
    name: Option<String>,
    command: Option<String>,
    args: Vec<String>,
    /// Whether commas are between variables, and between arguments.
    commas: bool,
}

impl Adding {
    fn new(known: &'static OptionSet) -> Self {
        Self {
            known,
            found: RemoteOptions::default(),
            name: None,
            command: None,
            args: Vec::new(),
            commas: false,
        }
    }

    fn read(
        mut self,
        mut words: VecDeque<String>,
        draft: &mut Draft,
        depth: usize,
    ) -> Result<Source, PastedError> {
        // The name that clients ask for stands before the server; installers take it as an option.
        let mut names = usize::from(self.known.program == ADD.program);
        let mut ended = false;
        loop {
            ended |= words.front().is_some_and(|word| word == "--");
            if let Some(given) = self.known.next(&mut words)? {
                given.note_unknown(self.known, draft);
                self.take(given.name, given.value, &mut words, draft)?;
                continue;
            }
            if ended || names == 0 || self.name.is_some() {
                break;
            }
            names -= 1;
            match words.pop_front() {
                Some(word) => self.name = Some(word),
                None => break,
            }
        }
        draft.name = self.name.take();
        if self.found.url.is_some() {
            return self.found.end(self.known.program, draft);
        }
        if let Some(command) = self.command.take() {
            let mut all = VecDeque::from(self.args);
            if is_line(&command) && all.is_empty() {
                return in_text(&command, draft, depth + 1);
            }
            all.push_front(command);
            return start(all, draft, depth + 1);
        }
        self.target(words, ended, draft, depth)
    }

    /// What is to be added, and the options that may follow it; none do behind the sign that options have ended.
    fn target(
        mut self,
        mut words: VecDeque<String>,
        ended: bool,
        draft: &mut Draft,
        depth: usize,
    ) -> Result<Source, PastedError> {
        let Some(word) = words.front().cloned() else {
            return Err(PastedError::Missing {
                program: self.known.program,
                what: "the command or the address of the server",
            });
        };
        let installs = self.known.program == INSTALL.program;
        let address = word.starts_with("http://") || word.starts_with("https://");
        let only_options = words.get(1).is_none_or(|word| {
            let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
            name.is_some_and(|name| {
                ["env", "e", "type", "header", "timeout", "scope"].contains(&name)
            })
        });
        let line = is_line(&word) && (installs || only_options);
        if !address && !line && !installs {
            return start(words, draft, depth + 1);
        }
        if installs && !address && words.len() > 1 && (ended || is_runner(&word)) {
            let of_installer = |word: &String| {
                let name = word.strip_prefix("--");
                let name = name.and_then(|name| name.split('=').next());
                name.is_some_and(|name| CLIENTS.contains(&name))
            };
            if !ended && words.iter().any(of_installer) {
                return Err(refused(
                    &word,
                    "whose options follow it cannot be told: put the command of the server in quotes",
                ));
            }
            return start(words, draft, depth + 1);
        }
        words.pop_front();
        while !words.is_empty() {
            match self.known.next(&mut words)? {
                Some(given) => {
                    given.note_unknown(self.known, draft);
                    self.take(given.name, given.value, &mut words, draft)?;
                }
                None if words.is_empty() => {}
                None => {
                    return Err(refused(
                        self.known.program,
                        "more follows what is to be added: put the command of the server in quotes",
                    ));
                }
            }
        }
        if let Some(name) = self.name.take() {
            draft.name.get_or_insert(name);
        }
        if address {
            self.found.url = Some(word);
            return self.found.end(self.known.program, draft);
        }
        if line {
            return in_text(&word, draft, depth + 1);
        }
        let package = javascript::package(&word)?;
        draft.pass_all();
        draft.args(self.args);
        Ok(Source::Npm(package))
    }

    fn take(
        &mut self,
        name: &str,
        value: String,
        words: &mut VecDeque<String>,
        draft: &mut Draft,
    ) -> Result<(), PastedError> {
        match name {
            "e" | "env" => {
                variables(&value, self.commas, draft);
                // Several may follow one option.
                while let Some(word) = words.front().filter(|word| is_variable(word)) {
                    variables(word, self.commas, draft);
                    words.pop_front();
                }
            }
            "H" | "header" | "headers" => self.found.headers.push(value),
            "url" => self.found.url = Some(value),
            "t" | "transport" | "type" => {
                self.found.kind = match value.as_str() {
                    "sse" => Some(RemoteKind::Sse),
                    "http" | "streamable-http" => Some(RemoteKind::StreamableHttp),
                    _ => None,
                };
            }
            "bearer-token-env-var" => self
                .found
                .headers
                .push(format!("Authorization: Bearer ${{{value}}}")),
            "n" | "name" => self.name = Some(value),
            "command" => self.command = Some(value),
            "args" => self.args.extend(arguments(&value, self.commas)?),
            _ => {}
        }
        Ok(())
    }
}

/// Whether a word is `NAME=VALUE`.
fn is_variable(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// `NAME=VALUE`, or several with commas between them where the client takes that.
fn variables(text: &str, commas: bool, draft: &mut Draft) {
    let parts: Vec<&str> = text.split(',').collect();
    // A comma may belong to a value.
    let all = if commas && parts.iter().all(|part| is_variable(part.trim())) {
        parts
    } else {
        vec![text]
    };
    for (name, value) in all.iter().filter_map(|part| part.split_once('=')) {
        let value = if name.ends_with(' ') {
            value.trim()
        } else {
            value
        };
        draft.outer(name, value);
    }
}

/// Arguments in one word: a list in JSON, or with blanks between them, or commas where the client takes that.
fn arguments(text: &str, commas: bool) -> Result<Vec<String>, PastedError> {
    if text.starts_with('[')
        && let Ok(Value::Array(items)) = serde_json::from_str(text)
    {
        let words = items.iter().filter_map(Value::as_str);
        return Ok(words.map(str::to_owned).collect());
    }
    if text.contains(' ') {
        return super::split(text);
    }
    if !commas {
        return Ok(vec![text.to_owned()]);
    }
    Ok(text.split(',').map(str::to_owned).collect())
}
