//! Where in a document clients keep their servers.

use serde_json::{Map, Value};

/// How compose files call their servers.
pub(super) const COMPOSE: &str = "services";

/// One entry, and where it stands.
pub(super) struct EntryRef<'a> {
    pub(super) format: &'static str,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) entry: &'a Value,
}

/// Keys under which clients keep servers by name, in the order in which they are looked for.
const KEYS: [&str; 9] = [
    "mcpServers",
    "mcp_servers",
    "context_servers",
    "amp.mcpServers",
    "mcp.servers",
    "mcp-servers",
    "servers",
    "extensions",
    COMPOSE,
];

/// Objects in which such a key may stand, beside the document itself.
const AROUND: [&str; 3] = [
    "mcp",
    "customizations/vscode/mcp",
    "customizations/vscode/settings/mcp",
];

/// All entries of a document.
pub(super) fn all(document: &Value) -> Vec<EntryRef<'_>> {
    let mut found = Vec::new();
    let Value::Object(top) = document else {
        if let Value::Array(items) = document {
            list("mcpServers", "", items, &mut found);
        }
        return found;
    };
    below(top, "", &mut found);
    for around in AROUND {
        if let Some(Value::Object(members)) = document.pointer(&format!("/{around}")) {
            below(
                members,
                &format!("{}.", around.replace('/', ".")),
                &mut found,
            );
        }
    }
    // Settings of extensions: `github.copilot.chat.mcpServers`.
    for (key, value) in top {
        if key.ends_with(".mcpServers")
            && !KEYS.contains(&key.as_str())
            && let Value::Object(servers) = value
        {
            named("mcpServers", key, servers, &mut found);
        }
    }
    // opencode and Crush have the servers in `mcp` itself.
    if let Some(Value::Object(members)) = top.get("mcp")
        && !members.contains_key("servers")
        && !members.contains_key("mcpServers")
    {
        named("mcp", "mcp", members, &mut found);
    }
    // Claude Code keeps those of each project beside its own.
    if let Some(Value::Object(projects)) = top.get("projects") {
        for (project, settings) in projects {
            if let Some(Value::Object(servers)) = settings.get("mcpServers") {
                named(
                    "mcpServers",
                    &format!("projects.{project}.mcpServers"),
                    servers,
                    &mut found,
                );
            }
        }
    }
    if found.is_empty() && is_entry(top) {
        let name = top.get("name").and_then(Value::as_str).unwrap_or("server");
        found.push(EntryRef {
            format: "one server",
            name: name.to_owned(),
            path: String::new(),
            entry: document,
        });
    }
    found
}

fn below<'a>(members: &'a Map<String, Value>, prefix: &str, found: &mut Vec<EntryRef<'a>>) {
    for key in KEYS {
        // Only the top of a compose file has services, and of Goose's file extensions.
        if !prefix.is_empty() && matches!(key, COMPOSE | "extensions") {
            continue;
        }
        let place = format!("{prefix}{key}");
        match members.get(key) {
            Some(Value::Object(servers)) => named(key, &place, servers, found),
            Some(Value::Array(items)) => list(key, &place, items, found),
            _ => {}
        }
    }
}

fn named<'a>(
    format: &'static str,
    place: &str,
    servers: &'a Map<String, Value>,
    found: &mut Vec<EntryRef<'a>>,
) {
    for (name, entry) in servers {
        // These belong to the client itself.
        let kind = entry.get("type").and_then(Value::as_str);
        if format == "extensions" && matches!(kind, Some("builtin" | "platform" | "frontend")) {
            continue;
        }
        found.push(EntryRef {
            format,
            name: name.clone(),
            path: format!("{place}.{name}"),
            entry,
        });
    }
}

/// Entries that have their names in them.
fn list<'a>(format: &'static str, place: &str, items: &'a [Value], found: &mut Vec<EntryRef<'a>>) {
    for (index, entry) in items.iter().enumerate() {
        let name = entry.get("name").and_then(Value::as_str);
        found.push(EntryRef {
            format,
            name: name.map_or_else(|| format!("server-{}", index + 1), str::to_owned),
            path: format!("{place}[{index}]"),
            entry,
        });
    }
}

fn is_entry(members: &Map<String, Value>) -> bool {
    ["command", "url", "serverUrl", "httpUrl"]
        .iter()
        .any(|field| members.get(*field).is_some_and(Value::is_string))
}
