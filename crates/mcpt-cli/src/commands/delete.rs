//! `mcpt delete NAME`: ends a server and removes everything of it.

use std::time::Duration;

use clap::Args;
use mcpt_core::{DeleteOptions, ServerName};
use serde_json::json;

use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    output, place, progress, runtime,
    user_config::UserConfig,
};

/// Arguments of `mcpt delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name of the server
    name: ServerName,
    /// Return once the deletion has begun
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for its end
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    timeout: Duration,
}

impl Delete {
    /// Deletes it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let options = DeleteOptions {
            wait: (!self.no_wait).then_some(self.timeout),
        };
        runtime::run(async {
            let progress = progress::display(global);
            let backend = place::backend(global, &config).await?;
            Ok(backend
                .delete(&self.name, &options, progress.as_ref())
                .await?)
        })
        .map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))?;
        let done = if self.no_wait {
            "is being deleted"
        } else {
            "deleted"
        };
        match global.output {
            Format::Json => output::json(&json!({ "name": self.name, "deleted": !self.no_wait })),
            Format::Yaml => output::yaml(&json!({ "name": self.name, "deleted": !self.no_wait })),
            Format::Name => output::line(self.name.as_str()),
            Format::Table | Format::Wide => output::line(&format!("{} {done}", self.name)),
        }
    }
}
