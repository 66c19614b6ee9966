//! Scalars: plain, in quotes, in blocks.

use super::{END, Scanner, TokenKind, is_blank, is_blank_or_end, is_break};
use crate::Error;

/// The line breaks and blanks between two words of a scalar over several lines.
#[derive(Default)]
struct Gap {
    blanks: String,
    /// What the first line break means.
    first: Option<char>,
    more: String,
}

impl Gap {
    fn is_empty(&self) -> bool {
        self.first.is_none() && self.blanks.is_empty()
    }

    /// Writes what the gap means: one line break is a blank.
    fn fold_into(&mut self, text: &mut String) {
        match self.first.take() {
            None => text.push_str(&self.blanks),
            Some('\n') if self.more.is_empty() => text.push(' '),
            Some('\n') => text.push_str(&self.more),
            Some(other) => {
                text.push(other);
                text.push_str(&self.more);
            }
        }
        self.blanks.clear();
        self.more.clear();
    }
}

/// Line breaks at the end of a block scalar: none, one, all.
#[derive(PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl Scanner {
    pub(super) fn plain_scalar(&mut self) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.at.line;
        let indent = self.indent + 1;
        let mut text = String::new();
        let mut gap = Gap::default();
        loop {
            if self.at_indicator('-') || self.at_indicator('.') || self.char(0) == '#' {
                break;
            }
            while !is_blank_or_end(self.char(0)) {
                let c = self.char(0);
                let ends_in_flow = self.flow_level > 0 && ",?[]{}".contains(c);
                if ends_in_flow || (c == ':' && is_blank_or_end(self.char(1))) {
                    break;
                }
                if !gap.is_empty() {
                    gap.fold_into(&mut text);
                }
                self.read(&mut text);
            }
            if !is_blank(self.char(0)) && !is_break(self.char(0)) {
                break;
            }
            while is_blank(self.char(0)) || is_break(self.char(0)) {
                if gap.first.is_some() && (self.at.column as isize) < indent && self.char(0) == '\t'
                {
                    return Err(self.error("found a tab character that violates indentation"));
                }
                self.blank_or_break(&mut gap);
            }
            if self.flow_level == 0 && (self.at.column as isize) < indent {
                break;
            }
        }
        if gap.first.is_some() {
            self.simple_key_allowed = true;
        }
        let is_plain = true;
        self.push(TokenKind::Scalar { text, is_plain }, line);
        Ok(())
    }

    /// Takes one blank or line break into a gap.
    fn blank_or_break(&mut self, gap: &mut Gap) {
        match self.skip_line() {
            Some(meaning) if gap.first.is_none() => {
                gap.blanks.clear();
                gap.first = Some(meaning);
            }
            Some(meaning) => gap.more.push(meaning),
            None if gap.first.is_none() => {
                let mut blanks = std::mem::take(&mut gap.blanks);
                self.read(&mut blanks);
                gap.blanks = blanks;
            }
            None => self.skip(),
        }
    }

    pub(super) fn quoted_scalar(&mut self) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.at.line;
        let quote = self.char(0);
        self.skip();
        let mut text = String::new();
        loop {
            if self.at_indicator('-') || self.at_indicator('.') {
                return Err(self.error("found unexpected document indicator"));
            }
            if self.char(0) == END {
                return Err(self.error("found unexpected end of stream"));
            }
            let mut gap = Gap::default();
            // Whether a line break was escaped: it means nothing then.
            let mut escaped_break = false;
            while !is_blank_or_end(self.char(0)) {
                match (self.char(0), self.char(1)) {
                    ('\'', '\'') if quote == '\'' => {
                        text.push('\'');
                        self.skip_many(2);
                    }
                    (c, _) if c == quote => break,
                    ('\\', next) if quote == '"' && is_break(next) => {
                        self.skip();
                        self.skip_line();
                        escaped_break = true;
                        break;
                    }
                    ('\\', _) if quote == '"' => self.escape(&mut text)?,
                    _ => self.read(&mut text),
                }
            }
            if self.char(0) == quote {
                break;
            }
            while is_blank(self.char(0)) || is_break(self.char(0)) {
                if escaped_break && is_blank(self.char(0)) {
                    self.skip();
                } else if escaped_break {
                    gap.more.extend(self.skip_line());
                } else {
                    self.blank_or_break(&mut gap);
                }
            }
            if escaped_break {
                text.push_str(&gap.more);
            } else {
                gap.fold_into(&mut text);
            }
        }
        self.skip();
        let is_plain = false;
        self.push(TokenKind::Scalar { text, is_plain }, line);
        Ok(())
    }

    /// An escape in double quotes.
    fn escape(&mut self, text: &mut String) -> Result<(), Error> {
        let digits = match self.char(1) {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            c => {
                text.push(match c {
                    '0' => '\0',
                    'a' => '\x07',
                    'b' => '\x08',
                    't' | '\t' => '\t',
                    'n' => '\n',
                    'v' => '\x0b',
                    'f' => '\x0c',
                    'r' => '\r',
                    'e' => '\x1b',
                    ' ' | '"' | '\'' | '\\' => c,
                    'N' => '\u{85}',
                    '_' => '\u{a0}',
                    'L' => '\u{2028}',
                    'P' => '\u{2029}',
                    _ => return Err(self.error("found unknown escape character")),
                });
                self.skip_many(2);
                return Ok(());
            }
        };
        self.skip_many(2);
        let mut code: u32 = 0;
        for i in 0..digits {
            let Some(digit) = self.char(i).to_digit(16) else {
                return Err(self.error("did not find expected hexdecimal number"));
            };
            code = code << 4 | digit;
        }
        let Some(c) = char::from_u32(code) else {
            return Err(self.error("found invalid Unicode character escape code"));
        };
        text.push(c);
        self.skip_many(digits);
        Ok(())
    }

    /// `|` or `>`.
    pub(super) fn block_scalar(&mut self) -> Result<(), Error> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let line = self.at.line;
        let is_literal = self.char(0) == '|';
        self.skip();
        let (chomping, increment) = self.block_header()?;
        let mut indent = if increment == 0 {
            0
        } else {
            self.indent.max(0) as usize + increment
        };
        let mut text = String::new();
        // The break at the end of the last line, and the empty lines after it.
        let (mut last_break, mut breaks) = (String::new(), String::new());
        let mut after_blank = false;
        self.block_breaks(&mut indent, &mut breaks)?;
        while self.at.column == indent && self.char(0) != END {
            let starts_blank = is_blank(self.char(0));
            if !is_literal && !after_blank && !starts_blank && last_break.starts_with('\n') {
                if breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(&last_break);
            }
            last_break.clear();
            text.push_str(&breaks);
            breaks.clear();
            after_blank = starts_blank;
            while !is_break(self.char(0)) && self.char(0) != END {
                self.read(&mut text);
            }
            last_break.extend(self.skip_line());
            self.block_breaks(&mut indent, &mut breaks)?;
        }
        if chomping != Chomping::Strip {
            text.push_str(&last_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        let is_plain = false;
        self.push(TokenKind::Scalar { text, is_plain }, line);
        Ok(())
    }

    /// What stands between `|` and the end of its line.
    fn block_header(&mut self) -> Result<(Chomping, usize), Error> {
        let mut chomping = None;
        let mut increment = 0;
        // Each of the two once, in any order.
        for _ in 0..2 {
            match self.char(0) {
                '+' if chomping.is_none() => chomping = Some(Chomping::Keep),
                '-' if chomping.is_none() => chomping = Some(Chomping::Strip),
                '0' if increment == 0 => {
                    return Err(self.error("found an indentation indicator equal to 0"));
                }
                c @ '1'..='9' if increment == 0 => {
                    increment = c.to_digit(10).unwrap_or(0) as usize;
                }
                _ => break,
            }
            self.skip();
        }
        self.skip_blanks();
        self.skip_comment();
        if !is_break(self.char(0)) && self.char(0) != END {
            return Err(self.error("did not find expected comment or line break"));
        }
        self.skip_line();
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    /// Empty lines, and the indentation of the line after them; it is found with the first one.
    fn block_breaks(&mut self, indent: &mut usize, breaks: &mut String) -> Result<(), Error> {
        let mut deepest = 0;
        loop {
            let is_indentation = |column: usize| *indent == 0 || column < *indent;
            while is_indentation(self.at.column) && self.char(0) == ' ' {
                self.skip();
            }
            deepest = deepest.max(self.at.column);
            if is_indentation(self.at.column) && self.char(0) == '\t' {
                let problem = "found a tab character where an indentation space is expected";
                return Err(self.error(problem));
            }
            match self.skip_line() {
                Some(meaning) => breaks.push(meaning),
                None => break,
            }
        }
        if *indent == 0 {
            *indent = deepest.max((self.indent + 1) as usize).max(1);
        }
        Ok(())
    }
}
