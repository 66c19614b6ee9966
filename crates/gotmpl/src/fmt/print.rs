//! The printer: one value under one verb with its flags.

use std::fmt::Write;

use super::quote::{first_char, is_print, quote_with};
use crate::error::Error;
use crate::types::Type;
use crate::value::{Field, Map, Object, Shape, Value};

/// How deep a value may nest; deeper ones contain themselves.
const MAX_DEPTH: usize = 10_000;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) sharp: bool,
    pub(super) zero: bool,
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) space: bool,
    /// `%+v`.
    pub(super) plus_v: bool,
    /// `%#v`.
    pub(super) sharp_v: bool,
    pub(super) width: Option<usize>,
    pub(super) prec: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Printer {
    pub(super) out: Vec<u8>,
    pub(super) flags: Flags,
    /// Set while a wrong verb is reported: methods are not called then.
    erroring: bool,
}

impl Printer {
    pub(super) fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Prints an argument.
    pub(super) fn arg(&mut self, arg: &Value, verb: char) -> Result<(), Error> {
        match (arg, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (_, 'T') => self.string(arg.type_name().as_bytes(), 's'),
            // Nothing here is a pointer that may be shown, and %w belongs to errors.
            (Value::Bytes(_), 'w') => return self.value(arg, verb, 0),
            (_, 'p' | 'w') => return self.bad_verb(arg, verb),
            _ => return self.value(arg, verb, 0),
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::call(
                "cannot print a value that is nested too deeply",
            ));
        }
        crate::limits::step()?;
        crate::limits::made(self.flags.width.unwrap_or(0))?;
        match value {
            Value::Nil if depth > 0 => self.text("<nil>"),
            Value::Nil => return self.bad_verb(value, verb),
            Value::Bool(v) => match verb {
                't' | 'v' => self.pad(if *v { b"true" } else { b"false" }),
                _ => return self.bad_verb(value, verb),
            },
            Value::Int(_, v) => return self.integer(value, v.unsigned_abs(), *v < 0, verb),
            Value::Uint(..) if verb == 'v' && self.flags.sharp_v => {
                self.flags.sharp = true;
                let Value::Uint(_, v) = value else {
                    return Ok(());
                };
                self.digits(*v, false, 'x');
                self.flags.sharp = false;
            }
            Value::Uint(_, v) => return self.integer(value, *v, false, verb),
            Value::Float(kind, v) => match verb {
                'v' | 'g' | 'G' | 'e' | 'E' | 'f' | 'F' | 'x' | 'X' | 'b' => {
                    let single = *kind == crate::types::FloatKind::Float32;
                    self.float(*v, verb, single);
                }
                _ => return self.bad_verb(value, verb),
            },
            Value::Str(s) => match verb {
                'v' if self.flags.sharp_v => self.string(s, 'q'),
                'v' => self.string(s, 's'),
                's' | 'x' | 'X' | 'q' => self.string(s, verb),
                _ => return self.bad_verb(value, verb),
            },
            Value::Bytes(bytes) => match verb {
                's' | 'x' | 'X' | 'q' => self.string(bytes, verb),
                _ => {
                    let items: Vec<Value> = bytes
                        .iter()
                        .map(|b| Value::Uint(crate::types::UintKind::Uint8, u64::from(*b)))
                        .collect();
                    self.list(&items, "[]byte", verb, depth)?;
                }
            },
            Value::List(list) => {
                let name = Type::List(list.elem()).to_string();
                self.list(&list.to_vec(), &name, verb, depth)?;
            }
            Value::Map(map) => {
                self.map(map, &Type::Map(map.elem()).to_string(), verb, depth)?;
            }
            Value::Object(object) => self.object(value, object.as_ref(), verb, depth)?,
        }
        Ok(())
    }

    fn list(&mut self, items: &[Value], of: &str, verb: char, depth: usize) -> Result<(), Error> {
        let (open, separator, close) = if self.flags.sharp_v {
            (format!("{of}{{"), ", ", "}")
        } else {
            ("[".to_owned(), " ", "]")
        };
        self.text(&open);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.text(separator);
            }
            self.nested(item, verb, depth)?;
        }
        self.text(close);
        Ok(())
    }

    fn map(&mut self, map: &Map, of: &str, verb: char, depth: usize) -> Result<(), Error> {
        let sharp = self.flags.sharp_v;
        let open = if sharp {
            format!("{of}{{")
        } else {
            "map[".to_owned()
        };
        self.text(&open);
        for (i, (key, item)) in map.entries().iter().enumerate() {
            if i > 0 {
                self.text(if sharp { ", " } else { " " });
            }
            self.value(&Value::Str(key.clone()), verb, depth + 1)?;
            self.out.push(b':');
            self.nested(item, verb, depth)?;
        }
        self.out.push(if sharp { b'}' } else { b']' });
        Ok(())
    }

    fn object(
        &mut self,
        value: &Value,
        object: &dyn Object,
        verb: char,
        depth: usize,
    ) -> Result<(), Error> {
        if !self.erroring
            && !self.flags.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Some(text) = object.display()
        {
            self.string(text.as_bytes(), if verb == 'v' { 's' } else { verb });
            return Ok(());
        }
        if !self.erroring
            && self.flags.sharp_v
            && let Some(text) = object.go_string()
        {
            self.string(text.as_bytes(), 's');
            return Ok(());
        }
        let fields = match object.shape() {
            Shape::Alias(plain) => return self.alias(value, &plain, verb, depth),
            Shape::Struct(fields) => fields,
            // Go prints an address here, which tells nobody anything.
            Shape::Pointer(_) if depth > 0 && verb != 'v' => return self.bad_verb(value, verb),
            Shape::Pointer(fields) => {
                self.out.push(b'&');
                fields
            }
        };
        self.fields(
            object.type_name().trim_start_matches('*'),
            &fields,
            verb,
            depth,
        )
    }

    /// A named map, list, string or number prints as what it is made of, but names its own
    /// type when the verb is wrong.
    fn alias(
        &mut self,
        value: &Value,
        plain: &Value,
        verb: char,
        depth: usize,
    ) -> Result<(), Error> {
        let start = self.out.len();
        match plain {
            Value::Map(map) => self.map(map, &value.type_name(), verb, depth)?,
            Value::List(list) => self.list(&list.to_vec(), &value.type_name(), verb, depth)?,
            plain => self.value(plain, verb, depth)?,
        }
        let wrong = format!("%!{verb}({}=", plain.type_name());
        if self.out[start..].starts_with(wrong.as_bytes()) {
            self.out.truncate(start);
            return self.bad_verb(value, verb);
        }
        Ok(())
    }

    pub(super) fn fields(
        &mut self,
        name: &str,
        fields: &[Field],
        verb: char,
        depth: usize,
    ) -> Result<(), Error> {
        if self.flags.sharp_v {
            self.text(name);
        }
        self.out.push(b'{');
        for (i, field) in fields.iter().enumerate() {
            if i > 0 {
                self.text(if self.flags.sharp_v { ", " } else { " " });
            }
            if self.flags.plus_v || self.flags.sharp_v {
                self.text(field.name);
                self.out.push(b':');
            }
            self.nested(&field.value, verb, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn nested(&mut self, value: &Value, verb: char, depth: usize) -> Result<(), Error> {
        if matches!(value, Value::Nil) && self.flags.sharp_v {
            self.text("interface {}(nil)");
            return Ok(());
        }
        stacker::maybe_grow(64 * 1024, 1024 * 1024, || {
            self.value(value, verb, depth + 1)
        })
    }

    pub(super) fn bad_verb(&mut self, value: &Value, verb: char) -> Result<(), Error> {
        self.erroring = true;
        self.text(&format!("%!{verb}("));
        if matches!(value, Value::Nil) {
            self.text("<nil>");
        } else {
            self.text(&value.type_name());
            self.out.push(b'=');
            self.value(value, 'v', 0)?;
        }
        self.out.push(b')');
        self.erroring = false;
        Ok(())
    }

    /// Pads to the width, which counts characters.
    pub(super) fn pad(&mut self, text: &[u8]) {
        let missing = self
            .flags
            .width
            .unwrap_or(0)
            .saturating_sub(char_count(text));
        let fill = if self.flags.zero && !self.flags.minus {
            b'0'
        } else {
            b' '
        };
        if self.flags.minus {
            self.out.extend_from_slice(text);
            self.fill(missing, fill);
        } else {
            self.fill(missing, fill);
            self.out.extend_from_slice(text);
        }
    }

    fn fill(&mut self, count: usize, fill: u8) {
        self.out.resize(self.out.len() + count, fill);
    }

    fn string(&mut self, text: &[u8], verb: char) {
        match verb {
            's' => self.pad(self.truncated(text).to_vec().as_slice()),
            'q' => {
                let text = self.truncated(text).to_vec();
                let raw = std::str::from_utf8(&text).ok().filter(|t| {
                    self.flags.sharp && t.chars().all(|c| c != '`' && (is_print(c) || c == '\t'))
                });
                let quoted = match raw {
                    Some(raw) => format!("`{raw}`"),
                    None => quote_with(&text, '"', self.flags.plus),
                };
                self.pad(quoted.as_bytes());
            }
            _ => self.hex(text, verb == 'X'),
        }
    }

    fn truncated<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let Some(limit) = self.flags.prec else {
            return text;
        };
        let mut end = 0;
        for _ in 0..limit {
            match first_char(&text[end..]) {
                Some((_, len)) => end += len,
                None => break,
            }
        }
        &text[..end]
    }

    fn hex(&mut self, text: &[u8], upper: bool) {
        let prefix = if upper { "0X" } else { "0x" };
        let limit = self.flags.prec.unwrap_or(text.len()).min(text.len());
        let mut out = String::new();
        for (i, byte) in text[..limit].iter().enumerate() {
            if self.flags.space && i > 0 {
                out.push(' ');
            }
            if self.flags.sharp && (i == 0 || self.flags.space) {
                out.push_str(prefix);
            }
            // Writing to a string cannot fail.
            let _ = if upper {
                write!(out, "{byte:02X}")
            } else {
                write!(out, "{byte:02x}")
            };
        }
        self.pad(out.as_bytes());
    }
}

fn char_count(text: &[u8]) -> usize {
    let (mut count, mut at) = (0, 0);
    while let Some((_, len)) = first_char(&text[at..]) {
        count += 1;
        at += len;
    }
    count
}
