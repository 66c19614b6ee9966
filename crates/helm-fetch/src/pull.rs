//! A chart's archive from a repository or an address.

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::index_folder::hex;
use crate::{Access, Error, Http, Places, Repositories, Repository, http};

/// Which chart is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `repository/chart`, an address, or with `repository` the chart's name.
    pub chart: String,
    /// The version, or a constraint; empty for the newest that is no pre-release.
    pub version: String,
    /// The address of a repository that the user did not add.
    pub repository: Option<String>,
    /// How to be let in where the user's list does not say it.
    pub access: Access,
}

/// An archive.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its file's name.
    pub name: String,
    /// Its content.
    pub data: Vec<u8>,
}

/// Fetches a chart's archive. What the index says of its digest holds.
///
/// # Errors
/// When there is no such repository, chart or version, the index is missing or broken, the digest is another, or as
/// [`Http::get`]; [`Error::Registry`] for `oci://`.
pub fn pull(wanted: &Wanted, http: &Http, places: &Places) -> Result<Fetched, Error> {
    let (chart, version) = (&wanted.chart, &wanted.version);
    if let Some(url) = &wanted.repository {
        let repository = Repository {
            name: String::new(),
            url: url.clone(),
            access: wanted.access.clone(),
        };
        let (address, digest) = in_repository(&repository, chart, version, http)?;
        return fetch(&address, &repository.url, &repository.access, &digest, http);
    }
    if chart.starts_with("oci://") {
        return Err(Error::Registry(chart.clone()));
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
                .any(|entry| entry.urls().iter().any(|url| http::is_equal(url, chart)));
            if is_its {
                return fetch(chart, &repository.url, &repository.access, "", http);
            }
        }
        return fetch(chart, chart, &wanted.access, "", http);
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
    let digest = entry.digest().to_owned();
    let access = if repository.access.username.is_empty() {
        &wanted.access
    } else {
        &repository.access
    };
    fetch(&address, &repository.url, access, &digest, http)
}

fn not_cached(error: &Error) -> Error {
    Error::Refused(format!(
        "no cached repo found. (try 'helm repo update'): {error}"
    ))
}

fn address(repository: &Repository, url: Option<&str>, chart: &str) -> Result<String, Error> {
    let url =
        url.ok_or_else(|| Error::Refused(format!("chart {chart:?} has no downloadable URLs")))?;
    http::resolve(&repository.url, url)
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

/// Fetches an archive and holds it against its digest, where there is one.
pub(crate) fn fetch(
    address: &str,
    repository: &str,
    access: &Access,
    digest: &str,
    http: &Http,
) -> Result<Fetched, Error> {
    if address.starts_with("oci://") {
        return Err(Error::Registry(address.to_owned()));
    }
    let data = http.get(address, repository, access)?;
    let found = hex(&Sha256::digest(&data));
    if !digest.is_empty() && !digest.eq_ignore_ascii_case(&found) {
        return Err(Error::Digest {
            url: address.to_owned(),
            found,
            wanted: digest.to_owned(),
        });
    }
    let path = Url::parse(address).map(|url| url.path().to_owned());
    let path = path.unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name == ".." {
        return Err(Error::Refused(format!("{address} names no file")));
    }
    Ok(Fetched {
        name: name.to_owned(),
        data,
    })
}
