//! Breaking long lines, byte by byte, as goutils does.

use gotmpl::{Type, Value};

use crate::args::Registry;

pub(super) fn register(r: &mut Registry) {
    r.add("wrap", &[Type::INT, Type::Str], Type::Str, |a| {
        Ok(Value::str(wrapped(a.bytes(1), a.int(0), b"\n", false)))
    });
    r.add(
        "wrapWith",
        &[Type::INT, Type::Str, Type::Str],
        Type::Str,
        |a| Ok(Value::str(wrapped(a.bytes(2), a.int(0), a.bytes(1), true))),
    );
}

/// Breaks at the last blank within `width`; a longer word only if `break_words`.
fn wrapped(text: &[u8], width: i64, line_end: &[u8], break_words: bool) -> Vec<u8> {
    let width = usize::try_from(width).unwrap_or(0).max(1);
    let line_end = if line_end.is_empty() { b"\n" } else { line_end };
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while rest.len() > width {
        if let Some(after) = rest.strip_prefix(b" ") {
            rest = after;
            continue;
        }
        let blank = rest[..=width].iter().rposition(|b| *b == b' ');
        let (line, after) = match blank {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None if break_words => rest.split_at(width),
            None => match rest[width..].iter().position(|b| *b == b' ') {
                Some(at) => (&rest[..width + at], &rest[width + at + 1..]),
                None => break,
            },
        };
        out.extend_from_slice(line);
        out.extend_from_slice(line_end);
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}
