//! `mcpt logs NAME`: what a server wrote.

use std::time::SystemTime;

use clap::Args;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use mcpt_core::{LogLine, LogOptions, Logs as Written, ServerName};
use regex::Regex;

use crate::{
    args::{Format, Global},
    ending::Ending,
    output, place, runtime, since,
    user_config::UserConfig,
};

/// Arguments of `mcpt logs`.
#[derive(Debug, Args)]
#[command(
    after_help = "Lines of several instances begin with the name of theirs, also while one replaces another. -o json prints one JSON document per line.

Examples:
  mcpt logs demo --tail 20
  mcpt logs demo -f
  mcpt logs demo --since 10m --grep '(?i)error|warn'"
)]
pub(crate) struct Logs {
    /// Name of the server
    name: ServerName,
    /// Go on with new lines
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines of each instance
    #[arg(long, value_name = "N")]
    tail: Option<u32>,
    /// Only lines that were written since then: 10m ago, or since a time (2026-11-30T10:00:00Z)
    #[arg(long, value_name = "WHEN", value_parser = since::parse)]
    since: Option<Timestamp>,
    /// Of these lines only those that match a regular expression
    #[arg(long, value_name = "PATTERN")]
    grep: Option<Regex>,
    /// Of the start before the current one
    #[arg(long, conflicts_with = "follow")]
    previous: bool,
}

impl Logs {
    /// Prints them.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let options = LogOptions {
            follow: self.follow,
            tail: self.tail,
            since: self.since.map(SystemTime::from),
            previous: self.previous,
        };
        runtime::run(async {
            let backend = place::of_server(global, &config, &self.name).await?;
            let Written { several, mut lines } = backend.logs(&self.name, &options).await?;
            let mut prefix = Prefix::new(several);
            while let Some(line) = lines.next().await {
                let line = line?;
                if self
                    .grep
                    .as_ref()
                    .is_some_and(|grep| !grep.is_match(&line.text))
                {
                    continue;
                }
                match global.output {
                    Format::Json => output::json_line(&line)?,
                    _ => output::line(&prefix.put_before(line))?,
                }
            }
            Ok(())
        })
        .map_err(|ending| ending.silent_when_followed(self.follow))
    }
}

/// Which instance a line is of, once that is a question: one instance that is replaced becomes two for a while.
#[derive(Debug)]
struct Prefix {
    several: bool,
    first: Option<String>,
}

impl Prefix {
    fn new(several: bool) -> Self {
        Self {
            several,
            first: None,
        }
    }

    fn put_before(&mut self, line: LogLine) -> String {
        let LogLine { replica, text } = line;
        if !self.several {
            self.several = *self.first.get_or_insert_with(|| replica.clone()) != replica;
        }
        if self.several {
            format!("[{replica}] {text}")
        } else {
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(several: bool, lines: &[(&str, &str)]) -> Vec<String> {
        let mut prefix = Prefix::new(several);
        let line = |(replica, text): &(&str, &str)| {
            prefix.put_before(LogLine {
                replica: (*replica).to_owned(),
                text: (*text).to_owned(),
            })
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn lines_name_their_instance_once_there_are_two() {
        let rolled = [("a", "one"), ("a", "two"), ("b", "begins"), ("a", "ends")];
        assert_eq!(
            shown(false, &rolled),
            ["one", "two", "[b] begins", "[a] ends"]
        );
        assert_eq!(shown(true, &rolled[..1]), ["[a] one"]);
    }
}
