//! The links that a git checkout has under version control, from its index (gitformat-index(5), versions 2 to 4).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What an entry has before its name, with an object id of SHA-1.
const FIXED: usize = 62;
/// Where the mode is in it.
const MODE: usize = 24;
/// Where the flags are in it.
const FLAGS: usize = 60;
/// The flag of version 3 on: two more bytes of flags follow.
const EXTENDED: u16 = 0x4000;
/// Entries are padded to a multiple of this up to version 3.
const ALIGNED: usize = 8;
/// The kind in a mode, and that of a link.
const KIND: u32 = 0o170_000;
const LINK: u32 = 0o120_000;

/// The links that an index names, by their paths from the root of the checkout on. `None` when it is no index of these versions;
/// entries that another file has (a split index) are not there, and neither are those of a repository with SHA-256.
pub(crate) fn links(index: &[u8]) -> Option<BTreeSet<PathBuf>> {
    let mut rest = index.strip_prefix(b"DIRC")?;
    let version = number(take(&mut rest, 4)?);
    if !(2..=4).contains(&version) {
        return None;
    }
    let count = number(take(&mut rest, 4)?);
    let mut links = BTreeSet::new();
    let mut name = Vec::new();
    for _ in 0..count {
        let fixed = take(&mut rest, FIXED)?;
        let mut length = FIXED;
        let flags = u16::from_be_bytes([*fixed.get(FLAGS)?, *fixed.get(FLAGS + 1)?]);
        if flags & EXTENDED != 0 {
            take(&mut rest, 2)?;
            length += 2;
        }
        if version == 4 {
            let kept = name.len().checked_sub(stripped(&mut rest)?)?;
            name.truncate(kept);
        } else {
            name.clear();
        }
        let end = rest.iter().position(|byte| *byte == 0)?;
        name.extend_from_slice(take(&mut rest, end)?);
        // Each name ends with one NUL; up to version 3 with as many as the next entry's place asks for.
        let ends = match version {
            4 => 1,
            _ => ALIGNED - (length + end) % ALIGNED,
        };
        take(&mut rest, ends)?;
        if number(fixed.get(MODE..MODE + 4)?) & KIND == LINK {
            links.insert(PathBuf::from(OsStr::from_bytes(&name)));
        }
    }
    Some(links)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

/// How many bytes at the end of the name before an entry does not share with it.
fn stripped(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    loop {
        let byte = take(rest, 1)?.first().copied()?;
        number = number
            .checked_shl(7)?
            .checked_add(usize::from(byte & 127))?;
        if byte & 128 == 0 {
            return Some(number);
        }
        number = number.checked_add(1)?;
        if number > usize::from(u16::MAX) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index as git writes it, of version 2.
    fn index(entries: &[(&str, u32)]) -> Vec<u8> {
        let mut index = b"DIRC\0\0\0\x02".to_vec();
        index.extend(u32::try_from(entries.len()).unwrap().to_be_bytes());
        for (name, mode) in entries {
            let mut entry = vec![1; FIXED];
            entry[MODE..MODE + 4].copy_from_slice(&mode.to_be_bytes());
            entry[FLAGS..].copy_from_slice(&u16::try_from(name.len()).unwrap().to_be_bytes());
            entry.extend(name.as_bytes());
            entry.resize(entry.len() + ALIGNED - entry.len() % ALIGNED, 0);
            index.extend(entry);
        }
        index
    }

    #[test]
    fn links_alone_are_named() {
        let whole = index(&[
            ("a", 0o100_644),
            ("charts/x/crds", 0o120_000),
            ("charts/x/é", 0o120_000),
            ("sub", 0o160_000),
        ]);
        let found = links(&whole).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["charts/x/crds", "charts/x/é"].map(PathBuf::from)
        );
        for end in 0..whole.len() {
            assert_eq!(links(&whole[..end]), None, "{end}");
        }
    }

    #[test]
    fn what_is_no_index_names_nothing() {
        for bytes in [
            b"".as_slice(),
            b"DIRC",
            b"DIRC\0\0\0\x05\0\0\0\0",
            b"DIRC\0\0\0\x02\xff\xff\xff\xff",
            b"CRID\0\0\0\x02\0\0\0\0",
        ] {
            assert_eq!(links(bytes), None);
        }
        assert_eq!(links(b"DIRC\0\0\0\x04\0\0\0\0"), Some(BTreeSet::new()));
    }
}
