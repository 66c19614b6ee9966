//! `mcpt tools NAME`: the tools that a server offers.

use std::time::Duration;

use clap::Args;
use mcpt_client::Exact;
use mcpt_core::ServerName;
use serde_json::Value;

use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    output, runtime,
    speak::Speaker,
    table::{Table, terminal_width},
    user_config::UserConfig,
};

/// Arguments of `mcpt tools`.
#[derive(Debug, Args)]
#[command(
    after_help = "Arguments in brackets are optional. -o json prints the tools as the server sent them."
)]
pub(crate) struct Tools {
    /// Name of the server
    name: ServerName,
    /// How long to wait for an answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    timeout: Duration,
}

impl Tools {
    /// Lists them.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let tools = runtime::run(async {
            let speaker = Speaker::reach(global, &config, &self.name, self.timeout).await?;
            let tools = speaker.client.list_tools(self.timeout).await;
            speaker.client.close().await;
            Ok(tools.map_err(|error| {
                error.into_failure(format!("cannot list the tools of {}", self.name))
            })?)
        })?;
        match global.output {
            Format::Json => output::exact_json(&array(&tools)),
            Format::Yaml => output::exact_yaml(&array(&tools)),
            Format::Name => output::lines(tools.iter().map(|tool| tool.text("name"))),
            Format::Table => output::text(&table(&tools).text(terminal_width())),
            Format::Wide => output::text(&table(&tools).text(None)),
        }
    }
}

/// The tools as one JSON text.
fn array(tools: &[Exact]) -> String {
    let tools: Vec<&str> = tools.iter().map(Exact::json).collect();
    format!("[{}]", tools.join(","))
}

fn table(tools: &[Exact]) -> Table {
    let mut table = Table::new(&["NAME", "ARGUMENTS", "DESCRIPTION"]);
    for tool in tools {
        let description = tool.text("description");
        table.row([
            tool.text("name").to_owned(),
            arguments(tool.value().get("inputSchema").unwrap_or(&Value::Null)),
            description.lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    table
}

/// Names of the arguments: `message [times]`.
fn arguments(schema: &Value) -> String {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for name in properties
        .into_iter()
        .flat_map(|properties| properties.keys())
    {
        if required.contains(&name.as_str()) {
            first.push(name.clone());
        } else {
            rest.push(format!("[{name}]"));
        }
    }
    first.append(&mut rest);
    first.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_in_short() {
        let schema = json!({"properties": {"a": {}, "b": {}, "c": {}}, "required": ["b", "c"]});
        assert_eq!(arguments(&schema), "b c [a]");
        assert_eq!(arguments(&Value::Null), "");
    }
}
