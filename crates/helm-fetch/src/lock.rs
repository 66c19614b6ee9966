//! `Chart.lock`: which versions were chosen, and for which wishes.

use std::fs;
use std::path::Path;

use helm_chart::{Dependency, Lock};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use oci_registry::{go_json, hex, write_whole};

use crate::Error;

/// The time as Go writes it.
pub(crate) fn now() -> String {
    Timestamp::now().to_string()
}

/// Helm's digest of wishes and choices: SHA-256 of both as Go writes them in JSON.
pub(crate) fn digest(wanted: &[Dependency], locked: &[Dependency]) -> Result<String, Error> {
    let json = go_json::text(&[wanted, locked])?;
    Ok(format!("sha256:{}", hex(&Sha256::digest(json))))
}

/// The digest that helm 2 made, of the wishes alone.
pub(crate) fn digest_of_helm_2(wanted: &[Dependency]) -> Result<String, Error> {
    let json = format!("{{\"dependencies\":{}}}", go_json::text(&wanted)?);
    Ok(format!("sha256:{}", hex(&Sha256::digest(json))))
}

/// Writes the lock beside `Chart.yaml`, but not through a link.
pub(crate) fn write(chart: &Path, lock: &Lock, is_v1: bool) -> Result<(), Error> {
    let name = if is_v1 {
        "requirements.lock"
    } else {
        "Chart.lock"
    };
    let path = chart.join(name);
    if let Ok(link) = fs::read_link(&path) {
        let link = link.display().to_string();
        return Err(Error::Refused(format!(
            "the {name} file is a symlink to {link:?}"
        )));
    }
    let dependencies: Vec<Value> = lock
        .dependencies
        .iter()
        .map(|dependency| json!(dependency))
        .collect();
    let document = json!({
        "dependencies": dependencies,
        "digest": lock.digest,
        "generated": lock.generated,
    });
    let text = goyaml::to_string(&document).map_err(|error| Error::Refused(error.to_string()))?;
    Ok(write_whole(&path, text.as_bytes(), false)?)
}
