//! `mcpt image save FILE`: the image as an archive.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use clap::Args;
use mcpt_core::{Failure, FailureKind, Image};

use super::{Binary, made, show};
use crate::{
    args::{Format, Global},
    ending::Ending,
    messages,
};

/// Arguments of `mcpt image save`.
#[derive(Debug, Args)]
pub(super) struct Save {
    /// File for the archive; what is there is replaced
    file: PathBuf,
    /// Name that the image has in it [default: localhost/mcpt:VERSION, which deploys use]
    #[arg(long, value_name = "IMAGE")]
    name: Option<Image>,
    #[command(flatten)]
    binary: Binary,
}

impl Save {
    /// Writes it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let name = match &self.name {
            Some(image) => image.reference(),
            None => mcpt_image::reference(),
        };
        let image = made(&self.binary)?;
        write(&image, &name, &self.file)?;
        show(global, &image, &name, None, None)?;
        tell_nodes(global, &self.file);
        Ok(())
    }
}

/// Says how an archive gets to where it is run.
pub(super) fn tell_nodes(global: &Global, file: &Path) {
    if matches!(global.output, Format::Table | Format::Wide) {
        let file = file.display();
        messages::hint(
            global,
            &format!(
                "nodes get it by: ctr -n k8s.io images import {file}, k3s ctr images import {file}, \
                 kind load image-archive {file}, or minikube image load {file}; engines by docker load or podman load"
            ),
        );
    }
}

/// Whole or not at all: it is written beside its place, if that is one for a file.
pub(super) fn write(image: &oci_image::Image, name: &str, file: &Path) -> Result<(), Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(
            FailureKind::Failed,
            format!("cannot write {}", file.display()),
        )
        .caused_by(error)
    };
    if std::fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        // A pipe or a device is no place that a file could be put into.
        let output = File::options().write(true).open(file);
        let output = BufWriter::new(output.map_err(|error| failed(&error))?);
        let written = image.write_archive(name, output);
        return written.map_err(|error| failed(&error));
    }
    let partial = file.with_added_extension(format!("{}.partial", std::process::id()));
    let output = File::create(&partial).map_err(|error| failed(&error))?;
    let written = image.write_archive(name, BufWriter::new(output));
    let written = written
        .map_err(|error| failed(&error))
        .and_then(|()| std::fs::rename(&partial, file).map_err(|error| failed(&error)));
    if written.is_err() {
        // The error that counts is the first one.
        drop(std::fs::remove_file(&partial));
    }
    written
}
