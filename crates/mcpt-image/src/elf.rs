//! Whether a program runs anywhere, on which machines and with which C library: by its headers.

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

/// Reads so many bytes of a program from this one on; `None` where it has not as many.
pub(crate) type ReadAt<'a> = &'a dyn Fn(u64, usize) -> Option<Vec<u8>>;

/// What a program is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Platform {
    /// Linux on a processor, in the word that images have for it.
    Linux(String),
    /// Another system.
    Other(&'static str),
}

/// What a program is for, by how it begins; `None` of what is no program.
pub(crate) fn platform(read: ReadAt<'_>) -> Option<Platform> {
    let begin = read(0, 20)?;
    match begin.as_slice() {
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..]
        | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..]
        | [0xca, 0xfe, 0xba, 0xbe, ..] => Some(Platform::Other("macOS")),
        [b'M', b'Z', ..] => Some(Platform::Other("Windows")),
        [0x7f, b'E', b'L', b'F', class, order, ..] => {
            let [.., first, second] = begin.as_slice() else {
                return None;
            };
            let machine = match order {
                2 => u16::from_be_bytes([*first, *second]),
                _ => u16::from_le_bytes([*first, *second]),
            };
            Some(Platform::Linux(match (machine, class, order) {
                (62, 2, _) => "amd64".to_owned(),
                (183, 2, 1) => "arm64".to_owned(),
                (3, ..) => "386".to_owned(),
                (40, ..) => "arm".to_owned(),
                (243, ..) => "riscv64".to_owned(),
                (22, ..) => "s390x".to_owned(),
                (21, _, 1) => "ppc64le".to_owned(),
                (258, ..) => "loong64".to_owned(),
                (other, ..) => format!("a processor that is none of ours (ELF machine {other})"),
            }))
        }
        _ => None,
    }
}

/// The most headers of a program, entries of its dynamic section, and bytes of a library's name, that are looked at.
const MOST_HEADERS: u64 = 256;
const MOST_ENTRIES: u64 = 4096;
const LONGEST_NAME: usize = 128;

/// The libraries that a program for Linux, of 64 bits and little endian, says that it needs; none of another one.
pub(crate) fn libraries(read: ReadAt<'_>) -> Vec<String> {
    /// Types of the headers of what is loaded, and of the dynamic section.
    const LOADED: u64 = 1;
    const DYNAMIC: u64 = 2;
    /// Tags of that section: its end, the name of a library, where names are.
    const END: u64 = 0;
    const NEEDED: u64 = 1;
    const NAMES: u64 = 5;
    let number = |at: u64, length: usize| -> Option<u64> {
        let bytes = read(at, length)?;
        let whole = bytes.iter().rev();
        Some(whole.fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let found = || -> Option<Vec<String>> {
        if read(0, MARK.len())? != MARK {
            return None;
        }
        let (begin, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let mut loaded = Vec::new();
        let mut dynamic = None;
        for index in 0..count.min(MOST_HEADERS) {
            let at = begin.checked_add(size.checked_mul(index)?)?;
            let place = (
                number(at.checked_add(8)?, 8)?,
                number(at.checked_add(32)?, 8)?,
            );
            match number(at, 4)? {
                LOADED => loaded.push((place, number(at.checked_add(16)?, 8)?)),
                DYNAMIC => dynamic = Some(place),
                _ => {}
            }
        }
        let (begin, size) = dynamic?;
        let (mut names, mut needed) = (None, Vec::new());
        for index in 0..(size / 16).min(MOST_ENTRIES) {
            let at = begin.checked_add(index * 16)?;
            let value = number(at.checked_add(8)?, 8)?;
            match number(at, 8)? {
                END => break,
                NEEDED => needed.push(value),
                NAMES => names = Some(value),
                _ => {}
            }
        }
        // It says where that is in memory.
        let names = names?;
        let names = loaded.iter().find_map(|((offset, size), address)| {
            let within = names.checked_sub(*address).filter(|within| within < size)?;
            offset.checked_add(within)
        })?;
        let name = |at: u64| {
            let at = names.checked_add(at)?;
            // It may be the last one of the file.
            let length = (1..=LONGEST_NAME).find(|length| {
                let last = at.checked_add(*length as u64 - 1);
                last.and_then(|last| read(last, 1))
                    .is_none_or(|byte| byte == [0])
            })?;
            String::from_utf8(read(at, length - 1)?).ok()
        };
        Some(needed.into_iter().filter_map(name).collect())
    };
    found().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A module for a processor that needs these libraries.
    pub(crate) fn module(machine: u8, needed: &[&str]) -> Vec<u8> {
        let mut bytes = program(&[1, 2]);
        bytes[18] = machine;
        let mut names = vec![0];
        let mut dynamic = Vec::new();
        // Where it is in memory is not where it is in the file.
        let (at, moved) = (bytes.len() as u64, 0x1000);
        for name in needed {
            dynamic.extend([1, names.len() as u64]);
            names.extend(name.bytes());
            names.push(0);
        }
        let size = 16 * (needed.len() as u64 + 2);
        dynamic.extend([5, at + size + moved, 0, 0]);
        let header = |index: usize, field: usize| 64 + 56 * index + field;
        let mut put =
            |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(header(0, 8), 0);
        put(header(0, 16), moved);
        put(header(0, 32), at + size + names.len() as u64);
        put(header(1, 8), at);
        put(header(1, 32), size);
        bytes.extend(dynamic.iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend(names);
        bytes
    }

    pub(crate) fn at(bytes: &[u8]) -> impl Fn(u64, usize) -> Option<Vec<u8>> {
        |at, length| {
            let at = usize::try_from(at).ok()?;
            Some(bytes.get(at..at.checked_add(length)?)?.to_vec())
        }
    }

    #[test]
    fn libraries_are_those_that_it_names() {
        for needed in [
            &["libm.so.6", "libc.so.6"][..],
            &["libc.musl-x86_64.so.1"],
            &[],
        ] {
            let module = module(62, needed);
            assert_eq!(libraries(&at(&module)), needed);
            // Whatever it says, and however short it is.
            for length in 0..module.len() {
                drop(libraries(&at(&module[..length])));
                let mut lies = module.clone();
                lies[length] = 0xff;
                drop(libraries(&at(&lies)));
            }
        }
        assert!(libraries(&at(b"#!/bin/sh")).is_empty());
    }

    #[test]
    fn programs_of_other_systems_are_known() {
        let elf = |class: u8, order: u8, machine: [u8; 2]| {
            let mut bytes = b"\x7fELF".to_vec();
            bytes.extend([class, order]);
            bytes.resize(18, 0);
            bytes.extend(machine);
            bytes
        };
        let found = |bytes: &[u8]| match platform(&at(bytes)) {
            Some(Platform::Linux(processor)) => processor,
            Some(Platform::Other(system)) => system.to_owned(),
            None => String::new(),
        };
        for (bytes, expected) in [
            (elf(2, 1, [62, 0]), "amd64"),
            (elf(2, 1, [183, 0]), "arm64"),
            (elf(1, 1, [3, 0]), "386"),
            (elf(2, 1, [243, 0]), "riscv64"),
            (elf(2, 2, [0, 22]), "s390x"),
            (
                b"\xcf\xfa\xed\xfe\x07\0\0\x01 and some more".to_vec(),
                "macOS",
            ),
            (b"MZ\x90\0 and quite some more of it".to_vec(), "Windows"),
            (b"#!/bin/sh and some more of it".to_vec(), ""),
            (b"\x7fELF".to_vec(), ""),
        ] {
            assert_eq!(found(&bytes), expected);
        }
        let other = found(&elf(2, 1, [99, 0]));
        assert!(other.ends_with("(ELF machine 99)"), "{other}");
    }

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
