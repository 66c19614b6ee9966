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
        show(global, &image, &name, None)?;
        if matches!(global.output, Format::Table | Format::Wide) {
            let file = self.file.display();
            messages::hint(
                global,
                &format!(
                    "nodes get it by: ctr -n k8s.io images import {file}, k3s ctr images import {file}, \
                     kind load image-archive {file}, or minikube image load {file}"
                ),
            );
        }
        Ok(())
    }
}

/// Whole or not at all: it is written beside its place.
fn write(image: &oci_image::Image, name: &str, file: &Path) -> Result<(), Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(
            FailureKind::Failed,
            format!("cannot write {}", file.display()),
        )
        .caused_by(error)
    };
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
