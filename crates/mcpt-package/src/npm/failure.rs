//! What npm's errors mean: its codes are stable, its sentences are not.

use serde_json::Value;

use crate::{
    error::Cause,
    tool::{Ran, without_credentials},
};

/// Codes of Node.js for networks that do not work.
const UNREACHABLE: [&str; 13] = [
    "ECONNREFUSED",
    "ECONNRESET",
    "ENOTFOUND",
    "EAI_AGAIN",
    "EAI_FAIL",
    "ETIMEDOUT",
    "ERR_SOCKET_TIMEOUT",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENETDOWN",
    "EPIPE",
    "ENOTCACHED",
    "FETCH_ERROR",
];

/// Codes of OpenSSL, as Node.js has them, for certificates that nobody vouches for.
const UNKNOWN_AUTHORITY: [&str; 6] = [
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "CERT_UNTRUSTED",
];

/// The fault behind a run of npm that failed; `name` is the package that it was about.
pub(super) fn cause(ran: &Ran, name: &str) -> Cause {
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    let error = &answer["error"];
    let code = error["code"].as_str().unwrap_or_default();
    let summary = without_credentials(error["summary"].as_str().unwrap_or_default());
    let detail = first_line(&summary).unwrap_or_else(|| {
        let said = first_line(&ran.stderr).or_else(|| first_line(&ran.stdout));
        said.unwrap_or_else(|| "it failed without a word".to_owned())
    });
    match code {
        "E404" => NotThere { summary: &summary }.cause(name, detail),
        "ETARGET" | "ENOVERSIONS" => Cause::NoSuchVersion {
            detail,
            near: Vec::new(),
        },
        "E401" | "E403" | "ENEEDAUTH" | "EOTP" => Cause::Unauthorized {
            detail: format!("{code} {detail}"),
        },
        "EINTEGRITY" => Cause::Integrity { detail },
        "EBADPLATFORM" => Cause::NoWheel { detail },
        code if UNREACHABLE.contains(&code) => Cause::Unreachable { detail },
        code if UNKNOWN_AUTHORITY.contains(&code) => Cause::UnknownAuthority { detail },
        // A number is the exit code of a program that a package has run.
        _ if summary.contains("command failed") || error["code"].is_number() => {
            Cause::BuildFailed {
                detail: last_words(&ran.stderr, &summary),
            }
        }
        "" => Cause::ToolFailed {
            tool: "npm",
            detail,
        },
        code => Cause::ToolFailed {
            tool: "npm",
            detail: format!("{code} {detail}"),
        },
    }
}

/// A name that the registry does not know, which may be that of a dependency.
struct NotThere<'a> {
    summary: &'a str,
}

impl NotThere<'_> {
    fn cause(&self, name: &str, detail: String) -> Cause {
        let asked = self.summary.lines().next().unwrap_or_default();
        let asked = asked.rsplit('/').next().unwrap_or_default().trim();
        let asked = asked.replace("%2f", "/").replace("%2F", "/");
        let known = self.summary.contains("://") && !asked.is_empty();
        Cause::NoSuchPackage {
            name: if known { asked } else { name.to_owned() },
            detail,
        }
    }
}

fn first_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.to_owned())
}

/// What the program of a package said last, without npm's marks.
fn last_words(stderr: &str, summary: &str) -> String {
    const MOST: usize = 6;
    let lines: Vec<&str> = summary
        .lines()
        .chain(stderr.lines())
        .map(|line| line.trim_start_matches("npm error").trim())
        .filter(|line| !line.is_empty() && !line.contains("complete log of this run"))
        .collect();
    lines[lines.len().saturating_sub(MOST)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stdout: &str, stderr: &str) -> Cause {
        let ran = Ran {
            success: false,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        cause(&ran, "@a/b")
    }

    fn error(code: &str, summary: &str) -> Cause {
        let error = serde_json::json!({"error": {"code": code, "summary": summary, "detail": ""}});
        of(&error.to_string(), "")
    }

    #[test]
    fn codes_have_their_meanings() {
        let missing = error("E404", "Not Found - GET https://host/@a%2fb\nmore");
        assert!(matches!(missing, Cause::NoSuchPackage { name, .. } if name == "@a/b"));
        let dependency = error("E404", "Not Found - GET https://host/left-pad");
        assert!(matches!(dependency, Cause::NoSuchPackage { name, .. } if name == "left-pad"));
        assert!(matches!(error("ETARGET", "x"), Cause::NoSuchVersion { .. }));
        assert!(matches!(error("E401", "x"), Cause::Unauthorized { .. }));
        assert!(matches!(error("EINTEGRITY", "x"), Cause::Integrity { .. }));
        assert!(matches!(error("EAI_AGAIN", "x"), Cause::Unreachable { .. }));
        let ca = error("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "x");
        assert!(matches!(ca, Cause::UnknownAuthority { .. }));
        let secret = error("ENOTFOUND", "request to https://u:secret@host/x failed");
        assert_eq!(
            secret.to_string(),
            "the registry cannot be reached: request to https://***@host/x failed"
        );
    }

    #[test]
    fn whatever_else_is_told_in_its_own_words() {
        let other = error("EUSAGE", "not so");
        assert_eq!(other.to_string(), "npm: EUSAGE not so");
        assert_eq!(of("", "npm is ill\n").to_string(), "npm: npm is ill");
        assert_eq!(of("", "").to_string(), "npm: it failed without a word");
        let script = of(
            r#"{"error": {"code": 1, "summary": "command failed", "detail": ""}}"#,
            "npm error command sh -c node-gyp rebuild\nnpm error gyp ERR! find Python\n",
        );
        let Cause::BuildFailed { detail } = script else {
            panic!("{script}")
        };
        assert!(
            detail.ends_with("node-gyp rebuild; gyp ERR! find Python"),
            "{detail}"
        );
    }
}
