//! Go's `strconv.Unquote`: string and character literals to bytes.

use crate::gostr::Str;

/// The text of a quoted (`"..."`) or raw (`` `...` ``) literal; `None` if it is malformed.
pub(crate) fn unquote(literal: &str) -> Option<Str> {
    if literal.len() < 2 {
        return None;
    }
    let inner = &literal[1..literal.len() - 1];
    if literal.starts_with('`') {
        return Some(Str::from(inner.replace('\r', "")));
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (c, after) = unquote_char(rest, '"')?;
        // An escape of one byte stands for that byte, everything else for a character.
        if rest.starts_with("\\x")
            || rest.as_bytes()[0] == b'\\' && rest.as_bytes()[1].is_ascii_digit()
        {
            bytes.push(u8::try_from(c).ok()?);
        } else {
            let mut buffer = [0; 4];
            bytes.extend_from_slice(char::from_u32(c)?.encode_utf8(&mut buffer).as_bytes());
        }
        rest = after;
    }
    Some(Str::from(bytes))
}

/// Go's `strconv.UnquoteChar`: the first character of `text`, and what follows it.
pub(crate) fn unquote_char(text: &str, quote: char) -> Option<(u32, &str)> {
    let mut chars = text.chars();
    let c = chars.next()?;
    if c == quote {
        return None;
    }
    if c != '\\' {
        return Some((u32::from(c), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = match escape {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        '\\' => 92,
        '\'' | '"' if escape == quote => u32::from(escape),
        'x' => return numeric(rest, 2, 16),
        'u' => return numeric(rest, 4, 16).filter(|(c, _)| char::from_u32(*c).is_some()),
        'U' => return numeric(rest, 8, 16).filter(|(c, _)| char::from_u32(*c).is_some()),
        '0'..='7' => {
            return numeric(&text[1..], 3, 8).filter(|(c, _)| *c <= 255);
        }
        _ => return None,
    };
    Some((simple, rest))
}

fn numeric(text: &str, len: usize, radix: u32) -> Option<(u32, &str)> {
    let digits = text.get(..len)?;
    if !digits.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    Some((u32::from_str_radix(digits, radix).ok()?, &text[len..]))
}
