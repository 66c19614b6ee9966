//! What stands before a command: variables, and programs that only start another one.

use std::collections::VecDeque;

use super::{
    PastedError, name_of,
    options::OptionSet,
    refused, starters,
    words::{Shell, Words},
};
use crate::draft::Draft;

/// Options of shells, without dashes, that say nothing of what they run.
const OF_SHELLS: [&str; 4] = ["login", "norc", "noprofile", "posix"];

const SUDO: OptionSet = OptionSet {
    program: "sudo",
    flags: &[
        "E",
        "preserve-env",
        "H",
        "set-home",
        "n",
        "non-interactive",
        "S",
        "stdin",
        "b",
        "background",
    ],
    values: &["u", "user", "g", "group", "D", "chdir"],
};

/// A command before the last one, which may do nothing but set variables: `export A=b`, `set A=b`, `$env:A='b'`, `set -x A b`.
///
/// # Errors
/// [`PastedError::Several`] when it does more.
pub(super) fn only_sets(shell: Shell, words: &Words, draft: &mut Draft) -> Result<(), PastedError> {
    let first = words.first().map(String::as_str).unwrap_or_default();
    let rest = words.get(1..).unwrap_or_default();
    match first {
        "cmd" | "cmd.exe"
            if rest
                .first()
                .is_some_and(|word| word.eq_ignore_ascii_case("/c")) =>
        {
            return only_sets(Shell::Cmd, &rest[1..].to_vec(), draft);
        }
        "cd" | "pushd" | "git" | "gh" | "make" => return Err(super::not_a_server(first)),
        "source" | "." | "conda" | "workon" => {
            return Err(refused(
                first,
                "files and environments of this machine are not read: give the command alone, and its variables with -e NAME=VALUE",
            ));
        }
        // Which Node.js runs it is chosen by what the package says.
        "nvm" | "fnm" | "volta" | "corepack"
            if rest
                .first()
                .is_some_and(|word| matches!(word.as_str(), "use" | "install" | "enable")) =>
        {
            draft.note(format!(
                "{first} is left out: the version of Node.js is chosen by what the package says"
            ));
            return Ok(());
        }
        "export" if !rest.is_empty() => {
            for word in rest {
                set(word, draft).ok_or_else(|| several(words))?;
            }
            return Ok(());
        }
        "set" if shell == Shell::Cmd && !rest.is_empty() => {
            // All that follows is the value, and a quote may surround it with the name.
            return set(&rest.join(" "), draft).ok_or_else(|| several(words));
        }
        "set" => {
            // fish: options, a name, a value.
            let mut rest = rest.iter().skip_while(|word| word.starts_with('-'));
            if let (Some(name), Some(value), None) = (rest.next(), rest.next(), rest.next()) {
                draft.outer(name, value);
                return Ok(());
            }
        }
        _ => {
            let line = words.join(" ");
            if let Some(assignment) = line
                .strip_prefix("$env:")
                .or_else(|| line.strip_prefix("$Env:"))
                && let Some((name, value)) = assignment.split_once('=')
                && is_name(name.trim())
            {
                draft.outer(name.trim(), value.trim());
                return Ok(());
            }
            if words.iter().all(|word| assignment(word).is_some()) {
                for word in words {
                    set(word, draft);
                }
                return Ok(());
            }
        }
    }
    if matches!(
        first,
        "npm"
            | "pnpm"
            | "yarn"
            | "bun"
            | "pip"
            | "pip3"
            | "pipx"
            | "uv"
            | "brew"
            | "docker"
            | "podman"
            | "curl"
            | "apt"
            | "apt-get"
            | "winget"
            | "choco"
    ) {
        return Err(refused(
            first,
            "what must be there before the server starts is fetched by the deployment itself: give the command that starts the server alone",
        ));
    }
    Err(several(words))
}

fn several(words: &Words) -> PastedError {
    // Variables have values, which are nobody's business.
    let program = words.first().filter(|word| !word.contains('='));
    PastedError::Several(
        program
            .map(|word| word.chars().take(40).collect())
            .unwrap_or_default(),
    )
}

fn set(word: &str, draft: &mut Draft) -> Option<()> {
    let (name, value) = assignment(word)?;
    draft.outer(name, value);
    Some(())
}

/// `NAME=VALUE`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    is_name(name).then_some((name, value))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Takes away what stands before the program. A shell that is given a text has that text returned.
///
/// # Errors
/// [`PastedError`] for a prefix that would change what runs.
pub(super) fn strip(
    words: &mut VecDeque<String>,
    draft: &mut Draft,
) -> Result<Option<String>, PastedError> {
    loop {
        let Some(word) = words.front().cloned() else {
            return Ok(None);
        };
        if set(&word, draft).is_some() {
            words.pop_front();
            continue;
        }
        match name_of(&word).as_str() {
            "env" | "cross-env" => {
                words.pop_front();
                env_options(words);
            }
            "exec" | "command" | "nohup" | "time" | "winpty" => {
                words.pop_front();
            }
            "sudo" => {
                words.pop_front();
                while let Some(given) = SUDO.next(words)? {
                    given.note_unknown(&SUDO, draft);
                }
                draft.note("sudo is left out: the server runs as an ordinary user");
            }
            shell @ ("sh" | "bash" | "zsh" | "fish" | "dash" | "cmd" | "powershell" | "pwsh") => {
                let shell = shell.to_owned();
                words.pop_front();
                if let Some(text) = shell_text(&shell, words)? {
                    return Ok(Some(text));
                }
            }
            name => {
                if !starters::strip(name, words, draft)? {
                    return Ok(None);
                }
            }
        }
    }
}

/// Options of `env`, of which one takes a variable away.
fn env_options(words: &mut VecDeque<String>) {
    while let Some(word) = words.front() {
        match word.as_str() {
            "-u" => {
                words.pop_front();
                words.pop_front();
            }
            "-i" | "-" | "-S" | "--" => {
                words.pop_front();
            }
            _ => return,
        }
    }
}

/// The text that a shell is given: `-c TEXT`, `/c COMMAND…`, `-Command TEXT…`.
fn shell_text(shell: &str, words: &mut VecDeque<String>) -> Result<Option<String>, PastedError> {
    while let Some(word) = words.pop_front() {
        let option = word.to_lowercase();
        match (shell, option.as_str()) {
            ("cmd", "/c" | "/k") => {
                if words.len() == 1 && words.front().is_some_and(|word| super::is_line(word)) {
                    return Ok(words.pop_front());
                }
                return strip_again(words);
            }
            ("cmd", "/d" | "/s" | "/q" | "/v") => {}
            ("powershell" | "pwsh", "-command" | "-c") => {
                if words.len() == 1 {
                    return Ok(words.pop_front());
                }
                return strip_again(words);
            }
            ("powershell" | "pwsh", "-executionpolicy" | "-ep") => {
                words.pop_front();
            }
            ("powershell" | "pwsh", "-noprofile" | "-nologo" | "-noninteractive" | "-nop") => {}
            (_, option)
                if option.starts_with('-')
                    && !option.starts_with("--")
                    && option.ends_with('c') =>
            {
                return Ok(words.pop_front());
            }
            (_, "-l" | "-i") => {}
            (_, option)
                if option
                    .strip_prefix("--")
                    .is_some_and(|name| OF_SHELLS.contains(&name)) => {}
            _ => {
                return Err(refused(
                    shell,
                    "scripts are not run: give the command that starts the server",
                ));
            }
        }
    }
    Err(PastedError::Empty)
}

/// The words that follow are the command itself.
fn strip_again(words: &VecDeque<String>) -> Result<Option<String>, PastedError> {
    if words.is_empty() {
        return Err(PastedError::Empty);
    }
    Ok(None)
}
