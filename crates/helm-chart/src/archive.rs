//! Charts packed as `.tgz`.

use std::io::{self, Read};

use flate2::read::GzDecoder;

use crate::budget::{Budget, MOST_BYTES};
use crate::{Chart, Error};

impl Chart {
    /// Loads a chart from the bytes of a `.tgz` archive: one folder that holds the chart, at most 100 MiB unpacked with all
    /// archives in it, no path that leads out of it.
    ///
    /// # Errors
    /// When the archive is broken or not allowed, and as [`from_files`](Self::from_files).
    pub fn from_archive(archive: &[u8]) -> Result<Self, Error> {
        let mut budget = Budget::default();
        let files = read_archive(archive, &mut budget)?;
        Self::of_files(files, &mut budget)?.of_known_version()
    }
}

/// The files of an archive, without the folder they are in.
pub(crate) fn read_archive(
    archive: &[u8],
    budget: &mut Budget,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let refuse = |message: &str| Err(Error::Content(message.to_owned()));
    if !archive.starts_with(&[0x1f, 0x8b]) {
        return refuse("gzip: invalid header");
    }
    // Headers and what is skipped count too, so that an archive of nothing else ends as well.
    let mut unpacked = GzDecoder::new(archive).take(budget.unpacked);
    let files = read_tar(&mut unpacked, budget);
    budget.unpacked = unpacked.limit();
    if budget.unpacked == 0 {
        return Err(too_large());
    }
    let files = files?;
    if files.is_empty() {
        return refuse("no files in chart archive");
    }
    Ok(files)
}

fn read_tar(unpacked: impl Read, budget: &mut Budget) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let broken = |error: io::Error| Error::Content(error.to_string());
    let mut files = Vec::new();
    for entry in tar::Archive::new(unpacked).entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if path.ends_with('/') {
            continue;
        }
        let name = inner_path(&path)?;
        budget.file()?;
        let mut data = Vec::new();
        // A sparse file holds far more than what was unpacked for it.
        let mut entry = entry.take(budget.bytes() + 1);
        let read = entry.read_to_end(&mut data).map_err(broken)? as u64;
        if !budget.content(read) {
            return Err(too_large());
        }
        if data.starts_with(b"\xef\xbb\xbf") {
            data.drain(..3);
        }
        files.push((name, data));
    }
    Ok(files)
}

fn too_large() -> Error {
    Error::Content(format!(
        "decompressed chart is larger than the maximum size {MOST_BYTES}"
    ))
}

/// The path below the archive's one folder.
fn inner_path(path: &str) -> Result<String, Error> {
    let refuse = |message: String| Err(Error::Content(message));
    let delimiter = if path.contains('\\') { '\\' } else { '/' };
    let (folder, below) = path.split_once(delimiter).unwrap_or((path, ""));
    let below = below.replace(delimiter, "/");
    if below.starts_with('/') {
        return refuse("chart illegally contains absolute paths".to_owned());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in below.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return refuse(format!(
            "chart illegally contains content outside the base directory: {path:?}"
        ));
    }
    if parts[0].starts_with("..") {
        return refuse("chart illegally references parent directory".to_owned());
    }
    let first = parts[0].as_bytes();
    if parts.len() > 1 && first.len() == 2 && first[0].is_ascii_alphabetic() && first[1] == b':' {
        return refuse("chart contains illegally named files".to_owned());
    }
    if folder == "Chart.yaml" {
        return refuse("chart yaml not in base directory".to_owned());
    }
    Ok(parts.join("/"))
}
