//! `cargo xtask bench`: figures, always against a rival or a floor in the same run, printed as ratios.

use std::{path::PathBuf, process::ExitCode};

use crate::dist::{self, Profile};

mod deploy;
mod gateway;
mod hostile;
mod start;

pub(crate) use gateway::programs::allow_many_files;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Benchmark {
    /// Command to ready on Kubernetes, against kubectl with the same manifests; requests per deploy; start-up time
    Deploy {
        /// How many times each side deploys, in turns
        #[arg(long, default_value_t = 7)]
        turns: usize,
    },
    /// Latency, CPU time and memory that the gateway adds, against no gateway and against nginx
    Gateway(gateway::Arguments),
    /// What attacks cost honest clients of gateway and bridge: calls, latency, memory, against nginx
    Hostile(hostile::Arguments),
}

pub(crate) fn run(benchmark: &Benchmark) -> anyhow::Result<ExitCode> {
    match benchmark {
        Benchmark::Deploy { turns } => deploy::run(*turns),
        Benchmark::Gateway(arguments) => gateway::run(arguments),
        Benchmark::Hostile(arguments) => hostile::run(arguments),
    }
}

/// Builds mcpt as it is released and says where it is.
fn build_release() -> anyhow::Result<PathBuf> {
    dist::build(Profile::Dist)
}

/// The middle one of the sorted figures.
fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(&mut []).is_nan());
    }
}
