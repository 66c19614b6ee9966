//! A gateway of several replicas and a server of several pods on the test cluster, and what happens to them under load.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

mod events;
mod executions;
mod stage;

use self::{
    events::{Event, Killed},
    executions::Executions,
    stage::Stage,
};
use super::{
    Told,
    client::Call,
    exchange::Target,
    finish,
    judgement::{Figures, Knowledge},
    load::{self, Amount, Load},
};
use crate::{cache, report};

/// Of the gateway and of the server.
const GATEWAYS: &str = "3";
const SERVERS: &str = "4";
/// How much of what the servers did must be known for it to be said that nothing was done twice.
const KNOWN: f64 = 0.95;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often each event happens
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Only these events; all when none is named
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Event>,
    #[command(flatten)]
    amount: Amount,
    /// Tag of the image localhost/mcpt for gateway and server; the one of this version without it
    #[arg(long, value_name = "TAG")]
    image_tag: Option<String>,
    /// This mcpt, instead of the debug build
    #[arg(long, value_name = "FILE")]
    mcpt: Option<PathBuf>,
    #[command(flatten)]
    told: Told,
}

/// One time that an event happened.
struct Happened {
    event: Event,
    began: Instant,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mcpt = arguments.mcpt.clone();
    let mcpt = mcpt.unwrap_or_else(|| cache::target().join("debug/mcpt"));
    if !mcpt.is_file() {
        bail!(
            "{} is not there: run `cargo build -p mcpt` first",
            mcpt.display()
        );
    }
    let stage = Stage::set(mcpt, arguments.image_tag.as_deref())?;
    let gateway = stage.service_url("mcpt-gateway")?;
    let targets = [format!("{gateway}/mcp/demo"), format!("{gateway}/mcp")];
    let targets = targets.map(|url| url.parse::<Target>());
    let targets = targets.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let ways = load::ways(&targets, "counter", "echo")?;

    let executions = Executions::follow(stage.access());
    let load = Load::start(&ways, &arguments.amount)?;
    let mut knowledge = Knowledge {
        again_within: arguments.told.again_within,
        ..Knowledge::default()
    };
    let outcome = happen(&stage, arguments, &executions, &mut knowledge);
    let calls = load.finish()?;
    knowledge.executed = executions.finish()?;
    // A change that fails says more than what became of the calls then.
    let happened = outcome?;

    let made = calls.iter().filter(|call| call.outcome.is_ok()).count();
    arguments.told.write(&calls)?;
    let known = calls
        .iter()
        .filter(|call| knowledge.executed.contains_key(&call.id))
        .count();
    report::progress(format_args!(
        "{known} of {made} calls are in the servers' logs"
    ));
    let figures: Vec<_> = Event::ALL
        .into_iter()
        .map(|event| (event, calls_of(event, &happened, &calls)))
        .filter(|(_, calls)| !calls.is_empty())
        .map(|(event, calls)| Figures::of(event.words(), &calls, &knowledge))
        .collect();
    let verdict = finish(&figures, arguments.told.output)?;
    if (known as f64) < made as f64 * KNOWN {
        bail!("with so few calls in the logs nobody knows whether one was made twice");
    }
    Ok(verdict)
}

/// Calls that ended while the event happened, or before the next one did.
fn calls_of<'a>(event: Event, happened: &[Happened], calls: &'a [Call]) -> Vec<&'a Call> {
    let times = happened
        .iter()
        .enumerate()
        .filter(|(_, one)| one.event == event);
    let times: Vec<_> = times
        .map(|(number, one)| (one.began, happened.get(number + 1).map(|next| next.began)))
        .collect();
    let within = |at: Instant| {
        let mut times = times.iter();
        times.any(|(began, next)| at >= *began && next.is_none_or(|next| at < next))
    };
    calls.iter().filter(|call| within(call.ended)).collect()
}

fn happen(
    stage: &Stage,
    arguments: &Arguments,
    executions: &Executions,
    knowledge: &mut Knowledge,
) -> anyhow::Result<Vec<Happened>> {
    let mut happened = Vec::new();
    for round in 1..=arguments.rounds {
        for event in Event::ALL {
            if !arguments.only.is_empty() && !arguments.only.contains(&event) {
                continue;
            }
            let began = Instant::now();
            happened.push(Happened { event, began });
            let before = stage.pods(stage::SERVER)?;
            let kill = event
                .happen(stage)
                .with_context(|| event.words().to_owned())?;
            stage.settle()?;
            let after = stage.pods(stage::SERVER)?;
            knowledge.pods_are_gone(before, executions.pods(), &after);
            if let Some(Killed { pod, from, to }) = kill {
                knowledge.deaths.insert(pod, to);
                knowledge.kills.push((from, to));
            }
            let seconds = began.elapsed().as_secs_f64();
            report::progress(format_args!(
                "round {round}, {}: {seconds:.1} s",
                event.words()
            ));
        }
    }
    // Each session calls once more, so that what the last event did to it is seen.
    let all = arguments.amount.sessions as f64 * 2.0 / arguments.amount.calls_per_second;
    std::thread::sleep(Duration::from_secs_f64(all));
    Ok(happened)
}
