//! `mcpt image …`: mcpt's own image out of the running binary, into an archive or a registry.

mod push;
mod save;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mcpt_core::{Failure, FailureKind};
use mcpt_image::Compression;
use serde::Serialize;

use crate::{
    args::{Format, Global},
    ending::Ending,
    output,
};

/// What fails by what is wrong with the binary.
const CANNOT_MAKE: &str = "cannot make mcpt's image";

/// Arguments of `mcpt image`.
#[derive(Debug, Args)]
#[command(
    after_help = "Pods that bridge a stdio server, the gateway and the demo are made of this image. It holds the running mcpt, \
which must be a static one as releases are, and nothing else: the same mcpt makes the same image to the byte.

Examples:
  mcpt image push registry.example/team/mcpt
  mcpt image save mcpt.tar && kind load image-archive mcpt.tar"
)]
pub(crate) struct ImageCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put the image into a registry, and use it there from now on
    Push(push::Push),
    /// Write the image as an archive, for docker load, podman load and ctr images import
    Save(save::Save),
}

impl ImageCommand {
    /// Does it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        match &self.action {
            Action::Push(push) => push.run(global),
            Action::Save(save) => save.run(global),
        }
    }
}

/// An image that was made. Its JSON is a contract of `-o json`.
#[derive(Debug, Serialize)]
struct Made {
    /// Its full name with its tag.
    name: String,
    /// The digest of its manifest.
    digest: String,
    /// The size of its layers, in bytes.
    size: u64,
    /// The configuration file that has its name now.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<PathBuf>,
}

/// Which mcpt is in the image.
#[derive(Debug, Args)]
struct Binary {
    /// The mcpt in the image, a static one for Linux, instead of this very program
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// The image of a binary.
fn made(Binary { binary }: &Binary) -> Result<oci_image::Image, Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(FailureKind::Failed, CANNOT_MAKE).caused_by(error)
    };
    let program = match binary {
        Some(file) => mcpt_image::program_at(file),
        None => mcpt_image::program(),
    };
    let program = program.map_err(|error| {
        failed(&error).hint(
            "use a released mcpt, name one with --binary, or build one: RUSTFLAGS='-C target-feature=+crt-static' \
             cargo install --locked --path crates/mcpt --target $(uname -m)-unknown-linux-gnu",
        )
    })?;
    mcpt_image::image(&program, Compression::Gzip).map_err(|error| failed(&error))
}

/// Tells of it.
fn show(
    global: &Global,
    image: &oci_image::Image,
    name: &str,
    config: Option<PathBuf>,
) -> Result<(), Ending> {
    let made = Made {
        name: name.to_owned(),
        digest: image.digest().to_owned(),
        size: image.size(),
        config,
    };
    match global.output {
        Format::Json => output::json(&made),
        Format::Yaml => output::yaml(&made),
        Format::Name => output::line(&made.name),
        Format::Table | Format::Wide => {
            let megabytes = made.size as f64 / 1e6;
            output::line(&made.name)?;
            output::line(&format!("{}, {megabytes:.1} MB", made.digest))?;
            match &made.config {
                Some(file) => output::line(&format!("deploys use it: {} says so", file.display())),
                None => Ok(()),
            }
        }
    }
}
