//! `cargo xtask image`: OCI archives of `mcpt` and of the test servers, made without a registry.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;

use crate::dist::Profile;
use crate::lock::Lock;
use crate::{cache, report};

mod debian;
pub(crate) mod machine;
mod mcpt;
pub(crate) mod oci;
mod recipe;
mod runtimes;
mod servers;

use recipe::Recipe;

/// What the test suites deploy.
const SUITES: &[Name] = &[
    Name::McptQuick,
    Name::Everything,
    Name::Filesystem,
    Name::Time,
    Name::Registry,
    Name::RuntimeNode,
    Name::RuntimePython,
];

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
    /// The mcpt binary as it is released, static, and nothing else
    Mcpt,
    /// The same for tests: sooner built, less optimised
    McptQuick,
    /// npm @modelcontextprotocol/server-everything
    Everything,
    /// npm @modelcontextprotocol/server-filesystem
    Filesystem,
    /// `PyPI` mcp-server-time
    Time,
    /// What packages of npm are installed and run with
    RuntimeNode,
    /// What packages of `PyPI` are installed and run with
    RuntimePython,
    /// The first container of each pod of the test cluster
    Pause,
    /// DNS of the test cluster
    Coredns,
    /// A shell and its tools
    Busybox,
    /// A registry, for what nodes pull
    Registry,
}

impl Name {
    fn file_stem(self) -> &'static str {
        match self {
            Self::Mcpt => "mcpt",
            Self::McptQuick => "mcpt-quick",
            Self::Everything => "everything",
            Self::Filesystem => "filesystem",
            Self::Time => "time",
            Self::RuntimeNode => "runtime-node",
            Self::RuntimePython => "runtime-python",
            Self::Pause => "pause",
            Self::Coredns => "coredns",
            Self::Busybox => "busybox",
            Self::Registry => "registry",
        }
    }

    fn recipe(self) -> anyhow::Result<Recipe> {
        match self {
            Self::Mcpt => mcpt::image(Profile::Dist),
            Self::McptQuick => mcpt::image(Profile::Image),
            Self::Everything => servers::node("everything", &["stdio"]),
            Self::Filesystem => servers::node("filesystem", &["/data"]),
            Self::Time => servers::time(),
            Self::RuntimeNode => runtimes::node(),
            Self::RuntimePython => runtimes::python(),
            Self::Pause => machine::pause(),
            Self::Coredns => machine::coredns(),
            Self::Busybox => machine::busybox(),
            Self::Registry => machine::registry(),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot create {}", arguments.out.display()))?;
    let names = if arguments.names.is_empty() {
        SUITES
    } else {
        &arguments.names
    };
    for name in names {
        let begin = Instant::now();
        let archive = archive(*name)?;
        let copy = arguments.out.join(format!("{}.tar", name.file_stem()));
        std::fs::copy(&archive, &copy)
            .with_context(|| format!("cannot write {}", copy.display()))?;
        let took = report::seconds(begin.elapsed());
        report::progress(format_args!("made {} in {took}", name.file_stem()));
        report::result(copy.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the archive of an image unless the cache has it, and returns its path there.
pub(crate) fn archive(name: Name) -> anyhow::Result<PathBuf> {
    let images = cache::folder()?.join("images");
    let stem = name.file_stem();
    let _lock = Lock::take(&images.join(format!("{stem}.lock")), stem)?;
    name.recipe()?
        .archive(&images, stem)
        .with_context(|| format!("cannot make the image {stem}"))
}
