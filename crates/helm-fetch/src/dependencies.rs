//! The charts that a chart depends on: choosing versions, locking them, and fetching them into `charts/`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use helm_chart::{Chart, Constraint, Dependency, Lock, Version};

use crate::pull::{ArchiveLocation, archive, file_name, in_repository};
use crate::registry::{Layers, SCHEME, below};
use crate::repositories::unmanaged_name;
use crate::{
    Access, Error, Http, Index, Places, Reference, Registry, Repositories, Repository, address,
    is_registry, lock, write_whole,
};

/// Prefix of a chart on this machine.
const FILE: &str = "file://";

/// What fetches the charts that a chart depends on.
#[derive(Debug, Clone)]
pub struct Dependencies {
    /// The chart's folder.
    pub chart: PathBuf,
    /// The user's repositories.
    pub places: Places,
    /// The client.
    pub http: Http,
    /// Take the cached indexes as they are.
    pub skip_refresh: bool,
    /// The client of registries.
    pub registry: Registry,
}

/// The cached indexes that were read, by the names of their repositories: one of 30 MB is read once, however many charts come
/// from it.
#[derive(Debug, Default)]
struct Indexes(BTreeMap<String, Index>);

impl Indexes {
    fn of(&mut self, repository: &str, places: &Places) -> Result<&Index, Error> {
        Ok(match self.0.entry(repository.to_owned()) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => unread.insert(Index::load(&places.index(repository))?),
        })
    }
}

/// Takes a line that tells how far it is.
type Say<'a> = &'a mut dyn FnMut(&str);

impl Dependencies {
    /// Chooses the versions anew, writes the lock and fetches the charts, as `helm dependency update`; says Helm's lines.
    ///
    /// # Errors
    /// When a wish cannot be met, or a chart not fetched or written.
    pub fn update(&self, say: Say<'_>) -> Result<(), Error> {
        let chart = self.load()?;
        let mut wanted = chart.metadata.dependencies.clone();
        if wanted.is_empty() {
            return Ok(());
        }
        let known = Repositories::load(&self.places)?;
        let mut names = self.resolve_names(&mut wanted, &known)?;
        self.update_unmanaged(&mut names, &wanted, say);
        self.update_known(&known, say);
        let mut indexes = Indexes::default();
        let mut lock = self.choose(&wanted, &names, &mut indexes)?;
        self.fetch_all(&mut lock.dependencies, &known, indexes, say)?;
        lock.digest = lock::digest(&wanted, &lock.dependencies)?;
        if chart.lock.is_some_and(|old| old.digest == lock.digest) {
            return Ok(());
        }
        lock::write(&self.chart, &lock, chart.metadata.api_version == "v1")
    }

    /// Fetches what the lock says, as `helm dependency build`; without a lock it is [`update`](Self::update).
    ///
    /// # Errors
    /// When the lock is of other wishes, a repository was not added, or a chart cannot be fetched or written.
    pub fn build(&self, say: Say<'_>) -> Result<(), Error> {
        let chart = self.load()?;
        let Some(mut lock) = chart.lock else {
            return self.update(say);
        };
        let mut wanted = chart.metadata.dependencies;
        let is_v1 = chart.metadata.api_version == "v1";
        let of_helm_2 = lock::digest_of_helm_2(&wanted)?;
        let known = Repositories::load(&self.places)?;
        self.resolve_names(&mut wanted, &known)?;
        let fits = lock::digest(&wanted, &lock.dependencies)? == lock.digest;
        if !(fits || is_v1 && of_helm_2 == lock.digest) {
            return refuse(if is_v1 {
                "the lock file (requirements.lock) is out of sync with the dependencies file (requirements.yaml). Please update \
                 the dependencies"
            } else {
                "the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml). Please update the \
                 dependencies with 'helm dependency update'"
            });
        }
        let unknown: Vec<&str> = lock
            .dependencies
            .iter()
            .map(|dependency| dependency.repository.as_str())
            .filter(|url| !is_local(url) && !is_registry(url) && known.at(url).is_none())
            .collect();
        if !unknown.is_empty() {
            return refuse(format!(
                "no repository definition for {}. Please add the missing repos via 'helm repo add'",
                unknown.join(", ")
            ));
        }
        self.update_known(&known, say);
        self.fetch_all(&mut lock.dependencies, &known, Indexes::default(), say)
    }

    fn load(&self) -> Result<Chart, Error> {
        let shown = self.chart.display();
        match fs::metadata(&self.chart) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => refuse(format!(
                "could not find {shown}: stat {shown}: no such file or directory"
            )),
            Err(error) => Err(Error::file(&self.chart)(error)),
            Ok(found) if !found.is_dir() => refuse("only unpacked charts can be updated"),
            Ok(_) => Ok(Chart::from_dir(&self.chart)?),
        }
    }

    /// What Helm calls the repository of each dependency; names of repositories (`@name`) become their addresses.
    fn resolve_names(
        &self,
        wanted: &mut [Dependency],
        known: &Repositories,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut names = BTreeMap::new();
        let mut unknown: Vec<&str> = Vec::new();
        for dependency in wanted.iter_mut() {
            let url = dependency.repository.clone();
            if url.is_empty() {
                continue;
            }
            if url.starts_with(FILE) {
                self.local(&url)?;
                names.insert(dependency.name.clone(), url);
                continue;
            }
            if is_registry(&url) {
                names.insert(dependency.name.clone(), url);
                continue;
            }
            let alias = url.strip_prefix('@').or_else(|| url.strip_prefix("alias:"));
            let found = match alias {
                Some(alias) => known.named(alias),
                None => known.at(&url),
            };
            match found {
                Some(repository) => {
                    if alias.is_some() {
                        dependency.repository.clone_from(&repository.url);
                    }
                    names.insert(dependency.name.clone(), repository.name.clone());
                }
                None if url::Url::parse(&url).is_ok() && alias.is_none() => {}
                None => unknown.push(&dependency.repository),
            }
        }
        if unknown.is_empty() {
            return Ok(names);
        }
        let mut text = format!(
            "no repository definition for {}. Please add them via 'helm repo add'",
            unknown.join(", ")
        );
        let is_name =
            |url: &&str| !url.contains("//") && !url.starts_with('@') && !url.starts_with("alias:");
        if unknown.iter().any(is_name) {
            text.push_str(
                "\nNote that repositories must be URLs or aliases. For example, to refer to the \"example\"\nrepository, \
                 use \"https://charts.example.com/\" or \"@example\" instead of\n\"example\". Don't forget to add the \
                 repo, too ('helm repo add').",
            );
        }
        refuse(text)
    }

    /// Fetches the indexes of repositories that the user did not add.
    fn update_unmanaged(
        &self,
        names: &mut BTreeMap<String, String>,
        wanted: &[Dependency],
        say: Say<'_>,
    ) {
        let mut unmanaged: BTreeMap<String, Repository> = BTreeMap::new();
        for dependency in wanted {
            let url = &dependency.repository;
            if url.is_empty() || names.contains_key(&dependency.name) {
                continue;
            }
            let name = unmanaged_name(url);
            names.insert(dependency.name.clone(), name.clone());
            let repository = Repository {
                name,
                url: url.clone(),
                access: Access::default(),
            };
            unmanaged.insert(url.trim_end_matches('/').to_owned(), repository);
        }
        if self.skip_refresh || unmanaged.is_empty() {
            return;
        }
        say("Getting updates for unmanaged Helm repositories...");
        for repository in unmanaged.values() {
            let url = &repository.url;
            match repository.update(&self.http, &self.places) {
                Ok(_) => say(&format!(
                    "...Successfully got an update from the {url:?} chart repository"
                )),
                Err(error) => say(&format!(
                    "...Unable to get an update from the {url:?} chart repository:\n\t{error}"
                )),
            }
        }
    }

    /// Fetches the indexes of the user's repositories; one that cannot be had keeps the index of before, as with helm.
    fn update_known(&self, known: &Repositories, say: Say<'_>) {
        if self.skip_refresh || known.list.is_empty() {
            return;
        }
        say("Hang tight while we grab the latest from your chart repositories...");
        for repository in &known.list {
            let (name, url) = (&repository.name, &repository.url);
            match repository.update(&self.http, &self.places) {
                Ok(_) => say(&format!(
                    "...Successfully got an update from the {name:?} chart repository"
                )),
                Err(error) => say(&format!(
                    "...Unable to get an update from the {name:?} chart repository ({url}):\n\t{error}"
                )),
            }
        }
        say("Update Complete. ⎈Happy Helming!⎈");
    }

    /// A version for each wish.
    fn choose(
        &self,
        wanted: &[Dependency],
        names: &BTreeMap<String, String>,
        indexes: &mut Indexes,
    ) -> Result<Lock, Error> {
        let mut chosen = Vec::new();
        let mut missing = Vec::new();
        for dependency in wanted {
            let (name, url) = (&dependency.name, &dependency.repository);
            let constraint = constraint(dependency)?;
            let version = if url.is_empty() {
                self.local(&format!("charts/{name}"))?;
                Some(dependency.version.clone())
            } else if url.starts_with(FILE) {
                let chart = Chart::from_dir(&self.local(url)?)?;
                let version = chart.metadata.version;
                let fits = Version::parse(&version).is_ok_and(|found| constraint.check(&found));
                fits.then_some(version)
            } else if is_registry(url) {
                Some(self.in_registry(dependency, &constraint)?)
            } else {
                let repository = names.get(name).map_or("", String::as_str);
                let index = indexes.of(repository, &self.places).map_err(|error| {
                    Error::Refused(format!(
                        "no cached repository for {repository} found. (try 'helm repo update'): {error}"
                    ))
                })?;
                let Some(versions) = index.versions(name) else {
                    return refuse(format!("{name} chart not found in repo {url}"));
                };
                let fits = versions.iter().find(|entry| {
                    let found = Version::parse(entry.version());
                    !entry.urls().is_empty() && found.is_ok_and(|found| constraint.check(&found))
                });
                fits.map(|entry| entry.version().to_owned())
            };
            match version {
                Some(version) => chosen.push(Dependency {
                    name: name.clone(),
                    repository: url.clone(),
                    version,
                    ..Dependency::default()
                }),
                None => missing.push(format!(
                    "{name:?} (repository {url:?}, version {:?})",
                    dependency.version
                )),
            }
        }
        if !missing.is_empty() {
            return refuse(format!(
                "can't get a valid version for {} subchart(s): {}. Make sure a matching chart version exists in the repo, or \
                 change the version constraint in Chart.yaml",
                missing.len(),
                missing.join(", ")
            ));
        }
        Ok(Lock {
            generated: lock::now(),
            digest: String::new(),
            dependencies: chosen,
        })
    }

    /// Fetches all charts aside, and puts them into `charts/` when all are there.
    fn fetch_all(
        &self,
        chosen: &mut [Dependency],
        known: &Repositories,
        mut indexes: Indexes,
        say: Say<'_>,
    ) -> Result<(), Error> {
        let charts = self.chart.join("charts");
        if charts.exists() && !charts.is_dir() {
            let charts = charts.display().to_string();
            return refuse(format!("{charts:?} is not a directory"));
        }
        fs::create_dir_all(&charts).map_err(Error::file(&charts))?;
        say(&format!("Saving {} charts", chosen.len()));
        let mut archives: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut addresses = BTreeSet::new();
        for dependency in chosen.iter_mut() {
            let fetched = self.fetch_one(dependency, known, &mut indexes, &mut addresses, say);
            match fetched {
                Ok(Some((name, data))) => {
                    archives.insert(name, data);
                }
                Ok(None) => {}
                Err(error) => {
                    say(&format!("Save error occurred:  {error}"));
                    return Err(error);
                }
            }
        }
        put(&charts, chosen, &archives, say)
    }

    /// The name and the content of an archive, unless it needs none.
    fn fetch_one(
        &self,
        dependency: &mut Dependency,
        known: &Repositories,
        indexes: &mut Indexes,
        addresses: &mut BTreeSet<String>,
        say: Say<'_>,
    ) -> Result<Option<(String, Vec<u8>)>, Error> {
        let (name, url) = (dependency.name.clone(), dependency.repository.clone());
        if url.is_empty() {
            say(&format!(
                "Dependency {name} did not declare a repository. Assuming it exists in the charts directory"
            ));
            let folder = self.chart.join("charts").join(&name);
            let chart = Chart::from_dir(&folder).map_err(|error| {
                Error::Refused(format!(
                    "unable to load chart '{}': {error}",
                    folder.display()
                ))
            })?;
            let version = &chart.metadata.version;
            let constraint = constraint(dependency)?;
            if Version::parse(version).is_ok_and(|found| constraint.check(&found)) {
                return Ok(None);
            }
            return refuse(format!(
                "dependency {name} at version {version} does not satisfy the constraint {}",
                dependency.version
            ));
        }
        if url.starts_with(FILE) {
            let chart = Chart::from_dir(&self.local(&url)?)?;
            let constraint = constraint(dependency)?;
            let version = chart.metadata.version.clone();
            if !constraint.check(&Version::parse(&version)?) {
                return refuse(format!("can't get a valid version for dependency {name}"));
            }
            dependency.version.clone_from(&version);
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let data = chart.to_archive(now.map_or(0, |now| now.as_secs()))?;
            return Ok(Some((format!("{}-{version}.tgz", chart.name()), data)));
        }
        let found = if is_registry(&url) {
            ArchiveLocation {
                address: format!("{}:{}", below(&url, &name), dependency.version),
                repository: url.clone(),
                access: Access::default(),
                digest: String::new(),
            }
        } else {
            self.find(dependency, known, indexes)?
        };
        if !addresses.insert(found.address.clone()) {
            say(&format!("Already downloaded {name} from repo {url}"));
            return Ok(None);
        }
        say(&format!("Downloading {name} from repo {url}"));
        if is_registry(&url) {
            let address = format!("{SCHEME}{}", below(&url, &name));
            let failed = |error: Error| not_downloaded(&address, &error);
            let chosen = self.registry.choose(&address, &dependency.version);
            let chosen = chosen.map_err(failed)?;
            let pulled = self.registry.pull(&chosen.reference, Layers::Chart);
            let pulled = pulled.map_err(failed)?;
            for line in &pulled.lines {
                say(line);
            }
            return Ok(Some((chosen.file, pulled.data)));
        }
        let data =
            archive(&found, &self.http).map_err(|error| not_downloaded(&found.address, &error))?;
        Ok(Some((file_name(&found.address)?, data)))
    }

    /// The version of a chart in a registry: the one that is wished for, or the newest tag that fits. Where none fits it is the
    /// constraint, as with helm, and fetching it fails.
    fn in_registry(
        &self,
        dependency: &Dependency,
        constraint: &Constraint,
    ) -> Result<String, Error> {
        let version = &dependency.version;
        if Version::parse(version).is_ok() {
            return Ok(version.clone());
        }
        let url = &dependency.repository;
        let reference = Reference::parse(&below(url, &dependency.name))?;
        let tags = self.registry.tags(&reference).map_err(|error| {
            Error::Refused(format!(
                "could not retrieve list of tags for repository {url}: {error}"
            ))
        })?;
        let fits = |tag: &&String| Version::parse(tag).is_ok_and(|found| constraint.check(&found));
        let found = tags.iter().find(fits);
        Ok(found.unwrap_or(version).clone())
    }

    /// Where a dependency's archive is.
    fn find(
        &self,
        dependency: &Dependency,
        known: &Repositories,
        indexes: &mut Indexes,
    ) -> Result<ArchiveLocation, Error> {
        let (name, url) = (&dependency.name, &dependency.repository);
        let failed =
            |error: &dyn std::fmt::Display| Error::Refused(format!("could not find : {error}"));
        let Some(repository) = known.at(url) else {
            let repository = Repository {
                url: url.clone(),
                ..Repository::default()
            };
            let found = in_repository(&repository, name, &dependency.version, &self.http);
            let (address, digest) = found
                .map_err(|error| failed(&format!("chart {name} not found in {url}: {error}")))?;
            return Ok(ArchiveLocation {
                address,
                repository: url.clone(),
                access: Access::default(),
                digest,
            });
        };
        let index = indexes.of(&repository.name, &self.places)?;
        let Some(versions) = index.versions(name) else {
            return Err(failed(&"entry not found"));
        };
        let wanted = Version::parse(&dependency.version);
        let is_it = |version: &str| match (&wanted, Version::parse(version)) {
            (Ok(wanted), Ok(found)) => wanted.compare(&found).is_eq(),
            (Ok(_), Err(_)) => false,
            (Err(_), _) => version == dependency.version,
        };
        let mut usable = versions.iter().filter(|entry| !entry.urls().is_empty());
        let entry = usable
            .find(|entry| is_it(entry.version()))
            .ok_or_else(|| failed(&"no matching version"))?;
        Ok(ArchiveLocation {
            address: address::resolve(url, entry.urls()[0])?,
            repository: url.clone(),
            access: repository.access.clone(),
            digest: entry.digest().to_owned(),
        })
    }

    /// The folder of a chart on this machine.
    fn local(&self, url: &str) -> Result<PathBuf, Error> {
        let path = url.strip_prefix(FILE).unwrap_or(url);
        let folder = self.chart.join(path);
        if folder.exists() {
            return Ok(folder);
        }
        refuse(format!("directory {} not found", folder.display()))
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::Refused(text.into()))
}

fn not_downloaded(address: &str, error: &Error) -> Error {
    Error::Refused(format!("could not download {address}: {error}"))
}

fn is_local(url: &str) -> bool {
    url.is_empty() || url.starts_with(FILE)
}

fn constraint(dependency: &Dependency) -> Result<Constraint, Error> {
    Constraint::parse(&dependency.version).map_err(|error| {
        Error::Refused(format!(
            "dependency {:?} has an invalid version/constraint format: {error}",
            dependency.name
        ))
    })
}

/// Writes the archives, and removes those of charts that are no longer wanted.
fn put(
    charts: &Path,
    chosen: &[Dependency],
    archives: &BTreeMap<String, Vec<u8>>,
    say: Say<'_>,
) -> Result<(), Error> {
    for (name, data) in archives {
        match Chart::from_archive(data) {
            Ok(_) => write_whole(&charts.join(name), data, false)?,
            Err(error) => say(&format!(
                "Could not verify {name} for moving: {error} (Skipping)"
            )),
        }
    }
    say("Deleting outdated charts");
    let entries = fs::read_dir(charts).map_err(Error::file(charts))?;
    for entry in entries {
        let path = entry.map_err(Error::file(charts))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() || archives.contains_key(name.as_ref()) {
            continue;
        }
        match Chart::from_path(&path) {
            Err(error) => say(&format!(
                "Could not verify {} for deletion: {error} (Skipping)",
                path.display()
            )),
            Ok(chart) => {
                let stays = |dependency: &Dependency| {
                    dependency.repository.is_empty() && dependency.name == chart.name()
                };
                if !chosen.iter().any(stays) {
                    fs::remove_file(&path).map_err(Error::file(&path))?;
                }
            }
        }
    }
    Ok(())
}
