//! Commands as hints print them: whoever copies one into a shell gets what was meant.

use std::borrow::Cow;

use crate::CommandOption;

/// A command of mcpt that acts in a certain place: whoever copies it must not hit a server of the same name elsewhere. `options`
/// lead there: `(CommandOption::Backend, "process")`; `words` are command and arguments, quoted where they must be: `delete demo`.
#[must_use]
pub fn command_line(options: &[(CommandOption, &str)], words: &str) -> String {
    let mut line = "mcpt ".to_owned();
    for (option, value) in options {
        for part in [short(*option).as_str(), shell_word(value).as_ref()] {
            line += part;
            line.push(' ');
        }
    }
    line + words
}

/// The option as people type it in a command.
fn short(option: CommandOption) -> String {
    match option {
        CommandOption::Backend => "-b".to_owned(),
        CommandOption::Namespace => "-n".to_owned(),
        option => option.to_string(),
    }
}

/// A word as a POSIX shell reads it: in single quotes unless nothing in it needs them.
#[must_use]
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_where() {
        assert_eq!(
            command_line(
                &[
                    (CommandOption::Context, "a b"),
                    (CommandOption::Namespace, "team")
                ],
                "delete demo"
            ),
            "mcpt --context 'a b' -n team delete demo"
        );
        assert_eq!(command_line(&[], "delete demo"), "mcpt delete demo");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_otherwise() {
        for (word, quoted) in [
            ("a-b_c./:=@,+%9", "a-b_c./:=@,+%9"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$x", "'$x'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(shell_word(word), quoted);
        }
    }
}
