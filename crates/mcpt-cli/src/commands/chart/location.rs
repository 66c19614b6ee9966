//! Where a chart is taken from: a folder, an archive, a repository or a registry.

use std::path::Path;

use clap::Args;
use helm_chart::Chart;
use helm_fetch::{ChartRequest, Http, pull};

use super::{
    dependency, failed,
    places::{AccessFlags, PlaceFlags, fetching},
};
use crate::{ending::Ending, messages};

/// Which version of a chart to take, and from where.
#[derive(Debug, Args)]
#[command(next_help_heading = "Chart")]
pub(super) struct ChartFlags {
    /// Version, or a constraint [default: the newest that is no pre-release]; says nothing of folders and archives
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Pre-releases too
    #[arg(long)]
    devel: bool,
    /// Address of the repository
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    plain: PlainFlag,
    #[command(flatten)]
    places: PlaceFlags,
}

/// Whether what a chart depends on is fetched.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Chart")]
pub(super) struct UpdateFlag {
    /// Fetch the charts that it depends on into its folder, when some are missing
    #[arg(long)]
    dependency_update: bool,
}

/// Whether registries are spoken to without TLS.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub(super) struct PlainFlag {
    /// HTTP without TLS to registries
    #[arg(long)]
    pub(super) plain_http: bool,
}

/// The version that is meant by both flags.
pub(super) fn version(version: Option<&str>, devel: bool) -> String {
    match version {
        Some(version) => version.to_owned(),
        None if devel => ">0.0.0-0".to_owned(),
        None => String::new(),
    }
}

impl ChartFlags {
    /// As [`Self::load`], with what it depends on, if that is wanted.
    pub(super) fn load_whole(&self, chart: &str, update: UpdateFlag) -> Result<Chart, Ending> {
        let loaded = self.load(chart)?;
        if !update.dependency_update || loaded.missing_dependencies().is_empty() {
            return Ok(loaded);
        }
        let folder = Path::new(chart);
        if self.repo.is_some() || !folder.is_dir() {
            return Err(failed("only unpacked charts can be updated".to_owned()).into());
        }
        dependency::update(folder, &self.access, &self.plain, &self.places, true)?;
        self.load(chart)
    }

    /// The chart that a user names: what is at that path, else what a repository or a registry has.
    pub(super) fn load(&self, chart: &str) -> Result<Chart, Ending> {
        let path = Path::new(chart);
        if self.repo.is_none() {
            if path.exists() {
                return Chart::from_path(path).map_err(|error| failed(error.to_string()).into());
            }
            if path.is_absolute() || chart.starts_with('.') {
                return Err(failed(format!("path {chart:?} not found")).into());
            }
        }
        let wanted = ChartRequest {
            chart: chart.to_owned(),
            version: version(self.version.as_deref(), self.devel),
            repository: self.repo.clone(),
            access: self.access.access(),
            plain_http: self.plain.plain_http,
            ..ChartRequest::default()
        };
        let places = self.places.places();
        let fetched = pull(&wanted, &Http::default(), &places, &mut messages::line)
            .map_err(|error| fetching(&error))?;
        Chart::from_archive(&fetched.data).map_err(|error| failed(error.to_string()).into())
    }
}
