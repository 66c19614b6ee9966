//! Each property, tried with the inputs that were kept and with many changes of them: always the same ones, so that what holds
//! once holds always.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{fs, panic, path::Path};

use mcpt_properties::{ALL, Property};

/// Changes of kept inputs that are tried of each property.
const CHANGES: usize = 5_000;
/// Longest input that is made.
const LONGEST: usize = 2_048;
/// What readers of this kind look for.
const WORDS: &[&[u8]] = &[
    b"\r\n", b"\n\n", b"\0", b"\xff", b"{{", b"}}", b"{", b"}", b"[", b"]", b"\"", b"\\u0000",
    b"../", b"**/", b"*a", b"&a ", b"*a ", b"!!", b"---\n", b": ", b"- ", b",", b"=", b"host: ",
    b"id", b"data:", b"event:", b"1e999", b"-0", b"|\n", b">-\n", b"<<",
];

/// A generator of numbers (xorshift), from a seed.
struct Numbers(u64);

impl Numbers {
    /// One below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// The inputs that were kept for a target, and the empty one.
fn kept(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/tests/testdata");
    let mut files = vec![Vec::new()];
    if let Ok(entries) = fs::read_dir(folder.join(target)) {
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        files.extend(paths.iter().map(|path| fs::read(path).unwrap()));
    }
    files
}

/// A few changes of an input; `others` are there to take parts of.
fn changed(mut input: Vec<u8>, others: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(input.len() + 1);
        let end = at + numbers.below((input.len() - at).min(32) + 1);
        match numbers.below(6) {
            0 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            1 => drop(input.drain(at..end)),
            2 => {
                let again = input[at..end].repeat(1 + numbers.below(8));
                input.splice(at..at, again);
            }
            3 => {
                let other = &others[numbers.below(others.len())];
                let from = numbers.below(other.len() + 1);
                input.splice(at..end, other[from..].iter().copied());
            }
            4 => input.insert(at, numbers.below(256) as u8),
            _ => {
                let word = WORDS[numbers.below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
        }
        input.truncate(LONGEST);
    }
    input
}

/// Tries one input; a panic in it is told with the input, which can be kept then.
fn holds(target: &str, property: Property, input: &[u8]) {
    let held = panic::catch_unwind(|| property(input));
    assert!(
        held.is_ok(),
        "{target} does not hold for {}",
        input.escape_ascii()
    );
}

fn try_all(target: &str) {
    let (_, property) = ALL.iter().find(|(name, _)| *name == target).unwrap();
    let kept = kept(target);
    for input in &kept {
        holds(target, *property, input);
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..CHANGES {
        let input = kept[numbers.below(kept.len())].clone();
        let input = changed(input, &kept, &mut numbers);
        holds(target, *property, &input);
    }
}

macro_rules! properties {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            try_all(stringify!($name));
        })*

        #[test]
        fn all_are_tried() {
            let tried = [$(stringify!($name)),*];
            assert_eq!(tried.as_slice(), ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            let mut targets: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/targets"))
                .unwrap()
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            targets.sort();
            assert_eq!(targets, tried);
        }
    };
}

properties!(
    archives,
    constraints,
    envelope,
    events,
    globs,
    heads,
    ignore,
    strvals,
    templates,
    tickets,
    translation,
    yaml
);
