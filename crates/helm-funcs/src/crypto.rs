//! Checksums.

use gotmpl::{Type, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::args::Registry;

pub(crate) fn register(r: &mut Registry) {
    sum(r, "sha1sum", |bytes| hex(&Sha1::digest(bytes)));
    sum(r, "sha256sum", |bytes| hex(&Sha256::digest(bytes)));
    sum(r, "sha512sum", |bytes| hex(&Sha512::digest(bytes)));
    sum(r, "adler32sum", |bytes| adler32(bytes).to_string());
}

fn sum(r: &mut Registry, name: &str, digest: impl Fn(&[u8]) -> String + 'static) {
    r.add(name, &[Type::Str], Type::Str, move |a| {
        Ok(Value::str(digest(a.bytes(0))))
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .filter_map(|d| char::from_digit(d.into(), 16))
        .collect()
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % MODULUS;
        (a, (a + b) % MODULUS)
    });
    b << 16 | a
}
