//! What goutils does byte by byte: lines broken, texts shortened, blanks removed. Characters beyond
//! ASCII come out as it makes them.

use gotmpl::{Type, Value};

use crate::args::Registry;

pub(super) fn register(r: &mut Registry) {
    r.add("abbrev", &[Type::INT, Type::Str], Type::Str, |a| {
        let (width, text) = (a.int(0), a.bytes(1));
        Ok(Value::str(if width < 4 {
            text.to_vec()
        } else {
            abbreviated(text, 0, width)
        }))
    });
    r.add(
        "abbrevboth",
        &[Type::INT, Type::INT, Type::Str],
        Type::Str,
        |a| {
            let (left, right, text) = (a.int(0), a.int(1), a.bytes(2));
            let unchanged = right < 4 || (left > 0 && right < 7);
            Ok(Value::str(if unchanged {
                text.to_vec()
            } else {
                abbreviated(text, left, right)
            }))
        },
    );
    r.text("nospace", |s| {
        if !s.bytes().any(is_space) {
            return s.to_owned();
        }
        s.bytes()
            .filter(|b| !is_space(*b))
            .map(char::from)
            .collect()
    });
    r.text("initials", |s| {
        let mut after_gap = true;
        let initial = |b: &u8| {
            let gap = is_space(*b);
            let first = after_gap && !gap;
            after_gap = gap;
            first
        };
        s.bytes().filter(initial).map(char::from).collect()
    });
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

/// Whether the byte is white space as a Latin-1 character.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0x85 | 0xa0)
}

/// At most `width` bytes from about `offset` on, with dots for what is left out. The width is at
/// least 4.
fn abbreviated(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    const DOTS: &[u8] = b"...";
    let Ok(width) = usize::try_from(width) else {
        return text.to_vec();
    };
    if text.len() <= width {
        return text.to_vec();
    }
    let kept = width - DOTS.len();
    let offset = usize::try_from(offset).unwrap_or(0).min(text.len() - kept);
    if offset <= 4 {
        return [&text[..kept], DOTS].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + kept < text.len() {
        return [DOTS, &abbreviated(&text[offset..], 0, kept as i64)].concat();
    }
    [DOTS, &text[text.len() - kept..]].concat()
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
