//! `mcpt image save FILE`: the image as an archive.

use std::{
    fs::{File, Permissions},
    io::{self, BufWriter},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use mcpt_core::{Failure, FailureKind, Image, Progress, Silent};
use oci_image::Error;

use super::{Binary, made, show};
use crate::{
    args::{Format, Global},
    ending::Ending,
    messages, runtime,
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
        write(&image, &name, &self.file, &Silent)?;
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

/// Whole or not at all: it is written beside its place, if that is one for a file. A signal leaves nothing of it.
pub(super) fn write(
    image: &oci_image::Image,
    name: &str,
    file: &Path,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(
            FailureKind::Failed,
            format!("cannot write {}", file.display()),
        )
        .caused_by(error)
    };
    let written = |open: Box<dyn FnOnce() -> io::Result<File> + Send>| {
        let (image, name) = (image.clone(), name.to_owned());
        let written = runtime::aside(progress, move |_| {
            let output = BufWriter::new(open().map_err(Error::Write)?);
            image.write_archive(&name, output)
        })?;
        written.map_err(|error| failed(&error))
    };
    if std::fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        // A pipe or a device is no place that a file could be put into; a pipe is open once somebody reads it.
        let place = file.to_owned();
        return written(Box::new(move || File::options().write(true).open(place)));
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let partial = tempfile::Builder::new()
        .prefix(file.file_name().unwrap_or_default())
        .suffix(".partial")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(|error| failed(&error))?;
    let output = partial.as_file().try_clone();
    written(Box::new(move || output))?;
    partial
        .persist(file)
        .map_err(|error| failed(&error.error))?;
    Ok(())
}
