//! Go's strconv.Quote and the naming of characters.

use std::fmt::Write;

/// The text as a double-quoted Go literal, as `%q` prints it.
pub fn quote(text: &[u8]) -> String {
    quote_with(text, '"', false)
}

/// The text quoted with `quote`; with `ascii`, characters beyond ASCII are escaped.
pub(super) fn quote_with(text: &[u8], quote: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    let mut rest = text;
    while let Some((c, len)) = first_char(rest) {
        if c == char::REPLACEMENT_CHARACTER && len == 1 {
            let _ = write!(out, "\\x{:02x}", rest[0]);
        } else {
            escape(&mut out, c, quote, ascii);
        }
        rest = &rest[len..];
    }
    out.push(quote);
    out
}

fn escape(out: &mut String, c: char, quote: char, ascii: bool) {
    if c == quote || c == '\\' {
        out.push('\\');
        out.push(c);
        return;
    }
    if is_print(c) && (!ascii || c.is_ascii()) {
        out.push(c);
        return;
    }
    let short = match c {
        '\x07' => 'a',
        '\x08' => 'b',
        '\x0c' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\x0b' => 'v',
        _ => {
            let code = u32::from(c);
            // Writing to a string cannot fail.
            let _ = match code {
                0..=0x1f | 0x7f => write!(out, "\\x{code:02x}"),
                0x80..=0xffff => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
            return;
        }
    };
    out.push('\\');
    out.push(short);
}

/// Whether Go's `strconv.IsPrint` holds: letters, marks, numbers, punctuation, symbols, blank.
pub(crate) fn is_print(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // The debug format of a string escapes what is not printable, but not what combines
        // with the character before it.
        _ => !c.is_ascii() && format!("{:?}", format!("a{c}")).len() == 3 + c.len_utf8(),
    }
}

/// The first character and its length; a bad byte is U+FFFD of length 1.
pub(super) fn first_char(text: &[u8]) -> Option<(char, usize)> {
    let head = &text[..text.len().min(4)];
    if head.is_empty() {
        return None;
    }
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        Err(e) => std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or(""),
    };
    Some(
        valid
            .chars()
            .next()
            .map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8())),
    )
}

/// The character as `%#U` prints it.
pub(crate) fn unicode(c: char) -> String {
    if is_print(c) {
        format!("U+{:04X} '{c}'", u32::from(c))
    } else {
        format!("U+{:04X}", u32::from(c))
    }
}

/// Whether the character is a decimal digit of any script.
pub(crate) fn is_decimal_digit(c: char) -> bool {
    c.is_ascii_digit() || (!c.is_ascii() && c.is_numeric())
}
