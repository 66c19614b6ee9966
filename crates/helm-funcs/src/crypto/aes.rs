//! `encryptAES` and `decryptAES`: AES-256 in CBC mode under a password of which 32 bytes count.

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use gotmpl::Error;

use crate::args::fail;
use crate::encoding::{base64_bytes, base64_text};
use crate::sources::RandomSource;

const BLOCK: usize = 16;
const KEY: usize = 32;

fn key(password: &[u8]) -> Result<UnboundCipherKey, Error> {
    let mut key = [0; KEY];
    for (to, from) in key.iter_mut().zip(password) {
        *to = *from;
    }
    UnboundCipherKey::new(&AES_256, &key).map_err(|e| Error::call(e.to_string()))
}

/// The initialization vector and the text in whole blocks, in base64.
pub(super) fn encrypt(
    password: &[u8],
    text: &[u8],
    random: &RandomSource,
) -> Result<String, Error> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let unspecified = |e: aws_lc_rs::error::Unspecified| Error::call(e.to_string());
    let missing = BLOCK - text.len() % BLOCK;
    let mut blocks = text.to_vec();
    blocks.resize(text.len() + missing, missing as u8);
    let mut vector = [0; BLOCK];
    random(&mut vector)?;
    let key = EncryptingKey::cbc(key(password)?).map_err(unspecified)?;
    let context = EncryptionContext::Iv128(FixedLength::from(vector));
    key.less_safe_encrypt(&mut blocks, context)
        .map_err(unspecified)?;
    Ok(base64_text(&[&vector[..], &blocks].concat()))
}

/// The text, which is as long as its last byte says: sprig checks no padding.
///
/// # Errors
/// Where Go's code fails or panics, in its words.
pub(super) fn decrypt(password: &[u8], coded: &[u8]) -> Result<Vec<u8>, Error> {
    if coded.is_empty() {
        return Ok(Vec::new());
    }
    let bytes = base64_bytes(coded)?;
    let Some((vector, blocks)) = bytes.split_first_chunk::<BLOCK>() else {
        let room = coded.len() / 4 * 3;
        return fail(format!(
            "runtime error: slice bounds out of range [:{BLOCK}] with capacity {room}"
        ));
    };
    if blocks.len() % BLOCK != 0 {
        return fail("crypto/cipher: input not full blocks");
    }
    if blocks.is_empty() {
        return fail("runtime error: index out of range [-1]");
    }
    let unspecified = |e: aws_lc_rs::error::Unspecified| Error::call(e.to_string());
    let mut text = blocks.to_vec();
    let key = DecryptingKey::cbc(key(password)?).map_err(unspecified)?;
    let context = DecryptionContext::Iv128(FixedLength::from(*vector));
    key.decrypt(&mut text, context).map_err(unspecified)?;
    let padding = usize::from(text.last().copied().unwrap_or(0));
    let Some(len) = text.len().checked_sub(padding) else {
        let by = padding - text.len();
        return fail(format!("runtime error: slice bounds out of range [:-{by}]"));
    };
    text.truncate(len);
    Ok(text)
}
