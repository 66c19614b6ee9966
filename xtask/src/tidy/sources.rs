//! The fences inside of crates: what code may not say, by where it is.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result};

use super::{Finding, directions, pauses::PAUSES, source::Source};

/// Crates at the backend seam and above it, which speak in `Failure` as backends do.
const AT_THE_SEAM: &[&str] = &["mcpt-core", "mcpt-backend", "mcpt-cli", "mcpt"];

/// Crates below it that say how their own errors become one, since only they can.
const CONVERT: &[&str] = &["mcpt-catalog", "mcpt-client", "mcpt-package"];

/// Options in texts that are none of mcpt's: file, options, whose they are.
const OF_OTHERS: &[(&str, &[&str], &str)] = &[
    (
        "crates/helm-chart/src/values.rs",
        &[
            "--set",
            "--set-file",
            "--set-json",
            "--set-literal",
            "--set-string",
        ],
        "Helm's, in Helm's own messages",
    ),
    (
        "crates/kube-access/src/explain.rs",
        &["--minify", "--namespace"],
        "kubectl's, in commands of kubectl",
    ),
    (
        "crates/mcpt-bundle/src/manifest.rs",
        &["--directory"],
        "uv's, which runs bundles",
    ),
    (
        "crates/mcpt-core/src/before_server.rs",
        &["--listen"],
        "mcpt's own, in what a backend or an image starts and tells nobody",
    ),
    (
        "crates/mcpt-package/src/for_image.rs",
        &["--cpu", "--libc", "--os"],
        "npm's, which is run with them",
    ),
    (
        "crates/mcpt-package/src/pypi/for_image.rs",
        &[
            "--link-mode",
            "--no-compile-bytecode",
            "--prefix",
            "--python",
            "--python-platform",
            "--python-version",
            "--quiet",
            "--require-hashes",
        ],
        "uv's, which is run with them",
    ),
    (
        "crates/mcpt-core/src/failure.rs",
        &["--with"],
        "uvx's, in a command line as people paste it",
    ),
    (
        "crates/mcpt-core/src/last_words/usage.rs",
        &["--mcp", "--stdio"],
        "of servers that others wrote, as their usages name them",
    ),
    (
        "crates/mcpt-package/src/npm.rs",
        &[
            "--ignore-scripts",
            "--json",
            "--lockfile-version",
            "--loglevel",
            "--no-audit",
            "--no-fund",
            "--no-progress",
            "--no-save",
            "--omit",
            "--omit-lockfile-registry-resolved",
            "--package-lock",
            "--package-lock-only",
        ],
        "npm's, which is run with them",
    ),
    (
        "crates/mcpt-package/src/pypi.rs",
        &[
            "--compile-bytecode",
            "--generate-hashes",
            "--link-mode",
            "--no-annotate",
            "--no-deps",
            "--no-header",
            "--no-project",
            "--python",
            "--python-version",
            "--quiet",
            "--relocatable",
            "--require-hashes",
            "--universal",
        ],
        "uv's, which is run with them",
    ),
    (
        "crates/mcpt-package/src/pypi/scripts.rs",
        &[
            "--from",
            "--no-deps",
            "--python",
            "--python-version",
            "--quiet",
            "--require-hashes",
            "--target",
        ],
        "uv's, which is run with them, and uvx's in a command line as people paste it",
    ),
    (
        "crates/mcpt-package/src/pypi/pythons.rs",
        &[
            "--no-project",
            "--only-installed",
            "--output-format",
            "--quiet",
        ],
        "uv's, which is run with them",
    ),
    (
        "crates/mcpt-docker/src/connect.rs",
        &["--user"],
        "systemctl's, in a command of systemctl",
    ),
    (
        "crates/mcpt-process/src/supervisor/child.rs",
        &["--parent"],
        "of a command that is run here and not told to anybody",
    ),
    (
        "crates/mcpt-catalog/src/imported.rs",
        &["--entrypoint", "--from", "--python", "--rm", "--with"],
        "of docker and uvx, in the commands of entries",
    ),
    (
        "crates/mcpt-catalog/src/described.rs",
        &["--entrypoint"],
        "of docker, in the documents of templates",
    ),
    (
        "crates/mcpt-source/src/server_json/runtime.rs",
        &[
            "--detach",
            "--env",
            "--init",
            "--interactive",
            "--entrypoint",
            "--mount",
            "--name",
            "--privileged",
            "--publish",
            "--pull",
            "--quiet",
            "--read-only",
            "--refresh",
            "--rm",
            "--tty",
            "--volume",
            "--yes",
        ],
        "of container engines and runners of packages, in files of others",
    ),
];

/// The only file below the command line that spells options of mcpt, for hints. A test of `mcpt-cli` has it agree with
/// what the command line takes.
const NAMES_OPTIONS: &str = "crates/mcpt-core/src/command_option.rs";

/// Checks what ships of every crate.
pub(super) fn check(root: &Path, tracked: &[String]) -> Result<Vec<Finding>> {
    let mut files = Vec::new();
    let mut tests = BTreeSet::new();
    for path in tracked.iter().filter(|path| ships(path)) {
        let text = std::fs::read_to_string(root.join(path)).with_context(|| path.clone())?;
        let source = Source::read(&text);
        let below = match path.strip_suffix("/lib.rs") {
            Some(folder) => folder,
            None => path.trim_end_matches(".rs"),
        };
        tests.extend(
            source
                .test_modules
                .iter()
                .map(|name| format!("{below}/{name}")),
        );
        files.push((path, source));
    }
    let is_test = |path: &str| {
        let stem = path.trim_end_matches(".rs");
        tests
            .iter()
            .any(|test| stem == test || stem.starts_with(&format!("{test}/")))
    };
    files.retain(|(path, _)| !is_test(path));
    Ok(files
        .iter()
        .flat_map(|(path, source)| check_file(path, source))
        .collect())
}

/// The sources of what is published or installed; tests and the tasks of this repository may do as they like.
fn ships(path: &str) -> bool {
    let is_rust = Path::new(path).extension().is_some_and(|end| end == "rs");
    is_rust && path.starts_with("crates/") && path.contains("/src/")
}

fn check_file(path: &str, source: &Source) -> Vec<Finding> {
    let name = path.split('/').nth(1).unwrap_or_default();
    let mut findings = Vec::new();
    let mut add = |at: usize, rule: String| {
        findings.push(Finding::at(path, source.line(at), rule));
    };
    for at in source.words("Result") {
        if error_type(source, at).as_deref() == Some("String") {
            add(at, "an error that is a text: give it a type".to_owned());
        }
    }
    if !AT_THE_SEAM.contains(&name) && !directions::is_backend(name) {
        for at in failures(name, source) {
            add(at, "`Failure` below the backend seam".to_owned());
        }
    }
    if directions::is_pure(name) {
        for at in input_and_output(source) {
            add(at, "I/O in a crate that does none".to_owned());
        }
    }
    let pauses: Vec<usize> = pauses(source).collect();
    let known = PAUSES.iter().find(|(known, ..)| *known == path);
    if pauses.len() != known.map_or(0, |(_, number, _)| *number) {
        let at = pauses.last().copied().unwrap_or_default();
        add(
            at,
            "a sleep in a wait: await what is waited for, or say in `PAUSES` why it cannot be"
                .to_owned(),
        );
    }
    if name != "mcpt-cli" {
        for (at, option) in options(source) {
            let of_other = OF_OTHERS
                .iter()
                .any(|(known, options, _)| *known == path && options.contains(&option.as_str()));
            if !of_other && path != NAMES_OPTIONS {
                add(
                    at,
                    format!(
                        "`{option}`: the command line spells options; hints take a `CommandOption`"
                    ),
                );
            }
        }
    }
    findings
}

/// The error type that is named after a `Result`.
fn error_type(source: &Source, at: usize) -> Option<String> {
    let open = at + "Result".len();
    if source.code.get(open) != Some(&'<') {
        return None;
    }
    let mut depth = 0_usize;
    let mut last = String::new();
    let mut before = ' ';
    for &c in &source.code[open..] {
        match c {
            '<' | '(' | '[' | '{' => depth += 1,
            // The head of an arrow closes nothing.
            '>' if before == '-' => {}
            '>' | ')' | ']' | '}' => depth -= 1,
            ',' if depth == 1 => {
                last.clear();
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        last.push(c);
        before = c;
    }
    Some(last.trim().to_owned())
}

/// Where the type of failures for people is used; crates that convert may name it.
fn failures(name: &str, source: &Source) -> Vec<usize> {
    if CONVERT.contains(&name) {
        return source
            .words("Result")
            .filter(|at| error_type(source, *at).as_deref() == Some("Failure"))
            .collect();
    }
    let mut found = Vec::new();
    for at in source.words("mcpt_core") {
        let end = source.code[at..].iter().take_while(|c| **c != ';').count();
        let statement: String = source.code[at..at + end].iter().collect();
        let path = match statement.split_once('{') {
            Some((path, names)) if path.trim_end() == "mcpt_core::" => names.to_owned(),
            _ => statement
                .chars()
                .take_while(|c| c.is_alphanumeric() || "_:".contains(*c))
                .collect(),
        };
        let names = path.split(|c: char| !c.is_alphanumeric() && c != '_');
        if names
            .into_iter()
            .any(|name| name == "Failure" || name == "FailureKind")
        {
            found.push(at);
        }
    }
    found
}

/// Where the standard library's files, sockets, processes, threads' pauses or environment are named.
fn input_and_output(source: &Source) -> Vec<usize> {
    source
        .words("std")
        .filter(|&at| {
            let rest: String = source.code[at..]
                .iter()
                .take_while(|c| **c != ';')
                .filter(|c| !c.is_whitespace())
                .collect();
            let Some(path) = rest.strip_prefix("std::") else {
                return false;
            };
            let modules = match path.strip_prefix('{') {
                Some(list) => top_level(list),
                None => vec![path],
            };
            modules.into_iter().any(|module| {
                let first = module.split(|c: char| !c.is_alphanumeric() && c != '_');
                matches!(first.into_iter().next(), Some("fs" | "process" | "env"))
                    || module.contains("TcpStream")
                    || module.contains("UdpSocket")
            })
        })
        .collect()
}

/// The members of a list in braces, which was opened already.
fn top_level(list: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (index, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&list[start..index]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&list[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    members
}

/// Pauses that something waits for: a sleep that is awaited by itself, and turns of a clock. A sleep that is one of
/// several ends of a wait is its deadline.
fn pauses(source: &Source) -> impl Iterator<Item = usize> {
    let is_awaited = |at: usize| {
        let open = source.code[at..].iter().position(|c| *c == '(');
        let end = open.map_or(at, |open| source.closed(at + open) + 1);
        let next = source.solid(end.min(source.code.len()));
        source.code[next..].starts_with(&['.', 'a', 'w', 'a', 'i', 't'])
    };
    let of_thread = |at: usize| {
        let start = at.saturating_sub("thread::".len());
        source.code[start..at].iter().collect::<String>() == "thread::"
    };
    let is_call = |at: usize, word: &str| source.code.get(at + word.len()) == Some(&'(');
    let sleeps = ["sleep", "sleep_until"].into_iter().flat_map(move |word| {
        let called = source.words(word).filter(move |&at| is_call(at, word));
        called.filter(move |&at| is_awaited(at) || of_thread(at))
    });
    let turns = ["interval", "interval_at"]
        .into_iter()
        .flat_map(move |word| source.words(word).filter(move |&at| is_call(at, word)));
    sleeps.chain(turns)
}

/// Options of commands in texts, `--word`.
fn options(source: &Source) -> impl Iterator<Item = (usize, String)> {
    source.texts.iter().flat_map(|(at, text)| {
        let starts = text.match_indices("--").filter(|(start, _)| {
            let before = text[..*start].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || c == '-')
        });
        starts.filter_map(|(start, _)| {
            let word: String = text[start + 2..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            (word.starts_with(|c: char| c.is_ascii_lowercase())).then(|| (*at, format!("--{word}")))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<String> {
        check_file(path, &Source::read(text))
            .into_iter()
            .map(|finding| finding.rule)
            .collect()
    }

    /// Each fence, with what it must find and what it must let pass.
    #[test]
    fn a_planted_violation_of_each_fence_is_found() {
        for (name, text, rule) in [
            (
                "mcpt-routing",
                "fn f() -> Result<Vec<u8>, String> {}",
                "give it a type",
            ),
            (
                "helm-funcs",
                "type F = dyn Fn(&str) -> std::result::Result<\n(),\nString>;",
                "give it a type",
            ),
            (
                "mcpt-discovery",
                "use mcpt_core::{Failure, ServerName};",
                "below the backend seam",
            ),
            (
                "mcpt-workload",
                "fn f(x: mcpt_core::FailureKind) {}",
                "below the backend seam",
            ),
            (
                "mcpt-client",
                "fn f() -> Result<(), Failure> {}",
                "below the backend seam",
            ),
            (
                "mcpt-kube",
                "fn f() { hint(\"make it with --create-namespace\") }",
                "--create-namespace",
            ),
            (
                "kube-access",
                "const A: &str = r#\"give --context\"#;",
                "--context",
            ),
            ("helm-render", "use std::{fmt, fs};", "does none"),
            ("gotmpl", "fn f() { std::fs::read(\"x\"); }", "does none"),
            ("goyaml", "use std::{fmt, fs::{File, read}};", "does none"),
            (
                "mcpt-protocol",
                "fn f() { std::env::var(\"X\"); }",
                "does none",
            ),
            (
                "mcpt-kube",
                "async fn f() { tokio::time::sleep(\nTEN).await; }",
                "sleep in a wait",
            ),
            (
                "mcpt-process",
                "fn f() { std::thread::sleep(TEN); }",
                "sleep in a wait",
            ),
            (
                "mcpt-process",
                "fn f() { let turns = interval(TEN); }",
                "sleep in a wait",
            ),
        ] {
            let path = format!("crates/{name}/src/x.rs");
            let found = rules(&path, text);
            assert!(
                found.len() == 1 && found[0].contains(rule),
                "{text}: {found:?} is not {rule:?}"
            );
            let in_test = format!("#[cfg(test)]\nmod tests {{ {text} }}");
            assert_eq!(rules(&path, &in_test), [""; 0], "{in_test}");
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        for (name, text) in [
            ("mcpt-routing", "fn f() -> Result<String, Error> {}"),
            ("mcpt-kube", "use mcpt_core::Failure;"),
            ("mcpt-cli", "const A: &str = \"give --context\";"),
            ("mcpt-catalog", "impl From<E> for Failure { }"),
            ("mcpt-kube", "fn f() { say(\"a -- b, a--b and ---\") }"),
            ("mcpt-process", "use std::{fmt, fs};"),
            ("helm-render", "use std::{fmt, rc::Rc};"),
            (
                "mcpt-kube",
                "fn f() { select! { () = sleep(TEN) => {} x = y => {} } }",
            ),
        ] {
            let found = rules(&format!("crates/{name}/src/x.rs"), text);
            assert_eq!(found, [""; 0], "{text}");
        }
    }

    #[test]
    fn a_pause_beside_those_that_are_known_is_found() {
        let text = "async fn f() { sleep(A).await; }";
        let path = "crates/mcpt-workload/src/forward.rs";
        assert_eq!(rules(path, text), [""; 0]);
        assert_eq!(rules(path, &text.repeat(2)).len(), 1);
        assert_eq!(rules(path, "").len(), 1, "an entry that is not needed");
    }
}
