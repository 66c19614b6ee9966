//! `mcpt gc`: removes what commands that died left behind.

use std::time::Duration;

use clap::Args;
use mcpt_core::{Garbage, GcOptions};

use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    messages, output, place, progress, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// Arguments of `mcpt gc`.
#[derive(Debug, Args)]
#[command(
    after_help = "Removes only what bears all marks of mcpt and belongs to no living command. Volumes stay, but for those that an interrupted deletion was to take: mcpt delete NAME --purge-data removes them.

Examples:
  mcpt gc --dry-run
  mcpt -b kubernetes -n tools gc"
)]
pub(crate) struct Gc {
    /// Say what would be removed and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for the end of what is removed
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    timeout: Duration,
}

impl Gc {
    /// Cleans up.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let options = GcOptions {
            dry_run: self.dry_run,
            timeout: self.timeout,
        };
        let (garbage, place) = runtime::run(async {
            let progress = progress::display(global);
            let backend = place::backend(global, &config).await?;
            let garbage = backend.gc(&options, progress.as_ref()).await?;
            Ok((garbage, backend.place()))
        })
        .map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))?;
        match global.output {
            Format::Json => output::json(&garbage),
            Format::Yaml => output::yaml(&garbage),
            Format::Name => output::lines(garbage.iter().map(|one| &one.object)),
            Format::Table | Format::Wide => {
                if !global.quiet {
                    messages::line(&self.summary(garbage.len(), &place));
                }
                if garbage.is_empty() {
                    return Ok(());
                }
                let width = (global.output == Format::Table).then(table::terminal_width);
                output::text(&table(&garbage).text(width.flatten()))
            }
        }
    }

    fn summary(&self, count: usize, place: &str) -> String {
        match (count, self.dry_run) {
            (0, _) => format!("nothing to clean up {place}"),
            (_, true) => format!("would be cleaned up {place}:"),
            (_, false) => format!("cleaned up {place}:"),
        }
    }
}

fn table(garbage: &[Garbage]) -> Table {
    let mut table = Table::new(&["OBJECT", "REASON"]);
    for one in garbage {
        table.row([one.object.clone(), one.reason.clone()]);
    }
    table
}
