//! The parse tree, and how error texts print its parts.

use std::fmt::{self, Display};
use std::rc::Rc;

use crate::fmt::quote;
use crate::gostr::Str;

/// A parsed template: one file, `define` or `block`.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) name: String,
    /// The name of the text it was parsed from, for error locations.
    pub(crate) parse_name: Rc<str>,
    /// The text it was parsed from.
    pub(crate) text: Rc<str>,
    pub(crate) root: List,
}

/// A sequence of nodes.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) pos: usize,
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug)]
pub(crate) enum Node {
    Text {
        pos: usize,
        text: Str,
    },
    Action {
        pos: usize,
        pipe: Pipe,
    },
    Break {
        pos: usize,
    },
    Continue {
        pos: usize,
    },
    If(Branch),
    Range(Branch),
    With(Branch),
    Template {
        pos: usize,
        name: String,
        pipe: Option<Pipe>,
    },
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pos: usize,
    pub(crate) pipe: Pipe,
    pub(crate) list: List,
    pub(crate) else_list: Option<List>,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: usize,
    pub(crate) is_assign: bool,
    pub(crate) decl: Vec<String>,
    pub(crate) cmds: Vec<Command>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: usize,
    pub(crate) args: Vec<Operand>,
}

#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) pos: usize,
    pub(crate) term: Term,
}

#[derive(Debug)]
pub(crate) enum Term {
    Bool(bool),
    Chain {
        node: Box<Operand>,
        field: Vec<String>,
    },
    Dot,
    Field(Vec<String>),
    Identifier(String),
    Nil,
    Number(Number),
    Pipe(Box<Pipe>),
    String {
        quoted: String,
        text: Str,
    },
    Variable(Vec<String>),
}

/// A number in all the types that can hold it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
}

impl List {
    /// Whether the list holds nothing but blank text.
    pub(crate) fn is_empty_tree(&self) -> bool {
        self.nodes.iter().all(|node| match node {
            Node::Text { text, .. } => text.text().trim().is_empty(),
            _ => false,
        })
    }
}

impl Node {
    pub(crate) fn pos(&self) -> usize {
        match self {
            Node::Text { pos, .. }
            | Node::Action { pos, .. }
            | Node::Break { pos }
            | Node::Continue { pos }
            | Node::Template { pos, .. } => *pos,
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => branch.pos,
        }
    }
}

impl Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| node.fmt(f))
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Text { text, .. } => text.fmt(f),
            Node::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Node::Break { .. } => f.write_str("{{break}}"),
            Node::Continue { .. } => f.write_str("{{continue}}"),
            Node::If(branch) => branch.write("if", f),
            Node::Range(branch) => branch.write("range", f),
            Node::With(branch) => branch.write("with", f),
            Node::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", quote(name.as_bytes()))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
        }
    }
}

impl Branch {
    fn write(&self, keyword: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{keyword} {}}}}}{}", self.pipe, self.list)?;
        if let Some(list) = &self.else_list {
            write!(f, "{{{{else}}}}{list}")?;
        }
        f.write_str("{{end}}")
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.decl.is_empty() {
            let sign = if self.is_assign { "=" } else { ":=" };
            write!(f, "{} {sign} ", self.decl.join(", "))?;
        }
        for (i, cmd) in self.cmds.iter().enumerate() {
            write!(f, "{}{cmd}", if i > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match &arg.term {
                Term::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => arg.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Bool(v) => v.fmt(f),
            Term::Chain { node, field } => {
                match &node.term {
                    Term::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => node.fmt(f)?,
                }
                field.iter().try_for_each(|name| write!(f, ".{name}"))
            }
            Term::Dot => f.write_str("."),
            Term::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            Term::Identifier(name) => f.write_str(name),
            Term::Nil => f.write_str("nil"),
            Term::Number(number) => f.write_str(&number.text),
            Term::Pipe(pipe) => pipe.fmt(f),
            Term::String { quoted, .. } => f.write_str(quoted),
            Term::Variable(names) => f.write_str(&names.join(".")),
        }
    }
}
