//! `mcpt image …`: mcpt's own image out of the running binary, and images of packages, into an archive or a registry.

pub(crate) mod build;
pub(crate) mod package;
mod push;
mod save;
pub(crate) mod way;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mcpt_core::{Failure, FailureKind, Silent};
use mcpt_image::Compression;
use serde::Serialize;

use crate::{
    args::{Format, Global},
    ending::Ending,
    output, runtime,
};

/// What fails by what is wrong with the binary.
const CANNOT_MAKE: &str = "cannot make mcpt's image";

/// Arguments of `mcpt image`.
#[derive(Debug, Args)]
#[command(
    after_help = "push and save: pods that bridge a stdio server, the gateway and the demo are made of mcpt's own image. It holds \
the running mcpt, which must be a static one as releases are, and nothing else: the same mcpt makes the same image to the byte.

build: an image of a package of npm or PyPI, which needs nothing but itself where it runs.

Examples:
  mcpt image push registry.example/team/mcpt
  mcpt image save mcpt.tar && kind load image-archive mcpt.tar
  mcpt image build npm:@modelcontextprotocol/server-everything --push registry.example/team/everything"
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
    /// Make an image of an npm or Python package, without an engine, and put it into a registry or an archive
    Build(Box<build::Build>),
}

impl ImageCommand {
    /// Does it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        match &self.action {
            Action::Push(push) => push.run(global),
            Action::Save(save) => save.run(global),
            Action::Build(build) => build.run(global),
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
    /// What is in it, where that is a package.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    package: Option<MadeOf>,
}

/// What the image of a package is made of.
#[derive(Debug, Serialize)]
struct MadeOf {
    /// The package: `npm:NAME@VERSION`.
    package: String,
    /// The digest of its lock.
    lock: String,
    /// The image that it stands upon: `NAME@DIGEST`.
    base: String,
}

/// Which mcpt is in the image.
#[derive(Debug, Args)]
struct Binary {
    /// The mcpt in the image, a static one for Linux, instead of this very program
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

impl Binary {
    /// The program.
    fn read(&self) -> Result<Vec<u8>, Failure> {
        let program = match &self.binary {
            Some(file) => mcpt_image::program_at(file),
            None => mcpt_image::program(),
        };
        program.map_err(|error| {
            Failure::new(FailureKind::Failed, CANNOT_MAKE)
                .caused_by(&error)
                .hint(
                    "use a released mcpt, name one with --binary, or build one: RUSTFLAGS='-C target-feature=+crt-static' \
                     cargo install --locked --path crates/mcpt --target $(uname -m)-unknown-linux-gnu",
                )
        })
    }
}

/// The image of a binary.
fn made(binary: &Binary) -> Result<oci_image::Image, Failure> {
    let program = binary.read()?;
    let made = runtime::aside(&Silent, move |_| {
        mcpt_image::image(&program, Compression::Gzip)
    })?;
    made.map_err(|error| Failure::new(FailureKind::Failed, CANNOT_MAKE).caused_by(&error))
}

/// Tells of it.
fn show(
    global: &Global,
    image: &oci_image::Image,
    name: &str,
    config: Option<PathBuf>,
    package: Option<MadeOf>,
) -> Result<(), Ending> {
    let made = Made {
        name: name.to_owned(),
        digest: image.digest().to_owned(),
        size: image.size(),
        config,
        package,
    };
    match global.output {
        Format::Json => output::json(&made),
        Format::Yaml => output::yaml(&made),
        Format::Name => output::line(&made.name),
        Format::Table | Format::Wide => {
            let megabytes = made.size as f64 / 1e6;
            output::line(&made.name)?;
            output::line(&format!("{}, {megabytes:.1} MB", made.digest))?;
            if let Some(MadeOf {
                package,
                lock,
                base,
            }) = &made.package
            {
                output::line(&format!("{package}, lock {lock}, upon {base}"))?;
            }
            match &made.config {
                Some(file) => output::line(&format!("deploys use it: {} says so", file.display())),
                None => Ok(()),
            }
        }
    }
}
