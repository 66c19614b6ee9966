//! [`TABLE`]: what is done between the eras, row by row, as the guide has it.

use std::fmt::Write as _;

/// One matter, and what becomes of it in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub matter: &'static str,
    /// Clients of the session era, servers of 2026-07-28.
    pub old_client: &'static str,
    /// Clients of 2026-07-28, servers of the session era.
    pub new_client: &'static str,
}

/// All of them.
pub const TABLE: &[Row] = &[
    Row {
        matter: "beginning",
        old_client: "`initialize` is answered from the server's `server/discover`; the session id carries, sealed, what the client said",
        new_client: "`server/discover` is answered from `initialize` in a session of the gateway's",
    },
    Row {
        matter: "session",
        old_client: "kept by the gateway; any replica with its keys goes on with it",
        new_client: "lent to one request at a time; the next one that has it has the same headers and says the same of its client",
    },
    Row {
        matter: "request",
        old_client: "goes to any instance, with `_meta` and `Mcp-Method`, `Mcp-Name`",
        new_client: "goes on in the session, without what only 2026-07-28 has; its headers and `_meta` are checked as a server of 2026-07-28 does",
    },
    Row {
        matter: "result",
        old_client: "without `resultType`, `ttlMs`, `cacheScope`; `structuredContent` and `outputSchema` only if they are of an object",
        new_client: "with `resultType`, for lists and resources `ttlMs: 0` and `cacheScope: private`, and who the server is",
    },
    Row {
        matter: "error",
        old_client: "HTTP 200; an unknown resource is -32002",
        new_client: "an unknown method is HTTP 404, an unknown resource -32602",
    },
    Row {
        matter: "question to the client",
        old_client: "`input_required` becomes requests on the stream of the call, and their answers the next round; 10 rounds at most",
        new_client: "a request in a call becomes `input_required`; the call stays open for 10 minutes in the replica that has it; URLs of error -32042 too",
    },
    Row {
        matter: "`ping`",
        old_client: "answered by the gateway",
        new_client: "answered by the gateway",
    },
    Row {
        matter: "log messages",
        old_client: "from the level of `logging/setLevel` on, `info` before; other replicas do not hear of the level",
        new_client: "only to requests that name a level",
    },
    Row {
        matter: "progress",
        old_client: "as it comes",
        new_client: "as it comes",
    },
    Row {
        matter: "cancelling",
        old_client: "`notifications/cancelled` ends the request to the server; a lost connection does not",
        new_client: "the end of the stream becomes `notifications/cancelled`, and the session ends",
    },
    Row {
        matter: "lists that change, subscriptions",
        old_client: "the GET stream is made of `subscriptions/listen`; `resources/subscribe` counts in the replica that was asked",
        new_client: "`subscriptions/listen` gets the GET stream of a session of its own",
    },
    Row {
        matter: "tasks",
        old_client: "not offered: they are others in each era",
        new_client: "not offered",
    },
    Row {
        matter: "batches",
        old_client: "refused",
        new_client: "there are none",
    },
];

/// The table in Markdown.
pub fn markdown() -> String {
    let mut out = String::from(
        "| | client with sessions, server of 2026-07-28 | client of 2026-07-28, server with sessions |\n|---|---|---|\n",
    );
    for row in TABLE {
        let (matter, old, new) = (row.matter, row.old_client, row.new_client);
        // Writing into a string cannot fail.
        let _ = writeln!(out, "| {matter} | {old} | {new} |");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_it() {
        let guide = include_str!("../../../../docs/src/protocol-versions.md");
        assert!(guide.contains(&markdown()), "{}", markdown());
    }
}
