//! `mcpt image build PACKAGE`: a package as an image, made on this machine without an engine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use mcpt_core::{Failure, FailureKind, Image, Package, ProgressEvent};
use mcpt_image::{Built, PackageImage};
use mcpt_package::{PackageSource, ResolveOptions, resolve};
use mcpt_source::Source;
use oci_registry::Reference;

use super::{
    Binary, MadeOf,
    package::{self, Ingredients},
    push, save, show,
    way::Way,
};
use crate::{args::Global, ending::Ending, progress, runtime, user_config::UserConfig};

/// Arguments of `mcpt image build`.
#[derive(Debug, Args)]
#[command(
    after_help = "The image has the layers of the base and above them the package with all that it needs, installed by npm or uv \
from a lock with digests, and mcpt, which serves it as streamable HTTP at port 8080, path /mcp. Where it runs nothing is fetched. The \
same lock and the same base make the same image to the byte.

Examples:
  mcpt image build npm:@modelcontextprotocol/server-everything --push registry.example/team/everything
  mcpt image build pypi:mcp-server-time --write-lock time.lock --save time.tar -- --local-timezone UTC
  mcpt image build ./time.lock --save time.tar --base ./python.tar"
)]
pub(super) struct Build {
    /// Package (npm:NAME, npm:NAME@VERSION, pypi:NAME, pypi:NAME==VERSION), or the file of a lock that --write-lock wrote
    #[arg(value_name = "PACKAGE")]
    source: String,
    /// Behind --: arguments of the server, which whoever runs the image may replace
    #[arg(value_name = "ARGUMENT", last = true)]
    arguments: Vec<String>,
    #[command(flatten)]
    to: To,
    /// Name that the image has in the archive [default: localhost/PACKAGE:VERSION]
    #[arg(long, value_name = "IMAGE", requires = "save")]
    name: Option<Image>,
    /// File that gets the lock
    #[arg(long, value_name = "FILE", help_heading = "Packages")]
    write_lock: Option<PathBuf>,
    /// Do not run what npm packages have for their installation; native modules may be missing then
    #[arg(long, help_heading = "Packages")]
    no_install_scripts: bool,
    #[command(flatten)]
    ingredients: Ingredients,
    /// Leave mcpt out: the image speaks over standard input and output, for docker run -i and mcpt deploy
    #[arg(long, conflicts_with = "binary")]
    without_bridge: bool,
    #[command(flatten)]
    binary: Binary,
    #[command(flatten)]
    way: Way,
}

/// Where the image goes.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct To {
    /// Put it into a registry: HOST/PATH, with :TAG if it shall not be the package's version
    #[arg(long, value_name = "IMAGE")]
    push: Option<Image>,
    /// Write it as an archive, for docker load, podman load and ctr images import
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

impl Build {
    /// Makes it and puts it where it goes.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        if let Some(image) = &self.to.push {
            place(image, "")?;
        }
        let bridge = if self.without_bridge {
            None
        } else {
            Some(self.binary.read().map_err(|failure| {
                // What is missing is not needed for all.
                let hint = failure.hint.clone().unwrap_or_default();
                failure.hint(format!("{hint}; or leave it out with --without-bridge"))
            })?)
        };
        let runtimes = UserConfig::load()?.runtimes();
        let display = progress::display(global);
        let package = self.package(&runtimes, display.as_ref())?;
        if let Some(file) = &self.write_lock {
            write_lock(file, &package)?;
        }
        let image = PackageImage {
            arguments: self.arguments.clone(),
            bridge,
        };
        let made = self
            .ingredients
            .build(&package, &image, &runtimes, &self.way, display.as_ref());
        let Built {
            image, base, lock, ..
        } = made?;
        let tag = package::tag(&package);
        let mut name = String::new();
        if let Some(to) = &self.to.push {
            let pushed = pushed(&image, to, &tag, &self.way, display.as_ref())?;
            name = pushed.to_string();
        }
        if let Some(file) = &self.to.save {
            let own = match &self.name {
                Some(name) => name.reference(),
                None => format!("localhost/{}:{tag}", repository(&package.name)),
            };
            display.event(ProgressEvent::Step(format!("writing {}", file.display())));
            save::write(&image, &own, file, display.as_ref())?;
            if name.is_empty() {
                name = own;
            }
        }
        drop(display);
        let of = MadeOf {
            package: package.source(),
            lock,
            base,
        };
        show(global, &image, &name, None, Some(of))?;
        if let Some(file) = &self.to.save {
            save::tell_nodes(global, file);
        }
        Ok(())
    }

    /// The package, as its lock says or as the registry has it now.
    fn package(
        &self,
        runtimes: &mcpt_package::Runtimes,
        progress: &dyn mcpt_core::Progress,
    ) -> Result<Package, Ending> {
        let what = format!("cannot make an image of {}", self.source);
        let usage = || Failure::new(FailureKind::Usage, what.clone());
        let path = Path::new(&self.source);
        if path.is_file() {
            return Ok(read_lock(path, usage())?);
        }
        let source: Source = self
            .source
            .parse()
            .map_err(|error| usage().caused_by(&error))?;
        let source = PackageSource::of(&source).ok_or_else(|| {
            usage().because("it is neither a package (npm:NAME, pypi:NAME) nor the file of a lock")
        })?;
        let options = ResolveOptions {
            install_scripts: !self.no_install_scripts,
            pythons: self
                .ingredients
                .pythons(&source, runtimes, &self.way, progress)?,
        };
        runtime::run(async {
            let resolved = resolve(&source, &options, progress).await;
            resolved.map_err(|error| Failure::from(error).into())
        })
    }
}

/// The place of an image in a registry, with this tag where it has none.
fn place(image: &Image, tag: &str) -> Result<Reference, Failure> {
    let what = format!("cannot push to {}", image.repository);
    let wrong = |why: &str| Failure::new(FailureKind::Usage, &what).because(why);
    if image.digest.is_some() {
        return Err(wrong("a digest cannot be chosen: leave it out"));
    }
    if !push::is_registry(&image.repository) {
        return Err(wrong("it names no registry")
            .hint("begin with the registry's host: registry.example/team/server"));
    }
    let tag = image.tag.as_deref().unwrap_or(tag);
    let name = format!("{}:{tag}", image.repository);
    Reference::parse(&name).map_err(|error| wrong(&error.to_string()))
}

/// Puts an image into a registry; where it is then.
pub(crate) fn pushed(
    image: &oci_image::Image,
    to: &Image,
    tag: &str,
    way: &Way,
    progress: &dyn mcpt_core::Progress,
) -> Result<Reference, Failure> {
    let reference = place(to, tag)?;
    progress.event(ProgressEvent::Step(format!("pushing {reference}")));
    let what = format!("cannot push to {}", to.repository);
    push::put(image, &reference, &what, way, progress)?;
    Ok(reference)
}

/// The path of a package's image, of the characters that it may have: `@scope/Name` becomes `scope/name`.
fn repository(package: &str) -> String {
    let lower = package.trim_start_matches('@').to_ascii_lowercase();
    let parts = lower.split('/').map(|part| {
        let words = part.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join("-")
    });
    parts.collect::<Vec<_>>().join("/")
}

fn read_lock(path: &Path, failure: Failure) -> Result<Package, Failure> {
    match fs::read(path) {
        Err(error) => Err(failure.caused_by(&error)),
        Ok(text) => mcpt_package::read_lock(&text).map_err(|error| {
            failure.because(format!("{} is no lock of mcpt's: {error}", path.display()))
        }),
    }
}

fn write_lock(path: &Path, package: &Package) -> Result<(), Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let what = format!("cannot write {}", path.display());
        Failure::new(FailureKind::Failed, what).caused_by(error)
    };
    let mut text = serde_json::to_string_pretty(package).map_err(|error| failed(&error))?;
    text.push('\n');
    fs::write(path, text).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_packages() {
        for (name, expected) in [
            (
                "@modelcontextprotocol/server-time",
                "modelcontextprotocol/server-time",
            ),
            ("mcp-server-time", "mcp-server-time"),
            ("@Scope/A__b.", "scope/a-b"),
        ] {
            assert_eq!(repository(name), expected);
        }
        let image: Image = "r.example/team/x".parse().unwrap();
        assert_eq!(
            place(&image, "1.2").unwrap().to_string(),
            "r.example/team/x:1.2"
        );
        assert!(place(&"team/x".parse().unwrap(), "1").is_err());
    }
}
