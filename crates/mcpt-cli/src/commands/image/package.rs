//! Images of packages, for `image build` and for deploys that run one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mcpt_core::{Failure, FailureKind, Image, Package, Progress, ProgressEvent};
use mcpt_image::{BuildError, Built, PackageImage};
use mcpt_package::{PackageSource, Runtimes};
use oci_image::{Base, architecture};
use oci_registry::Reference;

use super::{push, way, way::Way};
use crate::{ending::Ending, runtime};

/// Docker's own registry, and the path there of names of one part.
const DOCKER: &str = "docker.io";
const LIBRARY: &str = "library";

/// What images of packages are made of.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Ingredients {
    /// Image with Node.js or Python that it stands upon, or its archive (./FILE.tar) [default: runtimes.node or runtimes.python
    /// of the configuration]
    #[arg(long, value_name = "IMAGE|FILE", help_heading = "Packages")]
    pub(crate) base: Option<String>,
    /// The machine that it is for [default: this one's]
    #[arg(long, value_name = "PLATFORM", help_heading = "Packages")]
    pub(crate) platform: Option<Platform>,
}

/// A machine that images are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Platform {
    /// Processors of Intel and AMD
    #[value(name = "linux/amd64")]
    Amd64,
    /// Processors of ARM, 64 bits
    #[value(name = "linux/arm64", alias = "linux/arm64/v8")]
    Arm64,
}

impl Ingredients {
    fn architecture(&self) -> &'static str {
        match self.platform {
            Some(Platform::Amd64) => "amd64",
            Some(Platform::Arm64) => "arm64",
            None => architecture(),
        }
    }

    /// The versions of Python that a package may be resolved for, where they are known before; none when they are not, or when it
    /// needs no Python.
    pub(crate) fn pythons(
        &self,
        source: &PackageSource,
        runtimes: &Runtimes,
        way: &Way,
        progress: &dyn Progress,
    ) -> Result<Vec<String>, Failure> {
        let asks = matches!(source, PackageSource::Pypi(package) if package.python.is_none());
        if !asks {
            return Ok(Vec::new());
        }
        let Some(base) = &self.base else {
            return Ok(runtimes.pythons());
        };
        let mut read = self.read(base, way, progress)?;
        let version = runtime::aside(progress, move |_| mcpt_image::python_version(&mut read))?;
        let version = version.map_err(|error| unusable(base, &error))?;
        Ok(version.into_iter().collect())
    }

    /// Makes the image of a package.
    pub(crate) fn build(
        &self,
        package: &Package,
        image: &PackageImage,
        runtimes: &Runtimes,
        way: &Way,
        progress: &dyn Progress,
    ) -> Result<Built, Ending> {
        let base = match &self.base {
            Some(base) => base.clone(),
            None => runtimes
                .image(package)
                .map_err(|error| {
                    let what = format!("there is no image to put {} upon", package.source());
                    Failure::new(FailureKind::Failed, what)
                        .caused_by(&error)
                        .hint("name one with --base")
                })?
                .reference(),
        };
        progress.event(ProgressEvent::Step(format!("reading {base}")));
        let base = self.read(&base, way, progress)?;
        runtime::run(async {
            let built = image.build(package, base, self.architecture(), progress);
            built.await.map_err(|error| failed(package, error).into())
        })
    }

    /// An image by its name, or the one of an archive.
    fn read(&self, base: &str, way: &Way, progress: &dyn Progress) -> Result<Base, Failure> {
        let architecture = self.architecture();
        if is_file(base) {
            let path = PathBuf::from(base);
            let read = runtime::aside(progress, move |_| Base::of_archive(&path, architecture))?;
            return read.map_err(|error| unusable(base, &error));
        }
        let what = format!("cannot read the base {base}");
        let wrong = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(FailureKind::Usage, &what).caused_by(error)
        };
        let image: Image = base.parse().map_err(|error| wrong(&error))?;
        let reference = Reference::parse(&full(&image)).map_err(|error| wrong(&error))?;
        let place = reference.clone();
        let read = way.ask(&what, &reference, progress, move |registry, _| {
            Base::fetch(registry, &place, architecture)
        });
        read.map_err(|failure| {
            let hint = "name an image with --base, or save one that an engine has: docker save -o base.tar IMAGE, and --base \
                        ./base.tar";
            way::hinted(failure, hint)
        })
    }
}

/// Whether a base is a file: it is a path, or called like an archive.
fn is_file(base: &str) -> bool {
    let is_path = ["./", "../", "/", "~/"]
        .iter()
        .any(|start| base.starts_with(start));
    is_path
        || PathBuf::from(base)
            .extension()
            .is_some_and(|end| end == "tar")
}

/// The name of an image with its registry, as Docker completes it.
pub(crate) fn full(image: &Image) -> String {
    let name = image.reference();
    if push::is_registry(&image.repository) {
        name
    } else if image.repository.contains('/') {
        format!("{DOCKER}/{name}")
    } else {
        format!("{DOCKER}/{LIBRARY}/{name}")
    }
}

fn unusable(base: &str, error: &oci_image::Error) -> Failure {
    Failure::new(FailureKind::Failed, format!("cannot read the base {base}")).caused_by(error)
}

fn failed(package: &Package, error: BuildError) -> Failure {
    const ELSEWHERE: &str = "run this command on a machine like it, with the same Node.js or Python, or choose another base";
    const BASE: &str = "name an image that has it with --base, or for all in the configuration: runtimes.node, runtimes.python";
    let hint = match error {
        BuildError::Package(error) => return Failure::from(*error),
        BuildError::Image(_) => None,
        BuildError::NoInterpreter { .. } => Some(BASE),
        BuildError::Native { .. } => Some(ELSEWHERE),
    };
    let what = format!("cannot make an image of {}", package.source());
    let failure = Failure::new(FailureKind::Failed, what).caused_by(&error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The tag of an image of a package, where none is chosen: its version, as far as a tag can say it.
pub(crate) fn tag(package: &Package) -> String {
    let fits = |c: char| {
        if c.is_ascii_alphanumeric() || ".-_".contains(c) {
            c
        } else {
            '-'
        }
    };
    package.version.chars().map(fits).take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_does() {
        for (name, expected) in [
            ("node:24", "docker.io/library/node:24"),
            ("team/x", "docker.io/team/x:latest"),
            ("localhost:5000/x:1", "localhost:5000/x:1"),
            ("ghcr.io/a/b", "ghcr.io/a/b:latest"),
        ] {
            assert_eq!(full(&name.parse().unwrap()), expected);
        }
        assert!(is_file("./a") && is_file("a.tar") && is_file("/x/a"));
        assert!(!is_file("node:24") && !is_file("r.example/a"));
    }
}
