//! A package in a volume that containers share, installed by a container of the runtime image.
//!
//! ```text
//! VOLUME/tree/      the tree; what runs is at this path in every container
//! VOLUME/tree.lock  held by those who make it
//! VOLUME/cache/     what the tools fetched, until the tree is whole
//! ```
//!
//! Where the containers of several machines share a folder, it has such a tree for each runtime that it works with (a version of
//! Node.js or Python on one kind of processor), and `VOLUME/tree`, each container's own, is a link to the one that works here:
//!
//! ```text
//! SHARED/npm-NAME-VERSION-DIGEST/tree/
//! SHARED/npm-NAME-VERSION-DIGEST/tree.lock
//! ```

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use mcpt_core::{Package, Progress, ProgressEvent};

use crate::{
    error::{Cause, Doing, PackageError},
    store, tree,
};

/// Where containers have the volume.
pub const VOLUME: &str = "/mcpt-package";
/// The folder of the tree in a volume.
const TREE: &str = "tree";
/// What a killed installer leaves begins so.
const PARTIAL: &str = "tree.partial-";
/// What the tools fetch, below the volume.
const CACHE: &str = "cache";
/// The file of a tree that says which one it is.
const NAME: &str = ".mcpt-tree";

/// Where the tree of a package is in a volume that is mounted at this path.
#[must_use]
pub fn tree_in(volume: &Path) -> PathBuf {
    volume.join(TREE)
}

/// A short digest that tells apart volumes: of the lock, of whether programs of its authors may run, and of the runtime that it is
/// for, in the caller's word.
#[must_use]
pub fn volume_key(package: &Package, runtime: &str) -> String {
    let name = store::folder_name(package, runtime);
    name.rsplit('-').next().unwrap_or_default().to_owned()
}

/// Installs a package into a volume, unless it is there already: then nobody is asked for anything. Whoever is killed meanwhile
/// leaves nothing that is taken for a tree, and of several at a time one does it. With a `shared` folder the tree is in there, for
/// all whose runtime is the same, and the volume has a link to it; both must be mounted at the same places wherever it is run.
///
/// # Errors
/// [`PackageError`] with what went wrong in words of the field, and what mends it.
pub async fn install_into(
    package: &Package,
    volume: &Path,
    shared: Option<&Path>,
    progress: &dyn Progress,
) -> Result<(), PackageError> {
    installed(package, volume, shared, progress)
        .await
        .map_err(|cause| PackageError {
            package: package.source(),
            doing: Doing::InstallInContainer,
            cause,
        })
}

async fn installed(
    package: &Package,
    volume: &Path,
    shared: Option<&Path>,
    progress: &dyn Progress,
) -> Result<(), Cause> {
    let identity = tree::identity(package, volume).await?;
    let name = store::folder_name(package, &identity);
    let home = shared.map_or_else(|| volume.to_owned(), |shared| shared.join(&name));
    if shared.is_some() {
        make_folder(&home).map_err(Cause::io(format!("{} cannot be made", home.display())))?;
    }
    let alone = lock(&home).await?;
    if is_there(&home, &name) {
        tree::present(package, &tree_in(&home))?;
    } else {
        progress.event(ProgressEvent::Step(store::installing(package)));
        make(package, &home, &name).await?;
        let cache = volume.join(CACHE);
        match fs::remove_dir_all(&cache) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(uncleared(volume)(error));
            }
            _ => {}
        }
    }
    drop(alone);
    if shared.is_some() {
        let place = tree_in(volume);
        link(&tree_in(&home), &place)
            .map_err(Cause::io(format!("{} cannot be linked", place.display())))?;
    }
    Ok(())
}

/// Whether the tree in a folder is this one.
fn is_there(home: &Path, name: &str) -> bool {
    fs::read_to_string(tree_in(home).join(NAME)).is_ok_and(|there| there == name)
}

/// Makes the tree, in place of one of another runtime. The caller holds the lock.
async fn make(package: &Package, home: &Path, name: &str) -> Result<(), Cause> {
    let place = tree_in(home);
    for other in names(home).map_err(uncleared(home))? {
        if other.starts_with(PARTIAL) {
            fs::remove_dir_all(home.join(other)).map_err(uncleared(home))?;
        }
    }
    let partial = tree::make(package, home, PARTIAL).await?;
    let finished = || Cause::io(format!("{} cannot be finished", partial.path().display()));
    fs::write(partial.path().join(NAME), name).map_err(finished())?;
    // Others may run from it, too.
    fs::set_permissions(partial.path(), Permissions::from_mode(0o755)).map_err(finished())?;
    tree::present(package, partial.path())?;
    if place.exists() {
        // Of another runtime: who still runs from it has read what it needs, or reads the same files of the new one.
        let doomed = tempfile::Builder::new().prefix(PARTIAL).tempdir_in(home);
        let doomed = doomed.map_err(uncleared(home))?;
        fs::rename(&place, doomed.path().join(TREE)).map_err(uncleared(home))?;
    }
    tree::put(partial, &place)
}

fn uncleared(folder: &Path) -> impl FnOnce(io::Error) -> Cause {
    Cause::io(format!("{} cannot be cleared", folder.display()))
}

/// A folder that others may run from, too. Several may make it at a time.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(0o755)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes this place a link to there, unless it is.
fn link(there: &Path, place: &Path) -> io::Result<()> {
    match fs::read_link(place) {
        Ok(other) if other == there => return Ok(()),
        Ok(_) => fs::remove_file(place)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    symlink(there, place)
}

async fn lock(volume: &Path) -> Result<File, Cause> {
    let path = volume.join(format!("{TREE}.lock"));
    let failed = Cause::io(format!("{} cannot be locked", path.display()));
    let locked = tokio::task::spawn_blocking(move || {
        let file = store::open_lock(&path)?;
        file.lock()?;
        Ok(file)
    });
    match locked.await {
        Ok(locked) => locked.map_err(failed),
        Err(error) => Err(failed(io::Error::other(error))),
    }
}

fn names(volume: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(volume)?.map(|entry| Ok(entry?.file_name()));
    let names: io::Result<Vec<OsString>> = names.collect();
    // Whatever is not Unicode was not made here.
    let own = names?
        .into_iter()
        .filter_map(|name| name.into_string().ok());
    Ok(own.collect())
}

/// The variables that installers of packages have in a container: nothing is kept outside the volume, and no Python is fetched
/// that the servers' containers would not have. Over them, what `settings` says about registries: a folder with files of the
/// names `.npmrc`, `uv.toml` and `ca.pem`, and others that are called as the variable whose value they hold.
///
/// # Errors
/// When the folder cannot be read, or a file of it is no text.
pub fn variables(volume: &Path, settings: Option<&Path>) -> io::Result<BTreeMap<String, OsString>> {
    let cache = volume.join(CACHE);
    let mut all: BTreeMap<String, OsString> = BTreeMap::from([
        ("HOME".to_owned(), cache.join("home").into()),
        ("npm_config_cache".to_owned(), cache.join("npm").into()),
        ("UV_CACHE_DIR".to_owned(), cache.join("uv").into()),
        ("UV_PYTHON_DOWNLOADS".to_owned(), "never".into()),
    ]);
    let Some(settings) = settings else {
        return Ok(all);
    };
    let names = match names(settings) {
        // Nothing was said.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(all),
        names => names?,
    };
    for name in names {
        let path = settings.join(&name);
        if !path.is_file() {
            continue;
        }
        match name.as_str() {
            ".npmrc" => drop(all.insert("npm_config_userconfig".to_owned(), path.into())),
            "uv.toml" => drop(all.insert("UV_CONFIG_FILE".to_owned(), path.into())),
            "ca.pem" => {
                for variable in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"] {
                    all.insert(variable.to_owned(), path.clone().into());
                }
            }
            _ if is_variable(&name) => {
                let text = fs::read_to_string(&path)?;
                all.insert(name, text.trim_end_matches('\n').into());
            }
            _ => {}
        }
    }
    Ok(all)
}

/// Whether a file of settings is called like a variable.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_tree_of_this_runtime() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tree");
        for there in ["/shared/one/tree", "/shared/one/tree", "/shared/two/tree"] {
            link(Path::new(there), &place).unwrap();
            assert_eq!(fs::read_link(&place).unwrap(), Path::new(there));
        }
        // What is no link was not made here.
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        assert!(link(Path::new("/shared/one/tree"), &place).is_err());
    }

    #[test]
    fn settings_become_variables() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Path::new("/v");
        let bare = variables(volume, Some(&folder.path().join("none"))).unwrap();
        assert_eq!(bare, variables(volume, None).unwrap());
        for (name, text) in [
            (".npmrc", "registry=https://r/"),
            ("ca.pem", "-----"),
            ("HTTPS_PROXY", "http://proxy:3128\n"),
            ("..2026_data", "not ours"),
            ("uv.lock", "not ours"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::create_dir(folder.path().join("HOME")).unwrap();
        let all = variables(volume, Some(folder.path())).unwrap();
        let said = |name: &str| all.get(name).and_then(|value| value.to_str());
        assert_eq!(said("HTTPS_PROXY"), Some("http://proxy:3128"));
        let file = |name: &str| folder.path().join(name).display().to_string();
        assert_eq!(said("npm_config_userconfig"), Some(&*file(".npmrc")));
        assert_eq!(said("SSL_CERT_FILE"), Some(&*file("ca.pem")));
        assert_eq!(said("NODE_EXTRA_CA_CERTS"), Some(&*file("ca.pem")));
        assert_eq!(said("HOME"), Some("/v/cache/home"));
        assert_eq!(all.len(), bare.len() + 4);
    }
}
