//! `cargo xtask image`: OCI archives of `mcpt` and of the test servers, made without a registry.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;

use crate::cache::{self, Key};
use crate::lock::Lock;
use crate::report;

pub(crate) mod machine;
mod oci;
mod tree;

use oci::Image;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Images to make (default: those that the test suites deploy)
    names: Vec<Name>,
    /// The folder for the archives, made when missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// An image that this repository makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// The first container of each pod of the test cluster
    Pause,
    /// DNS of the test cluster
    Coredns,
    /// A shell and its tools
    Busybox,
}

impl Name {
    fn file_stem(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Coredns => "coredns",
            Self::Busybox => "busybox",
        }
    }

    /// What the image depends on, and the image.
    fn image(self) -> anyhow::Result<(Key, Image)> {
        match self {
            Self::Pause => machine::pause(),
            Self::Coredns => machine::coredns(),
            Self::Busybox => machine::busybox(),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot create {}", arguments.out.display()))?;
    for name in &arguments.names {
        let begin = Instant::now();
        let archive = archive(*name)?;
        let copy = arguments.out.join(format!("{}.tar", name.file_stem()));
        std::fs::copy(&archive, &copy)
            .with_context(|| format!("cannot write {}", copy.display()))?;
        report::progress(format_args!(
            "made {} in {}",
            name.file_stem(),
            report::seconds(begin.elapsed())
        ));
        report::result(copy.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the archive of an image unless the cache has it, and returns its path there.
pub(crate) fn archive(name: Name) -> anyhow::Result<PathBuf> {
    let images = cache::folder()?.join("images");
    let _lock = Lock::take(
        &images.join(format!("{}.lock", name.file_stem())),
        name.file_stem(),
    )?;
    let (key, image) = name.image()?;
    let path = images.join(format!("{}-{}.tar", name.file_stem(), key.finish()));
    if !path.is_file() {
        image.write(&path)?;
    }
    Ok(path)
}
