//! Checksums, password hashes, encryption, keys and certificates.

mod aes;
mod certificates;
mod der;
mod keys;
mod master_password;
mod pem;

use std::rc::Rc;

use gotmpl::{Error, Type, UintKind, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::args::Registry;
use crate::sources::{RandomSource, Sources};

const STR: Type = Type::Str;
/// Go's `bcrypt.DefaultCost`.
const BCRYPT_COST: u32 = 10;
/// bcrypt looks at no more bytes of a password; Go refuses longer ones.
const BCRYPT_MAX_BYTES: usize = 72;

pub(crate) fn register(r: &mut Registry, sources: &Sources) {
    sum(r, "sha1sum", |bytes| hex(&Sha1::digest(bytes)));
    sum(r, "sha256sum", |bytes| hex(&Sha256::digest(bytes)));
    sum(r, "sha512sum", |bytes| hex(&Sha512::digest(bytes)));
    sum(r, "adler32sum", |bytes| adler32(bytes).to_string());
    let random = Rc::clone(&sources.random);
    r.add("bcrypt", &[STR], STR, move |a| {
        bcrypt(a.bytes(0), &random).map(Value::from)
    });
    let random = Rc::clone(&sources.random);
    r.add("htpasswd", &[STR, STR], STR, move |a| {
        let user = a.text(0);
        if user.contains(':') {
            return Ok(Value::from(format!("invalid username: {user}")));
        }
        Ok(Value::from(format!(
            "{user}:{}",
            bcrypt(a.bytes(1), &random)?
        )))
    });
    let random = Rc::clone(&sources.random);
    r.add("encryptAES", &[STR, STR], STR, move |a| {
        aes::encrypt(a.bytes(0), a.bytes(1), &random).map(Value::from)
    });
    r.add("decryptAES", &[STR, STR], STR, |a| {
        aes::decrypt(a.bytes(0), a.bytes(1)).map(Value::str)
    });
    let random = Rc::clone(&sources.random);
    r.add("genPrivateKey", &[STR], STR, move |a| {
        Ok(Value::from(keys::generate(&a.text(0), &random)))
    });
    let counter = Type::Uint(UintKind::Uint32);
    r.add("derivePassword", &[counter, STR, STR, STR, STR], STR, |a| {
        let counter = match a.any(0) {
            Value::Uint(_, v) => *v as u32,
            _ => 0,
        };
        master_password::derive(counter, &a.text(1), a.bytes(2), a.bytes(3), a.bytes(4))
            .map(Value::from)
    });
    certificates::register(r, sources);
}

fn sum(r: &mut Registry, name: &str, digest: impl Fn(&[u8]) -> String + 'static) {
    r.add(name, &[STR], STR, move |a| {
        Ok(Value::str(digest(a.bytes(0))))
    });
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits
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

/// The hash of a password; what is wrong with the password is the text, as in sprig.
fn bcrypt(password: &[u8], random: &RandomSource) -> Result<String, Error> {
    let failed = |why: &str| format!("failed to encrypt string with bcrypt: {why}");
    if password.len() > BCRYPT_MAX_BYTES {
        return Ok(failed("bcrypt: password length exceeds 72 bytes"));
    }
    let mut salt = [0; 16];
    random(&mut salt)?;
    Ok(match bcrypt::hash_with_salt(password, BCRYPT_COST, salt) {
        Ok(hash) => hash.format_for_version(bcrypt::Version::TwoA),
        Err(e) => failed(&e.to_string()),
    })
}
