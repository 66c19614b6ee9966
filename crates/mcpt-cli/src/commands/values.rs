//! `mcpt values NAME`: the values of a server's chart, and who said each.

use clap::Args;
use mcpt_core::{Capability, ServerName, ServerValue};

use crate::{
    args::{Format, Global},
    ending::Ending,
    output, place, runtime,
    table::{Table, terminal_width},
    user_config::UserConfig,
};

/// Arguments of `mcpt values`.
#[derive(Debug, Args)]
#[command(
    after_help = "A value is of the last one that said it: the chart, mcpt's configuration, the template with its settings, an entry of a registry, a \
        profile, a file of -f, --replicas, --set, or mcpt scale; what ran before is what a deploy keeps. Of revisions that stock Helm made \
        nobody knows it. Secrets are not shown; mcpt chart get values prints the values as they are.

Examples:
  mcpt -b kubernetes values demo --origin
  mcpt -b kubernetes values demo --all --origin -o json"
)]
pub(crate) struct Values {
    /// Name of the server
    name: ServerName,
    /// Show where each value comes from
    #[arg(long)]
    origin: bool,
    /// Also the chart's defaults
    #[arg(long)]
    all: bool,
}

impl Values {
    /// Shows them.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let mut values = runtime::run(async {
            let what = format!("cannot show the values of {}", self.name);
            let needed = Capability::Chart;
            let backend =
                place::of_server_that_can(global, &config, &self.name, needed, what).await?;
            Ok(backend.values(&self.name).await?)
        })?;
        values.retain(|value| self.all || !value.is_default);
        match global.output {
            Format::Json => output::json(&values),
            Format::Yaml => output::yaml(&values),
            Format::Name => output::lines(values.iter().map(|value| &value.path)),
            Format::Table => output::text(&self.table(&values).text(terminal_width())),
            Format::Wide => output::text(&self.table(&values).text(None)),
        }
    }

    fn table(&self, values: &[ServerValue]) -> Table {
        let header = ["VALUE", "IS", "ORIGIN"];
        let columns = if self.origin { 3 } else { 2 };
        let mut table = Table::new(header.get(..columns).unwrap_or(&header));
        for value in values {
            let text = value.value.as_str().map(str::to_owned);
            let text = text.unwrap_or_else(|| value.value.to_string());
            let cells = [value.path.clone(), text, value.origin.clone()];
            table.row(cells.into_iter().take(columns));
        }
        table
    }
}
