//! A pasted line in its words, as the shell that it was written for would read it; nothing is ever expanded.

use super::PastedError;

/// The shell that a line is written for, as far as quotes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    /// sh, bash, zsh and fish.
    Posix,
    /// cmd.
    Cmd,
    /// PowerShell.
    Power,
}

/// One command of a line.
pub(super) type Words = Vec<String>;

/// The commands of a text, which are separated by `;`, `&&` or the end of a line.
///
/// # Errors
/// [`PastedError`] for quotes that are not closed, and for what only a shell could do.
pub(super) fn commands(text: &str) -> Result<(Shell, Vec<Words>), PastedError> {
    let text = without_frame(text);
    let shell = shell_of(&text);
    let mut reader = Reader {
        shell,
        // A Windows path would lose its backslashes.
        backslash: shell == Shell::Posix && !has_drive(&text) && !text.contains("%\\"),
        chars: text.chars().collect(),
        at: 0,
        word: None,
        words: Vec::new(),
        commands: Vec::new(),
    };
    reader.read()?;
    Ok((shell, reader.commands))
}

/// Without what surrounds a command where people show one: fences, prompts, comments.
fn without_frame(text: &str) -> String {
    // Pages and word processors put signs of no width between words.
    let text = text
        .replace("\r\n", "\n")
        .replace(['\u{200b}', '\u{2060}', '\u{feff}'], "");
    let mut lines: Vec<&str> = Vec::new();
    for line in text.trim().lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") || trimmed.starts_with('#') || trimmed.starts_with("REM ") {
            continue;
        }
        lines.push(line);
    }
    let text = lines.join("\n");
    let mut text = text.trim();
    if let Some(inside) = text
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
        && !inside.contains('`')
    {
        text = inside;
    }
    for prompt in ["$ ", "% ", "> ", "❯ ", "➜ ", "PS> "] {
        if text.starts_with(prompt) {
            return without_prompts(text, prompt);
        }
    }
    without_folder_prompt(text).trim().to_owned()
}

/// Without the prompt of each line that begins a command, and the one that shells show where a command goes on.
fn without_prompts(text: &str, prompt: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let goes_on = lines.last().is_some_and(|line| line.ends_with('\\'));
        let shown = if goes_on { "> " } else { prompt };
        let rest = line.trim_start().strip_prefix(shown);
        lines.push(rest.unwrap_or(line));
    }
    lines.join("\n").trim().to_owned()
}

/// Without a prompt of Windows that names a folder: `C:\Users\me>`, `PS C:\>`.
fn without_folder_prompt(text: &str) -> &str {
    let path = text.strip_prefix("PS ").unwrap_or(text);
    if has_drive(path.get(..3).unwrap_or_default())
        && let Some((folder, rest)) = path.split_once('>')
        && !folder.contains(['"', '\'', '\n', '<'])
    {
        return rest;
    }
    text
}

fn shell_of(text: &str) -> Shell {
    let lower = text.to_lowercase();
    if lower.contains("$env:") || text.contains("`\n") {
        return Shell::Power;
    }
    let set = lower.starts_with("set ") && text.contains('=');
    if set || text.contains("^\n") || lower.starts_with("cmd ") || lower.starts_with("cmd.exe ") {
        return Shell::Cmd;
    }
    Shell::Posix
}

/// Whether a path of Windows is in it: `C:\`.
fn has_drive(text: &str) -> bool {
    text.as_bytes().windows(3).enumerate().any(|(at, three)| {
        let before = at
            .checked_sub(1)
            .and_then(|before| text.as_bytes().get(before));
        three[0].is_ascii_alphabetic()
            && three[1..] == *b":\\"
            && !before.is_some_and(u8::is_ascii_alphanumeric)
    })
}

struct Reader {
    shell: Shell,
    backslash: bool,
    chars: Vec<char>,
    at: usize,
    word: Option<String>,
    words: Words,
    commands: Vec<Words>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }

    fn read(&mut self) -> Result<(), PastedError> {
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                ' ' | '\t' | '\u{a0}' => self.end_word(),
                '\n' => self.end_command(),
                // What word processors make of the beginning of an option.
                '–' | '—' if self.word.is_none() => self.dash(),
                '\'' if self.shell != Shell::Cmd => self.quoted('\'', '\'')?,
                '"' => self.quoted('"', '"')?,
                // What word processors make of quotes.
                '“' => self.quoted('“', '”')?,
                '‘' => self.quoted('‘', '’')?,
                // People leave spaces behind the sign that a line goes on.
                '\\' if self.ends_line() => self.go_on(),
                '\\' if self.backslash => self.escaped(),
                '^' if self.shell == Shell::Cmd => self.escaped(),
                '`' if self.shell == Shell::Power => self.escaped(),
                '#' if self.word.is_none() && self.shell != Shell::Cmd => self.skip_line(),
                '<' => self.angle()?,
                _ => self.operator(c)?,
            }
        }
        self.end_command();
        Ok(())
    }

    fn operator(&mut self, c: char) -> Result<(), PastedError> {
        match (c, self.peek(0)) {
            ('&', Some('&')) => {
                self.at += 1;
                self.end_command();
            }
            (';', _) if self.shell != Shell::Cmd => self.end_command(),
            // PowerShell calls what stands behind it.
            ('&', Some(_)) if self.words.is_empty() && self.word.is_none() => {}
            ('&', Some(_)) if self.shell == Shell::Cmd => self.end_command(),
            ('&', None) => return Err(PastedError::Shell("a command in the background")),
            ('&', _) => return Err(PastedError::Shell("`&`")),
            ('|', _) => return Err(PastedError::Shell("a pipe")),
            ('>', _) => return Err(PastedError::Shell("a redirection")),
            ('$', Some('(')) => {
                let known = self.known_output()?;
                self.word.get_or_insert_default().push_str(known);
            }
            ('`', _) => return Err(PastedError::Shell("a command in backticks")),
            _ => self.push(c),
        }
        Ok(())
    }

    /// What is in quotes; the opening one has been read.
    fn quoted(&mut self, open: char, close: char) -> Result<(), PastedError> {
        self.word.get_or_insert_default();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            let next = self.peek(0);
            match c {
                _ if c == close => {
                    // Doubled, it stands for itself.
                    if self.shell != Shell::Posix && next == Some(close) {
                        self.at += 1;
                        self.push(close);
                        continue;
                    }
                    return Ok(());
                }
                '\\' if open == '"' && matches!(next, Some('"')) => {
                    self.at += 1;
                    self.push('"');
                }
                '\\' if open == '"' && self.backslash && matches!(next, Some('\\' | '$' | '`')) => {
                    self.at += 1;
                    self.word.get_or_insert_default().extend(next);
                }
                '\\' if open == '"' && self.backslash && next == Some('\n') => self.at += 1,
                '`' if open == '"' && self.shell == Shell::Power => {
                    self.at += 1;
                    self.word.get_or_insert_default().extend(next);
                }
                '$' if open == '"' && self.shell == Shell::Posix && next == Some('(') => {
                    let known = self.known_output()?;
                    self.word.get_or_insert_default().push_str(known);
                }
                _ => self.push(c),
            }
        }
        Err(PastedError::Quote(open))
    }

    /// The variable that says the same as the command in brackets which follows: the folder where the command is given, and who
    /// gives it.
    fn known_output(&mut self) -> Result<&'static str, PastedError> {
        for (command, variable) in [
            ("(pwd)", "${PWD}"),
            ("(id -u)", "${UID}"),
            ("(id -g)", "${GID}"),
        ] {
            let length = command.chars().count();
            let next: String = self.chars.iter().skip(self.at).take(length).collect();
            if next == command {
                self.at += length;
                return Ok(variable);
            }
        }
        Err(PastedError::Shell("`$(…)`"))
    }

    /// `–y` is `-y`, `–yes` is `--yes`, and one alone is `--`; the sign has been read.
    fn dash(&mut self) {
        let letter = self.peek(0).is_some_and(char::is_alphanumeric);
        let alone = !self
            .peek(1)
            .is_some_and(|c| c.is_alphanumeric() || c == '-');
        let sign = self.peek(0).is_none_or(char::is_whitespace);
        let dashes = if sign || letter && !alone { "--" } else { "-" };
        self.word.get_or_insert_default().push_str(dashes);
    }

    /// Whether nothing but spaces follows in this line, and a line follows.
    fn ends_line(&self) -> bool {
        let mut rest = self.chars.iter().skip(self.at);
        rest.find(|c| !matches!(c, ' ' | '\t')) == Some(&'\n')
    }

    /// Goes on behind the end of this line.
    fn go_on(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.at += 1;
        }
        self.at += 1;
        self.end_word();
    }

    /// The character behind an escaping one; a line that ends with it goes on.
    fn escaped(&mut self) {
        match self.peek(0) {
            Some('\n') => {
                self.at += 1;
                self.end_word();
            }
            Some(c) => {
                self.at += 1;
                self.push(c);
            }
            None => {}
        }
    }

    /// A placeholder in angle brackets is a part of its word, with the spaces in it; anything else would be a redirection.
    fn angle(&mut self) -> Result<(), PastedError> {
        let rest = &self.chars[self.at..];
        let end = rest.iter().position(|c| *c == '>');
        let named = |inside: &[char]| {
            inside.first().is_some_and(|c| c.is_alphabetic())
                && inside
                    .iter()
                    .all(|c| c.is_alphanumeric() || " _-.:/'".contains(*c))
        };
        match end {
            Some(end) if named(&rest[..end]) => {
                let inside: String = rest[..end].iter().collect();
                let word = self.word.get_or_insert_default();
                word.push('<');
                word.push_str(&inside);
                word.push('>');
                self.at += end + 1;
                Ok(())
            }
            _ => Err(PastedError::Shell("a redirection")),
        }
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.at += 1;
        }
    }
}
