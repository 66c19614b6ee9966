//! html, js and urlquery: the text of the arguments, escaped.

use std::fmt::Write;

use crate::error::Error;
use crate::exec::Slot;
use crate::fmt::sprint;
use crate::value::Value;

/// The arguments as one text; a missing one prints as `<no value>`.
fn text(args: &[Slot]) -> Result<Vec<u8>, Error> {
    let values: Vec<Value> = args
        .iter()
        .map(|slot| match &slot.value {
            Value::Nil => Value::from("<no value>"),
            value => value.clone(),
        })
        .collect();
    sprint(&values)
}

/// Text safe in HTML.
pub(super) fn html(args: &[Slot]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for byte in text(args)? {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(byte),
        }
    }
    Ok(out)
}

/// Text safe in a JavaScript string.
pub(super) fn js(args: &[Slot]) -> Result<Vec<u8>, Error> {
    let text = text(args)?;
    let mut out = String::new();
    for c in String::from_utf8_lossy(&text).chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '\\' | '\'' | '"' => write!(out, "\\{c}"),
            '<' | '>' | '&' | '=' | '\0'..='\x1f' | '\x7f' => {
                write!(out, "\\u{:04X}", u32::from(c))
            }
            _ if crate::fmt::is_print(c) => write!(out, "{c}"),
            _ => write!(out, "\\u{:04X}", u32::from(c)),
        };
    }
    Ok(out.into_bytes())
}

/// Text as it stands in the query of a URL.
pub(super) fn urlquery(args: &[Slot]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for byte in text(args)? {
        match byte {
            b' ' => out.push(b'+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    Ok(out)
}
