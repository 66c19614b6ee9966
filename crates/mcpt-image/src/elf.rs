//! Whether a program runs anywhere, and on which machines: by its headers.

/// What 64-bit ELF programs of little endian begin with.
const MARK: &[u8] = b"\x7fELF\x02\x01";

/// Whether these bytes are a 64-bit ELF program that names no interpreter, which would load its libraries.
pub fn is_static(program: &[u8]) -> bool {
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
    if !program.starts_with(MARK) {
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

/// The machines that a program is for, in the word that images have for them; `None` for others than mcpt is released for.
pub(crate) fn architecture(program: &[u8]) -> Option<&'static str> {
    let machine = program.starts_with(MARK).then(|| program.get(18..20))??;
    match machine {
        [62, 0] => Some("amd64"),
        [183, 0] => Some("arm64"),
        _ => None,
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
        bytes[18] = 183;
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
        assert_eq!(architecture(&program(&[])), Some("arm64"));
        assert_eq!(architecture(b"#!/bin/sh and some more"), None);
        assert!(!is_static(&program(&[1, 3, 6])));
        assert!(!is_static(b"#!/bin/sh"));
        assert!(!is_static(&program(&[1])[..65]), "cut off");
        let mut lies = program(&[1]);
        lies[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(!is_static(&lies));
    }
}
