//! What an attack costs the honest: calls lost, their latency and the memory taken, before, during and after it, at the
//! gateway, at nginx in its place, and at the bridge.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;

mod attack;

use self::attack::{Attack, UnderWay};
use super::{
    build_release,
    gateway::{
        load::Clients,
        programs::{self, Program},
    },
};
use crate::{packages, report};

/// Honest clients, and how often they call together in a second.
const CLIENTS: usize = 8;
const RATE: f64 = 200.0;
/// How long memory may take to come back.
const RECOVERY: Duration = Duration::from_mins(1);
/// What counts as come back.
const NEAR: f64 = 1.2;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long the honest call before and during each attack, in seconds
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Measure this binary, and build none
    #[arg(long, value_name = "FILE")]
    mcpt: Option<PathBuf>,
}

/// Figures of one attack at one program.
struct Sample {
    p99_before: f64,
    p99_during: f64,
    answered: usize,
    wanted: usize,
    idle: f64,
    peak: f64,
    after: f64,
    recovered_in: Duration,
}

/// Measures and prints.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    packages::require("bench")?;
    let mcpt = match &arguments.mcpt {
        Some(file) => file.clone(),
        None => build_release()?,
    };
    programs::allow_many_files()?;
    for attack in Attack::ALL {
        // Fresh programs: what an attack left behind is not the next one's.
        let demo = Program::demo(&mcpt)?;
        let of = [
            ("gateway", Program::gateway(&mcpt, demo.target())?),
            ("nginx", Program::nginx(demo.target())?),
            (
                "bridge",
                Program::bridge(&mcpt, include_str!("hostile/echo.py"))?,
            ),
        ];
        for (name, program) in of {
            let sample = measure(&program, attack, arguments.seconds)
                .with_context(|| format!("{}, {name}", attack.name()))?;
            print(attack, name, &sample);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(program: &Program, attack: Attack, seconds: f64) -> anyhow::Result<Sample> {
    let duration = Duration::from_secs_f64(seconds);
    let mut clients = Clients::open(program.target(), CLIENTS)?;
    let mut before = clients.call(duration, Some(RATE))?;
    let idle = program.memory()?;
    let under_way = UnderWay::begin(attack, program.target());
    let mut during = clients.call(duration, Some(RATE))?;
    let peak = program.memory()?;
    under_way.end()?;
    let ended = Instant::now();
    let mut after = program.memory()?;
    while after > idle * NEAR && ended.elapsed() < RECOVERY {
        std::thread::sleep(Duration::from_millis(250));
        after = program.memory()?;
    }
    let sample = Sample {
        p99_before: before.percentile(0.99),
        p99_during: during.percentile(0.99),
        answered: during.count(),
        wanted: (seconds * RATE) as usize,
        idle,
        peak,
        after,
        recovered_in: ended.elapsed(),
    };
    clients.close()?;
    Ok(sample)
}

fn print(attack: Attack, name: &str, sample: &Sample) {
    let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
    report::result(format!(
        "{}, {name}: {} of {} calls answered; p99 {:.2} ms, during it {:.2} ms, ratio {:.2}; memory {:.1} MiB, in it {:.1}, \
         {:.1} after {:.1} s",
        attack.name(),
        sample.answered,
        sample.wanted,
        sample.p99_before * 1e3,
        sample.p99_during * 1e3,
        sample.p99_during / sample.p99_before,
        mebibytes(sample.idle),
        mebibytes(sample.peak),
        mebibytes(sample.after),
        sample.recovered_in.as_secs_f64(),
    ));
}
