//! The first document of a text as a tree of nodes, before any scalar has a type.

use std::{borrow::Cow, collections::HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use crate::Error;
use crate::indentation::Indenter;

/// Deeper nesting is refused, so that neither reading nor dropping a value can exhaust the stack.
pub(crate) const MAX_DEPTH: usize = 1000;

/// The place of a node in its [`Tree`].
pub(crate) type Id = usize;

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Counted from 1.
    pub(crate) line: usize,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Scalar {
        text: String,
        /// Plain and without a tag, so that the text decides the type.
        implicit: bool,
        /// The whole tag, such as `tag:yaml.org,2002:int`; empty without one.
        tag: String,
    },
    Sequence(Vec<Id>),
    /// Keys and values in turns.
    Mapping(Vec<Id>),
    Alias(Id),
}

/// The nodes of one document.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    pub(crate) root: Option<Id>,
}

impl Tree {
    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// Reads the first document; like go-yaml, it does not look at what follows it.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        reject_control_characters(text)?;
        let mut text = Cow::Borrowed(text);
        let mut indenter = Indenter::default();
        loop {
            match Self::parse(&text) {
                Ok(tree) => return Ok(tree),
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Scan(error)) => match indenter.mend(&text, &error) {
                    Some(mended) => text = Cow::Owned(mended),
                    None => return Err(in_go_words(&error, &text)),
                },
            }
        }
    }

    fn parse(text: &str) -> Result<Self, Stop> {
        let mut tree = Self {
            nodes: Vec::new(),
            root: None,
        };
        let length = text.chars().count();
        let mut open: Vec<Id> = Vec::new();
        let mut anchors: HashMap<usize, Id> = HashMap::new();
        for event in Parser::new_from_str(text) {
            let (event, span) = match event {
                Ok(event) => event,
                // What follows the document is none of its business, as for go-yaml.
                Err(error) if open.is_empty() && error.info().ends_with("<document start>") => {
                    break;
                }
                Err(error) => return Err(Stop::Scan(error)),
            };
            let line = span.start.line();
            let (kind, anchor, opens) = match event {
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
                Event::StreamEnd | Event::DocumentEnd => break,
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    continue;
                }
                Event::Alias(anchor) => {
                    let target = anchors
                        .get(&anchor)
                        .ok_or_else(|| Error::read(Some(line), "unknown anchor referenced"))?;
                    (Kind::Alias(*target), 0, false)
                }
                Event::Scalar(value, style, anchor, tag) => {
                    let mut value = value.into_owned();
                    let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                    if is_block && span.end.index() == length && lacks_last_break(text, &value) {
                        value.pop();
                    }
                    let tag = tag
                        .map(|tag| format!("{}{}", tag.handle, tag.suffix))
                        .unwrap_or_default();
                    let implicit = tag.is_empty() && style == ScalarStyle::Plain;
                    let kind = Kind::Scalar {
                        text: value,
                        implicit,
                        tag: if tag == "!" { String::new() } else { tag },
                    };
                    (kind, anchor, false)
                }
                Event::SequenceStart(anchor, _) => (Kind::Sequence(Vec::new()), anchor, true),
                Event::MappingStart(anchor, _) => (Kind::Mapping(Vec::new()), anchor, true),
            };
            let id = tree.nodes.len();
            tree.nodes.push(Node { kind, line });
            match open.last().map(|parent| &mut tree.nodes[*parent].kind) {
                Some(Kind::Sequence(children) | Kind::Mapping(children)) => children.push(id),
                _ => tree.root = tree.root.or(Some(id)),
            }
            if anchor != 0 {
                anchors.insert(anchor, id);
            }
            if opens {
                open.push(id);
                if open.len() > MAX_DEPTH {
                    let problem = format!("exceeded max depth of {MAX_DEPTH}");
                    return Err(Error::read(Some(line), problem).into());
                }
            }
        }
        Ok(tree)
    }
}

/// What ends the reading of a text.
enum Stop {
    /// The parser refuses it.
    Scan(ScanError),
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Refuses what go-yaml's reader refuses.
fn reject_control_characters(text: &str) -> Result<(), Error> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(allowed) {
        Ok(())
    } else {
        Err(Error::read(None, "control characters are not allowed"))
    }
}

/// Whether a block scalar at the end of the text ends in the middle of a line. go-yaml gives it no line end then.
fn lacks_last_break(text: &str, value: &str) -> bool {
    let last_line = |text: &str| text.rsplit('\n').next().unwrap_or_default().to_owned();
    let (Some(value), line) = (value.strip_suffix('\n'), last_line(text)) else {
        return false;
    };
    let blank = |line: &str| line.bytes().all(|byte| byte == b' ');
    // A line of blanks belongs to the scalar only where it is longer than the indentation.
    !line.is_empty() && (!blank(&line) || !last_line(value).is_empty() && blank(&last_line(value)))
}

/// The parser's complaints in the words of go-yaml, with its line numbers: it counts from 1 in the scanner, from 0 in the
/// parser, and leaves out 0.
fn in_go_words(error: &ScanError, text: &str) -> Error {
    let line = error.marker().line();
    let known = |line: usize| (line > 0).then_some(line);
    if let Some((_, problem)) = error
        .info()
        .strip_prefix("while parsing ")
        .and_then(|rest| rest.split_once(", "))
    {
        if problem == "found unknown anchor" {
            let name = text
                .chars()
                .skip(error.marker().index())
                .skip_while(|c| *c == '*');
            let name: String = name
                .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
                .collect();
            return Error::read(None, format!("unknown anchor '{name}' referenced"));
        }
        let problem = match problem.strip_prefix("expected") {
            Some(wanted) => format!("did not find expected{wanted}"),
            None => problem.to_owned(),
        };
        return Error::read(known(line - 1), problem);
    }
    if error.info() == "\"-\" is only valid inside a block" {
        return Error::read(known(line - 1), "did not find expected node content");
    }
    let info = match error
        .info()
        .strip_prefix("while scanning ")
        .and_then(|rest| rest.split_once(", "))
    {
        Some((_, problem)) => problem,
        None => error.info(),
    };
    let problem = match info {
        "simple key expect ':'" | "simple key expected" => "could not find expected ':'",
        info if info.starts_with("unexpected character") || info.starts_with("tabs disallowed") => {
            "found character that cannot start any token"
        }
        info => info,
    };
    Error::read(known(line).filter(|line| *line > 1), problem)
}
