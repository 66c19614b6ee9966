//! Arguments of a server. One with a secret in it refers to a variable of the server's environment, and whoever becomes the server's
//! process puts the value in its place: so it stands in no manifest, no record and no command line but the server's own.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
};

use serde::{Deserialize, Serialize};

/// How the names begin of variables that are there for arguments alone.
pub const ARGUMENT_VARIABLE: &str = "MCPT_ARGUMENT_";

/// One argument of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Arg {
    /// The same on every backend.
    Text(String),
    /// The path of a mount of the plan, by its index: on this machine for a process, in the container elsewhere.
    Mount(usize),
    /// Text with the values of variables in it that are secret.
    Secret(Vec<ArgPart>),
}

/// A part of an argument with secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ArgPart {
    /// As it stands.
    Text(String),
    /// The value of a variable among the plan's secrets, by its name.
    Variable(String),
}

/// A variable that an argument refers to and that is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an argument refers to the variable {0}, which is not set")]
pub struct NotSet(pub String);

impl Arg {
    /// The argument as a word with references, as [`filled`] reads it; `folder` has the paths of mounts.
    pub fn reference(&self, folder: impl FnOnce(usize) -> String) -> String {
        match self {
            Self::Text(text) => reference(text),
            Self::Mount(index) => reference(&folder(*index)),
            Self::Secret(parts) => {
                let words = parts.iter().map(|part| match part {
                    ArgPart::Text(text) => reference(text),
                    ArgPart::Variable(name) => format!("$({name})"),
                });
                words.collect()
            }
        }
    }
}

/// A text without references, as [`filled`] reads it: each `$` is two.
#[must_use]
pub fn reference(text: &str) -> String {
    text.replace('$', "$$")
}

/// A word with references in which each is replaced: `$(NAME)` by the value of that variable, `$$` by `$`. Kubernetes has the same
/// notation, and like there what is neither stays as it is.
///
/// # Errors
/// [`NotSet`] for the first variable of which `variable` knows nothing.
pub fn filled(
    word: &OsStr,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<OsString, NotSet> {
    let mut rest = word.as_bytes();
    let mut filled = Vec::with_capacity(rest.len());
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        filled.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        match rest {
            [b'$', after @ ..] => {
                filled.push(b'$');
                rest = after;
            }
            [b'(', after @ ..] => {
                let end = after.iter().position(|byte| *byte == b')');
                let name = end.and_then(|end| std::str::from_utf8(&after[..end]).ok());
                let Some(name) = name.filter(|name| !name.is_empty()) else {
                    filled.push(b'$');
                    continue;
                };
                let value = variable(name).ok_or_else(|| NotSet(name.to_owned()))?;
                filled.extend_from_slice(value.as_bytes());
                rest = &after[name.len() + 1..];
            }
            _ => filled.push(b'$'),
        }
    }
    filled.extend_from_slice(rest);
    Ok(OsString::from_vec(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_referred_to_is_filled_in_and_all_else_stays() {
        let variable = |name: &str| (name == "KEY").then(|| OsString::from("s$(KEY)$$"));
        let fill = |word: &str| filled(OsStr::new(word), variable);
        for (word, expected) in [
            ("", ""),
            ("--flag", "--flag"),
            // What is filled in is not read again.
            ("--key=$(KEY)!", "--key=s$(KEY)$$!"),
            ("$(KEY)$(KEY)", "s$(KEY)$$s$(KEY)$$"),
            ("$$(KEY)", "$(KEY)"),
            ("$$$(KEY)", "$s$(KEY)$$"),
            ("cost $5, $(), $(open, $", "cost $5, $(), $(open, $"),
        ] {
            assert_eq!(fill(word).unwrap(), expected, "{word}");
        }
        assert_eq!(fill("$(OTHER)"), Err(NotSet("OTHER".to_owned())));
    }

    #[test]
    fn each_argument_comes_back_as_it_was() {
        let variable = |name: &str| (name == "A").then(|| OsString::from("hunter2"));
        let secret = Arg::Secret(vec![
            ArgPart::Text("$(A)=".to_owned()),
            ArgPart::Variable("A".to_owned()),
            ArgPart::Text("$$".to_owned()),
        ]);
        for (arg, expected) in [
            (Arg::Text("$(A) $$ $".to_owned()), "$(A) $$ $"),
            (Arg::Mount(3), "/3/$"),
            (secret, "$(A)=hunter2$$"),
        ] {
            let word = arg.reference(|index| format!("/{index}/$"));
            assert!(!word.contains("hunter2"), "{word}");
            assert_eq!(filled(OsStr::new(&word), variable).unwrap(), expected);
        }
        let bytes = OsString::from_vec(b"\xff$(A)\xfe".to_vec());
        let filled = filled(&bytes, variable).unwrap();
        assert_eq!(filled.as_bytes(), b"\xffhunter2\xfe");
    }
}
