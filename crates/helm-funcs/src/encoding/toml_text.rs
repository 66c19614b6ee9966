//! TOML as the encoder of `BurntSushi/toml` prints it: keys in order, values before tables, two
//! blanks for each level.

use std::fmt::Write;

use gotmpl::fmt::float_text;
use gotmpl::{Error, FloatKind, Object, Shape, Value};

use crate::args::fail;
use crate::dates::time::Time;
use crate::nesting;

/// A value in TOML.
///
/// # Errors
/// With the encoder's words: for lists with null in them, and where a list of tables has no key.
pub(super) fn toml_text(value: &Value) -> Result<String, Error> {
    if matches!(value, Value::Nil) {
        return fail("reflect: call of reflect.Value.Type on zero Value");
    }
    let mut writer = Writer::default();
    writer.entry(&[], value, 0)?;
    Ok(writer.out)
}

/// What TOML has for a value.
#[derive(PartialEq, Eq)]
enum Kind {
    /// Nothing: it is left out.
    Nothing,
    Plain,
    Table,
    Tables,
}

fn kind(value: &Value, depth: usize) -> Result<Kind, Error> {
    Ok(match value {
        Value::Nil => Kind::Nothing,
        Value::Map(map) if map.is_nil() => Kind::Nothing,
        Value::List(list) if list.is_nil() => Kind::Nothing,
        Value::Map(_) => Kind::Table,
        Value::List(list) => {
            let mut all_tables = !list.is_empty();
            for item in list.to_vec() {
                let kind = nesting::level(depth, |depth| kind(&item, depth))?;
                if kind == Kind::Nothing {
                    return fail("toml: cannot encode array with nil element");
                }
                all_tables &= kind == Kind::Table;
            }
            if all_tables {
                Kind::Tables
            } else {
                Kind::Plain
            }
        }
        Value::Object(object) => match object.shape() {
            _ if is_text(object.as_ref()) => Kind::Plain,
            Shape::Alias(plain) => kind(&plain, depth)?,
            Shape::Struct(_) | Shape::Pointer(_) => Kind::Table,
        },
        _ => Kind::Plain,
    })
}

/// Whether the value says itself what it is in a text: times, durations and versions do.
fn is_text(object: &dyn Object) -> bool {
    matches!(
        object.type_name(),
        "time.Time" | "time.Duration" | "*semver.Version"
    )
}

/// The entries of a table: fields of a struct keep their order.
fn entries(value: &Value) -> Vec<(String, Value)> {
    let fields = |fields: Vec<gotmpl::Field>| {
        let field = |field: gotmpl::Field| (field.name.to_owned(), field.value);
        fields
            .into_iter()
            .filter(gotmpl::Field::is_exported)
            .map(field)
            .collect()
    };
    match value {
        Value::Map(map) => {
            let entry = |(key, item): (gotmpl::Str, Value)| (key.text().into_owned(), item);
            map.entries().into_iter().map(entry).collect()
        }
        Value::Object(object) => match object.shape() {
            Shape::Alias(plain) => entries(&plain),
            Shape::Struct(of) | Shape::Pointer(of) => fields(of),
        },
        _ => Vec::new(),
    }
}

#[derive(Default)]
struct Writer {
    out: String,
}

impl Writer {
    fn print(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(text);
    }

    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn indent(&mut self, keys: &[String]) {
        self.out
            .push_str(&"  ".repeat(keys.len().saturating_sub(1)));
    }

    /// A value under its keys, on lines of its own.
    fn entry(&mut self, keys: &[String], value: &Value, depth: usize) -> Result<(), Error> {
        match kind(value, depth)? {
            Kind::Nothing => {}
            Kind::Plain => self.assignment(keys, value, false, depth)?,
            Kind::Table => {
                if keys.len() == 1 {
                    self.newline();
                }
                if !keys.is_empty() {
                    self.indent(keys);
                    self.print(format_args!("[{}]", path(keys)));
                    self.newline();
                }
                self.table(keys, value, depth)?;
            }
            Kind::Tables => {
                if keys.is_empty() {
                    return fail("toml: top-level values must be Go maps or structs");
                }
                let Value::List(list) = value.plain() else {
                    return Ok(());
                };
                for item in list.to_vec() {
                    self.newline();
                    self.indent(keys);
                    self.print(format_args!("[[{}]]", path(keys)));
                    self.newline();
                    self.table(keys, &item, depth)?;
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, keys: &[String], value: &Value, depth: usize) -> Result<(), Error> {
        for (key, item) in ordered(value, depth)?.concat() {
            let keys = [keys, &[key]].concat();
            nesting::level(depth, |depth| self.entry(&keys, &item, depth))?;
        }
        Ok(())
    }

    fn assignment(
        &mut self,
        keys: &[String],
        value: &Value,
        inline: bool,
        depth: usize,
    ) -> Result<(), Error> {
        let Some(last) = keys.last() else {
            return self.element(value, depth);
        };
        self.indent(keys);
        self.print(format_args!("{} = ", key_text(last)));
        self.element(value, depth)?;
        if !inline {
            self.newline();
        }
        Ok(())
    }

    /// A value on the right of `=` or inside of a list.
    fn element(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        match value {
            Value::Str(text) => self.out.push_str(&quoted(&text.text())),
            Value::Bool(v) => self.out.push_str(&v.to_string()),
            Value::Int(_, v) => self.out.push_str(&v.to_string()),
            Value::Uint(_, v) => self.out.push_str(&v.to_string()),
            Value::Float(kind, v) => self.out.push_str(&float(*kind, *v)),
            Value::Bytes(bytes) => {
                let bytes: Vec<String> = bytes.iter().map(ToString::to_string).collect();
                self.print(format_args!("[{}]", bytes.join(", ")));
            }
            Value::List(list) => {
                self.out.push('[');
                for (i, item) in list.to_vec().iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    nesting::level(depth, |depth| self.element(item, depth))?;
                }
                self.out.push(']');
            }
            Value::Map(_) => self.inline_table(value, depth)?,
            Value::Object(object) => {
                if let Some(time) = Time::of(value) {
                    self.out.push_str(&crate::dates::toml_time(&time));
                } else if is_text(object.as_ref()) {
                    let text = object.display().unwrap_or_default();
                    self.out.push_str(&quoted(&text));
                } else if let Shape::Alias(plain) = object.shape() {
                    self.element(&plain, depth)?;
                } else {
                    self.inline_table(value, depth)?;
                }
            }
            Value::Nil => {}
        }
        Ok(())
    }

    fn inline_table(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.out.push('{');
        let [plain, tables] = ordered(value, depth)?;
        for (group, more) in [(&plain, !tables.is_empty()), (&tables, false)] {
            for (i, (key, item)) in group.iter().enumerate() {
                // The encoder leaves the comma of the one before it.
                if kind(item, depth)? == Kind::Nothing {
                    continue;
                }
                let keys = std::slice::from_ref(key);
                nesting::level(depth, |depth| self.assignment(keys, item, true, depth))?;
                if more || i + 1 < group.len() {
                    self.out.push_str(", ");
                }
            }
        }
        self.out.push('}');
        Ok(())
    }
}

/// Values first, then tables.
fn ordered(value: &Value, depth: usize) -> Result<[Vec<(String, Value)>; 2], Error> {
    let (mut plain, mut tables) = (Vec::new(), Vec::new());
    for (key, item) in entries(value) {
        if matches!(kind(&item, depth)?, Kind::Table | Kind::Tables) {
            tables.push((key, item));
        } else {
            plain.push((key, item));
        }
    }
    Ok([plain, tables])
}

fn float(kind: FloatKind, v: f64) -> String {
    if v.is_nan() || v.is_infinite() {
        let sign = if v.is_sign_negative() { "-" } else { "" };
        let name = if v.is_nan() { "nan" } else { "inf" };
        return format!("{sign}{name}");
    }
    let text = match kind {
        FloatKind::Float64 => float_text(v),
        FloatKind::Float32 => gotmpl::fmt::format_float(v, 'g', None, true),
    };
    if text.contains(['.', 'e']) {
        text
    } else {
        text + ".0"
    }
}

fn path(keys: &[String]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| key_text(key)).collect();
    keys.join(".")
}

fn key_text(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' | '\u{7f}' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
