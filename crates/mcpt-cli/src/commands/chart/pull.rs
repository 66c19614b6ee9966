//! `mcpt chart pull CHART…`: fetches archives from repositories and registries.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use clap::Args;
use helm_chart::Chart;
use helm_fetch::{ChartRequest, Provenance, pull, unpack};

use super::{
    failed,
    location::{PlainFlag, version},
    places::{AccessFlags, PlaceFlags, TimeFlag, fetching},
};
use crate::{ending::Ending, output};

/// Arguments of `mcpt chart pull`.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    #[arg(
        required = true,
        value_name = "CHART",
        help = "repository/chart, oci://host/path/chart or another address; with --repo the chart's name"
    )]
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
    /// The provenance file too, where there is one; it is not verified
    #[arg(long)]
    prov: bool,
    /// Unpack it instead
    #[arg(long)]
    untar: bool,
    /// In this folder, below the destination
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    untardir: PathBuf,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    plain: PlainFlag,
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
        let wanted = ChartRequest {
            chart: chart.to_owned(),
            version: version(self.version.as_deref(), self.devel),
            repository: self.repo.clone(),
            access: self.access.access(),
            plain_http: self.plain.plain_http,
            provenance: if self.prov {
                Provenance::IfThere
            } else {
                Provenance::No
            },
        };
        let mut said = Ok(());
        let mut say = |line: &str| {
            if said.is_ok() {
                said = output::text(&format!("{line}\n"));
            }
        };
        let fetched = pull(&wanted, &self.time.http(), &self.places.places(), &mut say)
            .map_err(|error| fetching(&error))?;
        said?;
        if !self.untar {
            let path = self.destination.join(&fetched.name);
            write(&path, &fetched.data)?;
            if let Some(provenance) = &fetched.provenance {
                write(&path.with_added_extension("prov"), provenance)?;
            }
            return Ok(());
        }
        let folder = if self.untardir.is_absolute() {
            self.untardir.clone()
        } else {
            self.destination.join(&self.untardir)
        };
        let steps = folder.components();
        let folder: PathBuf = steps.filter(|step| *step != Component::CurDir).collect();
        let named = folder.join(chart.rsplit('/').next().unwrap_or(chart));
        let name = Chart::from_archive(&fetched.data)
            .map_err(|error| failed(error.to_string()))?
            .metadata
            .name;
        if named.exists() || folder.join(name).exists() {
            return Err(failed(format!(
                "failed to untar: a file or directory with the name {} already exists",
                named.display()
            ))
            .into());
        }
        unpack(&fetched.data, &folder).map_err(|error| fetching(&error).into())
    }
}

fn write(path: &Path, data: &[u8]) -> Result<(), Ending> {
    fs::write(path, data).map_err(|error| failed(format!("{}: {error}", path.display())).into())
}
