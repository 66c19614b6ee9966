//! Numbers under their verbs.

use std::fmt::Write;

use super::float::format_float;
use super::print::Printer;
use super::quote::{is_print, quote_with};
use crate::error::Error;
use crate::value::Value;

impl Printer {
    pub(super) fn integer(
        &mut self,
        value: &Value,
        magnitude: u64,
        negative: bool,
        verb: char,
    ) -> Result<(), Error> {
        match verb {
            'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' => self.digits(magnitude, negative, verb),
            'c' | 'q' | 'U' => {
                let code = if negative {
                    magnitude.wrapping_neg()
                } else {
                    magnitude
                };
                let known = u32::try_from(code).ok().and_then(char::from_u32);
                let c = known.unwrap_or(char::REPLACEMENT_CHARACTER);
                match verb {
                    'c' => self.pad(c.to_string().as_bytes()),
                    'q' => {
                        let quoted = quote_with(c.to_string().as_bytes(), '\'', self.flags.plus);
                        self.pad(quoted.as_bytes());
                    }
                    _ => {
                        let mut text = format!("U+{code:04X}");
                        if self.flags.sharp && known.is_some_and(is_print) {
                            let _ = write!(text, " '{c}'");
                        }
                        self.pad(text.as_bytes());
                    }
                }
            }
            _ => return self.bad_verb(value, verb),
        }
        Ok(())
    }

    pub(super) fn digits(&mut self, magnitude: u64, negative: bool, verb: char) {
        let sign = match (negative, self.flags.plus, self.flags.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let zero = self.flags.zero;
        let mut min_digits = self.flags.prec.unwrap_or(0);
        if self.flags.prec == Some(0) && magnitude == 0 {
            self.flags.zero = false;
            self.pad(b"");
            self.flags.zero = zero;
            return;
        }
        if self.flags.prec.is_none() && zero && !self.flags.minus {
            min_digits = self.flags.width.unwrap_or(0).saturating_sub(sign.len());
        }
        let digits = match verb {
            'b' => format!("{magnitude:b}"),
            'o' | 'O' => format!("{magnitude:o}"),
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        let digits = format!(
            "{}{digits}",
            "0".repeat(min_digits.saturating_sub(digits.len()))
        );
        let prefix = match verb {
            'O' => "0o",
            'b' if self.flags.sharp => "0b",
            'o' if self.flags.sharp && !digits.starts_with('0') => "0",
            'x' if self.flags.sharp => "0x",
            'X' if self.flags.sharp => "0X",
            _ => "",
        };
        self.flags.zero = false;
        self.pad(format!("{sign}{prefix}{digits}").as_bytes());
        self.flags.zero = zero;
    }

    pub(super) fn float(&mut self, v: f64, verb: char, single: bool) {
        let default = match verb {
            'e' | 'E' | 'f' | 'F' => Some(6),
            _ => None,
        };
        let prec = self.flags.prec.or(default);
        let letter = if verb == 'v' { 'g' } else { verb };
        let mut text = format_float(v, letter, prec, single);
        if self.flags.sharp && verb != 'b' && v.is_finite() {
            text = with_point(&text, verb, prec);
        }
        let (sign, digits) = match text.as_bytes().first() {
            Some(b'-') => ("-", &text[1..]),
            Some(b'+') => ("+", &text[1..]),
            _ => ("", text.as_str()),
        };
        let sign = match (sign, self.flags.plus, self.flags.space) {
            ("-", ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            ("+", ..) => "+",
            _ => "",
        };
        let zero = self.flags.zero;
        if !v.is_finite() {
            self.flags.zero = false;
        }
        let missing = self
            .flags
            .width
            .unwrap_or(0)
            .saturating_sub(sign.len() + digits.len());
        if self.flags.zero && !self.flags.minus {
            self.text(&format!("{sign}{}{digits}", "0".repeat(missing)));
        } else {
            self.pad(format!("{sign}{digits}").as_bytes());
        }
        self.flags.zero = zero;
    }
}

/// The number with a decimal point and the zeros that the `#` flag keeps.
fn with_point(text: &str, verb: char, prec: Option<usize>) -> String {
    let exponent_marks: &[char] = if matches!(verb, 'x' | 'X') {
        &['p', 'P']
    } else {
        &['e', 'E']
    };
    let (number, tail) = text.split_at(text.find(exponent_marks).unwrap_or(text.len()));
    let mut out = number.to_owned();
    let unsigned = number.trim_start_matches('-');
    let significant = unsigned
        .chars()
        .filter(|c| *c != '.')
        .skip_while(|c| *c == '0')
        .count();
    let wanted = match verb {
        'v' | 'g' | 'G' | 'x' => prec.unwrap_or(6),
        _ => 0,
    };
    let mut missing = wanted.saturating_sub(significant);
    if !number.contains('.') {
        if unsigned == "0" {
            missing = missing.saturating_sub(1);
        }
        out.push('.');
    }
    out.push_str(&"0".repeat(missing));
    out + tail
}
