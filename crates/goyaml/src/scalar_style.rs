//! Which form of a scalar go-yaml chooses for a string.

use crate::emit::Dialect;
use crate::resolve::{Tag, resolve};

/// The form of a scalar. go-yaml writes folded scalars never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What the emitter must know of a string before it writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Analysis {
    pub(crate) multiline: bool,
    plain: bool,
    single_quoted: bool,
    block: bool,
}

pub(crate) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Characters outside the basic plane are "not printable" to go-yaml.
pub(crate) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

impl Analysis {
    pub(crate) fn of(text: &str, dialect: Dialect) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let (Some(first), Some(last)) = (chars.first(), chars.last()) else {
            return Self {
                multiline: false,
                plain: true,
                single_quoted: true,
                block: false,
            };
        };
        let multiline = chars.iter().any(|c| is_break(*c));
        // To v3 a tab is a character like others inside of a block.
        let tab = dialect == Dialect::V3 && chars.contains(&'\t');
        let is_tab = |c: char| dialect == Dialect::V3 && c == '\t';
        let special = chars.iter().any(|c| !is_printable(*c) && !is_tab(*c));
        let break_space = chars
            .windows(2)
            .any(|pair| is_break(pair[0]) && pair[1] == ' ');
        let space_break = chars
            .windows(2)
            .any(|pair| pair[0] == ' ' && is_break(pair[1]));
        let edge_blank = [first, last].into_iter().any(|c| *c == ' ' || is_break(*c));
        Self {
            multiline,
            plain: !(multiline
                || tab
                || special
                || break_space
                || space_break
                || edge_blank
                || has_indicator(&chars)),
            single_quoted: !(tab || special || break_space || space_break),
            block: !(special || space_break || *last == ' '),
        }
    }

    /// The form of a string value or key.
    pub(crate) fn string_style(self, text: &str, simple_key: bool) -> Style {
        let wanted = if text.contains('\n') {
            Style::Literal
        } else if resolve(text).0 == Tag::Str && !is_base_60(text) {
            Style::Plain
        } else {
            Style::DoubleQuoted
        };
        match wanted {
            Style::Literal if !self.block || simple_key => Style::DoubleQuoted,
            Style::Plain if !self.plain && self.single_quoted => Style::SingleQuoted,
            Style::Plain if !self.plain => Style::DoubleQuoted,
            style => style,
        }
    }
}

/// Whether the text holds, at a place where it counts, a character that means something in a block.
fn has_indicator(chars: &[char]) -> bool {
    if chars.starts_with(&['-', '-', '-']) || chars.starts_with(&['.', '.', '.']) {
        return true;
    }
    let blank_follows = |at: usize| {
        chars
            .get(at + 1)
            .is_none_or(|next| matches!(next, ' ' | '\t'))
    };
    let blank_precedes =
        |at: usize| matches!(chars[at - 1], ' ' | '\t' | '\0') || is_break(chars[at - 1]);
    chars.iter().enumerate().any(|(at, c)| match (at, c) {
        (
            0,
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`',
        ) => true,
        (0, '?' | ':' | '-') => blank_follows(0),
        (_, ':') => blank_follows(at),
        (_, '#') => blank_precedes(at),
        _ => false,
    })
}

/// A YAML 1.1 number in base 60, such as a time: `^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let mut rest = parts.peekable();
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits_or_underscores(first)
        && rest.peek().is_some()
        && rest.all(|part| match part.as_bytes() {
            [unit] => unit.is_ascii_digit(),
            [ten, unit] => (b'0'..=b'5').contains(ten) && unit.is_ascii_digit(),
            _ => false,
        })
        && digits_or_underscores(fraction)
}

fn digits_or_underscores(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'_')
}
