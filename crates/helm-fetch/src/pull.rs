//! A chart's archive from a repository, a registry or an address.

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::registry::{Layers, SCHEME};
use crate::{
    Access, Error, Http, Places, Registry, Repositories, Repository, address, is_registry,
};
use oci_registry::hex;

/// Which chart is wanted.
#[derive(Debug, Clone, Default)]
pub struct ChartRequest {
    /// `repository/chart`, an address, or with `repository` the chart's name.
    pub chart: String,
    /// The version, or a constraint; empty for the newest that is no pre-release.
    pub version: String,
    /// The address of a repository that the user did not add.
    pub repository: Option<String>,
    /// How to be let in where the user's list does not say it.
    pub access: Access,
    /// Speak HTTP without TLS to registries.
    pub plain_http: bool,
    /// Whether the provenance file is wanted, too.
    pub provenance: Provenance,
}

/// Whether a provenance file is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Provenance {
    /// No.
    #[default]
    No,
    /// Where there is one.
    IfThere,
    /// Nothing without it.
    Always,
}

/// An archive.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its file's name.
    pub name: String,
    /// Its content.
    pub data: Vec<u8>,
    /// The provenance file's content.
    pub provenance: Option<Vec<u8>>,
}

/// Where an archive is.
#[derive(Debug)]
pub(crate) struct ArchiveLocation {
    pub(crate) address: String,
    /// The repository that it belongs to, whose server gets to know the user and the password.
    pub(crate) repository: String,
    pub(crate) access: Access,
    /// SHA-256 in hexadecimal digits, or nothing.
    pub(crate) digest: String,
}

/// Fetches a chart's archive from a repository or a registry, and says Helm's lines. What the index says of its digest holds.
///
/// # Errors
/// When there is no such repository, chart or version, the index is missing or broken, the digest is another, the registry
/// refuses, or as [`Http::get`].
pub fn pull(
    wanted: &ChartRequest,
    http: &Http,
    places: &Places,
    say: &mut dyn FnMut(&str),
) -> Result<Fetched, Error> {
    let found = find(wanted, http, places)?;
    if is_registry(&found.address) {
        // What an index of somebody's names is not told how that one lets in.
        let own = is_registry(&found.repository) || found.access.pass_credentials_all;
        let access = if own {
            found.access
        } else {
            Access {
                username: String::new(),
                password: None,
                ..found.access
            }
        };
        let registry = Registry::new(http, &access, wanted.plain_http, &places.credentials);
        let version = if is_registry(&wanted.chart) {
            wanted.version.as_str()
        } else {
            ""
        };
        return from_registry(&registry, &found.address, version, wanted.provenance, say);
    }
    let data = archive(&found, http)?;
    let file = format!("{}.prov", found.address);
    let provenance = || Ok(http.get(&file, &found.repository, &found.access)?);
    Ok(Fetched {
        name: file_name(&found.address)?,
        data,
        provenance: with_provenance(wanted.provenance, &found.address, &file, provenance, say)?,
    })
}

fn from_registry(
    registry: &Registry,
    address: &str,
    version: &str,
    wanted: Provenance,
    say: &mut dyn FnMut(&str),
) -> Result<Fetched, Error> {
    let chosen = registry.choose(address, version)?;
    let pulled = registry.pull(&chosen.reference, Layers::Chart)?;
    for line in &pulled.lines {
        say(line);
    }
    let shown = format!("{SCHEME}{}", chosen.reference);
    let mut lines = Vec::new();
    let provenance = || {
        let pulled = registry.pull(&chosen.reference, Layers::Provenance)?;
        lines = pulled.lines;
        Ok(pulled.data)
    };
    let file = format!("{shown}.prov");
    let provenance = with_provenance(wanted, address, &file, provenance, say)?;
    for line in &lines {
        say(line);
    }
    Ok(Fetched {
        name: chosen.file,
        data: pulled.data,
        provenance,
    })
}

fn with_provenance(
    wanted: Provenance,
    chart: &str,
    file: &str,
    fetch: impl FnOnce() -> Result<Vec<u8>, Error>,
    say: &mut dyn FnMut(&str),
) -> Result<Option<Vec<u8>>, Error> {
    if wanted == Provenance::No {
        return Ok(None);
    }
    match fetch() {
        Ok(data) => Ok(Some(data)),
        Err(_) if wanted == Provenance::Always => Err(Error::Refused(format!(
            "failed to fetch provenance {file:?}"
        ))),
        Err(error) => {
            say(&format!(
                "WARNING: Verification not found for {chart}: {error}"
            ));
            Ok(None)
        }
    }
}

/// Where a chart's archive is.
fn find(wanted: &ChartRequest, http: &Http, places: &Places) -> Result<ArchiveLocation, Error> {
    let (chart, version) = (&wanted.chart, &wanted.version);
    let at = |address: &str, repository: &str, access: &Access, digest: &str| ArchiveLocation {
        address: address.to_owned(),
        repository: repository.to_owned(),
        access: access.clone(),
        digest: digest.to_owned(),
    };
    if let Some(url) = &wanted.repository {
        let repository = Repository {
            name: String::new(),
            url: url.clone(),
            access: wanted.access.clone(),
        };
        let (address, digest) = in_repository(&repository, chart, version, http)?;
        return Ok(at(&address, &repository.url, &repository.access, &digest));
    }
    if is_registry(chart) {
        return Ok(at(chart, chart, &wanted.access, ""));
    }
    let known = Repositories::load(places)?;
    if Url::parse(chart).is_ok_and(|url| url.has_host()) {
        for repository in &known.list {
            let index = repository
                .cached_index(places)
                .map_err(|error| not_cached(&error))?;
            let versions = index.names().filter_map(|name| index.versions(name));
            let is_its = versions
                .flatten()
                .any(|entry| entry.urls().iter().any(|url| address::is_equal(url, chart)));
            if is_its {
                return Ok(at(chart, &repository.url, &repository.access, ""));
            }
        }
        return Ok(at(chart, chart, &wanted.access, ""));
    }
    let Some((name, chart)) = chart.split_once('/') else {
        return Err(Error::Refused(format!(
            "non-absolute URLs should be in form of repo_name/path_to_chart, got: {chart}"
        )));
    };
    let repository = known
        .named(name)
        .ok_or_else(|| Error::Refused(format!("repo {name} not found")))?;
    let index = repository
        .cached_index(places)
        .map_err(|error| not_cached(&error))?;
    let entry = index.get(chart, version).map_err(|error| {
        Error::Refused(format!(
            "chart {chart:?} matching {version} not found in {name} index. (try 'helm repo update'): {error}"
        ))
    })?;
    let address = address(repository, entry.urls().first().copied(), chart)?;
    let access = if repository.access.username.is_empty() {
        &wanted.access
    } else {
        &repository.access
    };
    Ok(at(&address, &repository.url, access, entry.digest()))
}

fn not_cached(error: &Error) -> Error {
    Error::Refused(format!(
        "no cached repo found. (try 'helm repo update'): {error}"
    ))
}

fn address(repository: &Repository, url: Option<&str>, chart: &str) -> Result<String, Error> {
    let url =
        url.ok_or_else(|| Error::Refused(format!("chart {chart:?} has no downloadable URLs")))?;
    address::resolve(&repository.url, url)
}

/// Where a chart of a repository is that the user did not add, and its digest.
pub(crate) fn in_repository(
    repository: &Repository,
    chart: &str,
    version: &str,
    http: &Http,
) -> Result<(String, String), Error> {
    let url = &repository.url;
    let (_, index) = repository.fetch_index(http).map_err(|error| {
        Error::Refused(format!(
            "looks like {url:?} is not a valid chart repository or cannot be reached: {error}"
        ))
    })?;
    let Ok(entry) = index.get(chart, version) else {
        let version = if version.is_empty() {
            String::new()
        } else {
            format!(" version {version:?}")
        };
        return Err(Error::Refused(format!(
            "chart {chart:?}{version} not found in {url} repository"
        )));
    };
    let address = address(repository, entry.urls().first().copied(), chart)?;
    Ok((address, entry.digest().to_owned()))
}

/// Fetches an archive over HTTP and holds it against its digest, where there is one.
pub(crate) fn archive(found: &ArchiveLocation, http: &Http) -> Result<Vec<u8>, Error> {
    let data = http.get(&found.address, &found.repository, &found.access)?;
    let digest = hex(&Sha256::digest(&data));
    if !found.digest.is_empty() && !found.digest.eq_ignore_ascii_case(&digest) {
        return Err(Error::Digest {
            url: found.address.clone(),
            found: digest,
            wanted: found.digest.clone(),
        });
    }
    Ok(data)
}

/// The name of the file at an address.
pub(crate) fn file_name(address: &str) -> Result<String, Error> {
    let path = Url::parse(address).map(|url| url.path().to_owned());
    let path = path.unwrap_or_default();
    match path.rsplit('/').next().unwrap_or_default() {
        "" | ".." => Err(Error::Refused(format!("{address} names no file"))),
        name => Ok(name.to_owned()),
    }
}
