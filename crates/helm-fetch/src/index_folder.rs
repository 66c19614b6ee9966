//! The index of a folder of archives.

use std::fs;
use std::path::{Path, PathBuf};

use helm_chart::Chart;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{Error, Index, IndexEntry, lock};

impl Index {
    /// Makes the index of the `.tgz` archives in a folder and in the folders in it, each at its path below `url`. What is no chart
    /// is left out.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn of_folder(folder: &Path, url: &str) -> Result<Self, Error> {
        let mut archives = archives(folder)?;
        for below in entries(folder)? {
            if below.is_dir() {
                archives.append(&mut self::archives(&below)?);
            }
        }
        let mut index = Self::empty();
        for archive in archives {
            let Ok(chart) = Chart::from_path(&archive) else {
                continue;
            };
            let data = fs::read(&archive).map_err(Error::file(&archive))?;
            let below = archive.strip_prefix(folder).unwrap_or(&archive);
            let mut metadata = chart.metadata;
            if metadata.api_version == "v1" {
                metadata.dependencies.clear();
            }
            let metadata = serde_json::to_value(&metadata)
                .map_err(|error| Error::Refused(error.to_string()))?;
            let Value::Object(mut fields) = metadata else {
                continue;
            };
            fields.insert("urls".to_owned(), json!([address(url, below)]));
            fields.insert("created".to_owned(), json!(lock::now()));
            fields.insert(
                "digest".to_owned(),
                json!(oci_registry::hex(&Sha256::digest(&data))),
            );
            index.add(IndexEntry::new(fields));
        }
        index.sort();
        Ok(index)
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::file(folder))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths
        .collect::<Result<_, _>>()
        .map_err(Error::file(folder))?;
    paths.sort();
    Ok(paths)
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = entries(folder)?;
    found.retain(|path| path.extension().is_some_and(|end| end == "tgz"));
    Ok(found)
}

fn address(url: &str, below: &Path) -> String {
    let below = below.to_string_lossy();
    match Url::parse(url) {
        Ok(mut base) => {
            let path = format!("{}/{below}", base.path().trim_end_matches('/'));
            base.set_path(&path);
            base.to_string()
        }
        Err(_) if url.is_empty() => below.into_owned(),
        Err(_) => format!("{}/{below}", url.trim_end_matches('/')),
    }
}
