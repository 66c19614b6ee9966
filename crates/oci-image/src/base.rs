//! [`Base`]: the image that another one stands upon, read from its registry or from an archive.

mod archived;
mod parts;

use std::path::Path;

use oci_registry::{Reference, Registry, check_digest};
use serde_json::{Map, Value};

use self::parts::{ACCEPTED, Config, Manifest, Selected};
use crate::{Error, Files, Layer};

/// The most bytes of what describes an image.
const MOST_OF_TEXT: u64 = 16 << 20;

/// An image that is there: its settings, and where its layers are.
#[derive(Debug, Clone)]
pub struct Base {
    pub(crate) config: Map<String, Value>,
    pub(crate) layers: Vec<Layer>,
    name: String,
    digest: String,
}

impl Base {
    /// Reads an image by its reference; of one for several machines that for Linux on `architecture`, as images call it
    /// (`amd64`). A digest holds.
    ///
    /// # Errors
    /// When it is not there, is no image for such a machine, or the registry refuses or does not answer.
    pub fn fetch(
        registry: &Registry,
        reference: &Reference,
        architecture: &str,
    ) -> Result<Self, Error> {
        let name = reference.to_string();
        let pinned = (!reference.digest.is_empty()).then_some(reference.digest.as_str());
        let version = pinned.unwrap_or_else(|| match reference.version() {
            "" => "latest",
            version => version,
        });
        let found = registry.manifest(reference, version, ACCEPTED, pinned)?;
        let Selected { manifest, digest } =
            parts::select(&name, found.data, architecture, &|digest| {
                // It becomes a part of an address.
                check_digest(digest)?;
                Ok(registry
                    .manifest(reference, digest, ACCEPTED, Some(digest))?
                    .data)
            })?;
        let Manifest { config, layers } = Manifest::read(&name, &manifest)?;
        if config.size > MOST_OF_TEXT {
            return Err(Error::unusable(&name, "its settings are too large"));
        }
        let mut text = Vec::new();
        registry.download(reference, &config, &mut text)?;
        let config = Config::read(&name, &text, architecture)?;
        let mut all = Vec::new();
        for (layer, diff_id) in config.beside(&name, layers)? {
            all.push(Layer::there(layer, diff_id, registry, reference)?);
        }
        Ok(Self {
            config: config.fields,
            layers: all,
            name,
            digest,
        })
    }

    /// Reads the image of an archive, as `docker save`, `podman save` and [`crate::Image::write_archive`] write them; of one
    /// with several that for Linux on `architecture`.
    ///
    /// # Errors
    /// When it cannot be read, or has no image for such a machine.
    pub fn of_archive(path: &Path, architecture: &str) -> Result<Self, Error> {
        archived::read(path, architecture)
    }

    /// What it is called, as it was asked for or as its archive says.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of its manifest; of an archive without one, that of its settings.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The value of a variable of its environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let run = self.config.get("config")?;
        let variables = run.get("Env")?.as_array()?;
        let mut pairs = variables
            .iter()
            .filter_map(|line| line.as_str()?.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// What it tells about itself under this name.
    pub fn label(&self, name: &str) -> Option<&str> {
        let run = self.config.get("config")?;
        run.get("Labels")?.get(name)?.as_str()
    }

    /// The program that it starts with its first arguments, and those that whoever runs it may replace.
    pub fn program(&self) -> (Vec<String>, Vec<String>) {
        let words = |name: &str| {
            let run = self.config.get("config");
            let list = run.and_then(|run| run.get(name)?.as_array());
            let words = list.into_iter().flatten().filter_map(Value::as_str);
            words.map(str::to_owned).collect()
        };
        (words("Entrypoint"), words("Cmd"))
    }

    /// The files of all layers together. Layers that are elsewhere are fetched for it, and kept in a file of this machine that
    /// nobody else can open, so that they need not be fetched again.
    ///
    /// # Errors
    /// When a layer cannot be had, is broken, or is compressed in a way that is not read.
    pub fn files(&mut self) -> Result<Files, Error> {
        let mut files = Files::default();
        for layer in &mut self.layers {
            layer.keep()?;
            let mut data = layer.source()?.reader();
            files.add(&self.name, &layer.descriptor.media_type, &mut data)?;
        }
        Ok(files)
    }
}

#[cfg(test)]
impl Base {
    /// One of settings alone.
    pub(crate) fn of_nothing(config: Map<String, Value>) -> Self {
        Self {
            config,
            layers: Vec::new(),
            name: String::new(),
            digest: String::new(),
        }
    }
}
