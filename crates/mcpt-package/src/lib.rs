//! Packages of npm and `PyPI` as servers: [`resolve`] finds out what a package consists of and writes it down as a lock, and
//! [`Store::install`] makes a folder out of a lock from which the server runs without any network.
//!
//! Both are the work of the ecosystem's own tools, `npm` and `uv`: what users have told these about registries, credentials,
//! proxies and certificates holds here by itself. This crate runs them, reads what they say, and names what went wrong.

mod entry_points;
mod error;
mod for_image;
mod lock_file;
mod node_range;
mod npm;
mod pypi;
mod request;
mod runtime;
mod settings;
mod store;
mod tool;
mod tree;
mod volume;
mod workshop;

pub use self::{
    error::{Cause, Doing, PackageError},
    for_image::{ImageTarget, ImageTree, tree_for_image},
    lock_file::{LockFault, read_lock},
    request::{PackageSource, ResolveOptions},
    runtime::{NoRuntime, Runtimes},
    settings::{credentials, of_this_machine},
    store::{Store, Tree, UnusedTree, installing},
    tree::{command_in, programs_in},
    volume::{VOLUME, install_into, tree_in, variables, volume_key},
};

use std::fmt::Write as _;

use mcpt_core::{Ecosystem, Package, Progress, ProgressEvent};
use sha2::{Digest as _, Sha256};

/// Finds out what a package and all that it needs consist of now, and fixes it. Asks the registry; changes nothing but the
/// tools' own caches.
///
/// # Errors
/// [`PackageError`] with what went wrong in words of the field, and what mends it.
pub async fn resolve(
    source: &PackageSource,
    options: &ResolveOptions,
    progress: &dyn Progress,
) -> Result<Package, PackageError> {
    let requested = source.to_string();
    progress.event(ProgressEvent::Step(format!("resolving {requested}")));
    let resolved = match source {
        PackageSource::Npm(package) => npm::resolve(package, options, &requested).await,
        PackageSource::Pypi(package) => pypi::resolve(package, &options.pythons, &requested).await,
    };
    let package = resolved.map_err(|cause| PackageError {
        package: requested,
        doing: Doing::Resolve,
        cause,
    })?;
    if package.ecosystem == Ecosystem::Npm
        && let Some(why) = npm::deprecated(&package)
    {
        let source = package.source();
        progress.event(ProgressEvent::Warning(format!(
            "the authors of {source} advise against it: {why}"
        )));
    }
    Ok(package)
}

/// The newest version of a package, if it is newer than this one; `None` also when the source names no exact version. Asks the
/// registry and changes nothing.
///
/// # Errors
/// [`PackageError`] with what went wrong in words of the field, and what mends it.
pub async fn newer(source: &PackageSource) -> Result<Option<String>, PackageError> {
    let newer = match source {
        PackageSource::Npm(package) => npm::newer(package).await,
        PackageSource::Pypi(package) => pypi::newer(package).await,
    };
    newer.map_err(|cause| PackageError {
        package: source.name(),
        doing: Doing::LookUp,
        cause,
    })
}

/// What a package was resolved to, for whoever is shown what a deployment would do.
#[must_use]
pub fn described(package: &Package) -> serde_json::Value {
    serde_json::json!({
        "requested": package.requested,
        "source": package.source(),
        "packages": package.packages,
        "python": package.python,
        "installScripts": package.install_scripts,
        "lock": lock_digest(package),
    })
}

/// The digest of a lock, `sha256:…`: two packages with the same one consist of the same bytes.
#[must_use]
pub fn lock_digest(package: &Package) -> String {
    let mut hash = Sha256::new();
    for (name, text) in &package.lock {
        for part in [name, text] {
            hash.update(part);
            hash.update([0]);
        }
    }
    let mut digest = "sha256:".to_owned();
    for byte in hash.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}
