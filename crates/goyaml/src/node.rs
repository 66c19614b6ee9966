//! The first document of a text as a tree of nodes, before any scalar has a type.

use std::collections::HashMap;

use crate::Error;
use crate::events::{Event, Events};

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

    /// Reads the first document; like go-yaml, it looks no farther than at what follows it.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        reject_control_characters(text)?;
        let mut tree = Self {
            nodes: Vec::new(),
            root: None,
        };
        let mut open: Vec<Id> = Vec::new();
        let mut anchors: HashMap<String, Id> = HashMap::new();
        let mut events = Events::new(text);
        loop {
            let (event, line) = events.next()?;
            let (kind, anchor, opens) = match event {
                Event::DocumentStart => continue,
                Event::StreamEnd | Event::DocumentEnd => break,
                Event::End => {
                    open.pop();
                    continue;
                }
                Event::Alias(name) => {
                    let Some(target) = anchors.get(&name) else {
                        let problem = format!("unknown anchor '{name}' referenced");
                        return Err(Error::read(None, problem));
                    };
                    (Kind::Alias(*target), None, false)
                }
                Event::Scalar {
                    text,
                    is_plain,
                    marks,
                } => {
                    let implicit = is_plain && marks.tag.is_empty();
                    let kind = Kind::Scalar {
                        text,
                        implicit,
                        tag: marks.tag,
                    };
                    (kind, marks.anchor, false)
                }
                Event::SequenceStart(marks) => (Kind::Sequence(Vec::new()), marks.anchor, true),
                Event::MappingStart(marks) => (Kind::Mapping(Vec::new()), marks.anchor, true),
            };
            let id = tree.nodes.len();
            let line = line + 1;
            tree.nodes.push(Node { kind, line });
            match open.last().map(|parent| &mut tree.nodes[*parent].kind) {
                Some(Kind::Sequence(children) | Kind::Mapping(children)) => children.push(id),
                _ => tree.root = tree.root.or(Some(id)),
            }
            if let Some(anchor) = anchor {
                anchors.insert(anchor, id);
            }
            if opens {
                open.push(id);
                if open.len() > MAX_DEPTH {
                    let problem = format!("exceeded max depth of {MAX_DEPTH}");
                    return Err(Error::read(Some(line), problem));
                }
            }
        }
        Ok(tree)
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
