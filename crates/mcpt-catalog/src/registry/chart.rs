//! The chart of an entry: where it is, and whether its version fits.

use std::path::{Path, PathBuf};

use helm_chart::{Chart, Constraint, Version};
use helm_fetch::{ChartRequest, Http, Places, Reference, pull};

use super::{ChartLocation, ChartRef};
use crate::{
    chart::{SERVER_CHART, builtin_chart},
    chart_source::ChartSource,
};

/// A chart that was found, and fits.
pub(super) struct ServerChart {
    pub(super) chart: Chart,
    /// What a backend needs of one that is not built in.
    pub(super) source: Option<ChartSource>,
}

impl ServerChart {
    /// Whether it takes the values of the built-in chart: that one itself, or another version of it.
    pub(super) fn is_of_servers(&self) -> bool {
        self.chart.name() == SERVER_CHART
    }
}

/// Why an entry cannot have its chart, or the profile of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChartFault {
    #[error("{}", named(path, error))]
    Unreadable {
        path: PathBuf,
        error: helm_chart::Error,
    },
    #[error("{0}")]
    BuiltIn(helm_chart::Error),
    #[error("{address}: {error}")]
    NotFetched {
        address: String,
        error: helm_fetch::Error,
    },
    #[error("{0}")]
    Constraint(helm_chart::Error),
    #[error("the chart {chart} has version {version}, not {wanted}")]
    Version {
        chart: String,
        version: String,
        wanted: String,
    },
    #[error("the chart {chart} has no profiles")]
    NoProfiles { chart: String },
    #[error("the chart {chart} has no profile {profile:?}: there are {}", known.join(", "))]
    NoProfile {
        chart: String,
        profile: String,
        known: Vec<String>,
    },
    #[error("{file} is not UTF-8")]
    NotUtf8 { file: String },
}

impl ChartFault {
    /// The field of the entry that it is about.
    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::BuiltIn(_) | Self::NotFetched { .. } => "/chart",
            Self::Constraint(_) | Self::Version { .. } => "/version",
            Self::NoProfiles { .. } | Self::NoProfile { .. } | Self::NotUtf8 { .. } => "/profile",
        }
    }
}

/// Errors about files name them already.
fn named(path: &Path, error: &helm_chart::Error) -> String {
    let (path, why) = (path.display().to_string(), error.to_string());
    if why.contains(&path) {
        why
    } else {
        format!("{path}: {why}")
    }
}

/// Finds the chart.
pub(super) fn find(reference: &ChartRef) -> Result<ServerChart, ChartFault> {
    let chart =
        match &reference.source {
            ChartLocation::BuiltIn => {
                let files = builtin_chart(SERVER_CHART).into_iter().flatten();
                let files = files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()));
                Chart::from_files(files).map_err(ChartFault::BuiltIn)?
            }
            ChartLocation::Path(path) => {
                Chart::from_path(path).map_err(|error| ChartFault::Unreadable {
                    path: path.clone(),
                    error,
                })?
            }
            ChartLocation::Registry(address) => fetch(address, reference.version.as_deref())
                .map_err(|error| ChartFault::NotFetched {
                    address: address.clone(),
                    error,
                })?,
        };
    if let Some(wanted) = &reference.version {
        let fits = Constraint::parse(wanted)
            .and_then(|wanted| Ok(wanted.check(&Version::parse(&chart.metadata.version)?)))
            .map_err(ChartFault::Constraint)?;
        if !fits {
            return Err(ChartFault::Version {
                chart: reference.to_string(),
                version: chart.metadata.version,
                wanted: wanted.clone(),
            });
        }
    }
    let source = match &reference.source {
        ChartLocation::BuiltIn => None,
        ChartLocation::Path(_) | ChartLocation::Registry(_) => Some(ChartSource {
            origin: reference.to_string(),
            files: chart
                .raw
                .iter()
                .map(|file| (file.name.clone(), file.data.clone()))
                .collect(),
            takes_plan: chart.name() == SERVER_CHART,
            endpoint_known: true,
        }),
    };
    Ok(ServerChart { chart, source })
}

/// Fetches a chart from a registry of charts, with the logins that helm and docker keep: by its tag or digest, else the newest
/// version that fits.
fn fetch(address: &str, version: Option<&str>) -> Result<Chart, helm_fetch::Error> {
    let said = Reference::parse(address)?;
    let is_exact = !said.tag.is_empty() || !said.digest.is_empty();
    let version = version.filter(|_| !is_exact).unwrap_or_default();
    let wanted = ChartRequest {
        chart: address.to_owned(),
        version: version.to_owned(),
        ..ChartRequest::default()
    };
    let places = Places::of_environment(|name| std::env::var_os(name));
    // What helm says of it tells no more than the release does.
    let fetched = pull(&wanted, &Http::default(), &places, &mut |_| {})?;
    Ok(Chart::from_archive(&fetched.data)?)
}

/// The values of a chart's profile: its file `values-PROFILE.yaml`.
pub(super) fn profile(chart: &Chart, profile: &str) -> Result<String, ChartFault> {
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
        let chart = chart.name().to_owned();
        return Err(if known.is_empty() {
            ChartFault::NoProfiles { chart }
        } else {
            ChartFault::NoProfile {
                chart,
                profile: profile.to_owned(),
                known,
            }
        });
    };
    String::from_utf8(file.data.clone()).map_err(|_| ChartFault::NotUtf8 {
        file: file.name.clone(),
    })
}
