//! Command lines as READMEs have them: what each becomes, and why the others are refused.

mod asides;
mod carriers;
mod clients;
mod containers;
mod lookalikes;
mod npm;
mod python;
mod readmes;
mod shells;
mod snippets;

use mcpt_source::{Recipe, Source, Text, Transport, pasted};

/// A recipe in one line: source, what of it runs, arguments, variables, headers, folders, settings.
///
/// A setting is `{name}`; in the list of them `!` is a secret, `=` one whose value was given, `?` one that may be left out.
fn shown(recipe: &Recipe) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(recipe.name.iter().map(|name| format!("({name})")));
    parts.push(match &recipe.source {
        Source::Program(program) => format!("program {program}"),
        source => source.to_string(),
    });
    match &recipe.source {
        Source::Npm(package) => {
            parts.extend(package.bin.iter().map(|bin| format!("bin {bin}")));
            parts.extend(package.with.iter().map(|with| format!("with {with}")));
        }
        Source::Pypi(package) => {
            parts.extend(package.script.iter().map(|name| format!("script {name}")));
            parts.extend(package.module.iter().map(|name| format!("module {name}")));
            parts.extend(package.with.iter().map(|with| format!("with {with}")));
            parts.extend(
                package
                    .python
                    .iter()
                    .map(|python| format!("python {python}")),
            );
        }
        Source::Remote(remote) => {
            parts.extend(remote.kind.iter().map(|kind| format!("{kind:?}")));
            let headers = remote.headers.iter();
            parts.extend(headers.map(|(name, value)| format!("| {name}: {value}")));
        }
        _ => {}
    }
    if let Transport::Http { url } = &recipe.transport {
        parts.push(format!("at {url}"));
    }
    parts.extend(
        recipe
            .entrypoint
            .iter()
            .map(|program| format!("entrypoint {program}")),
    );
    if !recipe.args.is_empty() {
        let args: Vec<String> = recipe.args.iter().map(Text::to_string).collect();
        parts.push(format!("[{}]", args.join(" ")));
    }
    parts.extend(
        recipe
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    for folder in &recipe.folders {
        let mode = if folder.read_only { " read-only" } else { "" };
        parts.push(format!("{}->{}{mode}", folder.host, folder.container));
    }
    let setting = |(name, setting): (&String, &mcpt_source::Setting)| {
        let secret = if setting.secret { "!" } else { "" };
        let given = if setting.given.is_some() { "=" } else { "" };
        let optional = if setting.required { "" } else { "?" };
        format!("{name}{secret}{given}{optional}")
    };
    let settings: Vec<String> = recipe.settings.iter().map(setting).collect();
    if !settings.is_empty() {
        parts.push(format!("{{{}}}", settings.join(" ")));
    }
    parts.join(" ")
}

/// All lines that do not become what is expected.
fn differences(table: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (text, expected) in table {
        let got = match pasted::line(text) {
            Ok(recipe) => {
                let debug = format!("{recipe:?}");
                if debug.contains("hunter2") || debug.contains("abcdef1234567890") {
                    wrong.push(format!("a secret is shown: {text}"));
                }
                shown(&recipe)
            }
            Err(error) => format!("error: {error}"),
        };
        if got != *expected {
            wrong.push(format!("{text}\n  is       {got}\n  expected {expected}"));
        }
    }
    wrong
}

/// A command whose words a shell has separated is read like the line that it was.
#[test]
fn words_are_read_like_lines() {
    for (words, expected) in [
        (&["npx", "-y", "x", "a b"][..], "npm:x [a b]"),
        (&["npx -y x 'a b'"], "npm:x [a b]"),
        (
            &["FOO=bar", "uvx", "mcp-server-time"],
            "pypi:mcp-server-time FOO=bar",
        ),
        (&["docker", "run", "-i", "mcp/fetch"], "oci:mcp/fetch"),
        (
            &["npx", "x", "a;b", "c|d", "$HOME"],
            "npm:x [a;b c|d {HOME}] {HOME}",
        ),
    ] {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        assert_eq!(shown(&pasted::command(&words).unwrap()), expected);
    }
    assert!(pasted::command(&[]).is_err());
}

#[test]
fn commands_in_commands_end() {
    let mut line = "npx -y x".to_owned();
    for _ in 0..40 {
        line = format!("sh -c {}", mcpt_core::shell_word(&line));
        if line.len() > 100_000 {
            break;
        }
    }
    assert!(pasted::line(&line).is_err());
    let proxies = format!("{} uvx x", "mcp-proxy --".repeat(5000));
    assert!(pasted::line(&proxies).is_err());
}

/// What stands around a command, and what it is told that does not count here, is said to be left out.
#[test]
fn notes_say_what_is_left_out_around_a_command() {
    for (text, expected) in [
        (
            "op run --env-file .env -- npx -y x",
            "op is left out, and the variables that it would set: give them with -e NAME=VALUE",
        ),
        (
            "nvm use 22 && npx -y x",
            "nvm is left out: the version of Node.js is chosen by what the package says",
        ),
        (
            "npx --frobnicate=1 x",
            "npx is given the option \"frobnicate\", of which nothing is known here: it is left out",
        ),
        (
            "uvx --prerelease=allow x",
            "what uvx is told about versions is left out: prerelease",
        ),
        (
            "npx add-mcp x",
            "add-mcp is left out: the server is run here, and no client's file is written",
        ),
    ] {
        let recipe = pasted::line(text).unwrap();
        let notes: Vec<&str> = recipe.notes.iter().map(|note| note.0.as_str()).collect();
        assert_eq!(notes, [expected]);
    }
}

/// What is left out is said.
#[test]
fn notes_say_what_is_left_out() {
    let recipe = pasted::line("A=1 docker run -i --memory 1g --gpus all -v data:/d mcp/x").unwrap();
    let notes: Vec<&str> = recipe.notes.iter().map(|note| note.0.as_str()).collect();
    assert_eq!(
        notes,
        [
            "the named volume at /d is left out",
            "options that are a matter of the place are left out: memory, gpus",
            "variables that the container is not given are left out: A",
        ]
    );
}
