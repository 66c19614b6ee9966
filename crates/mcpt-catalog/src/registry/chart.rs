//! The chart of an entry: where it is, and whether its version fits.

use std::path::Path;

use helm_chart::{Chart, Constraint, Version};

use super::{ChartLocation, ChartRef};
use crate::{
    chart::{SERVER_CHART, builtin_chart},
    chart_source::ChartSource,
};

/// A chart that was found, and fits.
pub(super) struct Found {
    pub(super) chart: Chart,
    /// What a backend needs of one that is not built in.
    pub(super) source: Option<ChartSource>,
}

impl Found {
    /// Whether it takes the values of the built-in chart: that one itself, or another version of it.
    pub(super) fn is_of_servers(&self) -> bool {
        self.chart.name() == SERVER_CHART
    }
}

/// Finds the chart. The error is a sentence, told of the field that is its first part.
pub(super) fn find(reference: &ChartRef) -> Result<Found, (&'static str, String)> {
    let chart = match &reference.source {
        ChartLocation::BuiltIn => {
            let files = builtin_chart(SERVER_CHART).into_iter().flatten();
            let files = files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()));
            Chart::from_files(files).map_err(|error| error.to_string())
        }
        ChartLocation::Path(path) => from_path(path),
    };
    let chart = chart.map_err(|why| ("/chart", why))?;
    if let Some(wanted) = &reference.version {
        let fits = Constraint::parse(wanted)
            .and_then(|wanted| Ok(wanted.check(&Version::parse(&chart.metadata.version)?)))
            .map_err(|error| ("/version", error.to_string()))?;
        if !fits {
            let why = format!(
                "the chart {reference} has version {}, not {wanted}",
                chart.metadata.version
            );
            return Err(("/version", why));
        }
    }
    let source = match &reference.source {
        ChartLocation::BuiltIn => None,
        ChartLocation::Path(path) => Some(ChartSource {
            origin: path.display().to_string(),
            files: chart
                .raw
                .iter()
                .map(|file| (file.name.clone(), file.data.clone()))
                .collect(),
            takes_plan: chart.name() == SERVER_CHART,
            endpoint_known: true,
        }),
    };
    Ok(Found { chart, source })
}

fn from_path(path: &Path) -> Result<Chart, String> {
    let told = |why: String| {
        // Errors about files name them already.
        if why.contains(&path.display().to_string()) {
            why
        } else {
            format!("{}: {why}", path.display())
        }
    };
    Chart::from_path(path).map_err(|error| told(error.to_string()))
}

/// The values of a chart's profile: its file `values-PROFILE.yaml`.
pub(super) fn profile(chart: &Chart, profile: &str) -> Result<String, String> {
    let name = |file: &str| {
        let profile = file.strip_prefix("values-")?.strip_suffix(".yaml")?;
        Some(profile.to_owned())
    };
    let file = chart
        .raw
        .iter()
        .find(|file| name(&file.name).as_deref() == Some(profile));
    let Some(file) = file else {
        let known: Vec<String> = chart
            .raw
            .iter()
            .filter_map(|file| name(&file.name))
            .collect();
        return Err(if known.is_empty() {
            format!("the chart {} has no profiles", chart.name())
        } else {
            format!(
                "the chart {} has no profile {profile:?}: there are {}",
                chart.name(),
                known.join(", ")
            )
        });
    };
    String::from_utf8(file.data.clone()).map_err(|_| format!("{} is not UTF-8", file.name))
}
