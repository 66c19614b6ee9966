//! Charts into registries.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use helm_chart::Chart;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use oci_registry::{Descriptor, MANIFEST, Reference, SCHEME};

use super::manifest::{CHART, CONFIG, PROVENANCE, config, write};
use super::pull::copy;
use super::{Registry, lines};
use crate::Error;

/// What went into a registry.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// Where it is.
    pub reference: Reference,
    /// The digest of its manifest.
    pub digest: String,
    /// What Helm says about it.
    pub lines: Vec<String>,
}

impl Registry {
    /// Puts the archive in a file into a registry, below `remote` (`oci://host/path`), and the provenance file beside it, where
    /// there is one.
    ///
    /// # Errors
    /// When there is no such file or it is none of a chart, `remote` is no place in a registry, or as [`push`](Self::push).
    pub fn push_file(&self, file: &Path, remote: &str) -> Result<Pushed, Error> {
        let refuse = |text: String| Err(Error::Refused(text));
        check_remote(remote)?;
        let metadata = match fs::metadata(file) {
            Ok(metadata) if metadata.is_dir() => {
                let text = "cannot push directory, must provide chart archive (.tgz)";
                return refuse(text.to_owned());
            }
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return refuse(format!("{}: no such file", file.display()));
            }
            Err(error) => return Err(Error::file(file)(error)),
        };
        Chart::from_path(file)?;
        let archive = fs::read(file).map_err(Error::file(file))?;
        let beside = file.with_added_extension("prov");
        let provenance = match fs::read(&beside) {
            Ok(provenance) => Some(provenance),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Error::file(&beside)(error)),
        };
        let modified = metadata.modified().map_err(Error::file(file))?;
        self.push(&archive, provenance.as_deref(), remote, &local(modified)?)
    }

    /// Puts a chart's archive into a registry, below `repository` (`host/path`), under its name and with its version as the
    /// tag, and the provenance file with it. `created` is when the archive was made, in RFC 3339.
    ///
    /// # Errors
    /// When the archive is no chart, the repository no reference, or the registry refuses or does not answer.
    pub fn push(
        &self,
        archive: &[u8],
        provenance: Option<&[u8]>,
        repository: &str,
        created: &str,
    ) -> Result<Pushed, Error> {
        let chart = Chart::from_archive(archive)?;
        let metadata = &chart.metadata;
        let folder = repository.trim_end_matches('/');
        let text = format!("{folder}/{}:{}", metadata.name, metadata.version);
        let reference = Reference::parse(&text)?;
        let config_text = config(metadata)?;
        let mut blobs = vec![
            (Descriptor::of(CONFIG, &config_text), config_text.as_slice()),
            (Descriptor::of(CHART, archive), archive),
        ];
        if let Some(provenance) = provenance {
            blobs.push((Descriptor::of(PROVENANCE, provenance), provenance));
        }
        let layers = blobs[1..].iter().map(|(layer, _)| layer.clone()).collect();
        let manifest = write(metadata, &blobs[0].0, layers, created)?;
        let root = Descriptor::of(MANIFEST, &manifest);
        let client = &self.client;
        let exists = client.has_manifest(&reference, MANIFEST, &root.digest);
        if !exists.map_err(copy("Exists", "destination"))? {
            for (blob, data) in &blobs {
                let exists = client.has_blob(&reference, &blob.digest);
                if !exists.map_err(copy("Exists", "destination"))? {
                    client
                        .upload(&reference, blob, data)
                        .map_err(copy("Push", "destination"))?;
                }
            }
        }
        // Under its tag, also when it is there already.
        client
            .put_manifest(&reference, MANIFEST, &manifest)
            .map_err(copy("Push", "destination"))?;
        let lines = lines("Pushed", &reference, &root.digest);
        Ok(Pushed {
            reference,
            digest: root.digest,
            lines,
        })
    }
}

/// Whether something is a place in a registry.
fn check_remote(remote: &str) -> Result<(), Error> {
    let first = remote.split('/').next().unwrap_or_default();
    let refuse = |text: String| Err(Error::Refused(text));
    let Some((scheme, _)) = first.split_once(':') else {
        return refuse(format!(
            "scheme prefix missing from remote (e.g. {SCHEME:?})"
        ));
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !is_scheme {
        return refuse(format!("invalid chart URL format: {remote}"));
    }
    if !remote.starts_with(SCHEME) {
        return refuse(format!("scheme {scheme:?} not supported"));
    }
    Ok(())
}

/// A time as Go writes it where the user is.
fn local(time: SystemTime) -> Result<String, Error> {
    let time = Timestamp::try_from(time).map_err(|error| Error::Refused(error.to_string()))?;
    let time = time.to_zoned(TimeZone::system());
    let format = if time.offset().is_zero() {
        "%Y-%m-%dT%H:%M:%SZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%:z"
    };
    Ok(time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_go_into_registries_only() {
        for (remote, reason) in [
            ("http://h/x", "scheme \"http\" not supported"),
            ("localhost:5000/x", "scheme \"localhost\" not supported"),
            (
                "127.0.0.1:5000/x",
                "invalid chart URL format: 127.0.0.1:5000/x",
            ),
            ("h/x", "scheme prefix missing from remote (e.g. \"oci://\")"),
        ] {
            let error = check_remote(remote).unwrap_err();
            assert_eq!(error.to_string(), reason);
        }
        check_remote("oci://h/x").unwrap();
    }
}
