//! Images into registries.

use oci_registry::{MANIFEST, Reference, Registry};

use crate::{Error, Image};

/// How far a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which layer is next, from 1.
    pub layer: usize,
    /// How many there are.
    pub layers: usize,
    /// Its size, in bytes.
    pub size: u64,
}

impl Image {
    /// Puts it into a registry, under the reference's tag, else its own digest. What is there already is not sent again; the
    /// manifest comes last, so that nobody sees a part. `tell` hears of each layer that is sent.
    ///
    /// # Errors
    /// When the registry refuses or does not answer, or the base's no longer has a layer.
    pub fn push(
        &self,
        registry: &Registry,
        reference: &Reference,
        tell: &mut dyn FnMut(Step),
    ) -> Result<(), Error> {
        let reference = &Reference {
            digest: if reference.tag.is_empty() {
                self.digest().to_owned()
            } else {
                String::new()
            },
            ..reference.clone()
        };
        if !registry.has_manifest(reference, MANIFEST, self.digest())? {
            for (index, layer) in self.layers.iter().enumerate() {
                if registry.has_blob(reference, &layer.descriptor.digest)? {
                    continue;
                }
                tell(Step {
                    layer: index + 1,
                    layers: self.layers.len(),
                    size: layer.size(),
                });
                let source = layer.source()?;
                registry.upload_from(reference, &layer.descriptor, &|| {
                    Ok(Box::new(source.reader()))
                })?;
            }
            if !registry.has_blob(reference, &self.config_descriptor.digest)? {
                registry.upload(reference, &self.config_descriptor, &self.config)?;
            }
        }
        // Under its tag, also when it is there already.
        Ok(registry.put_manifest(reference, MANIFEST, &self.manifest)?)
    }
}
