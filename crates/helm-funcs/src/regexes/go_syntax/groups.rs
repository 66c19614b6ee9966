//! What begins with `(?`: groups with names, without numbers, and flags.

use super::{INVALID_NAME, INVALID_PERL, Item, Mistake, Parser, before, mistake, next};

impl<'a> Parser<'a> {
    /// Reads `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    pub(super) fn perl_group(&mut self, text: &'a str) -> Result<&'a str, Mistake> {
        let name_start = match text.as_bytes() {
            [_, _, b'P', b'<', _, ..] => Some(4),
            [_, _, b'<', _, ..] => Some(3),
            _ => None,
        };
        if let Some(start) = name_start {
            let Some(end) = text.find('>') else {
                return Err(mistake(INVALID_NAME, text));
            };
            let name = text.get(start..end).unwrap_or_default();
            let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(in_name) {
                return Err(mistake(INVALID_NAME, &text[..=end]));
            }
            self.open_capture(Some(name.to_owned()));
            return Ok(&text[end + 1..]);
        }
        self.flags(text)
    }

    fn flags(&mut self, text: &'a str) -> Result<&'a str, Mistake> {
        let mut rest = &text[2..];
        let mut flags = self.flags;
        let (mut on, mut saw_flag) = (true, false);
        while let Some((c, after)) = next(rest) {
            rest = after;
            match c {
                'i' => flags.fold = on,
                'm' => flags.many_lines = on,
                's' => flags.dot_all = on,
                'U' => flags.lazy = on,
                '-' if on => {
                    on = false;
                    saw_flag = false;
                    continue;
                }
                ':' | ')' if on || saw_flag => {
                    if c == ':' {
                        self.stack.push(Item::Open(None, self.flags));
                    }
                    self.flags = flags;
                    return Ok(rest);
                }
                _ => break,
            }
            saw_flag = true;
        }
        Err(mistake(INVALID_PERL, before(text, rest)))
    }
}
