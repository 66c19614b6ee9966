//! From characters to tokens, as go-yaml v2 cuts a text: indentation and simple keys are found here.

mod names;
mod scalars;

use std::collections::VecDeque;

use crate::Error;

/// What stands for the end of the text; go-yaml's reader refuses it within one.
const END: char = '\0';
/// A key may have so many characters before its colon.
const LONGEST_SIMPLE_KEY: usize = 1024;
/// go-yaml's bound on open collections.
const MAX_LEVELS: usize = 10_000;

/// A piece of a text.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Counted from 0.
    pub(crate) line: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    StreamEnd,
    /// `%YAML`, with its numbers.
    Version(u32, u32),
    /// `%TAG`, with handle and prefix.
    TagDirective(String, String),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    /// Handle and suffix.
    Tag(String, String),
    Scalar {
        text: String,
        is_plain: bool,
    },
}

/// Where a key could begin whose colon has not come yet.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token_number: usize,
    at: Mark,
}

/// A place in the text; all are counted from 0.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    index: usize,
    line: usize,
    column: usize,
}

pub(crate) struct Scanner {
    text: Vec<char>,
    at: Mark,
    tokens: VecDeque<Token>,
    /// How many tokens were taken.
    taken: usize,
    /// The column of the block around; -1 outside of all.
    indent: isize,
    indents: Vec<isize>,
    flow_level: usize,
    /// One for each flow level.
    simple_keys: Vec<SimpleKey>,
    simple_key_allowed: bool,
    ended: bool,
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_blank_or_end(c: char) -> bool {
    is_blank(c) || is_break(c) || c == END
}

/// A character of names: go-yaml calls it alphabetic.
fn is_alpha(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

impl Scanner {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.chars().collect(),
            at: Mark::default(),
            tokens: VecDeque::new(),
            taken: 0,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            simple_keys: vec![SimpleKey::default()],
            simple_key_allowed: true,
            ended: false,
        }
    }

    /// The next token, which stays.
    pub(crate) fn peek(&mut self) -> Result<&Token, Error> {
        while !self.ended && self.needs_more()? {
            self.fetch()?;
        }
        // The end of the stream is never taken.
        self.tokens
            .front()
            .ok_or_else(|| self.error("unexpected end of the stream"))
    }

    /// Takes the token that was looked at.
    pub(crate) fn take(&mut self) -> Option<Token> {
        self.taken += 1;
        self.tokens.pop_front()
    }

    /// Whether the first token is not there, or could become a key.
    fn needs_more(&mut self) -> Result<bool, Error> {
        if self.tokens.is_empty() {
            return Ok(true);
        }
        let (taken, at) = (self.taken, self.at);
        let mut keys = self.simple_keys.iter_mut().rev();
        match keys.find(|key| key.possible && key.token_number == taken) {
            Some(key) => Self::is_valid(key, at),
            None => Ok(false),
        }
    }

    /// An error at the present place.
    fn error(&self, problem: impl Into<String>) -> Error {
        Self::error_at(self.at, problem)
    }

    /// go-yaml has no line for problems in the first one.
    fn error_at(at: Mark, problem: impl Into<String>) -> Error {
        Error::read((at.line > 0).then_some(at.line + 1), problem)
    }

    fn char(&self, ahead: usize) -> char {
        self.text.get(self.at.index + ahead).copied().unwrap_or(END)
    }

    fn skip(&mut self) {
        self.at.index += 1;
        self.at.column += 1;
    }

    fn skip_many(&mut self, count: usize) {
        self.at.index += count;
        self.at.column += count;
    }

    fn read(&mut self, to: &mut String) {
        to.push(self.char(0));
        self.skip();
    }

    /// Skips a line break; returns what it means in a scalar.
    fn skip_line(&mut self) -> Option<char> {
        let (length, meaning) = match (self.char(0), self.char(1)) {
            ('\r', '\n') => (2, '\n'),
            ('\r' | '\n' | '\u{85}', _) => (1, '\n'),
            (c @ ('\u{2028}' | '\u{2029}'), _) => (1, c),
            _ => return None,
        };
        self.at.index += length;
        self.at.column = 0;
        self.at.line += 1;
        Some(meaning)
    }

    fn skip_blanks(&mut self) {
        while is_blank(self.char(0)) {
            self.skip();
        }
    }

    fn skip_comment(&mut self) {
        if self.char(0) == '#' {
            while !is_break(self.char(0)) && self.char(0) != END {
                self.skip();
            }
        }
    }

    fn push(&mut self, kind: TokenKind, line: usize) {
        self.tokens.push_back(Token { kind, line });
    }

    /// Whether a document's indicator stands here.
    fn at_indicator(&self, c: char) -> bool {
        self.at.column == 0 && (0..3).all(|i| self.char(i) == c) && is_blank_or_end(self.char(3))
    }

    fn fetch(&mut self) -> Result<(), Error> {
        self.skip_to_token();
        self.unroll(self.at.column as isize);
        let (c, next) = (self.char(0), self.char(1));
        let in_flow = self.flow_level > 0;
        match c {
            END if self.at.index >= self.text.len() => self.stream_end(),
            '%' if self.at.column == 0 => self.directive(),
            '-' if self.at_indicator('-') => self.indicator(TokenKind::DocumentStart),
            '.' if self.at_indicator('.') => self.indicator(TokenKind::DocumentEnd),
            '[' => self.flow_start(TokenKind::FlowSequenceStart),
            '{' => self.flow_start(TokenKind::FlowMappingStart),
            ']' => self.flow_end(TokenKind::FlowSequenceEnd),
            '}' => self.flow_end(TokenKind::FlowMappingEnd),
            ',' => {
                self.remove_simple_key()?;
                self.simple_key_allowed = true;
                self.mark(TokenKind::FlowEntry);
                Ok(())
            }
            '-' if is_blank_or_end(next) => self.block_entry(),
            '?' if in_flow || is_blank_or_end(next) => self.key(),
            ':' if in_flow || is_blank_or_end(next) => self.value(),
            '*' | '&' => self.anchor(),
            '!' => self.tag(),
            '|' | '>' if !in_flow => self.block_scalar(),
            '\'' | '"' => self.quoted_scalar(),
            '-' if !is_blank(next) => self.plain_scalar(),
            '?' | ':' if !in_flow => self.plain_scalar(),
            '-' | '?' | ':' | '#' | '|' | '>' | '%' | '@' | '`' => Err(self.no_token()),
            c if is_blank_or_end(c) => Err(self.no_token()),
            _ => self.plain_scalar(),
        }
    }

    fn no_token(&self) -> Error {
        self.error("found character that cannot start any token")
    }

    /// Skips blanks, comments and line breaks.
    fn skip_to_token(&mut self) {
        loop {
            if self.at.column == 0 && self.char(0) == '\u{feff}' {
                self.skip();
            }
            // A tab is no indentation.
            let tabs = self.flow_level > 0 || !self.simple_key_allowed;
            while self.char(0) == ' ' || (tabs && self.char(0) == '\t') {
                self.skip();
            }
            self.skip_comment();
            if self.skip_line().is_none() {
                return;
            }
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Opens a block at a column that is deeper than the one around.
    fn roll(&mut self, column: usize, before: Option<usize>, kind: TokenKind, line: usize) {
        let column = column as isize;
        if self.flow_level > 0 || self.indent >= column {
            return;
        }
        self.indents.push(self.indent);
        self.indent = column;
        let token = Token { kind, line };
        match before {
            Some(number) => {
                let place = number.saturating_sub(self.taken).min(self.tokens.len());
                self.tokens.insert(place, token);
            }
            None => self.tokens.push_back(token),
        }
    }

    /// Closes all blocks that are deeper than a column.
    fn unroll(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.push(TokenKind::BlockEnd, self.at.line);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// A token of one character.
    fn mark(&mut self, kind: TokenKind) {
        self.push(kind, self.at.line);
        self.skip();
    }

    fn is_valid(key: &mut SimpleKey, at: Mark) -> Result<bool, Error> {
        if !key.possible {
            return Ok(false);
        }
        if key.at.line < at.line || key.at.index + LONGEST_SIMPLE_KEY < at.index {
            if key.required {
                return Err(Self::error_at(at, "could not find expected ':'"));
            }
            key.possible = false;
        }
        Ok(key.possible)
    }

    fn save_simple_key(&mut self) -> Result<(), Error> {
        let required = self.flow_level == 0 && self.indent == self.at.column as isize;
        if self.simple_key_allowed {
            self.remove_simple_key()?;
            let token_number = self.taken + self.tokens.len();
            let at = self.at;
            if let Some(key) = self.simple_keys.last_mut() {
                *key = SimpleKey {
                    possible: true,
                    required,
                    token_number,
                    at,
                };
            }
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<(), Error> {
        let at = self.at;
        if let Some(key) = self.simple_keys.last_mut()
            && key.possible
        {
            if key.required {
                return Err(Self::error_at(at, "could not find expected ':'"));
            }
            key.possible = false;
        }
        Ok(())
    }

    fn stream_end(&mut self) -> Result<(), Error> {
        if self.at.column != 0 {
            self.at.column = 0;
            self.at.line += 1;
        }
        self.unroll(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(TokenKind::StreamEnd, self.at.line);
        self.ended = true;
        Ok(())
    }

    fn indicator(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.unroll(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push(kind, self.at.line);
        self.skip_many(3);
        Ok(())
    }

    fn flow_start(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_keys.push(SimpleKey::default());
        self.flow_level += 1;
        if self.flow_level > MAX_LEVELS {
            return Err(self.error(format!("exceeded max depth of {MAX_LEVELS}")));
        }
        self.simple_key_allowed = true;
        self.mark(kind);
        Ok(())
    }

    fn flow_end(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            self.simple_keys.pop();
        }
        self.simple_key_allowed = false;
        self.mark(kind);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                let problem = "block sequence entries are not allowed in this context";
                return Err(self.error(problem));
            }
            let (column, line) = (self.at.column, self.at.line);
            self.roll(column, None, TokenKind::BlockSequenceStart, line);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.mark(TokenKind::BlockEntry);
        Ok(())
    }

    fn key(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error("mapping keys are not allowed in this context"));
            }
            let (column, line) = (self.at.column, self.at.line);
            self.roll(column, None, TokenKind::BlockMappingStart, line);
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.mark(TokenKind::Key);
        Ok(())
    }

    fn value(&mut self) -> Result<(), Error> {
        let at = self.at;
        let mut found = None;
        if let Some(key) = self.simple_keys.last_mut()
            && Self::is_valid(key, at)?
        {
            key.possible = false;
            found = Some(*key);
        }
        if let Some(key) = found {
            let (kind, line) = (TokenKind::Key, key.at.line);
            let place = key.token_number.saturating_sub(self.taken);
            let place = place.min(self.tokens.len());
            self.tokens.insert(place, Token { kind, line });
            let start = TokenKind::BlockMappingStart;
            self.roll(key.at.column, Some(key.token_number), start, line);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.error("mapping values are not allowed in this context"));
                }
                self.roll(at.column, None, TokenKind::BlockMappingStart, at.line);
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.mark(TokenKind::Value);
        Ok(())
    }
}
