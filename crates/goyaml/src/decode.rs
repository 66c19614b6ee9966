//! From nodes to a JSON value: types, merges, aliases, duplicate keys.

use std::collections::HashSet;

use base64::Engine as _;
use serde_json::{Map, Number, Value};

use crate::error::{Duplicate, Error};
use crate::float::format_g32;
use crate::node::{Id, Kind, MAX_DEPTH, Node, Tree};
use crate::resolve::{Scalar, Tag, resolve};

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// What becomes of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// As JSON text has them: whole numbers are integers, also where they are written as `1.0`.
    Exact,
    /// As YAML has them: `1` is an integer, `1.0` is none.
    Typed,
    /// All are floating point, as `encoding/json` decodes into an untyped value.
    Float64,
}

/// Reads the first document of a text.
pub(crate) fn decode(text: &str, numbers: Numbers, strict: bool) -> Result<Value, Error> {
    let tree = Tree::read(text)?;
    let mut decoder = Decoder {
        tree: &tree,
        numbers,
        strict,
        duplicates: Vec::new(),
        open_aliases: HashSet::new(),
        decoded: 0,
        decoded_in_aliases: 0,
        depth: 0,
        no_key: None,
        maps: 0,
        no_number: None,
    };
    let value = match tree.root {
        Some(root) => decoder.value(root)?,
        None => Value::Null,
    };
    if !decoder.duplicates.is_empty() {
        return Err(Error::Duplicates(decoder.duplicates));
    }
    let no_key = decoder.no_key.map(|(_, message)| Error::NotJson(message));
    match no_key.or(decoder.no_number) {
        Some(error) => Err(error),
        None => Ok(value),
    }
}

struct Decoder<'tree> {
    tree: &'tree Tree,
    numbers: Numbers,
    strict: bool,
    duplicates: Vec<Duplicate>,
    open_aliases: HashSet<Id>,
    decoded: u64,
    decoded_in_aliases: u64,
    depth: usize,
    /// What cannot become JSON, the first of each kind. It is found in steps after the reading:
    /// keys of maps first, numbers last.
    no_key: Option<(usize, String)>,
    /// How many maps were begun.
    maps: usize,
    no_number: Option<Error>,
}

impl Decoder<'_> {
    fn value(&mut self, id: Id) -> Result<Value, Error> {
        self.count()?;
        let node = self.tree.node(id);
        match &node.kind {
            Kind::Alias(target) => self.inside_alias(id, *target, Self::value),
            Kind::Scalar {
                text,
                implicit,
                tag,
            } => {
                let scalar = scalar(text, *implicit, tag)?;
                Ok(json_scalar(scalar, self.numbers).unwrap_or_else(|error| {
                    self.no_number.get_or_insert(error);
                    Value::Null
                }))
            }
            Kind::Sequence(children) => {
                self.descend(node)?;
                let items = children
                    .iter()
                    .map(|child| self.value(*child))
                    .collect::<Result<_, _>>()?;
                self.depth -= 1;
                Ok(Value::Array(items))
            }
            Kind::Mapping(children) => {
                let mut map = Map::new();
                self.mapping(node, children, &mut map)?;
                Ok(Value::Object(map))
            }
        }
    }

    fn mapping(
        &mut self,
        node: &Node,
        children: &[Id],
        map: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        self.descend(node)?;
        self.maps += 1;
        let this_map = self.maps;
        for pair in children.chunks_exact(2) {
            let (key, value) = (pair[0], pair[1]);
            if self.is_merge(key) {
                self.merge(value, map)?;
                continue;
            }
            let key = self.key(key, value, this_map)?;
            let line = self.tree.node(value).line;
            let value = self.value(value)?;
            if self.strict && map.contains_key(&key) {
                self.duplicates.push(Duplicate { line, key });
            } else {
                map.insert(key, value);
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The tag `!` makes any `<<` a plain one, also if it is quoted.
    fn is_merge(&self, key: Id) -> bool {
        matches!(&self.tree.node(key).kind, Kind::Scalar { text, implicit, tag }
            if text == "<<"
                && (*implicit || tag == "!" || tag.strip_prefix(TAG_PREFIX) == Some("merge")))
    }

    /// `<<`: a map, or a list of maps of which the first ones win.
    fn merge(&mut self, value: Id, map: &mut Map<String, Value>) -> Result<(), Error> {
        match &self.tree.node(value).kind {
            Kind::Sequence(maps) => {
                for id in maps.iter().rev() {
                    self.merge_map(*id, map)?;
                }
                Ok(())
            }
            _ => self.merge_map(value, map),
        }
    }

    fn merge_map(&mut self, id: Id, map: &mut Map<String, Value>) -> Result<(), Error> {
        self.count()?;
        let node = self.tree.node(id);
        match &node.kind {
            Kind::Mapping(children) => self.mapping(node, children, map),
            Kind::Alias(target) if matches!(self.tree.node(*target).kind, Kind::Mapping(_)) => self
                .inside_alias(id, *target, |decoder, target| {
                    decoder.merge_map(target, map)
                }),
            _ => Err(Error::read(
                None,
                "map merge requires map or sequence of maps as the value",
            )),
        }
    }

    /// The text of a key. One that JSON has no text for is empty, and told in the end.
    fn key(&mut self, id: Id, value: Id, map: usize) -> Result<String, Error> {
        self.count()?;
        let node = self.tree.node(id);
        match &node.kind {
            Kind::Alias(target) => self.inside_alias(id, *target, |decoder, target| {
                decoder.key(target, value, map)
            }),
            Kind::Scalar {
                text,
                implicit,
                tag,
            } => Ok(match scalar(text, *implicit, tag)? {
                Scalar::Str(text) => text,
                Scalar::Bool(flag) => flag.to_string(),
                Scalar::Int(number) => number.to_string(),
                Scalar::Float(number) => format_g32(number),
                Scalar::Uint(number) => {
                    self.unsupported("uint64", &format!("{number:#x}"), value, map)
                }
                Scalar::Null => self.unsupported("%!s(<nil>)", "<nil>", value, map),
            }),
            Kind::Sequence(_) | Kind::Mapping(_) => {
                self.value(id)?;
                let key = self.tree.go_syntax(id);
                Err(Error::read(None, format!("invalid map key: {key}")))
            }
        }
    }

    /// Of a key that is set twice in a map the last value counts.
    fn unsupported(&mut self, of: &str, key: &str, value: Id, map: usize) -> String {
        if self.no_key.as_ref().is_none_or(|(first, _)| *first == map) {
            let value = match self.tree.go_syntax(value) {
                nil if nil == NIL => "<nil>".to_owned(),
                value => value,
            };
            let message = format!("unsupported map key of type: {of}, key: {key}, value: {value}");
            self.no_key = Some((map, message));
        }
        String::new()
    }

    fn inside_alias<T>(
        &mut self,
        alias: Id,
        target: Id,
        read: impl FnOnce(&mut Self, Id) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if !self.open_aliases.insert(alias) {
            return Err(Error::read(None, "anchor value contains itself"));
        }
        let result = read(self, target);
        self.open_aliases.remove(&alias);
        result
    }

    fn descend(&mut self, node: &Node) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::read(
                Some(node.line),
                format!("exceeded max depth of {MAX_DEPTH}"),
            ));
        }
        Ok(())
    }

    /// go-yaml's guard against documents whose aliases blow up: the more is decoded, the less of it may come from aliases.
    fn count(&mut self) -> Result<(), Error> {
        const LOW: u64 = 400_000;
        const HIGH: u64 = 4_000_000;
        self.decoded += 1;
        if !self.open_aliases.is_empty() {
            self.decoded_in_aliases += 1;
        }
        let allowed = match self.decoded {
            0..=LOW => 0.99,
            HIGH.. => 0.10,
            count => 0.99 - 0.89 * ((count - LOW) as f64 / (HIGH - LOW) as f64),
        };
        let share = self.decoded_in_aliases as f64 / self.decoded as f64;
        if self.decoded_in_aliases > 100 && self.decoded > 1000 && share > allowed {
            return Err(Error::read(None, "document contains excessive aliasing"));
        }
        Ok(())
    }
}

/// The typed value of a scalar node.
fn scalar(text: &str, implicit: bool, tag: &str) -> Result<Scalar, Error> {
    if tag.is_empty() {
        return Ok(if implicit {
            resolve(text).1
        } else {
            Scalar::Str(text.to_owned())
        });
    }
    let Some(known) = tag.strip_prefix(TAG_PREFIX) else {
        return Ok(Scalar::Str(text.to_owned()));
    };
    let (found, value) = match known {
        "bool" | "int" | "float" | "null" | "timestamp" => resolve(text),
        "binary" => return binary(text),
        _ => return Ok(Scalar::Str(text.to_owned())),
    };
    match (known, found, value) {
        ("float", Tag::Int, Scalar::Int(number)) => Ok(Scalar::Float(number as f64)),
        (known, found, value) if known == found.name() => Ok(value),
        (known, found, _) => Err(Error::read(
            None,
            format!("cannot decode !!{} `{text}` as a !!{known}", found.name()),
        )),
    }
}

fn binary(text: &str) -> Result<Scalar, Error> {
    // Go's decoder skips line ends.
    let text: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| Error::read(None, "!!binary value contains invalid base64 data"))?;
    Ok(Scalar::Str(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The JSON value, or why there is none.
fn json_scalar(scalar: Scalar, numbers: Numbers) -> Result<Value, Error> {
    let float = |number: f64| {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| {
            let name = if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            Error::NotJson(format!("json: unsupported value: {name}"))
        })
    };
    match (scalar, numbers) {
        (Scalar::Null, _) => Ok(Value::Null),
        (Scalar::Bool(flag), _) => Ok(Value::Bool(flag)),
        (Scalar::Str(text), _) => Ok(Value::String(text)),
        (Scalar::Int(number), Numbers::Exact | Numbers::Typed) => Ok(number.into()),
        (Scalar::Uint(number), Numbers::Exact | Numbers::Typed) => Ok(number.into()),
        (Scalar::Int(number), Numbers::Float64) => float(number as f64),
        (Scalar::Uint(number), Numbers::Float64) => float(number as f64),
        // JSON text has no sign of what was whole and floating point.
        (Scalar::Float(number), Numbers::Exact)
            if number.fract() == 0.0
                && number.abs() < 9.2e18
                && !(number == 0.0 && number.is_sign_negative()) =>
        {
            Ok((number as i64).into())
        }
        (Scalar::Float(number), _) => float(number),
    }
}

/// nil within a collection, as Go's `%#v` prints it.
const NIL: &str = "interface {}(nil)";

impl Tree {
    /// A value as Go's `%#v` prints it; aliases that blow up are cut short.
    fn go_syntax(&self, id: Id) -> String {
        const MOST_NODES: usize = 100_000;
        self.go_syntax_within(id, MAX_DEPTH, &mut { MOST_NODES })
    }

    fn go_syntax_within(&self, id: Id, depth: usize, left: &mut usize) -> String {
        let (Some(depth), Some(rest)) = (depth.checked_sub(1), left.checked_sub(1)) else {
            return NIL.to_owned();
        };
        *left = rest;
        match &self.node(id).kind {
            Kind::Alias(target) => self.go_syntax_within(*target, depth, left),
            Kind::Scalar {
                text,
                implicit,
                tag,
            } => match scalar(text, *implicit, tag) {
                Ok(Scalar::Str(text)) => format!("{text:?}"),
                Ok(Scalar::Bool(flag)) => flag.to_string(),
                Ok(Scalar::Int(number)) => number.to_string(),
                Ok(Scalar::Uint(number)) => format!("{number:#x}"),
                Ok(Scalar::Float(number)) if number.is_nan() => "NaN".to_owned(),
                Ok(Scalar::Float(number)) if number.is_infinite() => {
                    let sign = if number > 0.0 { '+' } else { '-' };
                    format!("{sign}Inf")
                }
                Ok(Scalar::Float(number)) => crate::format_general(number),
                Ok(Scalar::Null) | Err(_) => NIL.to_owned(),
            },
            Kind::Sequence(children) => {
                let items: Vec<String> = children
                    .iter()
                    .map(|child| self.go_syntax_within(*child, depth, left))
                    .collect();
                format!("[]interface {{}}{{{}}}", items.join(", "))
            }
            Kind::Mapping(children) => {
                let mut entries: Vec<String> = children
                    .chunks_exact(2)
                    .map(|pair| {
                        let key = self.go_syntax_within(pair[0], depth, left);
                        format!("{key}:{}", self.go_syntax_within(pair[1], depth, left))
                    })
                    .collect();
                entries.sort_unstable();
                let entries = entries.join(", ");
                format!("map[interface {{}}]interface {{}}{{{entries}}}")
            }
        }
    }
}
