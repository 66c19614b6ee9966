//! `derivePassword`: the Master Password algorithm of sprig.

use aws_lc_rs::hmac;
use gotmpl::Error;
use scrypt::Params;

/// The scope of the algorithm, which every hash begins with.
const SCOPE: &[u8] = b"com.lyndir.masterpassword";
/// scrypt's cost: 2 to the 15th.
const LOG_COST: u8 = 15;
const BLOCK_SIZE: u32 = 8;
const PARALLEL: u32 = 2;
const KEY: usize = 64;

/// The shapes that a password of a type can have, a letter for a class of characters each.
fn shapes(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

/// The characters of a class.
fn class(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The scope, then each part after its length.
fn message(part: &[u8]) -> Vec<u8> {
    [SCOPE, &(part.len() as u32).to_be_bytes(), part].concat()
}

/// The password of a user for a site; an unknown type is told as the text, as in sprig.
pub(super) fn derive(
    counter: u32,
    kind: &str,
    password: &[u8],
    user: &[u8],
    site: &[u8],
) -> Result<String, Error> {
    let Some(shapes) = shapes(kind) else {
        return Ok(format!("cannot find password template {kind}"));
    };
    let failed = |e: &dyn std::fmt::Display| Error::call(e.to_string());
    let params = Params::new(LOG_COST, BLOCK_SIZE, PARALLEL).map_err(|e| failed(&e))?;
    let mut key = [0; KEY];
    scrypt::scrypt(password, &message(user), &params, &mut key).map_err(|e| failed(&e))?;
    let mut about = message(site);
    about.extend_from_slice(&counter.to_be_bytes());
    let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &about);
    let (first, rest) = seed.as_ref().split_first().unwrap_or((&0, &[]));
    let shape = shapes[usize::from(*first) % shapes.len()];
    let chosen = shape.bytes().zip(rest).map(|(letter, seed)| {
        let class = class(letter);
        char::from(class[usize::from(*seed) % class.len()])
    });
    Ok(chosen.collect())
}
