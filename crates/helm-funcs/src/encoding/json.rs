//! JSON texts as Go's encoding/json writes and reads them.

use std::fmt::Write;

use gotmpl::{Error, Value};
use serde_json::Value as Json;

use crate::args::fail;
use crate::convert::unsupported;
use crate::nesting;

/// A value as JSON; indented by two blanks per level if `indented`, with `<`, `>` and `&`
/// escaped if `escaped`.
///
/// # Errors
/// For infinite and undefined numbers, and for values that contain themselves.
pub fn json_text(value: &Value, indented: bool, escaped: bool) -> Result<String, Error> {
    let mut writer = Writer {
        out: String::new(),
        indented,
        html_safe: escaped,
    };
    writer.value(value, 0)?;
    Ok(writer.out)
}

/// Parses a JSON text; all numbers become float64.
pub(super) fn parse(text: &str) -> Result<Json, Error> {
    match serde_json::from_str::<Json>(text) {
        Ok(json) => Ok(as_floats(json)),
        Err(e) if e.is_eof() => fail("unexpected end of JSON input"),
        Err(e) => fail(syntax_error(text, &e)),
    }
}

/// Go names the character that it did not expect, and what it was looking for.
fn syntax_error(text: &str, e: &serde_json::Error) -> String {
    let message = e.to_string();
    let wanted = [
        (
            "key must be a string",
            "looking for beginning of object key string",
        ),
        ("expected value", "looking for beginning of value"),
        ("expected `:`", "after object key"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("trailing characters", "after top-level value"),
        ("trailing comma", "looking for beginning of value"),
        ("control character", "in string literal"),
        ("invalid escape", "in string escape code"),
    ];
    let wanted = wanted
        .iter()
        .find(|(theirs, _)| message.starts_with(theirs));
    let line = text
        .split('\n')
        .nth(e.line().saturating_sub(1))
        .unwrap_or("");
    // Go takes the byte for a character.
    let found = line
        .as_bytes()
        .get(e.column().saturating_sub(1))
        .copied()
        .map(char::from);
    match (wanted, found) {
        (Some((_, wanted)), Some(c)) => format!("invalid character '{c}' {wanted}"),
        _ => message,
    }
}

fn as_floats(json: Json) -> Json {
    match json {
        Json::Number(number) => Json::from(number.as_f64().unwrap_or(f64::NAN)),
        Json::Array(items) => Json::Array(items.into_iter().map(as_floats).collect()),
        Json::Object(map) => Json::Object(
            map.into_iter()
                .map(|(key, value)| (key, as_floats(value)))
                .collect(),
        ),
        other => other,
    }
}

struct Writer {
    out: String,
    indented: bool,
    html_safe: bool,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(v) => self.out.push_str(if *v { "true" } else { "false" }),
            Value::Int(_, v) => self.out.push_str(&v.to_string()),
            Value::Uint(_, v) => self.out.push_str(&v.to_string()),
            Value::Float(_, v) if !v.is_finite() => return Err(unsupported(*v)),
            Value::Float(_, v) => self.out.push_str(&float(*v)),
            Value::Str(s) => self.string(s),
            Value::Bytes(bytes) => self.string(super::base64_text(bytes).as_bytes()),
            Value::List(list) if list.is_nil() => self.out.push_str("null"),
            Value::Map(map) if map.is_nil() => self.out.push_str("null"),
            Value::List(list) => {
                let items = list.to_vec();
                nesting::level(depth, |depth| {
                    self.group('[', ']', items.len(), depth, |writer, i| {
                        writer.value(&items[i], depth)
                    })
                })?;
            }
            Value::Map(map) => {
                let entries = map.entries();
                nesting::level(depth, |depth| {
                    self.group('{', '}', entries.len(), depth, |writer, i| {
                        let (key, item) = &entries[i];
                        writer.string(key);
                        writer
                            .out
                            .push_str(if writer.indented { ": " } else { ":" });
                        writer.value(item, depth)
                    })
                })?;
            }
            Value::Object(object) => {
                nesting::level(depth, |_| self.value(&object.marshal(), depth))?;
            }
        }
        Ok(())
    }

    fn group(
        &mut self,
        open: char,
        close: char,
        len: usize,
        depth: usize,
        mut item: impl FnMut(&mut Self, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open);
        for i in 0..len {
            if i > 0 {
                self.out.push(',');
            }
            self.newline(depth);
            item(self, i)?;
        }
        if len > 0 {
            self.newline(depth - 1);
        }
        self.out.push(close);
        Ok(())
    }

    fn newline(&mut self, depth: usize) {
        if self.indented {
            self.out.push('\n');
            self.out.push_str(&"  ".repeat(depth));
        }
    }

    fn string(&mut self, bytes: &[u8]) {
        self.out.push('"');
        for chunk in bytes.utf8_chunks() {
            self.escaped(chunk.valid());
            for _ in chunk.invalid() {
                self.unicode(char::REPLACEMENT_CHARACTER);
            }
        }
        self.out.push('"');
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '"' | '\\' => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => self.unicode(c),
                '<' | '>' | '&' if self.html_safe => self.unicode(c),
                _ => self.out.push(c),
            }
        }
    }

    fn unicode(&mut self, c: char) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "\\u{:04x}", u32::from(c));
    }
}

/// A float as JSON: plain digits unless the number is very small or very large.
fn float(v: f64) -> String {
    let size = v.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = gotmpl::fmt::format_float(v, 'e', None, false);
        // One digit of a negative exponent is enough here.
        return match text.split_once("e-0") {
            Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
            None => text,
        };
    }
    gotmpl::fmt::format_float(v, 'f', None, false)
}
