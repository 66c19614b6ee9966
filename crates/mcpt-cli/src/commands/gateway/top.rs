//! `mcpt gateway top`: what goes through gateways now, server by server.

mod rates;

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use clap::Args;
use mcpt_gateway_api::{SERVERS_PATH, ServersPage};
use tokio::time::{Instant, MissedTickBehavior};

use self::rates::{Load, loads};
use super::pages::{Gateways, Whom};
use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    output, runtime,
    table::{self, Table},
};

/// Clears a terminal, and goes to its beginning.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Arguments of `mcpt gateway top`.
#[derive(Debug, Args)]
#[command(
    after_help = "Calls and errors are requests a second over the last interval, of all replicas together; P50 and P99 the times until \
        good answers began, read off histograms and so no finer than those. On a terminal it goes on until it is \
        interrupted; elsewhere, and with -o json or yaml, it tells one interval."
)]
pub(super) struct Top {
    /// How long each look takes
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration::parse)]
    interval: Duration,
    #[command(flatten)]
    whom: Whom,
}

/// All servers of a gateway at one moment.
struct Look {
    at: Instant,
    /// As each replica tells them.
    replicas: Vec<ServersPage>,
}

impl Look {
    async fn at(gateways: &Gateways) -> Result<Self, Ending> {
        let replicas = gateways.all(SERVERS_PATH).await?;
        Ok(Self {
            at: Instant::now(),
            replicas,
        })
    }
}

impl Top {
    /// Shows it.
    pub(super) fn run(self, global: &Global) -> Result<(), Ending> {
        let table = matches!(global.output, Format::Table | Format::Wide);
        let again = table && io::stdout().is_terminal();
        runtime::run(async {
            let gateways = self.whom.gateways(global).await?;
            let mut before = Look::at(&gateways).await?;
            let mut turns = tokio::time::interval(self.interval);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first is at once.
            turns.tick().await;
            loop {
                turns.tick().await;
                let now = Look::at(&gateways).await?;
                let loads = loads(&before.replicas, &now.replicas, now.at - before.at);
                if again {
                    output::exact(CLEAR)?;
                }
                show(global, &loads)?;
                if !again {
                    return Ok(());
                }
                before = now;
            }
        })
    }
}

fn show(global: &Global, loads: &[Load]) -> Result<(), Ending> {
    match global.output {
        Format::Json => output::json(&loads),
        Format::Yaml => output::yaml(&loads),
        Format::Name => output::lines(loads.iter().map(Load::name)),
        Format::Table | Format::Wide => output::text(&rows(loads).text(table::terminal_width())),
    }
}

fn rows(loads: &[Load]) -> Table {
    let header = [
        "SERVER", "CALLS/S", "P50", "P99", "ERRORS/S", "SESSIONS", "READY",
    ];
    let mut table = Table::new(&header);
    let seconds = |time: Option<f64>| match time {
        None => String::new(),
        Some(time) if time < 1.0 => format!("{:.1}ms", time * 1e3),
        Some(time) => format!("{time:.1}s"),
    };
    for load in loads {
        table.row([
            load.name(),
            format!("{:.1}", load.calls_per_second),
            seconds(load.p50_seconds),
            seconds(load.p99_seconds),
            format!("{:.1}", load.errors_per_second),
            load.sessions.to_string(),
            format!("{}/{}", load.ready, load.endpoints),
        ]);
    }
    table
}
