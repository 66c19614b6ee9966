//! `mcpt chart push ARCHIVE oci://…`: puts archives into registries.

use std::path::PathBuf;

use clap::Args;
use helm_fetch::{Http, Registry};

use super::{
    location::PlainFlag,
    places::{AccessFlags, PlaceFlags, fetching},
};
use crate::{ending::Ending, output};

/// Arguments of `mcpt chart push`.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// An archive of a chart; the provenance file beside it goes with it
    archive: PathBuf,
    #[arg(help = "Where to: oci://host/path; the chart's name and version follow")]
    remote: String,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    plain: PlainFlag,
    #[command(flatten)]
    places: PlaceFlags,
}

impl Push {
    /// Puts it there.
    pub(super) fn run(&self) -> Result<(), Ending> {
        let registry = Registry::new(
            &Http::default(),
            &self.access.access(),
            self.plain.plain_http,
            &self.places.places().credentials,
        );
        let pushed = registry.push_file(&self.archive, &self.remote);
        for line in pushed.map_err(|error| fetching(&error))?.lines {
            output::text(&format!("{line}\n"))?;
        }
        Ok(())
    }
}
