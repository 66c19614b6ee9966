//! Charts out of registries.

use oci_registry::{Descriptor, INDEX, MANIFEST, Reference, check_digest, digest};

use super::manifest::{CHART, CONFIG, OLD_CHART, PROVENANCE, Read};
use super::{Registry, lines};
use crate::Error;

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
        let fetch = |source| copy("FetchReference", "source")(source);
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
        let data = self.client.blob(reference, layer);
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
    ) -> Result<Vec<u8>, oci_registry::Error> {
        let wanted = (version == wanted).then_some(wanted);
        let found = self
            .client
            .manifest(reference, version, &[MANIFEST, INDEX], wanted)?;
        Ok(found.data)
    }
}

fn read(manifest: &[u8]) -> Result<Read, Error> {
    serde_json::from_slice(manifest)
        .map_err(|error| Error::Refused(format!("the manifest cannot be read: {error}")))
}

/// A failure in the middle of a copy.
pub(super) fn copy(
    step: &'static str,
    side: &'static str,
) -> impl FnOnce(oci_registry::Error) -> Error {
    move |source| Error::Copy {
        step,
        side,
        source: Box::new(source),
    }
}
