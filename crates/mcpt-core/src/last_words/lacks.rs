//! What a server's log says that it did not find outside of itself: a host, a module of its language. Pure.

use std::path::Path;

use super::said;

/// What stands before and behind the name of a host that was not reached.
const OF_HOSTS: [(&str, &[char]); 12] = [
    ("getaddrinfo ENOTFOUND ", &[' ', '"', '\'', ',', ')']),
    ("getaddrinfo EAI_AGAIN ", &[' ', '"', '\'', ',', ')']),
    ("connect ECONNREFUSED ", &[' ', '"', '\'', ',', ')']),
    ("connect ETIMEDOUT ", &[' ', '"', '\'', ',', ')']),
    ("Failed to resolve '", &['\'']),
    ("Failed to resolve \\'", &['\\', '\'']),
    ("could not translate host name \"", &['"']),
    ("dial tcp: lookup ", &[' ', ':']),
    ("connection to server at \"", &['"']),
    ("Can't connect to MySQL server on '", &['\'']),
    ("Couldn't connect to ", &[' ', '(', ',', '\'']),
    ("Temporary failure in name resolution: ", &[' ', '"', '\'']),
];

/// A host that a server did not reach in its last attempts, with its port if that is said.
pub(crate) fn unreached(log: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    said(log).into_iter().rev().find_map(|line| {
        let named = OF_HOSTS.iter().find_map(|(before, ends)| {
            let (_, rest) = line.split_once(before)?;
            let host = rest.split(*ends).next()?;
            // Those that are plain English are followed by any word.
            let is_plain = before.starts_with("Couldn't") || before.starts_with("Failed");
            (!is_plain || host.contains(['.', ':'])).then_some(host)
        });
        let dialled = || {
            // Go: `dial tcp 127.0.0.1:9: connect: connection refused`.
            let (_, rest) = line.split_once("dial tcp ")?;
            let (host, why) = rest.split_once(": ")?;
            let refused = ["connect:", "i/o timeout", "lookup"];
            refused
                .iter()
                .any(|start| why.starts_with(start))
                .then_some(host)
        };
        let host = named.or_else(dialled)?.trim_end_matches('.');
        (!host.is_empty() && host.chars().all(is_part)).then(|| host.to_owned())
    })
}

/// Whether a server asked for a container engine in vain.
pub(crate) fn misses_engine(log: &str) -> bool {
    let asked = [
        "docker.errors.DockerException: Error while fetching server API version",
        "Cannot connect to the Docker daemon",
        "connect ENOENT /var/run/docker.sock",
        "Cannot connect to Podman",
    ];
    said(log)
        .iter()
        .any(|line| asked.iter().any(|text| line.contains(text)))
}

/// A module that a server did not find, as its language names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Module {
    /// Of another package, which the server's own does not depend on: by the name that its language has for it.
    Npm(String),
    /// The same in Python.
    Python(String),
    /// One in machine code, which the package's installation builds or fetches.
    Native,
    /// A part of a package that is there, in another version than the server was written for.
    Part,
}

/// The module that a server misses.
pub(crate) fn missing_module(log: &str) -> Option<Module> {
    said(log).into_iter().rev().find_map(|line| {
        let quoted = |before: &str| {
            let (_, rest) = line.split_once(before)?;
            rest.split(['\'', '"']).next()
        };
        let of_node = quoted("Cannot find module '").or_else(|| quoted("Cannot find package '"));
        let of_native = [
            "Could not locate the bindings file",
            "No native build was found",
        ];
        if of_native.iter().any(|part| line.contains(part))
            || of_node
                .is_some_and(|name| Path::new(name).extension().is_some_and(|end| end == "node"))
        {
            return Some(Module::Native);
        }
        if let Some(name) = of_node {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-._@/".contains(c);
            let scopes = usize::from(name.starts_with('@'));
            let is_path = name.starts_with(['.', '/']) || name.starts_with("file:");
            if is_path {
                // A file of the server's own that is not there says nothing of what it depends on.
                return name.contains("/node_modules/").then_some(Module::Part);
            }
            let alone = name.matches('/').count() == scopes && name.chars().all(is_name);
            return Some(if alone {
                Module::Npm(name.to_owned())
            } else {
                Module::Part
            });
        }
        if let Some(name) = quoted("ModuleNotFoundError: No module named '") {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            return Some(if name.chars().all(is_name) && !name.is_empty() {
                Module::Python(name.to_owned())
            } else {
                Module::Part
            });
        }
        let parts = [
            "ImportError: cannot import name ",
            "does not provide an export named ",
            "is not defined by \"exports\" in ",
            "ERR_REQUIRE_ESM",
        ];
        parts
            .iter()
            .any(|part| line.contains(part))
            .then_some(Module::Part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_not_reached() {
        for (log, expected) in [
            (
                "Error: getaddrinfo ENOTFOUND api.x.test\n",
                Some("api.x.test"),
            ),
            (
                "AxiosError: connect ECONNREFUSED 127.0.0.1:5432\n    at y",
                Some("127.0.0.1:5432"),
            ),
            (
                "RuntimeError: HTTPSConnectionPool(host='a.test', port=443): Max retries exceeded with url: / (Caused by \
                 NameResolutionError(\"HTTPSConnection(host='a.test', port=443): Failed to resolve 'a.test' ([Errno -2])\"))",
                Some("a.test"),
            ),
            (
                "{\"error\":\"Post \\\"https://slack.test/api\\\": dial tcp: lookup slack.test on 10.0.0.1:53: no such host\"}",
                Some("slack.test"),
            ),
            (
                "error: dial tcp 127.0.0.1:9: connect: connection refused",
                Some("127.0.0.1:9"),
            ),
            (
                "psycopg2.OperationalError: connection to server at \"db.test\" (1.2.3.4), port 9 failed: Connection refused",
                Some("db.test"),
            ),
            (
                "Failed to connect to Neo4j: Couldn't connect to localhost:7687 (resolved to ('127.0.0.1:7687',)):",
                Some("localhost:7687"),
            ),
            ("Couldn't connect to the database", None),
            (
                "curl: (7) Failed to connect: Couldn't connect to server",
                None,
            ),
            ("Failed to resolve 'lodash/get' from main.js", None),
            ("getaddrinfo ENOTFOUND \n", None),
            ("dial tcp is a function of Go: see there", None),
        ] {
            assert_eq!(unreached(log).as_deref(), expected, "{log}");
        }
    }

    #[test]
    fn an_engine_that_is_not_there() {
        for (log, expected) in [
            (
                "  | docker.errors.DockerException: Error while fetching server API version: ('Connection aborted.')",
                true,
            ),
            (
                "failed: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
                true,
            ),
            ("docker is nice", false),
        ] {
            assert_eq!(misses_engine(log), expected, "{log}");
        }
    }

    #[test]
    fn modules_that_are_not_there() {
        let npm = |name: &str| Some(Module::Npm(name.to_owned()));
        for (log, expected) in [
            ("Error: Cannot find module 'express'\n", npm("express")),
            (
                "Error [ERR_MODULE_NOT_FOUND]: Cannot find package '@scope/x' imported from /a/b.js",
                npm("@scope/x"),
            ),
            (
                "Fatal error in main(): Cannot find module '/s/node_modules/@m/sdk/dist/mcp' imported from /s/x.js",
                Some(Module::Part),
            ),
            (
                "Error: Cannot find module '../build/Release/keytar.node'",
                Some(Module::Native),
            ),
            (
                "Error: No native build was found for platform=linux arch=x64",
                Some(Module::Native),
            ),
            (
                "ModuleNotFoundError: No module named 'yaml'\n",
                Some(Module::Python("yaml".to_owned())),
            ),
            (
                "ModuleNotFoundError: No module named 'a.b'\n",
                Some(Module::Part),
            ),
            (
                "ImportError: cannot import name 'x' from 'y' (/z.py)",
                Some(Module::Part),
            ),
            (
                "SyntaxError: The requested module 'zod' does not provide an export named 'z4'",
                Some(Module::Part),
            ),
            ("Error: Cannot find module '/srv/x/dist/index.js'", None),
            ("Error: Cannot find module './x'", None),
            ("all modules found", None),
        ] {
            assert_eq!(missing_module(log), expected, "{log}");
        }
    }
}
