//! Writes a value as block YAML the way go-yaml does.

use serde_json::{Map, Value};

use crate::float::{format_general, format_json};
use crate::key_order::sorted;
use crate::resolve::{Scalar, resolve};
use crate::scalar_style::{Analysis, Style, is_break, is_printable};

const INDENT: usize = 2;
const WIDTH: usize = 80;
/// Longer keys get the form `? key`.
const LONGEST_SIMPLE_KEY: usize = 128;

/// Whose way of writing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// go-yaml v2: sequences level with their key, folding after column 80. Numbers come from JSON text.
    V2,
    /// go-yaml v3 with an indentation of two: sequences indented below their key, no folding.
    V3,
}

/// Where a node stands, which decides the indentation of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodePosition {
    Root,
    Item,
    MapValue,
}

/// The text of a value, ended by a newline.
pub(crate) fn emit(value: &Value, dialect: Dialect) -> String {
    let mut emitter = Emitter {
        dialect,
        out: String::new(),
        column: 0,
        spaced: true,
        fresh: true,
    };
    emitter.node(value, None, NodePosition::Root);
    emitter.line_at(0);
    emitter.out
}

struct Emitter {
    dialect: Dialect,
    out: String,
    /// Counted in characters, from 0.
    column: usize,
    /// The last thing written was white space, or nothing is written yet.
    spaced: bool,
    /// The line holds nothing but indentation and the marks `-`, `?`, `:`.
    fresh: bool,
}

impl Emitter {
    /// Writes a node whose parent block, if any, stands at `parent`.
    fn node(&mut self, value: &Value, parent: Option<usize>, place: NodePosition) {
        let inner = parent.map_or(0, |parent| parent + INDENT);
        match value {
            Value::Object(map) if map.is_empty() => self.empty("{}"),
            Value::Array(items) if items.is_empty() => self.empty("[]"),
            Value::Object(map) => self.mapping(map, inner),
            Value::Array(items) => {
                let level_with_key =
                    self.dialect == Dialect::V2 && place == NodePosition::MapValue && !self.fresh;
                let indent = if level_with_key {
                    parent.unwrap_or(0)
                } else {
                    inner
                };
                for item in items {
                    self.line_at(indent);
                    self.mark('-');
                    self.node(item, Some(indent), NodePosition::Item);
                }
            }
            Value::String(text) => {
                let analysis = Analysis::of(text, self.dialect);
                let style = analysis.string_style(text, false);
                self.scalar(
                    text,
                    style,
                    parent.map_or(INDENT, |parent| parent + INDENT),
                    true,
                );
            }
            Value::Null => self.word("null"),
            Value::Bool(flag) => self.word(if *flag { "true" } else { "false" }),
            Value::Number(number) => self.word(&number_text(number, self.dialect)),
        }
    }

    fn mapping(&mut self, map: &Map<String, Value>, indent: usize) {
        for (key, value) in sorted(map.iter(), self.dialect) {
            self.line_at(indent);
            let analysis = Analysis::of(key, self.dialect);
            let simple = !analysis.multiline && key.len() <= LONGEST_SIMPLE_KEY;
            let style = analysis.string_style(key, simple);
            if simple {
                self.scalar(key, style, indent + INDENT, false);
                self.put(':');
                self.spaced = false;
                self.fresh = false;
            } else {
                self.mark('?');
                self.scalar(key, style, indent + INDENT, true);
                self.line_at(indent);
                self.mark(':');
            }
            self.node(value, Some(indent), NodePosition::MapValue);
        }
    }

    fn scalar(&mut self, text: &str, style: Style, indent: usize, fold: bool) {
        match style {
            Style::Plain => self.plain(text, indent, fold),
            Style::SingleQuoted => self.single_quoted(text, indent, fold),
            Style::DoubleQuoted => self.double_quoted(text, indent, fold),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn word(&mut self, text: &str) {
        self.space();
        text.chars().for_each(|c| self.put(c));
        self.spaced = false;
        self.fresh = false;
    }

    fn plain(&mut self, text: &str, indent: usize, fold: bool) {
        self.space();
        self.flow_text(text, indent, fold, false);
        self.spaced = false;
        self.fresh = false;
    }

    fn single_quoted(&mut self, text: &str, indent: usize, fold: bool) {
        self.space();
        self.put('\'');
        self.spaced = false;
        self.fresh = false;
        self.flow_text(text, indent, fold, true);
        self.put('\'');
        self.spaced = false;
        self.fresh = false;
    }

    /// The inside of plain and single quoted scalars: a lone space after column 80 becomes a line end.
    fn flow_text(&mut self, text: &str, indent: usize, fold: bool, quoted: bool) {
        let chars: Vec<char> = text.chars().collect();
        let (mut after_space, mut after_break) = (false, false);
        for (at, c) in chars.iter().copied().enumerate() {
            if c == ' ' {
                let at_edge = quoted && (at == 0 || at + 1 == chars.len());
                let foldable = fold && !after_space && !at_edge && chars.get(at + 1) != Some(&' ');
                if foldable && self.is_wide() {
                    self.line_at(indent);
                } else {
                    self.put(' ');
                }
                after_space = true;
                continue;
            }
            if is_break(c) {
                if !after_break && c == '\n' {
                    self.line_end('\n');
                }
                self.line_end(c);
                self.fresh = true;
                after_break = true;
                continue;
            }
            if after_break {
                self.line_at(indent);
            }
            if quoted && c == '\'' {
                self.put('\'');
            }
            self.put(c);
            self.fresh = false;
            (after_space, after_break) = (false, false);
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, fold: bool) {
        self.space();
        self.put('"');
        self.spaced = false;
        self.fresh = false;
        let chars: Vec<char> = text.chars().collect();
        // go-yaml looks for a byte order mark at the first character whatever character it is about to write.
        let escape_all = text.starts_with('\u{feff}');
        let mut after_space = false;
        for (at, c) in chars.iter().copied().enumerate() {
            if escape_all || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                escape(c).chars().for_each(|c| self.put(c));
                after_space = false;
            } else if c == ' ' {
                let inside = at > 0 && at + 1 < chars.len();
                if fold && !after_space && self.is_wide() && inside {
                    self.line_at(indent);
                    if chars[at + 1] == ' ' {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                after_space = true;
            } else {
                self.put(c);
                after_space = false;
            }
        }
        self.put('"');
        self.spaced = false;
        self.fresh = false;
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.space();
        self.put('|');
        if text.starts_with([' ', '\r', '\n', '\u{85}', '\u{2028}', '\u{2029}']) {
            self.put('2');
        }
        let mut backwards = text.chars().rev();
        match (backwards.next().is_some_and(is_break), backwards.next()) {
            (false, _) => self.put('-'),
            (true, None) => self.put('+'),
            (true, Some(before)) if is_break(before) => self.put('+'),
            (true, Some(_)) => {}
        }
        self.line_end('\n');
        self.fresh = true;
        self.spaced = true;
        let mut after_break = true;
        for c in text.chars() {
            if is_break(c) {
                self.line_end(c);
                self.fresh = true;
                after_break = true;
            } else {
                if after_break {
                    self.line_at(indent);
                }
                self.put(c);
                self.fresh = false;
                after_break = false;
            }
        }
    }

    fn is_wide(&self) -> bool {
        self.dialect == Dialect::V2 && self.column > WIDTH
    }

    fn empty(&mut self, brackets: &str) {
        self.word(brackets);
    }

    /// `-`, `?` or `:` at the begin of a line; further marks and keys may follow on the same line.
    fn mark(&mut self, mark: char) {
        self.space();
        self.put(mark);
        self.spaced = false;
    }

    /// A space, where none is yet.
    fn space(&mut self) {
        if !self.spaced {
            self.put(' ');
        }
    }

    /// Goes to a column, on a new line unless this one is still empty before it.
    fn line_at(&mut self, indent: usize) {
        if !self.fresh || self.column > indent || (self.column == indent && !self.spaced) {
            self.line_end('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.spaced = true;
        self.fresh = true;
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn line_end(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

/// In v2 a number goes through JSON text and go-yaml's resolution, which turns whole floating point numbers into integers.
fn number_text(number: &serde_json::Number, dialect: Dialect) -> String {
    if let (Dialect::V3, true, Some(float)) = (dialect, number.is_f64(), number.as_f64()) {
        return format_general(float);
    }
    let json = match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (None, None, Some(float)) => format_json(float).unwrap_or_else(|| "null".to_owned()),
        _ => number.to_string(),
    };
    match resolve(&json).1 {
        Scalar::Int(number) => number.to_string(),
        Scalar::Uint(number) => number.to_string(),
        Scalar::Float(number) => format_general(number),
        _ => json,
    }
}
