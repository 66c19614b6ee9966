//! `mcpt logs NAME`: what a server wrote.

use clap::Args;
use futures_util::StreamExt as _;
use mcpt_core::{LogOptions, ServerName};

use crate::{
    args::{Format, Global},
    ending::Ending,
    output, place, runtime,
    user_config::UserConfig,
};

/// Arguments of `mcpt logs`.
#[derive(Debug, Args)]
#[command(
    after_help = "Lines of several instances begin with the name of theirs. -o json prints one JSON document per line.

Examples:
  mcpt logs demo --tail 20
  mcpt logs demo -f"
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
            previous: self.previous,
        };
        runtime::run(async {
            let backend = place::backend(global, &config).await?;
            let mut lines = backend.logs(&self.name, &options).await?;
            let several = backend.status(&self.name).await?.desired > 1;
            while let Some(line) = lines.next().await {
                let line = line?;
                match global.output {
                    Format::Json => output::json_line(&line)?,
                    _ if several => output::line(&format!("[{}] {}", line.replica, line.text))?,
                    _ => output::line(&line.text)?,
                }
            }
            Ok(())
        })
        .map_err(|ending| ending.silent_when_followed(self.follow))
    }
}
