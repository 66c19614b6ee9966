//! The usage that a program tells when it is not told what to do. Pure.

use super::said;

/// Commands and options by which programs that can do more are told to serve MCP, as their usage lists them.
const WAYS_TO_SERVE: [&str; 9] = [
    "mcp",
    "mcp-server",
    "start-mcp-server",
    "serve",
    "server",
    "start",
    "stdio",
    "--mcp",
    "--stdio",
];

/// The command or option in a usage that has a program serve MCP.
pub(crate) fn way_to_serve(log: &str) -> Option<&'static str> {
    let lines = said(log);
    // From the word on: what is said before is no usage.
    let usage = lines
        .iter()
        .skip_while(|line| !line.to_lowercase().contains("usage:"));
    if usage.clone().any(|line| is_one_of_modes(line)) {
        return Some("stdio");
    }
    let listed = |way: &&&str| {
        let is_it = |line: &&str| {
            let line = line.trim_start_matches(['│', '|', '•', '*']).trim_start();
            // In a list there are two spaces between a name and what it is for.
            let behind = line.strip_prefix(**way);
            behind.is_some_and(|behind| behind.starts_with("  ") || behind.starts_with('\t'))
        };
        lines.iter().any(is_it)
    };
    WAYS_TO_SERVE.iter().find(listed).copied()
}

/// Whether a usage lists `stdio` among commands of which one is to be given: `[{stdio,http}]`. Choices behind an option are its.
fn is_one_of_modes(line: &str) -> bool {
    let Some((before, rest)) = line.split_once('{') else {
        return false;
    };
    let choices = rest.split('}').next().unwrap_or_default();
    let word = before.trim_end_matches('[').split_whitespace().next_back();
    let of_option = word
        .is_some_and(|word| word.trim_start_matches('[').starts_with('-') || word.ends_with('='));
    !of_option && choices.split(',').any(|choice| choice.trim() == "stdio")
}

/// Whether a program has said how it is to be used, which it does when it is not told what to do.
pub(crate) fn is_usage(log: &str) -> bool {
    said(log).iter().any(|line| {
        let lower = line.to_lowercase();
        let lower = without_label(&lower);
        let heading = lower.trim_matches(['╭', '╮', '─', ' ', ':']);
        lower.starts_with("usage:") || matches!(heading, "usage" | "commands" | "subcommands")
    })
}

/// A line without the number or level that a logger puts before it: `[1234] …`, `[INFO] …`.
fn without_label(line: &str) -> &str {
    let label = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match label {
        Some((label, rest)) if label.chars().all(char::is_alphanumeric) => rest.trim_start(),
        _ => line,
    }
}
