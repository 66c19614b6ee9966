//! `mcpt top [NAME]`: what the instances of servers use now.

use clap::Args;
use mcpt_core::{Capability, InstanceUsage, ServerName};

use super::status::mebibytes;
use crate::{
    args::{Format, Global},
    ending::Ending,
    output, place, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// Arguments of `mcpt top`.
#[derive(Debug, Args)]
#[command(
    after_help = "CPU is in thousandths of a processor, over the last second or, on Kubernetes, as the metrics API of the cluster measured it. What is not \
        measured is shown as -.

Examples:
  mcpt top
  mcpt top demo
  mcpt -b kubernetes top -o json"
)]
pub(crate) struct Top {
    /// Name of the server [default: all of the backend]
    name: Option<ServerName>,
}

impl Top {
    /// Shows it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let used = runtime::run(async {
            let what = "cannot tell what servers use".to_owned();
            let needed = Capability::Usage;
            let backend = match &self.name {
                Some(name) => {
                    place::of_server_that_can(global, &config, name, needed, what).await?
                }
                None => place::backend_that_can(global, &config, needed, what).await?,
            };
            Ok(backend.usage(self.name.as_ref()).await?)
        })?;
        match global.output {
            Format::Json => output::json(&used),
            Format::Yaml => output::yaml(&used),
            Format::Name => output::lines(used.iter().map(|one| &one.instance)),
            Format::Table => output::text(&rows(&used).text(table::terminal_width())),
            Format::Wide => output::text(&rows(&used).text(None)),
        }
    }
}

fn rows(used: &[InstanceUsage]) -> Table {
    let mut table = Table::new(&["NAME", "INSTANCE", "CPU", "MEMORY"]);
    for one in used {
        let usage = one.usage;
        table.row([
            one.server.to_string(),
            one.instance.clone(),
            usage.map_or_else(String::new, |usage| format!("{}m", usage.cpu_millis)),
            usage.map_or_else(String::new, |usage| mebibytes(usage.memory_bytes)),
        ]);
    }
    table
}
