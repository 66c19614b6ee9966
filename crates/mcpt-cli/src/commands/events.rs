//! `mcpt events NAME`: what the platform told about a server's objects.

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _};
use mcpt_core::{Capability, EventStream, ServerEvent, ServerName};

use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    messages, output, place, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// Arguments of `mcpt events`.
#[derive(Debug, Args)]
#[command(
    after_help = "The oldest come first. A table is cut to the width of the terminal; -o wide is not. With -f, -o json prints one JSON \
        document per line.

Of a process they are what its supervisor did and saw: starts, ends with their reasons, restarts. Of containers they are the engine's, on \
        Kubernetes those of all objects of the server.

Examples:
  mcpt events demo
  mcpt -b kubernetes events demo
  mcpt -b kubernetes events demo -f"
)]
pub(crate) struct Events {
    /// Name of the server
    name: ServerName,
    /// Go on with new events
    #[arg(short, long)]
    follow: bool,
}

impl Events {
    /// Shows them.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        runtime::run(async {
            let what = format!("cannot show the events of {}", self.name);
            let needed = Capability::Events;
            let backend =
                place::of_server_that_can(global, &config, &self.name, needed, what).await?;
            let events = backend.events(&self.name, self.follow).await?;
            if self.follow {
                return follow(events, global.output).await;
            }
            let events: Vec<ServerEvent> = events.try_collect().await?;
            self.show(&events, global)
        })
        .map_err(|ending| ending.silent_when_followed(self.follow))
    }

    fn show(&self, events: &[ServerEvent], global: &Global) -> Result<(), Ending> {
        match global.output {
            Format::Json => output::json(&events),
            Format::Yaml => output::yaml(&events),
            Format::Name => output::lines(events.iter().map(|event| &event.object)),
            Format::Table | Format::Wide if events.is_empty() => {
                if !global.quiet {
                    messages::line(&format!("no events of {}", self.name));
                }
                Ok(())
            }
            Format::Table => output::text(&table(events).text(table::terminal_width())),
            Format::Wide => output::text(&table(events).text(None)),
        }
    }
}

/// A line for each as it comes. How wide the columns must be is not known then, and neither is how long ago it will be when
/// the line is read.
async fn follow(mut events: EventStream, format: Format) -> Result<(), Ending> {
    while let Some(event) = events.next().await {
        let event = event?;
        match format {
            Format::Json => output::json_line(&event)?,
            Format::Yaml => output::yaml_document(&format!("---\n{}", output::yaml_text(&event)?))?,
            Format::Name => output::line(&event.object)?,
            Format::Table | Format::Wide => output::line(&format!(
                "{:<21} {:<8} {:<18} {}: {}",
                event.time,
                sort(&event),
                event.reason,
                event.object,
                event.message
            ))?,
        }
    }
    Ok(())
}

/// A row for each.
pub(super) fn table(events: &[ServerEvent]) -> Table {
    let mut table = Table::new(&["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    for event in events {
        let often = if event.count > 1 {
            format!(" (x{})", event.count)
        } else {
            String::new()
        };
        table.row([
            format!("{}{often}", duration::age(&event.time)),
            sort(event).to_owned(),
            event.reason.clone(),
            event.object.clone(),
            event.message.replace('\n', " "),
        ]);
    }
    table
}

/// The sort of an event, in Kubernetes' words.
fn sort(event: &ServerEvent) -> &'static str {
    if event.warning { "Warning" } else { "Normal" }
}
