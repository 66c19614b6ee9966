//! `cargo xtask survive`: which calls and sessions are lost while something happens to what serves them.
//!
//! At any endpoint of MCP for a while, or at a gateway on the test cluster that all manner of things are done to. Each call
//! is judged: sessions count, and each answer must be exactly one more than the last.

use std::{io::Read as _, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, bail};

use crate::report;

mod client;
mod cluster;
mod exchange;
mod judgement;
mod load;
mod mcp;
mod table;

use client::Call;
use exchange::Target;
use judgement::{Figures, Knowledge};
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
    /// Sessions may end with their instance: a 404 is a loss only when the instance goes on to answer other sessions
    #[arg(long)]
    sessions_may_end: bool,
    #[command(flatten)]
    told: Told,
}

/// What is said of the calls.
#[derive(Debug, clap::Args)]
struct Told {
    /// How soon a client must have a good call in a new session after the 404 of the old one
    #[arg(long, default_value = "500ms", value_name = "TIME", value_parser = time)]
    again_within: Duration,
    /// Write each call to this file, as a line of JSON
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Told {
    fn write(&self, calls: &[Call]) -> anyhow::Result<()> {
        let Some(file) = &self.calls else {
            return Ok(());
        };
        let begin = calls.iter().map(|call| call.due).min();
        let mut text = String::new();
        for call in calls {
            text.push_str(&call.told(begin.unwrap_or(call.due)).to_string());
            text.push('\n');
        }
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
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
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| "no number".to_owned())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        _ => Err("a number and ms, s or m, such as 60s".to_owned()),
    }
}

/// Calls, judges and prints; fails when anything was lost.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let figures = match &arguments.at {
        Some(At::Cluster(arguments)) => return cluster::run(arguments),
        None => vec![at_urls(arguments)?],
    };
    finish(&figures, arguments.told.output)
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
    let mut known = Knowledge {
        again_within: arguments.told.again_within,
        ..Knowledge::default()
    };
    if arguments.sessions_may_end {
        known.conclude_deaths(&calls);
    }
    arguments.told.write(&calls)?;
    let calls: Vec<_> = calls.iter().collect();
    Ok(Figures::of("all", &calls, &known))
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
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
