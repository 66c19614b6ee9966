//! The grammar of `--set` and its sisters: `a.b[0].c=value,d={x,y}`, with `\` before what shall mean nothing.

use serde_json::{Map, Value};

use crate::{Error, Values};

const LARGEST_INDEX: usize = 65_536;
const DEEPEST_NAME: usize = 30;

/// Sets what a `--set` line says, over what is there: `true`, `false`, `null` and whole numbers have a type, the rest is text.
///
/// # Errors
/// When the line does not fit the grammar; what stood before the error is set nevertheless, as in Helm.
pub fn set(values: &mut Values, line: &str) -> Result<(), Error> {
    Parser::new(line, Leaf::Typed).run(values)
}

/// `--set-string`: the same, but every value is text.
///
/// # Errors
/// As [`set`].
pub fn set_string(values: &mut Values, line: &str) -> Result<(), Error> {
    Parser::new(line, Leaf::Text).run(values)
}

/// `--set-file`: sets one path to the text of a file that the caller has read.
///
/// # Errors
/// As [`set`].
pub fn set_file(values: &mut Values, path: &str, text: &str) -> Result<(), Error> {
    Parser::new(&format!("{path}=-"), Leaf::File(text)).run(values)
}

/// `--set-json`: the values are JSON.
///
/// # Errors
/// As [`set`], and when a value is not JSON.
pub fn set_json(values: &mut Values, line: &str) -> Result<(), Error> {
    Parser::new(line, Leaf::Json).run(values)
}

/// `--set-literal`: all after the first `=` is the text, unchanged.
///
/// # Errors
/// As [`set`].
pub fn set_literal(values: &mut Values, line: &str) -> Result<(), Error> {
    Parser::new(line, Leaf::Literal).run(values)
}

/// JSON with Helm's numbers: all floating point.
pub(crate) fn parse_json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().map(as_floats)
}

/// Makes every number floating point, as `encoding/json` does for untyped values.
fn as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(as_floats).collect(),
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| (key, as_floats(value)))
                .collect(),
        ),
        other => other,
    }
}

/// What becomes of the text of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaf<'a> {
    Typed,
    Text,
    File(&'a str),
    Json,
    Literal,
}

/// Why a part of the line ends.
enum Stop {
    /// The line ends too, which is right in many places.
    End,
    Failed(Error),
}

fn failed<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(Error::Set(message.into())))
}

struct Parser<'a> {
    chars: Vec<char>,
    at: usize,
    leaf: Leaf<'a>,
}

impl<'a> Parser<'a> {
    fn new(line: &str, leaf: Leaf<'a>) -> Self {
        Self {
            chars: line.chars().collect(),
            at: 0,
            leaf,
        }
    }

    fn run(mut self, values: &mut Values) -> Result<(), Error> {
        loop {
            match self.key(values, 0) {
                Ok(()) => {}
                Err(Stop::End) => return Ok(()),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.chars.get(self.at).copied();
        self.at += usize::from(next.is_some());
        next
    }

    /// Reads up to one of the marks. `None` as the mark: the line has ended.
    fn until(&mut self, marks: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if marks.contains(&c) {
                return (text, Some(c));
            }
            if c == '\\' && self.leaf != Leaf::Literal {
                match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => break,
                }
            } else {
                text.push(c);
            }
        }
        (text, None)
    }

    fn key(&mut self, map: &mut Map<String, Value>, depth: usize) -> Result<(), Stop> {
        let marks: &[char] = if self.leaf == Leaf::Literal {
            &['=', '[', '.']
        } else {
            &['=', '[', ',', '.']
        };
        let (key, mark) = self.until(marks);
        match mark {
            None if key.is_empty() => Err(Stop::End),
            None => failed(format!("key {key:?} has no value")),
            Some('=') => self.map_value(map, key),
            Some('.') => self.nested(map, key, depth + 1),
            Some('[') => {
                let index = self.index()?;
                let mut list = match map.get(&key) {
                    None => Vec::new(),
                    Some(Value::Array(list)) => list.clone(),
                    Some(other) => return failed(conversion(other, "[]interface {}")),
                };
                let result = self.list_item(&mut list, index, depth);
                put(map, key, Value::Array(list));
                result
            }
            Some(_) => {
                let message = format!("key {key:?} has no value (cannot end with ,)");
                put(map, key, Value::String(String::new()));
                failed(message)
            }
        }
    }

    fn map_value(&mut self, map: &mut Map<String, Value>, key: String) -> Result<(), Stop> {
        match self.value() {
            Ok(value) => {
                put(map, key, value);
                Ok(())
            }
            Err(Stop::End) => {
                put(map, key, Value::String(String::new()));
                Err(Stop::End)
            }
            Err(stop) => Err(stop),
        }
    }

    fn nested(
        &mut self,
        map: &mut Map<String, Value>,
        key: String,
        depth: usize,
    ) -> Result<(), Stop> {
        check_depth(depth)?;
        let mut inner = match map.get(&key) {
            None => Map::new(),
            Some(Value::Object(inner)) => inner.clone(),
            Some(other) => return failed(conversion(other, "map[string]interface {}")),
        };
        let result = self.key(&mut inner, depth);
        if !inner.is_empty() {
            put(map, key, Value::Object(inner));
        } else if result.is_ok() {
            return failed(format!("key map {key:?} has no value"));
        }
        result
    }

    /// After `[`: the number and the `]`. Without the `]` Helm sets nothing and says nothing.
    fn index(&mut self) -> Result<usize, Stop> {
        let (text, mark) = self.until(&[']']);
        if mark.is_none() {
            return Err(Stop::End);
        }
        let Ok(index) = text.parse::<i64>() else {
            return failed(format!(
                "error parsing index: strconv.Atoi: parsing {text:?}: invalid syntax"
            ));
        };
        usize::try_from(index).or_else(|_| failed(format!("negative {index} index not allowed")))
    }

    /// After `]`.
    fn list_item(&mut self, list: &mut Vec<Value>, index: usize, depth: usize) -> Result<(), Stop> {
        let (text, mark) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            let runes: Vec<String> = text.chars().map(|c| format!("{c:?}")).collect();
            let runes = runes.join(" ");
            return failed(format!("unexpected data at end of array index: [{runes}]"));
        }
        match mark {
            None => Err(Stop::End),
            Some('=') => {
                let value = match self.value() {
                    Ok(value) => value,
                    Err(Stop::End) => Value::String(String::new()),
                    Err(stop) => return Err(stop),
                };
                put_index(list, index, value)
            }
            Some('[') => {
                let inner_index = self.index()?;
                let mut inner = match list.get(index) {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Array(inner)) => inner.clone(),
                    Some(other) => return failed(conversion(other, "[]interface {}")),
                };
                let result = self.list_item(&mut inner, inner_index, depth);
                if result.is_ok() || index < list.len() {
                    put_index(list, index, Value::Array(inner))?;
                }
                result
            }
            Some(_) => {
                let mut inner = match list.get(index) {
                    Some(Value::Object(inner)) => inner.clone(),
                    _ => Map::new(),
                };
                // What is set before the line ends stays only where the list was long enough.
                let result = self.key(&mut inner, depth);
                if result.is_ok() || index < list.len() {
                    put_index(list, index, Value::Object(inner))?;
                }
                result
            }
        }
    }

    /// After `=`.
    fn value(&mut self) -> Result<Value, Stop> {
        match self.leaf {
            Leaf::Json => self.json(),
            Leaf::Literal => {
                let text: String = self.chars[self.at..].iter().collect();
                self.at = self.chars.len();
                Ok(Value::String(text))
            }
            _ => match self.chars.get(self.at) {
                None => Err(Stop::End),
                Some('{') => self.list(),
                Some(_) => {
                    let (text, _) = self.until(&[',']);
                    Ok(self.leaf_value(text))
                }
            },
        }
    }

    /// `{a,b}`
    fn list(&mut self) -> Result<Value, Stop> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            match self.until(&[',', '}']) {
                (_, None) => return failed("list must terminate with '}'"),
                (text, Some(_)) => items.push(self.leaf_value(text)),
            }
            if self.chars.get(self.at - 1) == Some(&'}') {
                self.at += usize::from(self.chars.get(self.at) == Some(&','));
                return Ok(Value::Array(items));
            }
        }
    }

    fn json(&mut self) -> Result<Value, Stop> {
        if self.blank_up_to_comma() {
            return Ok(Value::Null);
        }
        let rest: String = self.chars[self.at..].iter().collect();
        let mut documents = serde_json::Deserializer::from_str(&rest).into_iter::<Value>();
        let value = match documents.next() {
            Some(Ok(value)) => as_floats(value),
            Some(Err(error)) => return failed(error.to_string()),
            None => return Err(Stop::End),
        };
        self.at += rest[..documents.byte_offset()].chars().count();
        self.blank_up_to_comma();
        Ok(value)
    }

    /// Passes over blanks, and over a comma after them; whether there was nothing else.
    fn blank_up_to_comma(&mut self) -> bool {
        loop {
            match self.chars.get(self.at) {
                None => return true,
                Some(',') => {
                    self.at += 1;
                    return true;
                }
                Some(c) if c.is_whitespace() => self.at += 1,
                Some(_) => return false,
            }
        }
    }

    fn leaf_value(&self, text: String) -> Value {
        match self.leaf {
            Leaf::Typed => typed(text),
            Leaf::File(content) => Value::String(content.to_owned()),
            Leaf::Text | Leaf::Json | Leaf::Literal => Value::String(text),
        }
    }
}

fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    if text == "0" {
        return 0.into();
    }
    // A leading zero makes text: file modes and the like.
    if !text.starts_with('0')
        && let Ok(number) = text.parse::<i64>()
    {
        return number.into();
    }
    Value::String(text)
}

fn check_depth(depth: usize) -> Result<(), Stop> {
    if depth > DEEPEST_NAME {
        return failed(format!(
            "value name nested level is greater than maximum supported nested level of {DEEPEST_NAME}"
        ));
    }
    Ok(())
}

/// An empty key sets nothing.
fn put(map: &mut Map<String, Value>, key: String, value: Value) {
    if !key.is_empty() {
        map.insert(key, value);
    }
}

fn put_index(list: &mut Vec<Value>, index: usize, value: Value) -> Result<(), Stop> {
    if index > LARGEST_INDEX {
        return failed(format!(
            "index of {index} is greater than maximum supported index of {LARGEST_INDEX}"
        ));
    }
    if list.len() <= index {
        list.resize(index + 1, Value::Null);
    }
    list[index] = value;
    Ok(())
}

/// What Go says when a value has not the type that the path needs.
fn conversion(found: &Value, wanted: &str) -> String {
    let found = match found {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    format!("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}")
}
