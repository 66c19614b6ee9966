//! What was measured, and how it is told: always beside the direct way and nginx.

use std::{collections::BTreeMap, fmt};

use super::{Arguments, Way};
use crate::{bench::median, report};

/// One measurement of one way.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Seconds that half of the calls did not exceed, at the given rate.
    pub(super) p50: f64,
    /// Seconds that 99 of 100 calls did not exceed.
    pub(super) p99: f64,
    /// Calls made as fast as they went.
    pub(super) calls: f64,
    /// How long they took together.
    pub(super) seconds: f64,
    /// CPU time of the server for them.
    pub(super) demo_cpu: f64,
    /// CPU time of what stands before the server.
    pub(super) proxy_cpu: f64,
}

impl fmt::Display for Sample {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "p50 {:.0} µs, p99 {:.0} µs; {:.0} calls/s, CPU per call: server {:.0} µs, proxy {:.0} µs",
            self.p50 * 1e6,
            self.p99 * 1e6,
            self.calls / self.seconds,
            self.demo_cpu / self.calls * 1e6,
            self.proxy_cpu / self.calls * 1e6,
        )
    }
}

/// What is read off a sample.
type Figure = fn(&Sample) -> f64;

/// Prints the medians of all turns.
pub(super) fn print(arguments: &Arguments, samples: &BTreeMap<(usize, Way), Vec<Sample>>) {
    let of = |sessions: usize, way: Way, figure: Figure| {
        let all = samples.get(&(sessions, way)).map_or(&[][..], Vec::as_slice);
        median(&mut all.iter().map(figure).collect::<Vec<_>>())
    };
    let turns = arguments.turns;
    let rate = arguments.rate;
    report::result(format!(
        "tools/call of echo, median of {turns} turns of {} s",
        arguments.seconds
    ));
    report::result(format!(
        "added latency at {rate} calls/s in all, µs (ratio: gateway to nginx)"
    ));
    report::result(
        "sessions   direct p50/p99    gateway p50/p99   nginx p50/p99     ratio p50/p99",
    );
    for &sessions in &arguments.sessions {
        let micros = |way, figure| of(sessions, way, figure) * 1e6;
        let added =
            |way, figure: fn(&Sample) -> f64| micros(way, figure) - micros(Way::Direct, figure);
        let p50: Figure = |sample| sample.p50;
        let p99: Figure = |sample| sample.p99;
        report::result(format!(
            "{sessions:>8}   {:>6.0} / {:<6.0}   {:>+6.0} / {:<+6.0}   {:>+6.0} / {:<+6.0}   {:.2} / {:.2}",
            micros(Way::Direct, p50),
            micros(Way::Direct, p99),
            added(Way::Gateway, p50),
            added(Way::Gateway, p99),
            added(Way::Nginx, p50),
            added(Way::Nginx, p99),
            added(Way::Gateway, p50) / added(Way::Nginx, p50),
            added(Way::Gateway, p99) / added(Way::Nginx, p99),
        ));
    }
    let per_cpu: Figure = |s| s.calls / (s.demo_cpu + s.proxy_cpu);
    let per_proxy_cpu: Figure = |s| s.calls / s.proxy_cpu;
    let per_second: Figure = |s| s.calls / s.seconds;
    for (what, figure, ways) in [
        (
            "calls per second, as fast as it goes",
            per_second,
            &Way::ALL[..],
        ),
        (
            "calls per CPU-second of server and proxy",
            per_cpu,
            &Way::ALL[..],
        ),
        (
            "calls per CPU-second of the proxy alone",
            per_proxy_cpu,
            &Way::ALL[1..],
        ),
    ] {
        report::result(what);
        for &sessions in &arguments.sessions {
            let figures = ways
                .iter()
                .map(|&way| format!("{} {:.0}", way.name(), of(sessions, way, figure)));
            let gateway = of(sessions, Way::Gateway, figure);
            let others = ways.iter().filter(|way| **way != Way::Gateway);
            let ratios = others.map(|&way| {
                let ratio = gateway / of(sessions, way, figure);
                format!("gateway to {} {ratio:.2}", way.name())
            });
            let line: Vec<_> = figures.chain(ratios).collect();
            report::result(format!("{sessions:>8}   {}", line.join(", ")));
        }
    }
}
