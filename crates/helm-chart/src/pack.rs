//! Packing a chart as Helm does: one folder in a `.tgz`.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder, write::GzEncoder};
use serde::Serialize;

use crate::{Chart, Error, Metadata};

impl Metadata {
    /// `Chart.yaml` as Helm writes it: keys sorted, nothing empty.
    ///
    /// # Errors
    /// When it cannot be written as YAML.
    pub fn to_yaml(&self) -> Result<String, Error> {
        yaml(self)
    }
}

impl Chart {
    /// The names of the charts that `Chart.yaml` asks for and that are not there.
    pub fn missing_dependencies(&self) -> Vec<String> {
        let is_there = |name: &str| self.dependencies.iter().any(|chart| chart.name() == name);
        self.metadata
            .dependencies
            .iter()
            .map(|dependency| dependency.name.clone())
            .filter(|name| !is_there(name))
            .collect()
    }

    /// Packs the chart as `helm package` does: `Chart.yaml` written anew from its fields, then the lock, the values, the schema,
    /// templates, other files and the charts in it. `modified` is the time of all files, in seconds since 1970.
    ///
    /// # Errors
    /// When a path is too long for the format, or the metadata cannot be written.
    pub fn to_archive(&self, modified: u64) -> Result<Vec<u8>, Error> {
        let gzip = GzBuilder::new()
            .comment("Helm")
            .write(Vec::new(), Compression::default());
        let mut tar = tar::Builder::new(gzip);
        self.append_to(&mut tar, self.name(), modified)?;
        tar.into_inner()
            .and_then(GzEncoder::finish)
            .map_err(|error| broken(&error))
    }

    fn append_to(
        &self,
        tar: &mut tar::Builder<impl Write>,
        folder: &str,
        modified: u64,
    ) -> Result<(), Error> {
        let mut append = |name: &str, data: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(modified);
            tar.append_data(&mut header, format!("{folder}/{name}"), data)
                .map_err(|error| broken(&error))
        };
        let is_v1 = self.metadata.api_version == "v1";
        let mut metadata = self.metadata.clone();
        if is_v1 {
            // They are in requirements.yaml, which is one of the files.
            metadata.dependencies.clear();
        }
        append("Chart.yaml", metadata.to_yaml()?.as_bytes())?;
        if let Some(lock) = self.lock.as_ref().filter(|_| !is_v1) {
            append("Chart.lock", yaml(lock)?.as_bytes())?;
        }
        if let Some(values) = &self.values_text {
            append("values.yaml", values)?;
        }
        if let Some(schema) = &self.schema {
            append("values.schema.json", schema)?;
        }
        for file in self.templates.iter().chain(&self.files) {
            append(&file.name, &file.data)?;
        }
        for chart in &self.dependencies {
            let folder = format!("{folder}/charts/{}", chart.name());
            chart.append_to(tar, &folder, modified)?;
        }
        Ok(())
    }
}

fn yaml(value: &impl Serialize) -> Result<String, Error> {
    let value = serde_json::to_value(value).map_err(|error| Error::Content(error.to_string()))?;
    Ok(goyaml::to_string(&value)?)
}

fn broken(error: &io::Error) -> Error {
    Error::Content(error.to_string())
}
