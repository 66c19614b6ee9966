//! Servers by the names of their packages, from the registries that this machine is told of, on the process backend.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod faults;
mod index;
mod machine;
mod offline;
mod shared;
mod template;

use mcpt_tests::Mcpt;
use serde_json::Value;

/// The names of a server's tools.
fn tools(mcpt: &Mcpt, name: &str) -> Vec<String> {
    let listed = mcpt.json(&["tools", name]);
    let tools = listed.as_array().expect("a list of tools");
    tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// The text of a call's result.
fn called(mcpt: &Mcpt, name: &str, tool: &str, arguments: &str) -> String {
    let result: Value = mcpt.json(&["call", name, tool, "--json", arguments]);
    let text = result["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {result}"))
        .to_owned()
}
