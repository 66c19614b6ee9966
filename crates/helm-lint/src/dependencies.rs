//! Rules for dependencies: what `Chart.yaml` names is there once, and nothing else is.

use crate::fault;
use std::collections::BTreeSet;

use helm_chart::Chart;

use crate::Report;
use crate::parts::Parts;

pub(crate) fn check(parts: &Parts, report: &mut Report) {
    let chart = match &parts.chart {
        Ok(chart) => chart,
        Err(error) => {
            report.error("", fault(format!("unable to load chart\n\t{error}")));
            return;
        }
    };
    let wanted: Vec<&str> = chart
        .metadata
        .dependencies
        .iter()
        .map(|dependency| dependency.name.as_str())
        .collect();
    let present: Vec<&str> = chart.dependencies.iter().map(Chart::name).collect();
    let without = |these: &[&str], those: &[&str]| -> Vec<String> {
        let missing = these.iter().filter(|name| !those.contains(name));
        missing.map(|name| (*name).to_owned()).collect()
    };
    let place = &parts.place;
    let none = |found: Vec<String>, what: &str| {
        if found.is_empty() {
            Ok(())
        } else {
            fault(format!("{what}: {}", found.join(",")))
        }
    };
    report.error(
        place,
        none(
            without(&present, &wanted),
            "chart metadata is missing these dependencies",
        ),
    );
    let mut seen = BTreeSet::new();
    let shadowing: Vec<String> = chart
        .metadata
        .dependencies
        .iter()
        .map(|dependency| dependency.effective_name().to_owned())
        .filter(|name| !seen.insert(name.clone()))
        .collect();
    report.error(
        place,
        none(shadowing, "multiple dependencies with name or alias"),
    );
    report.warning(
        place,
        none(
            without(&wanted, &present),
            "chart directory is missing these dependencies",
        ),
    );
}
