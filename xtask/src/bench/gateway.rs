//! What the gateway costs: the same calls to the same demo server, directly, through the gateway and through nginx, in
//! turns.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;

mod figures;
pub(super) mod load;
mod memory;
pub(super) mod programs;

use self::{
    figures::Sample,
    load::Clients,
    programs::{Program, Target},
};
use super::build_release;
use crate::{packages, report};

/// Calls that are not measured, before those that are.
const WARM_UP: Duration = Duration::from_millis(300);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many sessions call at the same time
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32, 256])]
    sessions: Vec<usize>,
    /// How many times each is measured, in turns
    #[arg(long, default_value_t = 3)]
    turns: usize,
    /// How long each measurement takes, in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Calls per second of all sessions together when latency is measured
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
    /// How many idle sessions memory is measured with, by each way at once; the server has 1,000 at most
    #[arg(long, default_value_t = 400)]
    idle: usize,
    /// Measure this binary, and build none
    #[arg(long, value_name = "FILE")]
    mcpt: Option<PathBuf>,
}

/// The way that calls take to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Direct,
    Gateway,
    Nginx,
}

impl Way {
    const ALL: [Self; 3] = [Self::Direct, Self::Gateway, Self::Nginx];

    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Gateway => "gateway",
            Self::Nginx => "nginx",
        }
    }
}

/// The demo server and what stands before it.
struct Bench {
    demo: Program,
    gateway: Program,
    nginx: Program,
}

impl Bench {
    fn start(mcpt: &std::path::Path) -> anyhow::Result<Self> {
        let demo = Program::demo(mcpt)?;
        Ok(Self {
            gateway: Program::gateway(mcpt, demo.target())?,
            nginx: Program::nginx(demo.target())?,
            demo,
        })
    }

    /// Where calls go, and who stands on the way.
    fn way(&self, way: Way) -> (&Target, Option<&Program>) {
        match way {
            Way::Direct => (self.demo.target(), None),
            Way::Gateway => (self.gateway.target(), Some(&self.gateway)),
            Way::Nginx => (self.nginx.target(), Some(&self.nginx)),
        }
    }

    /// Latency at the given rate, then throughput and CPU time as fast as it goes.
    fn measure(&self, way: Way, sessions: usize, arguments: &Arguments) -> anyhow::Result<Sample> {
        let (target, proxy) = self.way(way);
        let proxy_cpu = || proxy.map_or(Ok(0.0), Program::cpu_seconds);
        let duration = Duration::from_secs_f64(arguments.seconds);
        let mut clients = Clients::open(target, sessions)?;
        clients.call(WARM_UP, None)?;
        let mut paced = clients.call(duration, Some(arguments.rate))?;
        let (demo_before, proxy_before) = (self.demo.cpu_seconds()?, proxy_cpu()?);
        let fast = clients.call(duration, None)?;
        let sample = Sample {
            p50: paced.percentile(0.50),
            p99: paced.percentile(0.99),
            calls: fast.count() as f64,
            seconds: fast.seconds(),
            demo_cpu: self.demo.cpu_seconds()? - demo_before,
            proxy_cpu: proxy_cpu()? - proxy_before,
        };
        clients.close()?;
        Ok(sample)
    }
}

/// Measures and prints.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    packages::require("bench")?;
    let mcpt = match &arguments.mcpt {
        Some(file) => file.clone(),
        None => build_release()?,
    };
    programs::allow_many_files()?;
    let bench = Bench::start(&mcpt)?;
    let mut samples = BTreeMap::<(usize, Way), Vec<Sample>>::new();
    for turn in 0..arguments.turns {
        for &sessions in &arguments.sessions {
            for index in 0..Way::ALL.len() {
                // Whoever comes first in one turn comes last in another.
                let way = Way::ALL[(turn + index) % Way::ALL.len()];
                let sample = bench
                    .measure(way, sessions, arguments)
                    .with_context(|| format!("{}, {sessions} sessions", way.name()))?;
                report::progress(format!(
                    "turn {}: {sessions} sessions, {}: {sample}",
                    turn + 1,
                    way.name()
                ));
                samples.entry((sessions, way)).or_default().push(sample);
            }
        }
    }
    drop(bench);
    figures::print(arguments, &samples);
    memory::run(&mcpt, arguments.idle)?;
    Ok(ExitCode::SUCCESS)
}
