//! `cargo xtask survive`: which calls and sessions are lost while something happens to what serves them.
//!
//! At any endpoint of MCP for a while, or at a gateway on the test cluster that all manner of things are done to. Each call
//! is judged: sessions count, and each answer must be exactly one more than the last.

use std::{
    collections::BTreeMap,
    io::Read as _,
    process::ExitCode,
    time::Duration,
};

use anyhow::bail;

use crate::report;

mod client;
mod cluster;
mod exchange;
mod judgement;
mod load;
mod mcp;
mod table;

use exchange::Target;
use judgement::{Deaths, Excuse, Figures};
use load::{Amount, Load};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    at: Option<At>,
    /// Endpoint with the tools `counter` and `echo`; several share the clients
    #[arg(long, value_name = "URL")]
    url: Vec<Target>,
    #[command(flatten)]
    amount: Amount,
    /// How long, such as 60s or 5m; without it until standard input ends
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    duration: Option<Duration>,
    /// Tool that counts its calls within a session; names that end in _NAME are it too
    #[arg(long, default_value = "counter", value_name = "NAME")]
    counter: String,
    /// Tool that answers with its argument `message`
    #[arg(long, default_value = "echo", value_name = "NAME")]
    echo: String,
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, clap::Subcommand)]
enum At {
    /// A gateway and a server on the test cluster, and events there: run it by `cargo xtask cluster exec --`
    Cluster(cluster::Arguments),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// One document
    Json,
    /// For the guide
    Markdown,
}

fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(number), _) => (number, 1),
        (_, Some(number)) => (number, 60),
        _ => return Err("seconds such as 60s or minutes such as 5m".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| format!("no number: {number:?}"))?;
    Ok(Duration::from_secs(number * unit))
}

/// Calls, judges and prints; fails when anything was lost.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let figures = match &arguments.at {
        Some(At::Cluster(arguments)) => return cluster::run(arguments),
        None => vec![at_urls(arguments)?],
    };
    finish(&figures, arguments.output)
}

fn at_urls(arguments: &Arguments) -> anyhow::Result<Figures> {
    if arguments.url.is_empty() {
        bail!("which endpoint? give --url, or the subcommand `cluster`");
    }
    let ways = load::ways(&arguments.url, &arguments.counter, &arguments.echo)?;
    let load = Load::start(&ways, &arguments.amount)?;
    // Whoever waits for the clients to be there reads this.
    report::progress("calling");
    match arguments.duration {
        Some(duration) => std::thread::sleep(duration),
        None => drop(std::io::stdin().read_to_end(&mut Vec::new())?),
    }
    let calls = load.finish()?;
    let calls = [calls.iter().collect()];
    let (deaths, executed) = (Deaths::new(), BTreeMap::new());
    Ok(Figures::of("all", &calls, Excuse::Nothing, &deaths, &executed))
}

fn finish(figures: &[Figures], output: Output) -> anyhow::Result<ExitCode> {
    report::result(match output {
        Output::Table => table::plain(figures),
        Output::Json => serde_json::to_string_pretty(figures)?,
        Output::Markdown => table::markdown(figures),
    });
    for figures in figures {
        for violation in &figures.violations {
            report::progress(format_args!("{}: {violation}", figures.event));
        }
    }
    let holds = figures.iter().all(|figures| figures.holds);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
