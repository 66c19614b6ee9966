//! Base64 and base32 as Go's packages read and write them, with their errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gotmpl::Error;

/// Standard base64 with padding.
pub(crate) fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The decoded bytes, or the text of Go's error. Line ends are passed over, and bits that are
/// left over at the end do not matter.
pub(super) fn base64_decoded(text: &[u8]) -> Vec<u8> {
    base64_bytes(text).unwrap_or_else(|e| e.to_string().into_bytes())
}

/// The decoded bytes.
///
/// # Errors
/// With the text of Go's error.
pub(crate) fn base64_bytes(text: &[u8]) -> Result<Vec<u8>, Error> {
    decode_base64(text).map_err(|at| Error::call(format!("illegal base64 data at input byte {at}")))
}

/// The decoded bytes, or the position of what is wrong.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::new();
    let mut bits = 0u32;
    let mut have = 0;
    let mut at = 0;
    let skip_line_ends = |mut at: usize| {
        while matches!(text.get(at), Some(b'\r' | b'\n')) {
            at += 1;
        }
        at
    };
    loop {
        at = skip_line_ends(at);
        let Some(&byte) = text.get(at) else { break };
        if byte == b'=' {
            if have < 2 {
                return Err(at);
            }
            at += 1;
            if have == 2 {
                at = skip_line_ends(at);
                match text.get(at) {
                    None => return Err(text.len()),
                    Some(b'=') => at += 1,
                    Some(_) => return Err(at - 1),
                }
            }
            at = skip_line_ends(at);
            if at < text.len() {
                return Err(at);
            }
            bits <<= 6 * (4 - have);
            out.extend_from_slice(&bits.to_be_bytes()[1..have]);
            return Ok(out);
        }
        let digit = BASE64.iter().position(|b| *b == byte).ok_or(at)?;
        bits = bits << 6 | digit as u32;
        have += 1;
        at += 1;
        if have == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, have) = (0, 0);
        }
    }
    if have == 0 { Ok(out) } else { Err(at - have) }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Standard base32 with padding.
pub(super) fn base32_text(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(5) {
        let mut group = [0u8; 5];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = group.iter().fold(0u64, |bits, b| bits << 8 | u64::from(*b));
        let used = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let index = (bits >> (35 - 5 * i)) & 31;
            out.push(if i < used {
                char::from(BASE32[index as usize])
            } else {
                '='
            });
        }
    }
    out
}

/// The decoded bytes, or the text of Go's error.
pub(super) fn base32_decoded(text: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    decode_base32(&text)
        .unwrap_or_else(|at| format!("illegal base32 data at input byte {at}").into_bytes())
}

fn decode_base32(text: &[u8]) -> Result<Vec<u8>, usize> {
    let body = text
        .iter()
        .rposition(|b| *b != b'=')
        .map_or(0, |last| last + 1);
    let mut out = Vec::new();
    for (group, chunk) in text[..body].chunks(8).enumerate() {
        let mut bits = 0u64;
        for (i, byte) in chunk.iter().enumerate() {
            let digit = BASE32.iter().position(|b| b == byte).ok_or(group * 8 + i)?;
            bits |= (digit as u64) << (35 - 5 * i);
        }
        let padded = text.len() >= group * 8 + 8;
        if !padded || matches!(chunk.len(), 1 | 3 | 6) {
            return Err(if padded {
                group * 8 + chunk.len()
            } else {
                group * 8
            });
        }
        out.extend_from_slice(&bits.to_be_bytes()[3..3 + chunk.len() * 5 / 8]);
    }
    match text.len() - body {
        padding if padding > 6 || !text.len().is_multiple_of(8) => Err(body),
        _ => Ok(out),
    }
}
