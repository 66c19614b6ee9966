//! Images of packages: a runtime image's layers, the package's tree, and mcpt as the bridge before it where that is wished.
//!
//! What is the same gives the same bytes: the lock, the base by its digest, the program. So an image that is there already is
//! known by its digest, and whoever has the lock can make it again.

mod native;
mod place;

use std::{
    io,
    path::{Path, PathBuf},
};

use mcpt_core::{Ecosystem, Package, Progress, ProgressEvent, before_server};
use mcpt_package::{
    ImageTree, PackageError, VOLUME, lock_digest, programs_in, tree_for_image, tree_in,
};
use oci_image::{Base, Compression, Image, Layer, Settings, Tree};

pub use self::native::Misfit;
use self::place::PackageDestination;
use crate::own::{PROGRAM, USER};

/// The port at which an image with a bridge serves.
pub const PORT: u16 = 8080;
/// The label that says, as a list in JSON, which program speaks MCP over standard input and output, and its first arguments.
pub const COMMAND_LABEL: &str = "mcpt.io/stdio-command";
/// Label with the package: `npm:NAME@VERSION`.
const PACKAGE_LABEL: &str = "mcpt.io/built-from";
/// Label with the digest of its lock.
const LOCK_LABEL: &str = "mcpt.io/lock";
/// The home and the working folder, which any user may write to.
const HOME: &str = "/tmp";

/// Why the image of a package was not made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The package cannot be installed.
    #[error(transparent)]
    Package(Box<PackageError>),
    /// The base cannot be had, or what was made cannot be packed.
    #[error(transparent)]
    Image(#[from] oci_image::Error),
    /// The base does not have what the package runs with.
    #[error("{base} has no {wanted}, with which {package} runs")]
    NoInterpreter {
        /// The base.
        base: String,
        /// What it should have: `Node.js`, `Python 3.12`.
        wanted: String,
        /// The package.
        package: String,
    },
    /// Something was built on this machine that does not run in the base.
    #[error("{package} has a native module that does not run in {base}: {misfit}")]
    Native {
        /// The package.
        package: String,
        /// The base.
        base: String,
        /// What does not fit.
        misfit: Box<Misfit>,
    },
}

impl From<PackageError> for BuildError {
    fn from(error: PackageError) -> Self {
        Self::Package(Box::new(error))
    }
}

/// What is to be made of a package.
#[derive(Debug, Clone, Default)]
pub struct PackageImage {
    /// Arguments of the server, which whoever runs the image may replace.
    pub arguments: Vec<String>,
    /// The static mcpt that serves it over HTTP. Without one the image speaks over standard input and output.
    pub bridge: Option<Vec<u8>>,
}

/// An image of a package.
#[derive(Debug)]
pub struct Built {
    /// The image.
    pub image: Image,
    /// Program and first arguments that speak MCP over standard input and output in it.
    pub command: Vec<String>,
    /// What it stands upon: `NAME@DIGEST`.
    pub base: String,
    /// The digest of the package's lock.
    pub lock: String,
}

impl PackageImage {
    /// Makes the image of a package upon a base for a processor, `amd64`. What blocks, as fetching and packing do, is done on threads
    /// of their own: whoever drops this need not wait for them.
    ///
    /// # Errors
    /// [`BuildError`]. A package of which a byte is not what was locked is none.
    pub async fn build(
        &self,
        package: &Package,
        mut base: Base,
        architecture: &str,
        progress: &dyn Progress,
    ) -> Result<Built, BuildError> {
        progress.event(ProgressEvent::Step(format!("looking into {}", base.name())));
        let (wanted, machine) = (package.clone(), architecture.to_owned());
        let looking = aside(move || {
            let place = PackageDestination::of(&wanted, &mut base, &machine)?;
            Ok((place, base))
        });
        let (place, base) = looking.await?;
        let root = tree_in(Path::new(VOLUME));
        // It stays here, and goes with this: a thread that is left goes on to its end.
        let tree = tree_for_image(package, &place.target, &root, progress).await?;
        progress.event(ProgressEvent::Step("packing the image".to_owned()));
        let packing = Packing {
            package: package.source(),
            base: base.name().to_owned(),
            tree: tree.path().to_owned(),
            node: tree.node.clone(),
            root: root.clone(),
            place: place.clone(),
            bridge: self.bridge.clone(),
        };
        let layers = aside(move || packing.layers()).await?;
        let command = tree.command.clone();
        let lock = lock_digest(package);
        let settings = Settings {
            entrypoint: self.entrypoint(&command),
            arguments: self.arguments.clone(),
            environment: vec![
                format!("HOME={HOME}"),
                format!(
                    "PATH={}:{}",
                    programs_in(package, &root).display(),
                    place.path
                ),
            ],
            user: format!("{USER}:{USER}"),
            working_directory: HOME.to_owned(),
            labels: labels(package, &base, &command, &lock),
            architecture: architecture.to_owned(),
        };
        Ok(Built {
            image: Image::upon(&base, &settings, layers)?,
            command,
            base: format!("{}@{}", base.name(), base.digest()),
            lock,
        })
    }

    fn entrypoint(&self, command: &[String]) -> Vec<String> {
        let mut words = Vec::new();
        if self.bridge.is_some() {
            words.push(PROGRAM.to_owned());
            let listen = format!("0.0.0.0:{PORT}");
            words.extend(before_server::bridge(&listen).map(str::to_owned));
        }
        words.extend_from_slice(command);
        words
    }
}

/// Does work that blocks on a thread of its own.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BuildError> + Send + 'static,
) -> Result<T, BuildError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| oci_image::Error::Write(io::Error::other(error)))?
}

/// A tree that becomes layers.
struct Packing {
    package: String,
    base: String,
    tree: PathBuf,
    node: Option<String>,
    root: PathBuf,
    place: PackageDestination,
    bridge: Option<Vec<u8>>,
}

impl Packing {
    /// Our own program, and the tree at its place, if all that was built fits there.
    fn layers(self) -> Result<Vec<Layer>, BuildError> {
        let checked = native::check(&self.tree, self.node.as_deref(), &self.place.target);
        checked.map_err(|unfit| match unfit {
            native::Unfit::Misfit(misfit) => BuildError::Native {
                package: self.package,
                base: self.base,
                misfit: Box::new(misfit),
            },
            native::Unfit::Unread(path, error) => oci_image::Error::Read(path, error).into(),
        })?;
        let mut layers = Vec::new();
        if let Some(program) = self.bridge {
            let mut own = Tree::default();
            own.file(PROGRAM, program, 0o755);
            layers.push(Layer::of(&own, Compression::Gzip)?);
        }
        let mut files = Tree::default();
        let to = self.root.display().to_string();
        files.directory(&to, 0o755);
        files.copy(&to, &self.tree, &ImageTree::is_trace)?;
        if !self.place.has_home {
            files.directory(HOME, 0o1777);
        }
        layers.push(Layer::of(&files, Compression::Gzip)?);
        Ok(layers)
    }
}

fn labels(package: &Package, base: &Base, command: &[String], lock: &str) -> Vec<(String, String)> {
    let command = serde_json::Value::from(command).to_string();
    [
        ("org.opencontainers.image.title", package.name.clone()),
        ("org.opencontainers.image.version", package.version.clone()),
        ("org.opencontainers.image.base.name", base.name().to_owned()),
        (
            "org.opencontainers.image.base.digest",
            base.digest().to_owned(),
        ),
        (PACKAGE_LABEL, package.source()),
        (LOCK_LABEL, lock.to_owned()),
        (COMMAND_LABEL, command),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The version of Python that a base has, `3.12`: what a package must be resolved for that is to run in it.
///
/// # Errors
/// When the base cannot be read.
pub fn python_version(base: &mut Base) -> Result<Option<String>, oci_image::Error> {
    place::python_version(base)
}

/// What runs packages of an ecosystem, in words.
fn interpreter(ecosystem: Ecosystem, version: Option<&str>) -> String {
    match (ecosystem, version) {
        (Ecosystem::Npm, _) => "Node.js".to_owned(),
        (Ecosystem::Pypi, Some(version)) => format!("Python {version}"),
        (Ecosystem::Pypi, None) => "Python".to_owned(),
    }
}
