//! mcpt's own image: what fronts are made of, and the built-in demo. Where the engine does not have it, it is made of the
//! running binary, which needs nothing beside itself in an image when it is static, as released ones are.

use std::{fmt::Write as _, io, path::PathBuf};

use bollard::{body_full, query_parameters::ImportImageOptions};
use bytes::Bytes;
use futures_util::StreamExt as _;
use mcpt_core::{Failure, FailureKind, Progress, ProgressEvent};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    engine::Engine,
    failure::{failure, is_missing},
};

/// The user, and the group, that it runs as: nobody on the machine.
pub(crate) const USER: u32 = 65532;
/// The binary in it.
pub(crate) const PROGRAM: &str = "/mcpt";

/// Why the running binary cannot be put into containers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// It needs libraries that only this machine is sure to have.
    #[error("this mcpt is no static program for Linux, so it runs in no container")]
    Dynamic,
    #[error("cannot read {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
}

/// Its full name, for this version.
pub(crate) fn reference() -> String {
    format!("localhost/mcpt:{}", env!("CARGO_PKG_VERSION"))
}

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

/// The running binary, if it runs in any container.
pub(crate) fn program() -> Result<Vec<u8>, Unfit> {
    let path =
        std::env::current_exe().map_err(|error| Unfit::Unreadable("itself".into(), error))?;
    let program = std::fs::read(&path).map_err(|error| Unfit::Unreadable(path, error))?;
    if is_static(&program) {
        Ok(program)
    } else {
        Err(Unfit::Dynamic)
    }
}

/// Whether these bytes are a 64-bit ELF program that names no interpreter, which would load its libraries.
fn is_static(program: &[u8]) -> bool {
    /// Type of the header that names it.
    const INTERPRETER: u32 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = program.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    };
    let headers =
        || -> Option<(u64, u64, u64)> { Some((number(32, 8)?, number(54, 2)?, number(56, 2)?)) };
    // The mark, 64 bits, little endian.
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let Some((begin, size, count)) = headers() else {
        return false;
    };
    (0..count).all(|index| {
        let at = size
            .checked_mul(index)
            .and_then(|offset| offset.checked_add(begin));
        let kind = at.and_then(|at| number(usize::try_from(at).ok()?, 4));
        kind.is_some_and(|kind| kind != u64::from(INTERPRETER))
    })
}

/// An archive as `docker load` takes it: one layer with the binary alone.
fn archive(program: &[u8]) -> io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, PROGRAM.trim_start_matches('/'), program, 0o755)?;
    let layer = layer.into_inner()?;
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": [PROGRAM],
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))] },
    });
    let config = serde_json::to_vec(&config)?;
    let config_name = format!("{}.json", digest(&config));
    let manifest = json!([{
        "Config": config_name, "RepoTags": [reference()], "Layers": ["layer.tar"],
    }]);
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, &config_name, &config, 0o644)?;
    append(&mut archive, "layer.tar", &layer, 0o644)?;
    append(
        &mut archive,
        "manifest.json",
        &serde_json::to_vec(&manifest)?,
        0o644,
    )?;
    archive.into_inner()
}

/// Adds a file of root to an archive.
pub(crate) fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    name: &str,
    contents: &[u8],
    mode: u32,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(contents.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
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

/// This machine's architecture in the word that images have for it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with headers of these types.
    fn program(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = kinds.len() as u8;
        for kind in kinds {
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 52]);
        }
        bytes
    }

    #[test]
    fn static_programs_are_known() {
        assert!(is_static(&program(&[1, 2, 6])));
        assert!(!is_static(&program(&[1, 3, 6])));
        assert!(!is_static(b"#!/bin/sh"));
        assert!(!is_static(&program(&[1])[..65]), "cut off");
        let mut lies = program(&[1]);
        lies[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(!is_static(&lies));
    }

    #[test]
    fn an_archive_names_what_it_has() {
        let bytes = archive(b"program").unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names[1..], ["layer.tar", "manifest.json"]);
    }
}
