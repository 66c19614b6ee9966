//! Command lines as people paste them from a README, a terminal or a client's file: what each starts, as a [`Recipe`].
//!
//! Runners of packages and images (`npx`, `uvx`, `docker run`, …) become the package or image that they run; what only carries
//! another server's messages (`mcp-remote`, `supergateway`, …) becomes that server. Nothing is run or expanded.

mod adders;
mod carriers;
mod containers;
mod javascript;
mod links;
mod options;
mod prefix;
mod python;
mod snippet;
mod starters;
mod words;

pub(crate) use self::containers::{container_port, volume};

use std::collections::VecDeque;

use crate::{InvalidSource, Recipe, Source, draft::Draft, placeholder};

/// Why a command line is no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PastedError {
    /// There is nothing.
    #[error("the command is empty")]
    Empty,
    /// A quote has no end.
    #[error("the quote {0} is not closed")]
    Quote(char),
    /// Only a shell could do that.
    #[error("{0} is a matter of a shell, and no shell runs servers: give the command alone")]
    Shell(&'static str),
    /// More than one command.
    #[error("{0:?} is one command and more follow: give the one that starts the server")]
    Several(String),
    /// The program starts no server, or not in a way that can be done here.
    #[error("{program}: {why}")]
    Refused {
        /// The program.
        program: String,
        /// Why not, and what would be right.
        why: String,
    },
    /// An option of which nobody knows whether a value follows.
    #[error(
        "{program} is given the option {option:?}, of which nothing is known here: leave it out, or name the package or image itself"
    )]
    UnknownOption {
        /// The program.
        program: &'static str,
        /// The option without dashes and value.
        option: String,
    },
    /// An option without its value.
    #[error("{program} is given the option {option:?} without a value")]
    NoValue {
        /// The program.
        program: &'static str,
        /// The option without dashes.
        option: &'static str,
    },
    /// What should be run is not said.
    #[error("{program} is not told what to run: {what} is missing")]
    Missing {
        /// The program.
        program: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// What should be run is a placeholder.
    #[error("{0:?} stands for the name of a package or image: put the name there")]
    Placeholder(String),
    /// The program that should be run is a placeholder.
    #[error(
        "{0:?} stands for a program of your machine: put its path there, or name the package or image of the server"
    )]
    BlankProgram(String),
    /// It names something that is no source.
    #[error(transparent)]
    Source(#[from] InvalidSource),
    /// A client's notation of a server is wrong.
    #[error("the server in JSON cannot be read: {0}")]
    Json(String),
    /// A part of a client's file with several servers, or with none.
    #[error(
        "it has {} servers{}: give one of them, or write it into a file, which mcpt import FILE reads",
        .0.len(),
        listed(.0)
    )]
    Servers(Vec<String>),
    /// Commands in commands in commands.
    #[error("a command that starts a command that starts a command: give the innermost one alone")]
    TooDeep,
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    }
}

/// Most commands in one another.
const DEEPEST: usize = 6;

/// The server that a command line starts, as one pastes it; or that a part of a client's file has, or a link with which clients
/// are told to add one.
///
/// # Errors
/// [`PastedError`] with why it starts none that could be run, and what would be right.
pub fn line(text: &str) -> Result<Recipe, PastedError> {
    if let Some(recipe) = snippet::recipe(text).or_else(|| links::recipe(text)) {
        return recipe;
    }
    let mut draft = Draft::default();
    let source = in_text(text, &mut draft, 0)?;
    Ok(draft.end(source))
}

/// The server that a command starts whose words a shell has separated already. One word alone is a whole line.
///
/// # Errors
/// As for [`line()`].
pub fn command(words: &[String]) -> Result<Recipe, PastedError> {
    if let [text] = words {
        return line(text);
    }
    let mut draft = Draft::default();
    let source = start(words.iter().cloned().collect(), &mut draft, 0)?;
    Ok(draft.end(source))
}

/// The server of a client's entry: a program, its arguments and its variables.
pub(crate) fn entry(
    program: &str,
    args: Vec<String>,
    env: &[(String, String)],
    draft: &mut Draft,
) -> Result<Source, PastedError> {
    for (name, value) in env {
        draft.outer(name, value);
    }
    // Some people write the whole line as the program.
    let mut words = VecDeque::new();
    if args.is_empty() && is_line(program) {
        let (_, commands) = words::commands(program)?;
        words.extend(commands.into_iter().flatten());
    } else {
        words.push_back(program.to_owned());
    }
    words.extend(args);
    start(words, draft, 0)
}

/// The words of one command in a text.
pub(crate) fn split(text: &str) -> Result<Vec<String>, PastedError> {
    let (_, commands) = words::commands(text)?;
    Ok(commands.into_iter().flatten().collect())
}

/// The server that a text starts: variables that are set before it, then one command.
fn in_text(text: &str, draft: &mut Draft, depth: usize) -> Result<Source, PastedError> {
    let address = text.trim();
    let is_one = is_address(address) || link(address).is_some();
    if is_one && !address.contains(char::is_whitespace) {
        // What a shell would make of `&` and `?` is not meant.
        return start(VecDeque::from([address.to_owned()]), draft, depth);
    }
    let (shell, commands) = words::commands(text)?;
    let mut commands = commands.into_iter().peekable();
    while let Some(words) = commands.next() {
        if commands.peek().is_some() {
            prefix::only_sets(shell, &words, draft)?;
            continue;
        }
        return start(words.into(), draft, depth);
    }
    Err(PastedError::Empty)
}

/// The server that a command starts.
fn start(
    mut words: VecDeque<String>,
    draft: &mut Draft,
    depth: usize,
) -> Result<Source, PastedError> {
    if depth > DEEPEST {
        return Err(PastedError::TooDeep);
    }
    if let Some(text) = prefix::strip(&mut words, draft)? {
        return in_text(&text, draft, depth + 1);
    }
    let Some(word) = words.pop_front() else {
        return Err(PastedError::Empty);
    };
    if is_address(&word) {
        return carriers::address(&word, words, draft);
    }
    if let Some(scheme) = link(&word) {
        // All of it may be somebody's settings, with secrets.
        return Err(refused(
            scheme,
            "nothing is known of such links: give the command or the address of the server",
        ));
    }
    if PROMPTS.contains(&&*word) {
        return Err(refused(
            &word,
            "this is a prompt and no program: give the command alone",
        ));
    }
    let program = name_of(&word);
    match program.as_str() {
        "npx" | "bunx" | "pnpx" | "npm" | "pnpm" | "yarn" | "bun" | "deno" => {
            javascript::source(&program, words, draft, depth)
        }
        "uvx" | "uv" | "pipx" | "pip" | "pip3" | "conda" | "mamba" | "micromamba" | "poetry"
        | "pipenv" | "hatch" | "pdm" | "rye" | "pixi" => {
            python::source(&program, words, draft, depth)
        }
        "docker" | "podman" | "nerdctl" | "finch" | "container" => {
            containers::source(&program, words, draft, depth)
        }
        "claude" | "codex" | "gemini" | "copilot" | "qwen" | "code" | "code-insiders"
        | "cursor" | "cursor-agent" | "codium" | "windsurf" | "kiro" | "kiro-cli" | "q" | "amp"
        | "droid" | "auggie" | "opencode" | "goose" | "cline" | "openhands" | "iflow" | "kimi"
        | "crush" | "vibe" => adders::source(&program, words, draft, depth),
        "mcpt" | "mcp-remote" | "mcp-proxy" | "supergateway" | "mcpo" | "mcp-inspector" => {
            carriers::program(&program, words, draft, depth)
        }
        _ if python::is_interpreter(&program) => python::interpreter(&word, words, draft),
        "cd" | "pushd" | "git" | "gh" | "curl" | "wget" | "brew" | "apt" | "apt-get" | "winget"
        | "choco" | "make" | "cargo" | "go" | "kubectl" | "helm" | "ssh" | "gem" | "dotnet"
        | "dnx" | "thv" | "smithery" | "mcpm" | "nix" | "nix-shell" => Err(not_a_server(&program)),
        _ => {
            if word.starts_with('-') {
                return Err(PastedError::Missing {
                    program: "the command",
                    what: "the program",
                });
            }
            if placeholder::is_blank(&word) {
                return Err(PastedError::BlankProgram(word.chars().take(80).collect()));
            }
            if names_source(&word) {
                let source = word.parse()?;
                draft.pass_all();
                draft.args(words);
                return Ok(source);
            }
            draft.pass_all();
            draft.args(words);
            Ok(Source::Program(word))
        }
    }
}

fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// The scheme of a link that is neither an address nor a source: `cursor://…`, `vscode:…`.
fn link(word: &str) -> Option<&str> {
    let (scheme, rest) = word.split_once(':')?;
    // One letter is a drive.
    let said = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let is_link = rest.starts_with("//") || scheme.starts_with("vscode");
    (said && is_link && !names_source(word)).then_some(scheme)
}

/// What shells write before a command is typed.
const PROMPTS: [&str; 5] = ["$", "%", "❯", "➜", ">"];

/// Programs that run packages, images or files, and shells.
const RUNNERS: [&str; 20] = [
    "npx", "bunx", "pnpx", "npm", "pnpm", "yarn", "bun", "deno", "node", "uvx", "uv", "pipx",
    "docker", "podman", "nerdctl", "cmd", "sh", "bash", "env", "sudo",
];

/// Whether a word is the name of a program that runs others, with or without its folder.
fn is_runner(word: &str) -> bool {
    let name = name_of(word);
    RUNNERS.contains(&&*name) || python::is_interpreter(&name)
}

/// Whether one word is a whole command line. A path may have blanks itself.
fn is_line(text: &str) -> bool {
    let Some((first, _)) = text.split_once(' ') else {
        return false;
    };
    let drive = matches!(first.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    let path = drive || first.starts_with(['/', '~']);
    !path || text.contains(['"', '\'']) || is_runner(first)
}

fn not_a_server(program: &str) -> PastedError {
    let why = match program {
        "cd" | "pushd" => {
            "servers are not run in a folder of their own: give the command alone, with whole paths"
        }
        "git" | "gh" | "make" | "cargo" | "go" | "nix" | "nix-shell" => {
            "servers are not built here: name the package or image that it publishes"
        }
        "dotnet" | "dnx" => "NuGet packages cannot be run yet: name an image of the server",
        "thv" | "smithery" | "mcpm" => {
            "this is another program that runs servers: name the package or image that it runs"
        }
        "kubectl" | "helm" | "ssh" => {
            "this runs something elsewhere: name the package, the image or the address"
        }
        _ => {
            "this installs something and starts no server: name the package itself, as npm:NAME or pypi:NAME"
        }
    };
    refused(program, why)
}

fn refused(program: &str, why: impl Into<String>) -> PastedError {
    PastedError::Refused {
        program: program.chars().take(60).collect(),
        why: why.into(),
    }
}

/// Whether a word is a source as `deploy` takes it, or nearly: `npm:NAME`, `@scope/name`.
fn names_source(word: &str) -> bool {
    ["npm:", "pypi:", "oci:", "mcpb:", "@"]
        .iter()
        .any(|start| word.starts_with(start))
}

/// The name of a program without its folder and what Windows has behind it.
fn name_of(word: &str) -> String {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let name = name.to_lowercase();
    let ends = [".exe", ".cmd", ".bat", ".ps1"];
    let stripped = ends.iter().find_map(|end| name.strip_suffix(end));
    stripped.unwrap_or(&name).to_owned()
}

/// A package or image that is only spoken of.
fn refuse_blank(word: &str) -> Result<(), PastedError> {
    let mut parts = word.split('/').map(|part| part.trim_start_matches('@'));
    if placeholder::is_blank(word) || parts.any(placeholder::is_blank) {
        return Err(PastedError::Placeholder(word.chars().take(80).collect()));
    }
    Ok(())
}
