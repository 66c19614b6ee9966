//! Random strings, numbers and identifiers, from the injected source.

use std::rc::Rc;

use gotmpl::{Error, Type, Value};

use crate::args::{Registry, fail};
use crate::sources::{RandomSource as Source, Sources};

const DIGITS: &str = "0123456789";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The longest random string.
const MAX_LEN: i64 = 1 << 24;

pub(crate) fn register(r: &mut Registry, sources: &Sources) {
    let printable: String = (' '..='~').collect();
    for (name, alphabet) in [
        ("randAlphaNum", format!("{LETTERS}{DIGITS}")),
        ("randAlpha", LETTERS.to_owned()),
        ("randNumeric", DIGITS.to_owned()),
        ("randAscii", printable),
    ] {
        let random = Rc::clone(&sources.random);
        r.add(name, &[Type::INT], Type::Str, move |a| {
            Ok(Value::str(text(&random, alphabet.as_bytes(), a.int(0))?))
        });
    }
    let random = Rc::clone(&sources.random);
    r.add("randBytes", &[Type::INT], Type::Str, move |a| {
        let len = length(a.int(0))?;
        Ok(Value::str(crate::encoding::base64_text(&bytes(
            &random, len,
        )?)))
    });
    let random = Rc::clone(&sources.random);
    r.add("randInt", &[Type::INT, Type::INT], Type::INT, move |a| {
        let (min, max) = (a.int(0), a.int(1));
        let Some(span) = max
            .checked_sub(min)
            .and_then(|d| u64::try_from(d).ok())
            .filter(|d| *d > 0)
        else {
            return fail("invalid argument to Intn");
        };
        Ok(Value::int(min.wrapping_add(below(&random, span)? as i64)))
    });
    let random = Rc::clone(&sources.random);
    r.add("shuffle", &[Type::Str], Type::Str, move |a| {
        let mut chars: Vec<char> = a.text(0).chars().collect();
        for i in (1..chars.len()).rev() {
            chars.swap(i, below(&random, i as u64 + 1)? as usize);
        }
        Ok(Value::str(chars.into_iter().collect::<String>()))
    });
    let random = Rc::clone(&sources.random);
    r.add("uuidv4", &[], Type::Str, move |_| {
        uuid(&random).map(Value::from)
    });
}

fn length(given: i64) -> Result<usize, Error> {
    match usize::try_from(given) {
        Ok(len) if given <= MAX_LEN => Ok(len),
        _ => fail("runtime error: makeslice: len out of range"),
    }
}

fn bytes(random: &Source, len: usize) -> Result<Vec<u8>, Error> {
    let mut buffer = vec![0; len];
    random(&mut buffer)?;
    Ok(buffer)
}

/// A number below `limit`, each as likely as the others.
fn below(random: &Source, limit: u64) -> Result<u64, Error> {
    let zone = u64::MAX - u64::MAX % limit;
    loop {
        let mut buffer = [0; 8];
        random(&mut buffer)?;
        let number = u64::from_le_bytes(buffer);
        if number < zone {
            return Ok(number % limit);
        }
    }
}

fn text(random: &Source, alphabet: &[u8], len: i64) -> Result<Vec<u8>, Error> {
    // sprig swallows the error of a negative count.
    let Ok(len) = length(len) else {
        return Ok(Vec::new());
    };
    let mut out = Vec::with_capacity(len);
    // Bytes beyond the last whole multiple of the alphabet would favour its first letters.
    let zone = 256 - 256 % alphabet.len();
    while out.len() < len {
        for byte in bytes(random, len - out.len())? {
            if usize::from(byte) < zone {
                out.push(alphabet[usize::from(byte) % alphabet.len()]);
            }
        }
    }
    Ok(out)
}

fn uuid(random: &Source) -> Result<String, Error> {
    let mut b = bytes(random, 16)?;
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let hex = crate::crypto::hex(&b);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Ok(parts.join("-"))
}
