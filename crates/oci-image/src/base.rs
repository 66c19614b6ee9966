//! [`Base`]: the image that another one stands upon, read from its registry.

use oci_registry::{Descriptor, INDEX, MANIFEST, Reference, Registry, check_digest};
use serde_json::Value;

use crate::{Error, Layer, architecture};

/// The media types of manifests and of lists of them: the OCI's and Docker's.
const ACCEPTED: &[&str] = &[MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// An image in a registry: its settings, and where its layers are.
#[derive(Debug, Clone)]
pub struct Base {
    pub(crate) config: Value,
    pub(crate) layers: Vec<Layer>,
}

impl Base {
    /// Reads an image by its reference; of one for several machines that for Linux on one like this. A digest holds.
    ///
    /// # Errors
    /// When it is not there, is no image for such a machine, or the registry refuses or does not answer.
    pub fn fetch(registry: &Registry, reference: &Reference) -> Result<Self, Error> {
        let unusable = |why: &str| Error::unusable(reference.to_string(), why);
        let pinned = (!reference.digest.is_empty()).then_some(reference.digest.as_str());
        let version = pinned.unwrap_or_else(|| reference.version());
        let found = registry.manifest(reference, version, ACCEPTED, pinned)?;
        let mut manifest: Value =
            serde_json::from_slice(&found.data).map_err(|error| unusable(&error.to_string()))?;
        if let Some(several) = manifest["manifests"].as_array() {
            let fits = |entry: &&Value| {
                let platform = &entry["platform"];
                platform["os"] == "linux" && platform["architecture"] == architecture()
            };
            let digest = several
                .iter()
                .find(fits)
                .and_then(|entry| entry["digest"].as_str())
                .ok_or_else(|| unusable(&format!("it has none for linux/{}", architecture())))?;
            // It becomes a part of an address.
            check_digest(digest)?;
            let found = registry.manifest(reference, digest, ACCEPTED, Some(digest))?;
            manifest = serde_json::from_slice(&found.data)
                .map_err(|error| unusable(&error.to_string()))?;
        }
        let descriptor = |value: &Value| {
            serde_json::from_value::<Descriptor>(value.clone())
                .map_err(|error| unusable(&error.to_string()))
        };
        let config = registry.blob(reference, &descriptor(&manifest["config"])?)?;
        let config: Value =
            serde_json::from_slice(&config).map_err(|error| unusable(&error.to_string()))?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let descriptors = list(&manifest["layers"]);
        let diff_ids = list(&config["rootfs"]["diff_ids"]);
        if descriptors.len() != diff_ids.len() {
            return Err(unusable("its settings name another number of layers"));
        }
        let mut layers = Vec::new();
        for (layer, diff_id) in descriptors.iter().zip(&diff_ids) {
            let diff_id = diff_id.as_str().unwrap_or_default().to_owned();
            layers.push(Layer::there(
                descriptor(layer)?,
                diff_id,
                registry,
                reference,
            )?);
        }
        Ok(Self { config, layers })
    }
}
