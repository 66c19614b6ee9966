//! `mcpt chart pull CHART…`: fetches archives from repositories.

use std::{
    fs,
    path::{Component, PathBuf},
};

use clap::Args;
use helm_fetch::{Wanted, pull, unpack};

use super::{
    failed,
    places::{AccessFlags, PlaceFlags, TimeFlag, fetching},
};
use crate::ending::Ending;

/// Arguments of `mcpt chart pull`.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// repository/chart or an address; with --repo the chart's name
    #[arg(required = true, value_name = "CHART")]
    charts: Vec<String>,
    /// Version, or a constraint [default: the newest that is no pre-release]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Pre-releases too
    #[arg(long)]
    devel: bool,
    /// Address of the repository
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// Folder for the archive
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    destination: PathBuf,
    /// Unpack it instead
    #[arg(long)]
    untar: bool,
    /// In this folder, below the destination
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    untardir: PathBuf,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    time: TimeFlag,
    #[command(flatten)]
    places: PlaceFlags,
}

impl Pull {
    /// Fetches each.
    pub(super) fn run(&self) -> Result<(), Ending> {
        for chart in &self.charts {
            self.fetch(chart)?;
        }
        Ok(())
    }

    fn fetch(&self, chart: &str) -> Result<(), Ending> {
        let version = match &self.version {
            Some(version) => version.clone(),
            None if self.devel => ">0.0.0-0".to_owned(),
            None => String::new(),
        };
        let wanted = Wanted {
            chart: chart.to_owned(),
            version,
            repository: self.repo.clone(),
            access: self.access.access(),
        };
        let fetched = pull(&wanted, &self.time.http(), &self.places.places())
            .map_err(|error| fetching(&error))?;
        if !self.untar {
            let path = self.destination.join(&fetched.name);
            return fs::write(&path, &fetched.data)
                .map_err(|error| failed(format!("{}: {error}", path.display())).into());
        }
        let folder = if self.untardir.is_absolute() {
            self.untardir.clone()
        } else {
            self.destination.join(&self.untardir)
        };
        let steps = folder.components();
        let folder: PathBuf = steps.filter(|step| *step != Component::CurDir).collect();
        let name = chart.rsplit('/').next().unwrap_or(chart);
        let place = folder.join(name);
        if place.exists() {
            return Err(failed(format!(
                "failed to untar: a file or directory with the name {} already exists",
                place.display()
            ))
            .into());
        }
        unpack(&fetched.data, &folder).map_err(|error| fetching(&error).into())
    }
}
