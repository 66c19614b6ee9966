//! What uv's errors mean. It has no codes: they are told apart by words that have been the same for long, and whatever is not
//! known stays uv's own text.

use crate::{entry_points::same_python_name, error::Cause, tool::Ran};

/// The fault behind a run of uv that failed; `name` is the package that it was about.
pub(super) fn cause(ran: &Ran, name: &str) -> Cause {
    let text = ran.stderr.as_str();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let detail = told(text);
    if has(&[
        "401 Unauthorized",
        "403 Forbidden",
        "valid authentication credentials",
    ]) {
        Cause::Unauthorized {
            detail: about(text, &["401", "403", "credentials"]),
        }
    } else if has(&[
        "invalid peer certificate",
        "UnknownIssuer",
        "CaUsedAsEndEntity",
    ]) {
        Cause::UnknownAuthority {
            detail: about(text, &["certificate", "UnknownIssuer"]),
        }
    } else if has(&[
        "Connection refused",
        "dns error",
        "tcp connect error",
        "operation timed out",
        "client error (Connect)",
        "network was disabled",
    ]) {
        Cause::Unreachable {
            detail: about(text, &["Failed to fetch", "network was disabled", "error"]),
        }
    } else if has(&["Hash mismatch"]) {
        Cause::Integrity { detail }
    } else if has(&[
        "was not found in the package registry",
        "was not found in the cache",
    ]) {
        Cause::NoSuchPackage {
            name: missing(text).unwrap_or(name).to_owned(),
            detail,
        }
    } else if has(&[
        "does not satisfy Python",
        "No interpreter found",
        "No download found",
    ]) {
        Cause::NeedsPython {
            tried: Vec::new(),
            detail: about(
                text,
                &["does not satisfy Python", "No interpreter", "No download"],
            ),
            of_images: false,
        }
    } else if has(&[
        "has no wheels with a matching",
        "has no usable wheels",
        "only has wheels for the following",
        "doesn't have a source distribution or wheel for the current platform",
        "can't be installed because it doesn't have",
    ]) {
        Cause::NoWheel { detail }
    } else if has(&[
        "Failed to build",
        "Build backend",
        "build backend",
        "Failed to download and build",
    ]) {
        Cause::BuildFailed { detail }
    } else if has(&[
        "there is no version of",
        "there are no versions of",
        "only the following versions",
        " is available and you require ",
        " are available and you require ",
    ]) {
        Cause::NoSuchVersion {
            detail,
            near: Vec::new(),
        }
    } else {
        Cause::ToolFailed { tool: "uv", detail }
    }
}

/// Whether a version is missed of this package, and not of one that it needs.
pub(super) fn is_of(detail: &str, name: &str) -> bool {
    let Some((_, behind)) = detail.split_once("no version of ") else {
        return false;
    };
    let end = behind
        .find(|c: char| "=<>!~[ ".contains(c))
        .unwrap_or(behind.len());
    same_python_name(&behind[..end], name)
}

/// The package that the registry does not have.
fn missing(text: &str) -> Option<&str> {
    let (before, _) = text
        .split_once(" was not found in the package registry")
        .or_else(|| text.split_once(" was not found in the cache"))?;
    before.rsplit([' ', '\n']).next()
}

/// The line that says one of these, in that order of preference; else all of it.
fn about(text: &str, words: &[&str]) -> String {
    let line = words
        .iter()
        .find_map(|word| text.lines().find(|line| line.contains(word)));
    line.map_or_else(|| told(text), |line| plain(line).to_owned())
}

/// What is said, on one line, without what is only advice for uv itself.
fn told(text: &str) -> String {
    const MOST: usize = 6;
    let lines = text
        .lines()
        .take_while(|line| !line.starts_with("hint:"))
        .map(plain)
        .filter(|line| {
            !line.is_empty() && *line != "No solution found when resolving dependencies"
        });
    let said: Vec<&str> = lines.collect();
    if said.is_empty() {
        return "it failed without a word".to_owned();
    }
    let (first, last) = said.split_at(said.len().saturating_sub(MOST).min(1));
    let rest = &last[last.len().saturating_sub(MOST)..];
    [first, rest].concat().join(" ")
}

/// A line without uv's marks.
fn plain(line: &str) -> &str {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "×╰─▶├│".contains(c));
    let marks = ["error: ", "cause: ", "hint: ", "warning: "];
    let mark = marks.iter().find_map(|mark| line.strip_prefix(mark));
    mark.unwrap_or(line).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stderr: &str) -> Cause {
        let ran = Ran {
            success: false,
            stdout: String::new(),
            stderr: stderr.to_owned(),
        };
        cause(&ran, "six")
    }

    #[test]
    fn words_have_their_meanings() {
        let missing = of(
            "error: No solution found when resolving dependencies\n  cause: Because six was not found in the \
            package registry and you require six, we can conclude that your requirements are unsatisfiable.\n",
        );
        assert!(
            matches!(&missing, Cause::NoSuchPackage { name, .. } if name == "six"),
            "{missing:?}"
        );
        assert!(
            missing.to_string().contains("Because six was not found"),
            "{missing}"
        );
        let refused = of(
            "error: No solution found when resolving dependencies\n  cause: Because six was not found in the \
            package registry …\n\nhint: An index URL (http://h/simple) could not be queried due to a lack of valid \
            authentication credentials (401 Unauthorized)\n",
        );
        assert!(
            matches!(&refused, Cause::Unauthorized { detail } if detail.starts_with("An index URL")),
            "{refused:?}"
        );
        let version = of(
            "error: x\n  cause: Because there is no version of six==99 and you require six==99, …\n",
        );
        let Cause::NoSuchVersion { detail, .. } = version else {
            panic!("{version}")
        };
        assert!(is_of(&detail, "SIX") && !is_of(&detail, "si"), "{detail}");
        let newer = of(
            "error: x\n  cause: Because only six<=1.17.0 is available and you require six>99, we can conclude that …\n",
        );
        assert!(matches!(newer, Cause::NoSuchVersion { .. }), "{newer:?}");
        let away = of(
            "error: Request failed after 3 retries in 11.7s\n  cause: Failed to fetch: http://h/six/\n  cause: \
            client error (Connect)\n  cause: tcp connect error\n",
        );
        assert_eq!(
            away.to_string(),
            "the registry cannot be reached: Failed to fetch: http://h/six/"
        );
        let python = of(
            "  cause: Because the requested Python version (>=3.11) does not satisfy Python>=3.13 and a==1 …\n",
        );
        assert!(matches!(python, Cause::NeedsPython { .. }));
        let other = of("error: something new\n");
        assert_eq!(other.to_string(), "uv: something new");
        assert_eq!(of("").to_string(), "uv: it failed without a word");
    }
}
