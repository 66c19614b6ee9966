//! Parts of clients' files, as READMEs show them: `{"mcpServers": {…}}`, `"name": {"command": …}`, `[mcp_servers.name]`.

use super::PastedError;
use crate::{
    Note, Recipe,
    client_file::{self, ClientFile, ClientFileError, Grammar},
};

/// How an entry is called that has no name.
const UNNAMED: &str = "server";

/// The one server of such a text; `None` when it is a command line.
pub(super) fn recipe(text: &str) -> Option<Result<Recipe, PastedError>> {
    let text = without_fence(text);
    let grammar = grammar(text)?;
    Some(read(text, grammar).and_then(only))
}

/// Without the lines that surround a block in Markdown.
fn without_fence(text: &str) -> &str {
    let text = text.trim().trim_start_matches('\u{feff}');
    let Some(rest) = text.strip_prefix("```") else {
        return text;
    };
    let inside = rest.split_once('\n').map_or("", |(_, inside)| inside);
    let inside = inside.trim_end();
    inside.strip_suffix("```").unwrap_or(inside).trim()
}

/// The grammar of a text that is a part of a file.
fn grammar(text: &str) -> Option<Grammar> {
    // `"C:\…\npx.cmd" -y x` begins with a quote, too.
    let member = || {
        let (_, rest) = text.strip_prefix('"')?.split_once('"')?;
        rest.trim_start().starts_with(':').then_some(())
    };
    let first = text.lines().find(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("//") && !line.starts_with('#')
    })?;
    let first = first.trim();
    if first.starts_with('{') && !first.starts_with("{{") || member().is_some() {
        return Some(Grammar::Json);
    }
    let is_table = |line: &str| {
        let name = line.trim().trim_start_matches(['[', '"', '\'']);
        let starts = [
            "mcp_servers",
            "mcpServers",
            "mcp-servers",
            "mcp.",
            "mcp]",
            "projects.",
        ];
        line.trim().ends_with(']') && starts.iter().any(|start| name.starts_with(start))
    };
    let one_of_toml = first.starts_with('[') || first.contains(" = ");
    if one_of_toml
        && text
            .lines()
            .any(|line| line.trim().starts_with('[') && is_table(line))
    {
        return Some(Grammar::Toml);
    }
    let known = [
        "mcpServers",
        "mcp_servers",
        "servers",
        "extensions",
        "services",
        "mcp",
    ];
    // Other members of the file may stand before it: `name: …`, `version: …`.
    let is_member = |line: &str| {
        line.split_once(':').is_some_and(|(key, _)| {
            key.chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        })
    };
    let has_servers = text.lines().any(|line| {
        line.trim_end()
            .strip_suffix(':')
            .is_some_and(|key| known.contains(&key))
    });
    (is_member(first) && has_servers).then_some(Grammar::Yaml)
}

fn read(text: &str, grammar: Grammar) -> Result<ClientFile, PastedError> {
    let first = client_file::read(text, Some(grammar));
    if !matches!(first, Err(ClientFileError::NoServers)) || !matches!(grammar, Grammar::Json) {
        return first.map_err(|error| PastedError::Json(error.to_string()));
    }
    // What is inside of the object of all servers: `"name": {"command": …}`.
    let object = if text.starts_with('"') {
        format!("{{{text}\n}}")
    } else {
        text.to_owned()
    };
    let inside = client_file::read(&format!("{{\"mcpServers\": {object}\n}}"), Some(grammar));
    // What names neither a program nor an address is none: anything may be in an object.
    let is_one = |error: &PastedError| !matches!(error, PastedError::Json(_));
    let of_servers = |file: &ClientFile| {
        let mut recipes = file.servers.iter().map(|server| &server.recipe);
        recipes.any(|recipe| recipe.as_ref().map_or_else(is_one, |_| true))
    };
    inside
        .ok()
        .filter(of_servers)
        .map_or_else(|| first, Ok)
        .map_err(|error| PastedError::Json(error.to_string()))
}

/// The server of a file that has one.
fn only(file: ClientFile) -> Result<Recipe, PastedError> {
    let mut servers = file.servers;
    if servers.len() != 1 {
        let names = servers.into_iter().take(10).map(|server| server.name);
        return Err(PastedError::Servers(names.collect()));
    }
    let server = servers.remove(0);
    let mut recipe = *server.recipe?;
    recipe.notes.extend(file.notes.into_iter().map(Note));
    if server.place.is_empty() && server.name == UNNAMED {
        recipe.name = None;
    }
    Ok(recipe)
}
