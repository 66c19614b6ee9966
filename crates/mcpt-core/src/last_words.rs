//! What of a server's log tells why it did not start: the line that says so is often not the last, behind a usage or a trace. Pure.

mod lacks;
mod usage;

use std::collections::HashSet;

pub(crate) use self::{
    lacks::{Module, misses_engine, missing_module, unreached},
    usage::{is_usage, way_to_serve},
};

/// Lines of a log that are looked at, the last ones.
const LOOKED_AT: usize = 120;
/// Longest that is told of a line, in characters.
const LONGEST: usize = 300;
/// Lines behind one about settings that were checked, which say what is wrong with each.
const DETAILS: usize = 4;

/// Most variables that are told.
const MOST_ASKED_FOR: usize = 6;

/// Words of complaints that do not call themselves errors.
const COMPLAINTS: [&str; 19] = [
    "required",
    "missing",
    "must be",
    "must set",
    "not set",
    "not provided",
    "not found",
    "unknown",
    "invalid",
    "please set",
    "please provide",
    "must provide",
    "must specify",
    "cannot find",
    "failed to",
    "could not",
    "couldn't",
    "unable to",
    "no such",
];

/// The line in which a server says what it fails for, without what the bridge puts before it. What a structured log has encoded
/// is decoded, and may be a secret only then: `shown` takes those out.
pub(crate) fn complaint(log: &str, shown: impl Fn(&str) -> String) -> Option<String> {
    let lines = said(log);
    let at = |test: &dyn Fn(&str) -> bool| lines.iter().rposition(|line| test(line));
    let own = |line: &str| is_error(line) && !is_of_a_wrapper(line);
    let found = at(&own)
        .or_else(|| at(&is_complaint))
        .or_else(|| at(&is_error))?;
    let line = lines.get(found)?;
    let mut told = record(line).unwrap_or_else(|| (*line).to_owned());
    if line.contains("validation error") {
        for detail in lines.iter().skip(found + 1).take(DETAILS) {
            told.push_str("; ");
            told.push_str(detail);
        }
    }
    // Before it is cut: a part of a secret cannot be known as one.
    let told = shown(told.trim_start_matches(['|', ' ']));
    Some(match told.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &told[..end]),
        None => told,
    })
}

/// What a line of a structured log tells of an error: `{"level": "fatal", "msg": …, "error": …}`, `level=error msg=…`.
fn record(line: &str) -> Option<String> {
    let bad = |level: &str| {
        let level = level.to_ascii_lowercase();
        matches!(
            level.as_str(),
            "error" | "err" | "fatal" | "critical" | "panic" | "50" | "60"
        )
    };
    if !line.starts_with('{') {
        let mut words = line.split_whitespace();
        let level = words.find_map(|word| word.strip_prefix("level="))?;
        return bad(level.trim_matches('"')).then(|| line.to_owned());
    }
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |names: &[&str]| {
        let value = names.iter().find_map(|name| entry.get(*name))?;
        let value = value.get("message").unwrap_or(value);
        Some(match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        })
    };
    if !bad(&text(&["level", "severity", "lvl"])?) {
        return None;
    }
    let message = text(&["msg", "message"]);
    let cause = text(&["error", "err", "exception"]);
    let told: Vec<String> = message.into_iter().chain(cause).collect();
    (!told.is_empty()).then(|| told.join(": "))
}

/// What a program says of one that it only starts: that one has said why it failed.
fn is_of_a_wrapper(line: &str) -> bool {
    line.contains("Error: Command failed: ") || line.contains("CalledProcessError: Command ")
}

/// A program that a server did not find: what Node.js, Python, Go, Rust and shells say of it in this line of a log.
pub(crate) fn missing_program<'a>(text: &'a str, log: &str) -> Option<&'a str> {
    let between = |before: &str, after: &str| {
        let (_, rest) = text.split_once(before)?;
        let (name, _) = rest.split_once(after)?;
        Some(name.trim())
    };
    let name = between("spawn ", " ENOENT")
        .or_else(|| {
            // Python says the same of a file that is opened: what was to start a program is in the trace.
            let name = between("No such file or directory: '", "'")?;
            let starts = log.contains("subprocess.py") || log.contains("_execute_child");
            (starts && !name.contains('.')).then_some(name)
        })
        .or_else(|| between("exec: \"", "\": executable file not found"))
        .or_else(|| {
            // zsh names it behind that, other shells before.
            let (_, name) = text.split_once(": command not found: ")?;
            name.split_whitespace().next()
        })
        .or_else(|| {
            let (before, _) = text.split_once(": command not found")?;
            before.rsplit([' ', ':']).next()
        })
        .or_else(|| {
            // dash and busybox.
            let is_shell = ["sh: ", "/bin/sh: "]
                .iter()
                .any(|shell| text.starts_with(shell));
            let before = text.strip_suffix(": not found")?;
            is_shell.then(|| before.rsplit([' ', ':']).next())?
        })?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    // What has a folder is a file that is missed.
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// A library of the system that a native module did not find.
pub(crate) fn missing_library(log: &str) -> Option<&str> {
    said(log).into_iter().rev().find_map(|line| {
        let (before, _) = line.split_once(": cannot open shared object file")?;
        let name = before.rsplit([' ', '\'', '(', '"']).next()?;
        name.contains(".so").then_some(name)
    })
}

/// The environment variables that a text names.
pub(crate) fn variables(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let mut names: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        // Node's errors have such names too.
        let is_name = word.starts_with(|c: char| c.is_ascii_uppercase())
            && !word.starts_with("ERR_")
            && word.contains('_')
            && word.chars().all(is_part);
        if is_name && !names.iter().any(|name| name == word) {
            names.push(word.to_owned());
        }
    }
    names
}

/// The variables that a server says it can be given by its environment, wherever it says so.
pub(crate) fn asked_for(log: &str) -> Vec<String> {
    const SAID_SO: [&str; 4] = ["environment variable", "env var", "please set ", "set the "];
    // A shell's `export NAME=…`, not the `export const NAME` of a line of code.
    let exports = |line: &str| {
        let (_, behind) = line.split_once("export ")?;
        let (name, _) = behind.split_once('=')?;
        (!name.contains(char::is_whitespace)).then_some(())
    };
    let mut names: Vec<String> = Vec::new();
    for line in said(log) {
        let lower = line.to_lowercase();
        if SAID_SO.iter().any(|words| lower.contains(words)) || exports(line).is_some() {
            names.extend(variables(line));
        }
    }
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names.truncate(MOST_ASKED_FOR);
    names
}

/// Whether a Python program misses what version 2 of the MCP library does not have any more.
pub(crate) fn wants_older_sdk(log: &str) -> bool {
    let gone = ["No module named 'mcp.", "from 'mcp"];
    // What its class of this name had and has not any more.
    let decorators = [
        "list_tools",
        "call_tool",
        "list_resources",
        "list_resource_templates",
        "read_resource",
        "subscribe_resource",
        "list_prompts",
        "get_prompt",
        "completion",
        "set_logging_level",
        "request_context",
    ];
    said(log).iter().any(|line| {
        let attribute = line.split_once("AttributeError: 'Server' object has no attribute '");
        let attribute = attribute.and_then(|(_, rest)| rest.split('\'').next());
        gone.iter().any(|text| line.contains(text))
            || attribute.is_some_and(|name| decorators.contains(&name))
    })
}

/// The last lines that a server wrote itself, without those of the bridge around it and without empty ones.
fn said(log: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = log.lines().rev().take(LOOKED_AT).collect();
    lines.reverse();
    let own = lines.into_iter().filter_map(own_words);
    own.filter(|line| !line.is_empty()).collect()
}

/// What of a line of the log is the server's own; `None` for the bridge's.
fn own_words(line: &str) -> Option<&str> {
    let Some((_, told)) = line.split_once(" mcpt_bridge::") else {
        return Some(line.trim());
    };
    let (_, told) = told.split_once(": ")?;
    let words = told.strip_prefix("its last words: ").or_else(|| {
        let (_, words) = told.strip_prefix("server[")?.split_once("]: ")?;
        Some(words)
    })?;
    Some(words.strip_prefix("on stdout: ").unwrap_or(words).trim())
}

/// `Error: …`, `ValueError: …`, `program: error: …`, `[ERROR] …`.
fn is_error(line: &str) -> bool {
    let mut parts: Vec<&str> = line.split(": ").collect();
    // What is behind the last colon is what is said.
    parts.pop();
    let names_one = |part: &&str| {
        let word = part.rsplit([' ', '.', ']']).next().unwrap_or_default();
        let lower = word.to_ascii_lowercase();
        word.ends_with("Error")
            || word.ends_with("Exception")
            || matches!(lower.as_str(), "error" | "fatal" | "panic" | "err")
    };
    let lower = line.to_ascii_lowercase();
    parts.iter().any(names_one)
        || line.starts_with("ERROR ")
        || ["[error]", "✖ ", "❌", "fatal error"]
            .iter()
            .any(|start| lower.starts_with(start))
        || ["- ERROR -", "| ERROR |", " ERROR  ", "ERROR:"]
            .iter()
            .any(|mark| line.contains(mark))
        || record(line).is_some()
}

fn is_complaint(line: &str) -> bool {
    let lower = line.to_lowercase();
    COMPLAINTS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIDGE: &str = "2026-11-30T17:26:01.475227Z ERROR mcpt_bridge::";

    #[test]
    fn what_real_servers_say() {
        let node = format!(
            "{BRIDGE}readiness: not ready: no answer to initialize: exit code 1\n\
             {BRIDGE}readiness: its last words:     throw new Error('HubSpot access token is required.');\n\
             {BRIDGE}readiness: its last words: Error: Set PRIVATE_APP_ACCESS_TOKEN and retry.\n\
             {BRIDGE}readiness: its last words:     at new Client (file:///x.js:12:19)\n\
             {BRIDGE}readiness: its last words: Node.js v24.19.0\n"
        );
        let cobra = format!(
            "{BRIDGE}child: server[1]: Error: invalid configuration: no kubeconfig\n\
             {BRIDGE}child: server[1]: Usage:\n{}",
            format!("{BRIDGE}child: server[1]:   --x string   required by none\n").repeat(30)
        );
        for (log, expected) in [
            (
                &*node,
                Some("Error: Set PRIVATE_APP_ACCESS_TOKEN and retry."),
            ),
            (&cobra, Some("Error: invalid configuration: no kubeconfig")),
            (
                "usage: x [-h] --db DB\nx: error: the following arguments are required: --db\n",
                Some("x: error: the following arguments are required: --db"),
            ),
            (
                "Traceback (most recent call last):\n  File \"x.py\", line 1\n\
                 pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\n\
                 api_url\n  Field required [type=missing]\n",
                Some(
                    "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings; \
                     api_url; Field required [type=missing]",
                ),
            ),
            (
                "Fatal error in main(): Cannot find module '/x/sdk' imported from /x/y.js\n",
                Some("Fatal error in main(): Cannot find module '/x/sdk' imported from /x/y.js"),
            ),
            ("Could not connect\nready\n", Some("Could not connect")),
            (
                "BRAVE_API_KEY environment variable is required\n",
                Some("BRAVE_API_KEY environment variable is required"),
            ),
            ("ready\nlistening\n", None),
            ("", None),
        ] {
            assert_eq!(complaint(log, str::to_owned).as_deref(), expected, "{log}");
        }
        let long = format!("Error: {}", "é".repeat(1000));
        assert_eq!(
            complaint(&long, str::to_owned).unwrap().chars().count(),
            LONGEST + 1
        );
    }

    #[test]
    fn what_structured_logs_and_wrapped_programs_say() {
        let wrapped = "{\"level\":\"info\",\"msg\":\"starting\"}\n\
            {\"level\":\"fatal\",\"ts\":1,\"msg\":\"Failed to create provider\",\"error\":\"invalid_auth\"}\n\
            node:child_process:981\n    throw err;\nError: Command failed: /x/bin/server-linux-amd64\n\
                at genericNodeError (node:internal/errors:985:15)\nNode.js v24.19.0\n";
        for (log, expected) in [
            (wrapped, "Failed to create provider: invalid_auth"),
            (
                "{\"level\":50,\"err\":{\"message\":\"no token\"},\"msg\":\"cannot start\"}\n",
                "cannot start: no token",
            ),
            (
                "time=1 level=ERROR msg=\"no such host\"\nlevel=info msg=bye\n",
                "time=1 level=ERROR msg=\"no such host\"",
            ),
            (
                "2026-11-30 12:00:00,000 - server - ERROR - No login\nbye\n",
                "2026-11-30 12:00:00,000 - server - ERROR - No login",
            ),
            (
                "Error: Command failed: /x/server\n    at y\n",
                "Error: Command failed: /x/server",
            ),
        ] {
            let told = complaint(log, str::to_owned);
            assert_eq!(told.as_deref(), Some(expected), "{log}");
        }
        let log = "{\"level\":\"fatal\",\"msg\":\"bad login p\\u0026ss\\u003cw0rd\"}";
        let told = complaint(log, |text| text.replace("p&ss<w0rd", "[redacted]"));
        assert_eq!(told.as_deref(), Some("bad login [redacted]"));
    }

    #[test]
    fn what_only_begins_like_an_error() {
        for (log, expected) in [
            ("error handling is on\nready\n", None),
            ("ERROR no login\nready\n", Some("ERROR no login")),
            ("error: no login\nready\n", Some("error: no login")),
        ] {
            assert_eq!(complaint(log, str::to_owned).as_deref(), expected, "{log}");
        }
    }

    #[test]
    fn what_a_machine_lacks() {
        for (text, expected) in [
            ("Error: spawn docker ENOENT", Some("docker")),
            (
                "FileNotFoundError: [Errno 2] No such file or directory: 'pandoc'",
                Some("pandoc"),
            ),
            (
                "error: exec: \"kubectl\": executable file not found in $PATH",
                Some("kubectl"),
            ),
            ("sh: 1: git: command not found", Some("git")),
            ("zsh: command not found: git", Some("git")),
            ("zsh:1: command not found: git", Some("git")),
            ("sh: 1: git: not found", Some("git")),
            ("sh: git: not found", Some("git")),
            ("/bin/sh: git: not found", Some("git")),
            ("module: git: not found", None),
            (
                "FileNotFoundError: [Errno 2] No such file or directory: '/data/x.json'",
                None,
            ),
            ("Error: spawn failed", None),
        ] {
            let log = format!("  File \"/usr/lib/subprocess.py\", line 1\n{text}\n");
            assert_eq!(missing_program(text, &log), expected, "{text}");
        }
        for (file, started) in [("config.json", true), ("config", false)] {
            let text = format!("FileNotFoundError: [Errno 2] No such file or directory: '{file}'");
            let log = if started { "in _execute_child\n" } else { "" };
            assert_eq!(missing_program(&text, log), None, "{file}");
        }
        let log = "Traceback\nImportError: libGL.so.1: cannot open shared object file: No such file or directory\n";
        assert_eq!(missing_library(log), Some("libGL.so.1"));
        assert_eq!(missing_library("libGL.so.1 is nice"), None);
    }

    #[test]
    fn what_a_server_of_an_older_library_misses() {
        for (log, expected) in [
            (
                "ModuleNotFoundError: No module named 'mcp.server.fastmcp'. This is mcp 2.x",
                true,
            ),
            (
                "ImportError: cannot import name 'FastMCP' from 'mcp.server' (/x.py)",
                true,
            ),
            (
                "AttributeError: 'Server' object has no attribute 'list_resources'",
                true,
            ),
            ("ModuleNotFoundError: No module named 'mcpx'", false),
        ] {
            assert_eq!(wants_older_sdk(log), expected, "{log}");
        }
    }

    #[test]
    fn what_a_text_names() {
        let names = variables("Set A_KEY or `B2_URL` (A_KEY, HTTP, x_Y, _Z, JSON-RPC)");
        assert_eq!(names, ["A_KEY", "B2_URL"]);
        let names = asked_for(
            "Please provide credentials:\n1. Environment variable: set A_KEY to the path\n   export A_KEY=\"/x\"\nB_KEY is old\n",
        );
        assert_eq!(names, ["A_KEY"]);
        for (log, expected) in [
            ("Commands:\n  run   Runs\n  mcp   Serve MCP\n", Some("mcp")),
            ("│ stdio      Run in stdio mode.  │\n", Some("stdio")),
            ("Options:\n  --mcp  run as MCP server", Some("--mcp")),
            (
                "usage: x [-h] [--port PORT]\n         [{stdio,streamable-http}]\nx: error: Mode is required",
                Some("stdio"),
            ),
            ("usage: x [-h] [--transport {stdio,sse}]\n", None),
            ("mcp is nice\nserver started", None),
        ] {
            assert_eq!(way_to_serve(log), expected, "{log}");
        }
        for (log, expected) in [
            ("Usage: x COMMAND\n", true),
            ("╭─ Commands ─────────╮\n│ run   Run a server │\n", true),
            ("COMMANDS\n  init\n", true),
            ("[14732] Usage: mcp-remote <https://server-url>\n", true),
            ("the usage of memory\ncommands were read", false),
        ] {
            assert_eq!(is_usage(log), expected, "{log}");
        }
    }
}
