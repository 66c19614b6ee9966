//! [`Digest`]: SHA-256 of a secret, compared in a time that says nothing about it.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use aws_lc_rs::{constant_time, digest};

/// Length of a digest in bytes.
pub(crate) const LENGTH: usize = 32;

/// SHA-256 of something (FIPS 180-4).
#[derive(Clone, Copy)]
pub(crate) struct Digest([u8; LENGTH]);

impl Digest {
    /// That of several parts in a row.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(part);
        }
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    pub(crate) fn bytes(self) -> [u8; LENGTH] {
        self.0
    }

    /// Reads 64 hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return None;
        };
        let mut bytes = [0; LENGTH];
        if pairs.len() != LENGTH {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
            *byte = u8::try_from(high? * 16 + low?).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// In lower-case hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits() {
        // FIPS 180-4's example "abc".
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = Digest::of(&[b"a", b"bc"]);
        assert_eq!(digest.to_string(), known);
        assert!(Digest::from_hex(known) == Some(digest));
        assert!(Digest::from_hex(&known.to_uppercase()) == Some(digest));
        for wrong in [
            "",
            "ab",
            &known[1..],
            &format!("{known}00"),
            &known.replace('b', "g"),
        ] {
            assert!(Digest::from_hex(wrong).is_none(), "{wrong}");
        }
    }
}
