//! Charts out of registries.

use ureq::http::{Method, StatusCode, header};

use super::manifest::{
    CHART, CONFIG, Descriptor, INDEX, MANIFEST, OLD_CHART, PROVENANCE, Read, digest,
};
use super::reference::check_digest;
use super::{Question, Reference, Registry, lines, refused, scope};
use crate::Error;

/// The most bytes of a manifest.
const MOST_OF_MANIFEST: usize = 4 * 1024 * 1024;

/// What of a chart is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layers {
    /// The archive.
    Chart,
    /// The provenance file.
    Provenance,
}

/// What came out of a registry.
#[derive(Debug, Clone)]
pub(crate) struct Pulled {
    /// The archive, or the provenance file.
    pub(crate) data: Vec<u8>,
    /// What Helm says about it.
    pub(crate) lines: Vec<String>,
}

impl Registry {
    /// Fetches a chart's archive, or its provenance file. Digests hold.
    ///
    /// # Errors
    /// When it is not there or no chart, a digest is another, or the registry refuses or does not answer.
    pub(crate) fn pull(&self, reference: &Reference, what: Layers) -> Result<Pulled, Error> {
        let fetch = |source: Error| copy("FetchReference", "source")(source);
        let root = self.manifest(reference, reference.version(), &reference.digest);
        let root = root.map_err(fetch)?;
        let mut open = vec![read(&root)?];
        let mut found: Vec<Descriptor> = Vec::new();
        // A list of manifests holds no lists.
        for below in std::mem::take(&mut open[0].manifests) {
            if below.media_type == MANIFEST {
                // It becomes a part of an address.
                check_digest(&below.digest)?;
                let text = self.manifest(reference, &below.digest, &below.digest);
                open.push(read(&text.map_err(copy("Fetch", "source"))?)?);
            }
        }
        let wanted = match what {
            Layers::Chart => [CHART, OLD_CHART].as_slice(),
            Layers::Provenance => [PROVENANCE].as_slice(),
        };
        let (mut has_config, mut count) = (false, 0);
        for manifest in open {
            count += 1;
            has_config |= manifest
                .config
                .as_ref()
                .is_some_and(|config| config.media_type == CONFIG);
            let layers = manifest.layers.into_iter();
            found.extend(layers.filter(|layer| wanted.contains(&layer.media_type.as_str())));
        }
        count += found.len() + usize::from(has_config);
        if count < 3 && what == Layers::Chart {
            return Err(Error::Refused(format!(
                "manifest does not contain minimum number of descriptors (3), descriptors found: {count}"
            )));
        }
        if !has_config {
            return Err(Error::Refused(format!(
                "could not load config with mediatype {CONFIG}"
            )));
        }
        let Some(layer) = found.first() else {
            return Err(Error::Refused(format!(
                "manifest does not contain a layer with mediatype {}",
                wanted[0]
            )));
        };
        let data = self.blob(reference, layer);
        let data = data.map_err(copy("Fetch", "source"))?;
        let mut said = Vec::new();
        if layer.media_type == OLD_CHART {
            said.push(format!(
                "Warning: chart media type {OLD_CHART} is deprecated"
            ));
        }
        said.extend(lines("Pulled", reference, &digest(&root)));
        Ok(Pulled { data, lines: said })
    }

    /// The text of a manifest.
    fn manifest(
        &self,
        reference: &Reference,
        version: &str,
        wanted: &str,
    ) -> Result<Vec<u8>, Error> {
        let path = format!("{}/manifests/{version}", reference.repository);
        let accepted = [MANIFEST, INDEX].join(", ");
        let data = self.get(reference, &path, &accepted, || reference.to_string())?;
        if data.len() > MOST_OF_MANIFEST {
            return Err(Error::TooLarge {
                url: reference.to_string(),
                most: MOST_OF_MANIFEST as u64,
            });
        }
        if version == wanted {
            holds(&reference.to_string(), &data, wanted)?;
        }
        Ok(data)
    }

    fn blob(&self, reference: &Reference, layer: &Descriptor) -> Result<Vec<u8>, Error> {
        // It becomes a part of an address.
        check_digest(&layer.digest)?;
        let path = format!("{}/blobs/{}", reference.repository, layer.digest);
        let data = self.get(reference, &path, "*/*", || layer.digest.clone())?;
        holds(&reference.to_string(), &data, &layer.digest)?;
        Ok(data)
    }

    fn get(
        &self,
        reference: &Reference,
        path: &str,
        accepted: &str,
        name: impl Fn() -> String,
    ) -> Result<Vec<u8>, Error> {
        let url = self.session.url(reference.host(), path)?;
        let question = Question {
            method: Method::GET,
            url: &url,
            scope: &scope(reference, "pull"),
            headers: &[(header::ACCEPT, accepted)],
            body: None,
        };
        let answer = self.session.ask(reference.host(), &question)?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::NOT_FOUND => Err(Error::NotFound(name())),
            _ => Err(refused(&question.method, &answer)),
        }
    }
}

fn read(manifest: &[u8]) -> Result<Read, Error> {
    serde_json::from_slice(manifest)
        .map_err(|error| Error::Refused(format!("the manifest cannot be read: {error}")))
}

/// Whether something has the digest that it is asked for by.
fn holds(what: &str, data: &[u8], wanted: &str) -> Result<(), Error> {
    let found = digest(data);
    if found == wanted {
        return Ok(());
    }
    Err(Error::OtherDigest {
        what: what.to_owned(),
        found,
        wanted: wanted.to_owned(),
    })
}

/// A failure in the middle of a copy.
pub(super) fn copy(step: &'static str, side: &'static str) -> impl FnOnce(Error) -> Error {
    move |source| Error::Copy {
        step,
        side,
        source: Box::new(source),
    }
}
