//! mcpt's own image: what fronts are made of, and the built-in demo. Where the engine does not have it, it is made of the
//! running binary, which needs nothing beside itself in an image when it is static, as released ones are.

use std::{fmt::Write as _, io};

use bollard::{body_full, query_parameters::ImportImageOptions};
use bytes::Bytes;
use futures_util::StreamExt as _;
use mcpt_core::{Failure, FailureKind, Progress, ProgressEvent};
use mcpt_image::Compression;
pub(crate) use mcpt_image::{PROGRAM, USER, Unfit, program, reference};
use sha2::{Digest as _, Sha256};

use crate::{
    engine::Engine,
    failure::{failure, is_missing},
};

/// Makes sure that the engine has it.
///
/// # Errors
/// When it has not, and it cannot be made.
pub(crate) async fn ensure(
    engine: &Engine,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    match engine.api.inspect_image(&reference()).await {
        Ok(_) => return Ok(()),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(failure(what, &error)),
    }
    progress.event(ProgressEvent::Step(format!("making {}", reference())));
    let program = program().map_err(|error| unfit(what, &error))?;
    let archive = archive(&program).map_err(|error| {
        Failure::new(FailureKind::Failed, what).because(format!("making {}: {error}", reference()))
    })?;
    let mut loaded = engine.api.import_image(
        ImportImageOptions::default(),
        body_full(Bytes::from(archive)),
        None,
    );
    while let Some(step) = loaded.next().await {
        step.map_err(|error| failure(what, &error))?;
    }
    Ok(())
}

/// A failure for want of a binary that can be put into containers.
pub(crate) fn unfit(what: &str, error: &Unfit) -> Failure {
    let failure = Failure::new(FailureKind::Failed, what).caused_by(error);
    failure.hint(format!(
        "use a released mcpt, which is static, or load an image {} into the engine",
        reference()
    ))
}

/// An archive of it as engines load it.
fn archive(program: &[u8]) -> Result<Vec<u8>, oci_image::Error> {
    let mut archive = Vec::new();
    mcpt_image::image(program, Compression::None)?.write_archive(&reference(), &mut archive)?;
    Ok(archive)
}

/// Adds a file of root to an archive.
pub(crate) fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    name: &str,
    contents: &[u8],
    mode: u32,
) -> io::Result<()> {
    append_of(archive, name, contents, mode, (0, 0))
}

/// Adds a file of a user and group to an archive.
pub(crate) fn append_of(
    archive: &mut tar::Builder<Vec<u8>>,
    name: &str,
    contents: &[u8],
    mode: u32,
    owner: (u64, u64),
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(contents.len() as u64);
    header.set_mode(mode);
    header.set_uid(owner.0);
    header.set_gid(owner.1);
    header.set_mtime(0);
    archive.append_data(&mut header, name, contents)
}

/// Adds a folder of a user and group to an archive.
pub(crate) fn append_folder(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    owner: (u64, u64),
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    header.set_mode(0o755);
    header.set_uid(owner.0);
    header.set_gid(owner.1);
    header.set_mtime(0);
    archive.append_data(
        &mut header,
        format!("{}/", path.trim_matches('/')),
        io::empty(),
    )
}

/// The SHA-256 of these bytes in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
