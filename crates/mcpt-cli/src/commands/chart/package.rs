//! `mcpt chart package PATH…`: packs folders of charts into archives.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use helm_chart::Version;

use super::{
    dependency, failed, load,
    location::PlainFlag,
    places::{AccessFlags, PlaceFlags},
};
use crate::{ending::Ending, output};

/// Arguments of `mcpt chart package`.
#[derive(Debug, Args)]
pub(crate) struct Package {
    /// Folders of charts
    #[arg(required = true, value_name = "PATH")]
    charts: Vec<String>,
    /// Give the chart this version
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Give the chart this version of what is in it
    #[arg(long, value_name = "VERSION")]
    app_version: Option<String>,
    /// Folder for the archives
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    destination: PathBuf,
    /// Choose and fetch the charts that each depends on before
    #[arg(short = 'u', long)]
    dependency_update: bool,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    plain: PlainFlag,
    #[command(flatten)]
    places: PlaceFlags,
}

impl Package {
    /// Packs each of them.
    pub(super) fn run(&self) -> Result<(), Ending> {
        for chart in &self.charts {
            let archive = self.pack(chart)?;
            output::line(&format!(
                "Successfully packaged chart and saved it to: {}",
                archive.display()
            ))?;
        }
        Ok(())
    }

    fn pack(&self, path: &str) -> Result<PathBuf, Ending> {
        if self.dependency_update {
            let (access, plain) = (&self.access, &self.plain);
            dependency::update(Path::new(path), access, plain, &self.places, false)?;
        }
        let mut chart = load(path)?;
        if let Some(version) = &self.version {
            Version::parse(version).map_err(|error| failed(error.to_string()))?;
            chart.metadata.version.clone_from(version);
        }
        if let Some(version) = &self.app_version {
            chart.metadata.app_version.clone_from(version);
        }
        let missing = chart.missing_dependencies();
        if !missing.is_empty() {
            return Err(failed(format!(
                "found in Chart.yaml, but missing in charts/ directory: {}",
                missing.join(", ")
            ))
            .into());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let archive = chart
            .to_archive(now.map_or(0, |now| now.as_secs()))
            .map_err(|error| failed(error.to_string()))?;
        let metadata = &chart.metadata;
        let name = format!("{}-{}.tgz", metadata.name, metadata.version);
        let destination = if self.destination == Path::new(".") {
            std::env::current_dir().map_err(|error| failed(error.to_string()))?
        } else {
            self.destination.clone()
        };
        let file = destination.join(&name);
        let failed = |error: std::io::Error| failed(format!("{}: {error}", file.display()));
        fs::create_dir_all(&destination).map_err(failed)?;
        // Whole or not at all.
        let partial = destination.join(format!(".{name}.{}", std::process::id()));
        fs::write(&partial, archive)
            .and_then(|()| fs::rename(&partial, &file))
            .map_err(|error| {
                // It may not even have been made.
                drop(fs::remove_file(&partial));
                failed(error)
            })?;
        Ok(file)
    }
}
