//! `mcpt delete NAME`: ends a server and removes everything of it.

use std::fmt::Write as _;

use clap::Args;
use mcpt_core::{Capability, Deleted, ServerName};
use serde::Serialize;

use crate::{
    args::{Format, Global},
    deletion::Deletion,
    ending::Ending,
    output, place, progress, runtime,
    user_config::UserConfig,
};

/// Arguments of `mcpt delete`.
#[derive(Debug, Args)]
#[command(
    after_help = "A volume whose settings say so (persistence.keep) outlives its server, and the next server of that name has it again.

Examples:
  mcpt delete demo
  mcpt -b kubernetes delete demo --purge-data"
)]
pub(crate) struct Delete {
    /// Name of the server
    name: ServerName,
    /// Also the volumes that were to outlive it, with their data; also when the server itself is gone already
    #[arg(long)]
    purge_data: bool,
    #[command(flatten)]
    deletion: Deletion,
}

/// What was done, as a document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    name: &'a ServerName,
    /// Whether it is gone already.
    deleted: bool,
    /// What outlives it.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    kept: &'a [String],
}

impl Delete {
    /// Deletes it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let options = self.deletion.options(self.purge_data);
        let (deleted, purge) = runtime::run(async {
            let progress = progress::display(global);
            let what = format!("cannot delete {}", self.name);
            let backend = if options.delete_namespace {
                let needed = Capability::Namespaces;
                place::of_server_that_can(global, &config, &self.name, needed, what).await?
            } else {
                place::of_server(global, &config, &self.name).await?
            };
            let deleted = backend
                .delete(&self.name, &options, progress.as_ref())
                .await?;
            let purge = backend.command(&format!("delete {} --purge-data", self.name));
            Ok((deleted, purge))
        })
        .map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))?;
        let done = Done {
            name: &self.name,
            deleted: !self.deletion.no_wait,
            kept: &deleted.kept,
        };
        match global.output {
            Format::Json => output::json(&done),
            Format::Yaml => output::yaml(&done),
            Format::Name => output::line(self.name.as_str()),
            Format::Table | Format::Wide => output::text(&self.text(&deleted, &purge)),
        }
    }

    /// `purge` is the command that removes what was kept.
    fn text(&self, deleted: &Deleted, purge: &str) -> String {
        let how = if self.deletion.no_wait {
            "is being deleted"
        } else {
            "deleted"
        };
        let mut text = format!("{} {how}\n", self.name);
        for kept in &deleted.kept {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "kept {kept}: it outlives the server ({purge} removes it)"
            );
        }
        text
    }
}
