//! How many entries an archive says that it has, before anything makes room for them.
//!
//! The small form of an archive's end has 65,535 entries at most, the large one (ZIP64) any number. A large end stands before its
//! locator, and that before a small end; of which there may be several, since what is behind the archive may be anything.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use crate::{BundleError, archive::MOST_ENTRIES};

/// What begins the small end, the locator of a large one, and that itself.
const END: &[u8] = b"PK\x05\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";
const LARGE_END: &[u8] = b"PK\x06\x06";
/// How many bytes a locator has, where the place of the large end is in it, and where the number of entries is in that.
const LOCATOR_SIZE: usize = 20;
const PLACE: usize = 8;
const NUMBER: usize = 32;
/// How many bytes of a large end are looked at.
const LARGE_SIZE: usize = NUMBER + 8;
/// How many bytes are looked through at a time.
const PIECE: usize = 64 * 1024;

/// Refuses an archive that says it has more entries than any bundle.
///
/// # Errors
/// [`BundleError::TooLarge`], [`BundleError::Read`].
pub(crate) fn check(file: &File, size: u64) -> Result<(), BundleError> {
    // Where the last large end is that says too many. A locator may belong to an archive in this one, and its place be counted from
    // that one's beginning: then it is somewhere before its end.
    let mut too_large = None;
    let mut at = 0;
    while at < size {
        // What begins at the end of this piece.
        let piece = read(file, at, PIECE + LARGE_SIZE)?;
        let mine = &piece[..piece.len().min(PIECE)];
        let mut begin = 0;
        while let Some(next) = mine[begin..].iter().position(|byte| *byte == LOCATOR[0]) {
            let offset = begin + next;
            let here = at + offset as u64;
            let rest = &piece[offset..];
            if rest.starts_with(LARGE_END)
                && rest.len() >= LARGE_SIZE
                && number(rest, NUMBER) > MOST_ENTRIES as u64
            {
                too_large = Some(here);
            }
            let pair = rest.get(..LOCATOR_SIZE + END.len());
            if let Some(pair) = pair.filter(|pair| pair.starts_with(LOCATOR) && pair.ends_with(END))
                && too_large.is_some_and(|end| end >= number(pair, PLACE))
            {
                return Err(too_many());
            }
            begin = offset + 1;
        }
        at += PIECE as u64;
    }
    Ok(())
}

/// An archive with too many entries.
pub(crate) fn too_many() -> BundleError {
    BundleError::TooLarge(format!("it has more than {MOST_ENTRIES} entries"))
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes
        .get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok());
    u64::from_le_bytes(bytes.unwrap_or_default())
}

/// So many bytes from there on, or as many as there are.
fn read(file: &File, at: u64, most: usize) -> Result<Vec<u8>, BundleError> {
    let mut bytes = vec![0; most];
    let mut filled = 0;
    while filled < most {
        match file.read_at(&mut bytes[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BundleError::Read(error)),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
