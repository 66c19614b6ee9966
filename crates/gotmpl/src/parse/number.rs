//! Number constants: one text, all the types that can hold it.

use std::fmt;

use super::node::Number;
use super::unquote::unquote_char;
use crate::fmt::quote;

/// Why a text is no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoNumber {
    /// Not a character in quotes.
    Character,
    /// More than one character in quotes.
    Characters(String),
    /// A whole number that no type can hold.
    Overflow(String),
    /// Anything else.
    Syntax(String),
}

/// In Go's words.
impl fmt::Display for NoNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character => f.write_str("invalid syntax"),
            Self::Characters(text) => write!(f, "malformed character constant: {text}"),
            Self::Overflow(text) => write!(f, "integer overflow: {}", quote(text.as_bytes())),
            Self::Syntax(text) => write!(f, "illegal number syntax: {}", quote(text.as_bytes())),
        }
    }
}

#[expect(
    clippy::float_cmp,
    reason = "asks whether a float is exactly an integer"
)]
/// Parses a number as Go's template parser does. Imaginary numbers are refused.
pub(super) fn parse(text: &str, is_char: bool) -> Result<Number, NoNumber> {
    let mut number = Number {
        text: text.to_owned(),
        ..Number::default()
    };
    if is_char {
        let inner = text.get(1..).unwrap_or("");
        let Some((c, rest)) = unquote_char(inner, '\'') else {
            return Err(NoNumber::Character);
        };
        if rest != "'" {
            return Err(NoNumber::Characters(text.to_owned()));
        }
        number.int = Some(i64::from(c));
        number.uint = Some(u64::from(c));
        number.float = Some(f64::from(c));
        return Ok(number);
    }
    number.uint = parse_uint(text);
    number.int = parse_int(text);
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Some(float) = parse_float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(NoNumber::Overflow(text.to_owned()));
        }
        number.float = Some(float);
        if (float as i64) as f64 == float {
            number.int = Some(float as i64);
        }
        if float >= 0.0 && (float as u64) as f64 == float {
            number.uint = Some(float as u64);
        }
    }
    if number.float.is_none() {
        return Err(NoNumber::Syntax(text.to_owned()));
    }
    Ok(number)
}

/// Go's `strconv.ParseInt(text, 0, 64)`.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    if negative {
        (magnitude <= 1 << 63).then(|| (magnitude as i64).wrapping_neg())
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Go's `strconv.ParseUint(text, 0, 64)`: prefixes 0x, 0o, 0b and 0, digits split by `_`.
fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !underscores_ok(&lower) || digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

/// Whether each `_` stands between digits, or between a base prefix and a digit.
fn underscores_ok(text: &str) -> bool {
    let mut before = '^';
    let body = match text.as_bytes() {
        [b'0', b'x' | b'o' | b'b', ..] => {
            before = '0';
            &text[2..]
        }
        _ => text,
    };
    for c in body.chars() {
        if c == '_' {
            if before != '0' {
                return false;
            }
            before = '_';
        } else if c.is_ascii_hexdigit() {
            before = '0';
        } else {
            if before == '_' {
                return false;
            }
            before = '!';
        }
    }
    before != '_'
}

fn parse_float(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.trim_start_matches(['+', '-']);
    if let Some(hex) = unsigned.strip_prefix("0x") {
        let value = parse_hex_float(&hex.replace('_', ""))?;
        return Some(if lower.starts_with('-') {
            -value
        } else {
            value
        });
    }
    if !lower.bytes().any(|b| b.is_ascii_digit()) || lower.contains(['i', 'n', 'x', 'o', 'b']) {
        return None;
    }
    if !underscores_ok(unsigned) {
        return None;
    }
    let value: f64 = lower.replace('_', "").parse().ok()?;
    value.is_finite().then_some(value)
}

/// A hexadecimal float without sign and prefix; the `p` exponent is required.
fn parse_hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // More digits than a float can tell apart are beyond what a template means.
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    let scale = exponent.parse::<i32>().ok()? - 4 * i32::try_from(fraction.len()).ok()?;
    let value = u64::from_str_radix(&digits, 16).ok()? as f64 * 2f64.powi(scale);
    value.is_finite().then_some(value)
}
