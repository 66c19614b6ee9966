//! Where the value of a setting comes from. A secret should be on no command line, where other users and the shell's
//! history see it: `KEY=@FILE` reads a file, `KEY=@-` standard input, `KEY=@env:NAME` the environment.

use std::{env, path::Path};

use mcpt_core::{Failure, FailureKind};

use crate::user_file;

/// Splits `KEY=VALUE` and gets the value.
pub(crate) fn pair(text: &str) -> Result<(String, String), Failure> {
    let Some((key, source)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err(Failure::new(
            FailureKind::Usage,
            format!("{text:?} is not KEY=VALUE"),
        ));
    };
    Ok((key.to_owned(), value(key, source)?))
}

/// Splits `NAME=VALUE`; `NAME` alone takes the value from mcpt's own environment, as docker does.
pub(crate) fn variable(text: &str) -> Result<(String, String), Failure> {
    if text.contains('=') {
        pair(text)
    } else {
        Ok((text.to_owned(), from_environment(text, text)?))
    }
}

/// The value that a source means: itself, or what is at `@…`. `@@` stands for a leading `@`.
pub(crate) fn value(key: &str, source: &str) -> Result<String, Failure> {
    let Some(place) = source.strip_prefix('@') else {
        return Ok(source.to_owned());
    };
    if place.starts_with('@') {
        return Ok(place.to_owned());
    }
    if let Some(name) = place.strip_prefix("env:") {
        return from_environment(key, name);
    }
    let text = user_file::read(Path::new(place)).map_err(|error| {
        let place = if place == "-" {
            "standard input"
        } else {
            place
        };
        missing(key, &format!("cannot read {place}: {error}"))
            .hint("KEY=@FILE reads a file; a value that itself begins with @ is written as @@")
    })?;
    Ok(without_line_end(text))
}

fn from_environment(key: &str, name: &str) -> Result<String, Failure> {
    env::var(name).map_err(|error| {
        let why = match error {
            env::VarError::NotPresent => format!("the environment variable {name} is not set"),
            env::VarError::NotUnicode(_) => format!("the environment variable {name} is not UTF-8"),
        };
        missing(key, &why)
    })
}

fn missing(key: &str, why: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("no value for {key}")).because(why)
}

/// Editors end a file with a line end that is no part of a token.
fn without_line_end(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn owned(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn plain_values() {
        assert_eq!(pair("a=b=c"), Ok(owned("a", "b=c")));
        assert_eq!(pair("a="), Ok(owned("a", "")));
        assert_eq!(pair("a=@@x"), Ok(owned("a", "@x")));
        for text in ["a", "=b", ""] {
            assert_eq!(pair(text).unwrap_err().kind, FailureKind::Usage, "{text}");
        }
    }

    #[test]
    fn values_from_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        for (text, expected) in [
            ("abc\n", "abc"),
            ("abc\r\n", "abc"),
            ("a\n\n", "a\n"),
            ("abc", "abc"),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(
                pair(&format!("k=@{}", file.display())),
                Ok(owned("k", expected))
            );
        }
        let path = env::var("PATH").unwrap();
        assert_eq!(pair("k=@env:PATH"), Ok(owned("k", &path)));
        assert_eq!(variable("PATH"), Ok(owned("PATH", &path)));
        for text in ["k=@/nonexistent/file", "k=@env:NO_SUCH_VARIABLE_HERE"] {
            assert!(
                pair(text)
                    .unwrap_err()
                    .to_string()
                    .contains("no value for k"),
                "{text}"
            );
        }
        assert!(variable("NO_SUCH_VARIABLE_HERE").is_err());
    }
}
