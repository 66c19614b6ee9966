//! `mcpt call NAME TOOL`: calls a tool and prints what it answers.

use std::time::Duration;

use clap::Args;
use mcpt_client::{CallProgress, Exact, ToolResult};
use mcpt_core::{Failure, FailureKind, ServerName, near};
use serde_json::{Value, value::RawValue};

use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    messages, output, runtime,
    speak::Speaker,
    tool_arguments,
    user_config::UserConfig,
    value_source,
};

/// Arguments of `mcpt call`.
#[derive(Debug, Args)]
#[command(
    after_help = "Arguments are typed as the tool's schema says. NAME=@FILE reads a value from a file, NAME=@- from \
        standard input. Progress goes to standard error; -o json prints the result as the server sent it.

Examples:
  mcpt call demo echo --arg message=hi
  mcpt call demo add --json '{\"a\": 2, \"b\": 40}'"
)]
pub(crate) struct Call {
    /// Name of the server
    name: ServerName,
    /// Name of the tool
    tool: String,
    /// Argument of the tool; may be repeated
    #[arg(short, long = "arg", value_name = "NAME=VALUE")]
    arg: Vec<String>,
    /// All arguments as one JSON object; @FILE and @- as with --arg
    #[arg(long, value_name = "JSON", conflicts_with = "arg")]
    json: Option<String>,
    /// How long to wait without an answer or any progress
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration::parse)]
    timeout: Duration,
}

impl Call {
    /// Calls it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let given = self
            .arg
            .iter()
            .map(|text| value_source::pair(text))
            .collect::<Result<Vec<_>, _>>()?;
        let json = self.json.as_deref().map(arguments).transpose()?;
        let result = runtime::run(async {
            let speaker = Speaker::reach(global, &config, &self.name, self.timeout).await?;
            let outcome = self.ask(global, &speaker, &given, json).await;
            speaker.client.close().await;
            Ok(outcome?)
        })?;
        self.show(global, &result)
    }

    async fn ask(
        &self,
        global: &Global,
        speaker: &Speaker,
        given: &[(String, String)],
        json: Option<Box<RawValue>>,
    ) -> Result<ToolResult, Failure> {
        let what = || format!("cannot call {} of {}", self.tool, self.name);
        let tools = speaker
            .client
            .list_tools(self.timeout)
            .await
            .map_err(|error| error.into_failure(what()))?;
        let Some(tool) = tools.iter().find(|tool| tool.text("name") == self.tool) else {
            let names: Vec<&str> = tools.iter().map(|tool| tool.text("name")).collect();
            let near = near::hint(&self.tool, names.iter().copied());
            return Err(Failure::new(
                FailureKind::NotFound,
                format!("{} has no tool {:?}{near}", self.name, self.tool),
            )
            .hint(format!("its tools are {}", names.join(", "))));
        };
        let schema = tool.value().get("inputSchema").unwrap_or(&Value::Null);
        let arguments = match json {
            Some(arguments) => arguments,
            None => tool_arguments::typed(&self.tool, schema, given)?,
        };
        let quiet = global.quiet;
        let on_progress = move |progress| {
            if !quiet {
                messages::line(&progress_line(&progress));
            }
        };
        speaker
            .client
            .call_tool(&self.tool, arguments, on_progress, self.timeout)
            .await
            .map_err(|error| error.into_failure(what()))
    }

    fn show(&self, global: &Global, result: &ToolResult) -> Result<(), Ending> {
        match global.output {
            Format::Json => output::exact_json(result.result.json())?,
            Format::Yaml => output::exact_yaml(result.result.json())?,
            Format::Table | Format::Wide | Format::Name if !result.is_error() => {
                return output::text(&text(&result.result));
            }
            Format::Table | Format::Wide | Format::Name => {}
        }
        if !result.is_error() {
            return Ok(());
        }
        let failure = Failure::new(
            FailureKind::ToolError,
            format!("the tool {} answered with an error", self.tool),
        );
        Err(match text(&result.result).trim_end() {
            "" => failure,
            said => failure.because(said),
        }
        .into())
    }
}

/// The `--json` arguments: an object, sent as it is written.
fn arguments(source: &str) -> Result<Box<RawValue>, Failure> {
    let text = value_source::value("--json", source)?;
    let failure = || Failure::new(FailureKind::Usage, "--json is no JSON object");
    let json: Box<RawValue> =
        serde_json::from_str(&text).map_err(|error| failure().caused_by(&error))?;
    if json.get().starts_with('{') {
        Ok(json)
    } else {
        Err(failure())
    }
}

/// `1/4 (25%) message`.
fn progress_line(progress: &CallProgress) -> String {
    let mut line = match progress.total {
        Some(total) if total > 0.0 => {
            format!(
                "{}/{total} ({:.0}%)",
                progress.progress,
                100.0 * progress.progress / total
            )
        }
        _ => progress.progress.to_string(),
    };
    if let Some(message) = &progress.message {
        line.push(' ');
        line.push_str(message);
    }
    line
}

/// What of a result people read: its texts, and a word about all else.
fn text(result: &Exact) -> String {
    let content = result.value().get("content").and_then(Value::as_array);
    let mut text = String::new();
    for block in content.into_iter().flatten() {
        text.push_str(&block_text(block));
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    if text.is_empty()
        && let Some(structured) = result.member("structuredContent")
    {
        text = mcpt_protocol::indented(structured);
        text.push('\n');
    }
    text
}

fn block_text(block: &Value) -> String {
    let field = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
    match field("type") {
        "text" => field("text").to_owned(),
        "resource" => {
            let resource = block.get("resource").unwrap_or(&Value::Null);
            let part = |key: &str| resource.get(key).and_then(Value::as_str);
            match part("text") {
                Some(text) => text.to_owned(),
                None => format!("[resource {}]", part("uri").unwrap_or("without a URI")),
            }
        }
        "resource_link" => format!("[resource {}]", field("uri")),
        kind @ ("image" | "audio") => format!(
            "[{kind} {}, {} bytes in base64: -o json prints it]",
            field("mimeType"),
            field("data").len()
        ),
        kind => format!("[{kind}: -o json prints it]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exact(value: &str) -> Exact {
        Exact::read(RawValue::from_string(value.to_owned()).unwrap()).unwrap()
    }

    #[test]
    fn results_for_people() {
        let result = json!({"content": [
            {"type": "text", "text": "one"},
            {"type": "image", "mimeType": "image/png", "data": "AAAA"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "inside\n"}},
            {"type": "resource_link", "uri": "file:///b"},
        ]});
        assert_eq!(
            text(&exact(&result.to_string())),
            "one\n[image image/png, 4 bytes in base64: -o json prints it]\ninside\n[resource file:///b]\n"
        );
        assert_eq!(
            text(&exact(
                r#"{"content": [], "structuredContent": {"z": 18446744073709551616,"a":1}}"#
            )),
            "{\n  \"z\": 18446744073709551616,\n  \"a\": 1\n}\n"
        );
        assert_eq!(text(&exact("{}")), "");
    }

    #[test]
    fn progress_in_words() {
        let progress = |progress, total, message: Option<&str>| {
            progress_line(&CallProgress {
                progress,
                total,
                message: message.map(str::to_owned),
            })
        };
        assert_eq!(progress(1.0, Some(4.0), None), "1/4 (25%)");
        assert_eq!(progress(2.5, None, Some("half")), "2.5 half");
        assert_eq!(progress(1.0, Some(0.0), None), "1");
    }

    #[test]
    fn json_must_be_an_object() {
        let exact = " {\"b\": 18446744073709551616, \"a\": 1.0} ";
        assert_eq!(arguments(exact).unwrap().get(), exact.trim());
        for text in ["[1]", "{", "x"] {
            assert_eq!(arguments(text).unwrap_err().kind, FailureKind::Usage);
        }
    }
}
