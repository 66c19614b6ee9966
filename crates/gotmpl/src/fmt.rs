//! Go's fmt package for template values: Sprint, Sprintln and Sprintf.

mod float;
mod number;
mod print;
mod quote;

pub use float::{float_text, format_float};
pub use quote::quote;
pub(crate) use quote::{is_decimal_digit, is_print, unicode};

use crate::error::Error;
use crate::value::{Field, Value};
use print::Printer;

/// Go's `fmt.Sprint`: the values in their default format, with a blank between two values
/// that are both no strings.
///
/// # Errors
/// If a value is nested too deeply, as one that contains itself is.
pub fn sprint(args: &[Value]) -> Result<Vec<u8>, Error> {
    let mut printer = Printer::default();
    let mut previous_string = false;
    for (i, arg) in args.iter().enumerate() {
        let is_string = matches!(arg.plain(), Value::Str(_));
        if i > 0 && !is_string && !previous_string {
            printer.out.push(b' ');
        }
        printer.arg(arg, 'v')?;
        previous_string = is_string;
    }
    Ok(printer.out)
}

/// The default format of a struct with these fields.
pub(crate) fn sprint_struct(fields: &[Field]) -> Result<Vec<u8>, Error> {
    let mut printer = Printer::default();
    printer.fields("", fields, 'v', 0)?;
    Ok(printer.out)
}

/// Go's `fmt.Sprintln`: the values in their default format with blanks between and a newline.
///
/// # Errors
/// As [`sprint`].
pub fn sprintln(args: &[Value]) -> Result<Vec<u8>, Error> {
    let mut printer = Printer::default();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            printer.out.push(b' ');
        }
        printer.arg(arg, 'v')?;
    }
    printer.out.push(b'\n');
    Ok(printer.out)
}

/// Go's `fmt.Sprintf`. Wrong verbs and counts of arguments end up in the text, as
/// `%!d(string=x)` and the like.
///
/// # Errors
/// As [`sprint`].
pub fn sprintf(format: &[u8], args: &[Value]) -> Result<Vec<u8>, Error> {
    let mut f = Format {
        text: format,
        at: 0,
        args,
        next: 0,
        reordered: false,
        good: true,
    };
    let mut printer = Printer::default();
    while f.at < format.len() {
        let literal = format[f.at..].iter().position(|b| *b == b'%');
        let Some(len) = literal else {
            printer.out.extend_from_slice(&format[f.at..]);
            break;
        };
        printer.out.extend_from_slice(&format[f.at..f.at + len]);
        f.at += len + 1;
        f.directive(&mut printer)?;
    }
    if !f.reordered && f.next < args.len() {
        f.extra(&mut printer)?;
    }
    Ok(printer.out)
}

/// Beyond this, fmt takes a width or precision for a mistake.
const MAX_NUMBER: usize = 1_000_000;

struct Format<'a> {
    text: &'a [u8],
    at: usize,
    args: &'a [Value],
    /// The index of the next argument.
    next: usize,
    /// Whether the format used explicit argument indexes.
    reordered: bool,
    /// Whether the explicit index of this directive was good.
    good: bool,
}

impl Format<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// One directive, after its `%`.
    fn directive(&mut self, p: &mut Printer) -> Result<(), Error> {
        self.good = true;
        p.flags = print::Flags::default();
        while let Some(c) = self.peek() {
            match c {
                b'#' => p.flags.sharp = true,
                b'0' => p.flags.zero = true,
                b'+' => p.flags.plus = true,
                b'-' => p.flags.minus = true,
                b' ' => p.flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        let mut after_index = self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.int_arg() {
                Some(width) => {
                    p.flags.minus |= width < 0;
                    p.flags.zero &= width >= 0;
                    p.flags.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => p.out.extend_from_slice(b"%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            p.flags.width = self.number();
            if after_index && p.flags.width.is_some() {
                self.good = false;
            }
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if after_index {
                self.good = false;
            }
            after_index = self.index();
            if self.peek() == Some(b'*') {
                self.at += 1;
                match self.int_arg() {
                    Some(prec) if prec >= 0 => p.flags.prec = usize::try_from(prec).ok(),
                    _ => p.out.extend_from_slice(b"%!(BADPREC)"),
                }
                after_index = false;
            } else {
                p.flags.prec = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }
        let Some((verb, len)) = quote::first_char(&self.text[self.at.min(self.text.len())..])
        else {
            p.out.extend_from_slice(b"%!(NOVERB)");
            return Ok(());
        };
        self.at += len;
        if verb == '%' {
            p.out.push(b'%');
        } else if !self.good {
            p.text(&format!("%!{verb}(BADINDEX)"));
        } else if let Some(arg) = self.args.get(self.next) {
            if verb == 'v' {
                p.flags.sharp_v = std::mem::take(&mut p.flags.sharp);
                p.flags.plus_v = std::mem::take(&mut p.flags.plus);
            }
            self.next += 1;
            p.arg(arg, verb)?;
        } else {
            p.text(&format!("%!{verb}(MISSING)"));
        }
        Ok(())
    }

    /// An explicit argument index `[n]`; returns whether there was one.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = &self.text[self.at..];
        let Some(end) = rest.iter().position(|b| *b == b']') else {
            self.good = false;
            self.at += 1;
            return false;
        };
        let digits = std::str::from_utf8(&rest[1..end]).ok();
        self.at += end + 1;
        match digits.and_then(|d| d.parse::<usize>().ok()) {
            Some(n) if n >= 1 && n <= self.args.len() => {
                self.next = n - 1;
                true
            }
            _ => {
                self.good = false;
                // Go leaves the argument as it was when the index is not a number.
                digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
            }
        }
    }

    /// The argument of a `*`, if it is a sensible integer.
    fn int_arg(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        let value = match arg.plain() {
            Value::Int(_, v) => v,
            Value::Uint(_, v) => i64::try_from(v).ok()?,
            _ => return None,
        };
        (value.unsigned_abs() <= MAX_NUMBER as u64).then_some(value)
    }

    fn number(&mut self) -> Option<usize> {
        let mut value = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if value.is_some_and(|v| v > MAX_NUMBER) {
                self.at = self.text.len();
                return None;
            }
            value = Some(value.unwrap_or(0) * 10 + usize::from(digit - b'0'));
            self.at += 1;
        }
        value
    }

    fn extra(&self, p: &mut Printer) -> Result<(), Error> {
        p.flags = print::Flags::default();
        p.text("%!(EXTRA ");
        for (i, arg) in self.args[self.next..].iter().enumerate() {
            if i > 0 {
                p.text(", ");
            }
            if matches!(arg, Value::Nil) {
                p.text("<nil>");
            } else {
                p.text(&arg.type_name());
                p.text("=");
                p.arg(arg, 'v')?;
            }
        }
        p.text(")");
        Ok(())
    }
}
