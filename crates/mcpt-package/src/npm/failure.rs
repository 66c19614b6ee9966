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

/// What the programs of a package say of where they run and of what they do, which is not why they fail.
const SURROUNDINGS: [&str; 14] = [
    "complete log of this run",
    "gyp info ",
    "gyp ERR! cwd ",
    "gyp ERR! node -v ",
    "gyp ERR! node-gyp -v ",
    "gyp ERR! $npm_package",
    "gyp ERR! not ok",
    "gyp ERR! System ",
    "gyp ERR! command ",
    "gyp ERR! stack at ",
    "gyp ERR! UNCAUGHT",
    "npm warn ",
    "DeprecationWarning",
    "trace-deprecation ...`",
];

/// Words of lines that say why something fails.
const TELLING: [&str; 11] = [
    "error",
    "not found",
    "enotfound",
    "eai_again",
    "no such",
    "cannot",
    "can't",
    "could not",
    "failed",
    "missing",
    "find python",
];

/// Whether a line is one of a stack trace of Node: `at f (file:1:2)`, `at file:1:2`.
fn is_frame(line: &str) -> bool {
    let place = line.strip_prefix("at ").map(|at| at.trim_end_matches(')'));
    place.is_some_and(|at| {
        let last = at.rsplit(':').next();
        at.ends_with("<anonymous>") || last.is_some_and(|last| last.parse::<u64>().is_ok())
    })
}

/// Why the program of a package failed, as it says itself, with the name of the package that it belongs to.
fn last_words(stderr: &str, summary: &str) -> String {
    const MOST: usize = 6;
    let lines: Vec<&str> = summary
        .lines()
        .chain(stderr.lines())
        .map(|line| line.trim_start_matches("npm error").trim())
        .filter(|line| !line.is_empty() && !SURROUNDINGS.iter().any(|part| line.contains(part)))
        // Where in its code a script was, and who ran it.
        .filter(|line| !is_frame(line) && !line.starts_with("Node.js v"))
        .collect();
    let of = lines.iter().find_map(|line| {
        let (_, name) = line.strip_prefix("path ")?.rsplit_once("node_modules/")?;
        Some(format!("of {name}: "))
    });
    let tells = |line: &&&str| {
        let lower = line.to_lowercase();
        TELLING.iter().any(|word| lower.contains(word))
    };
    // node-gyp says much after the line that matters.
    let of_gyp = lines.len() > MOST && lines.iter().any(|line| line.starts_with("gyp "));
    let told: Vec<&str> = if of_gyp {
        lines.iter().filter(tells).copied().collect()
    } else {
        lines
    };
    let last = told[told.len().saturating_sub(MOST)..].join("; ");
    of.unwrap_or_default() + &last
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

    #[test]
    fn a_script_that_throws_says_why() {
        let script = of(
            r#"{"error": {"code": 1, "summary": "command failed", "detail": ""}}"#,
            "npm error path /s/node_modules/playwright\n\
             npm error Failed to install browsers\n\
             npm error Error: Failed to download Chromium\n\
             npm error     at Registry._downloadExecutable (/s/index.js:1161:13)\n\
             npm error     at async Registry.install (/s/index.js:1054:9)\n\
             npm error\n\
             npm error Node.js v24.19.0\n",
        );
        let said = script.to_string();
        assert!(
            said.ends_with("Error: Failed to download Chromium"),
            "{said}"
        );
    }

    /// What node-gyp ends with is where it ran; why it failed stands before that.
    #[test]
    fn a_module_that_cannot_be_built_says_what_it_misses() {
        let script = of(
            r#"{"error": {"code": 1, "summary": "command failed", "detail": ""}}"#,
            "npm error code 1\n\
             npm error path /store/x.partial-1/node_modules/keytar\n\
             npm error command failed\n\
             npm error command sh -c prebuild-install || npm run build\n\
             npm error > node-gyp rebuild\n\
             npm error prebuild-install warn install getaddrinfo ENOTFOUND files.test\n\
             npm error gyp info using node-gyp@12.4.0\n\
             npm error gyp info spawn args '-f',\n\
             npm error Package libsecret-1 was not found in the pkg-config search path.\n\
             npm error gyp ERR! configure error\n\
             npm error gyp ERR! stack at ChildProcess.<anonymous> (/x/configure.js:317:18)\n\
             npm error gyp ERR! cwd /store/x.partial-1/node_modules/keytar\n\
             npm error gyp ERR! node -v v24.19.0\n\
             npm error gyp ERR! not ok\n\
             npm error A complete log of this run can be found in: /l\n",
        );
        assert_eq!(
            script.to_string(),
            "a part of it cannot be built here: of keytar: command failed; command failed; \
             prebuild-install warn install getaddrinfo ENOTFOUND files.test; \
             Package libsecret-1 was not found in the pkg-config search path.; \
             gyp ERR! configure error"
        );
    }
}
