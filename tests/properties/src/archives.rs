//! Charts in archives: what is loaded has no path that leads out, and stays within its bounds.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use helm_chart::Chart;

fn check(archive: &[u8]) {
    let Ok(chart) = Chart::from_archive(archive) else {
        return;
    };
    for file in &chart.raw {
        assert!(!file.name.starts_with('/'), "{}", file.name);
        assert!(
            file.name.split('/').all(|part| part != ".."),
            "{}",
            file.name
        );
    }
}

/// Panics when it does not hold for these bytes.
pub fn archives(data: &[u8]) {
    check(data);
    // The checksum of compressed data stops nearly every change of it; so the tar is changed, and then compressed.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    if gzip.write_all(data).is_ok()
        && let Ok(archive) = gzip.finish()
    {
        check(&archive);
    }
    // Nor does the checksum of a header let much through: names and contents as lines, in a good tar.
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::none()));
    for file in data.split(|byte| *byte == 0).take(16) {
        let at = file.iter().position(|byte| *byte == b'\n');
        let (name, content) = file.split_at(at.unwrap_or(file.len()));
        let mut header = tar::Header::new_gnu();
        let Some(gnu) = header.as_gnu_mut() else {
            return;
        };
        let size = name.len().min(gnu.name.len());
        gnu.name[..size].copy_from_slice(&name[..size]);
        header.set_size(content.len() as u64);
        header.set_cksum();
        if tar.append(&header, content).is_err() {
            return;
        }
    }
    if let Ok(archive) = tar.into_inner().and_then(GzEncoder::finish) {
        check(&archive);
    }
}
