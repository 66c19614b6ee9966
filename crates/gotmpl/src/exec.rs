//! The evaluator: walks a tree and writes text, as Go's text/template/exec.

mod args;
mod eval;
mod slot;

pub(crate) use slot::Slot;

use std::fmt::Display;

use crate::error::Error;
use crate::fmt::{quote, sprint, sprint_struct};
use crate::func::Call;
use crate::limits;
use crate::parse::node::{Branch, Command, List, Node, Operand, Pipe, Tree};
use crate::set::TemplateSet;
use crate::types::Type;
use crate::value::{Shape, Value};

/// How deep `template` actions may nest.
const MAX_TEMPLATE_DEPTH: usize = 100_000;
/// Stack that each recursion must find free, and what is added when it is not.
const STACK_RED_ZONE: usize = 128 * 1024;
const STACK_SEGMENT: usize = 4 * 1024 * 1024;

/// Executes a tree with `data` as dot.
pub(crate) fn execute(set: &TemplateSet, tree: &Tree, data: &Value) -> Result<Vec<u8>, Error> {
    let dot = Slot::concrete(data.clone());
    let mut state = State {
        set,
        tree,
        out: Vec::new(),
        vars: vec![("$", dot.clone())],
        at: At::Nowhere,
        depth: 0,
    };
    grow(|| state.list(&dot, &tree.root))?;
    Ok(state.out)
}

fn grow<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_RED_ZONE, STACK_SEGMENT, run)
}

/// The node that an error would be about.
#[derive(Clone, Copy)]
enum At<'a> {
    Nowhere,
    List(&'a List),
    Node(&'a Node),
    Pipe(&'a Pipe),
    Command(&'a Command),
    Operand(&'a Operand),
}

impl<'a> At<'a> {
    fn place(self) -> Option<(usize, &'a dyn Display)> {
        Some(match self {
            At::Nowhere => return None,
            At::List(n) => (n.pos, n),
            At::Node(n) => (n.pos(), n),
            At::Pipe(n) => (n.pos, n),
            At::Command(n) => (n.pos, n),
            At::Operand(n) => (n.pos, n),
        })
    }
}

/// What a walk over nodes ended with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct State<'a> {
    set: &'a TemplateSet,
    tree: &'a Tree,
    out: Vec<u8>,
    vars: Vec<(&'a str, Slot)>,
    at: At<'a>,
    depth: usize,
}

impl<'a> State<'a> {
    fn call(&self) -> Call<'a> {
        Call::new(self.set)
    }

    fn error(&self, text: &str) -> Error {
        Error::exec(self.located(text), None)
    }

    /// An error about something that has no value.
    fn missing(&self, text: &str) -> Error {
        let error = self.error(text);
        match self.at.place() {
            Some((_, node)) => error.of_missing(node.to_string()),
            None => error,
        }
    }

    fn located(&self, text: &str) -> String {
        let name = &self.tree.name;
        let Some((pos, node)) = self.at.place() else {
            return format!("template: {name}: {text}");
        };
        let before = &self.tree.text[..pos];
        let line = 1 + before.bytes().filter(|b| *b == b'\n').count();
        let column = pos - before.rfind('\n').map_or(0, |newline| newline + 1);
        let file = &self.tree.parse_name;
        let name = quote(name.as_bytes());
        format!("template: {file}:{line}:{column}: executing {name} at <{node}>: {text}")
    }

    fn list(&mut self, dot: &Slot, list: &'a List) -> Result<Flow, Error> {
        self.at = At::List(list);
        for node in &list.nodes {
            limits::step().map_err(|error| self.error(&error.to_string()))?;
            let flow = self.node(dot, node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Slot, node: &'a Node) -> Result<Flow, Error> {
        self.at = At::Node(node);
        match node {
            Node::Text { text, .. } => {
                self.made(text.len())?;
                self.out.extend_from_slice(text);
            }
            Node::Action { pipe, .. } => {
                let value = self.pipeline(dot, Some(pipe))?;
                if pipe.decl.is_empty() {
                    self.print(node, &value)?;
                }
            }
            Node::Break { .. } => return Ok(Flow::Break),
            Node::Continue { .. } => return Ok(Flow::Continue),
            Node::If(branch) => return grow(|| self.branch(dot, branch, false)),
            Node::With(branch) => return grow(|| self.branch(dot, branch, true)),
            Node::Range(branch) => return grow(|| self.range(dot, node, branch)),
            Node::Template { name, pipe, .. } => {
                return grow(|| self.template(dot, node, name, pipe.as_ref()));
            }
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, node: &'a Node, value: &Slot) -> Result<(), Error> {
        self.at = At::Node(node);
        if value.is_invalid() {
            self.out.extend_from_slice(b"<no value>");
            return Ok(());
        }
        if let Value::Object(object) = &value.value
            && let Some(text) = object.display_in_place()
        {
            self.out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        // A pointer prints as what it points to.
        let text = match &value.value {
            Value::Object(object) if object.display().is_none() => match object.shape() {
                Shape::Pointer(fields) => sprint_struct(&fields),
                _ => sprint(std::slice::from_ref(&value.value)),
            },
            value => sprint(std::slice::from_ref(value)),
        };
        let mut text = text.map_err(|e| self.error(&e.to_string()))?;
        self.made(text.len())?;
        self.out.append(&mut text);
        Ok(())
    }

    fn branch(&mut self, dot: &Slot, branch: &'a Branch, with: bool) -> Result<Flow, Error> {
        let mark = self.vars.len();
        let value = self.pipeline(dot, Some(&branch.pipe))?;
        let flow = if value.value.is_true() {
            self.list(if with { &value } else { dot }, &branch.list)?
        } else if let Some(list) = &branch.else_list {
            self.list(dot, list)?
        } else {
            Flow::Next
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn template(
        &mut self,
        dot: &Slot,
        node: &'a Node,
        name: &str,
        pipe: Option<&'a Pipe>,
    ) -> Result<Flow, Error> {
        self.at = At::Node(node);
        let Some(tree) = self.set.lookup(name) else {
            let name = quote(name.as_bytes());
            return Err(self.error(&format!("template {name} not defined")));
        };
        if self.depth == MAX_TEMPLATE_DEPTH {
            let text = format!("exceeded maximum template depth ({MAX_TEMPLATE_DEPTH})");
            return Err(self.error(&text));
        }
        let dot = self.pipeline(dot, pipe)?;
        let outer = (self.tree, std::mem::take(&mut self.vars), self.at);
        self.tree = tree;
        self.vars = vec![("$", dot.clone())];
        self.depth += 1;
        self.list(&dot, &tree.root)?;
        self.depth -= 1;
        (self.tree, self.vars, self.at) = outer;
        Ok(Flow::Next)
    }

    fn range(&mut self, dot: &Slot, node: &'a Node, branch: &'a Branch) -> Result<Flow, Error> {
        self.at = At::Node(node);
        let outer_mark = self.vars.len();
        let value = self.pipeline(dot, Some(&branch.pipe))?;
        let mark = self.vars.len();
        let mut iterated = false;
        for (index, elem) in self.elements(&value, &branch.pipe)? {
            iterated = true;
            limits::step().map_err(|error| self.error(&error.to_string()))?;
            self.bind(&branch.pipe, index, &elem)?;
            let flow = self.list(&elem, &branch.list)?;
            self.vars.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        let mut flow = Flow::Next;
        if !iterated && let Some(list) = &branch.else_list {
            flow = self.list(dot, list)?;
        }
        self.vars.truncate(outer_mark);
        Ok(flow)
    }

    /// What a range iterates over: pairs of index or key, and element.
    fn elements(
        &self,
        value: &Slot,
        pipe: &Pipe,
    ) -> Result<Box<dyn Iterator<Item = (Slot, Slot)>>, Error> {
        let count = |n: u64, make: fn(u64, &Value) -> Value| {
            if pipe.decl.len() > 1 {
                let shown = self.shown(&value.value)?;
                let text = format!("can't use {shown} to iterate over more than one variable");
                return Err(self.error(&text));
            }
            let of = value.value.plain();
            let numbers = (0..n).map(move |i| (Slot::INVALID, Slot::concrete(make(i, &of))));
            Ok(Box::new(numbers) as Box<dyn Iterator<Item = _>>)
        };
        match value.value.plain() {
            Value::Nil => Ok(Box::new(std::iter::empty())),
            Value::Int(_, n) => count(u64::try_from(n).unwrap_or(0), |i, of| match of {
                Value::Int(kind, _) => Value::Int(*kind, i as i64),
                _ => Value::Nil,
            }),
            Value::Uint(_, n) => count(n, |i, of| match of {
                Value::Uint(kind, _) => Value::Uint(*kind, i),
                _ => Value::Nil,
            }),
            Value::List(list) => {
                let elem = list.elem();
                let items = list.to_vec().into_iter().zip(0..);
                Ok(Box::new(items.map(move |(item, i)| {
                    (Slot::concrete(Value::int(i)), Slot::of(elem, item))
                })))
            }
            Value::Bytes(bytes) => {
                let kind = crate::types::UintKind::Uint8;
                let items: Vec<_> = bytes
                    .iter()
                    .zip(0..)
                    .map(|(b, i)| (Value::int(i), Value::Uint(kind, u64::from(*b))))
                    .collect();
                let items = items.into_iter();
                Ok(Box::new(
                    items.map(|(i, b)| (Slot::concrete(i), Slot::concrete(b))),
                ))
            }
            Value::Map(map) => {
                let elem = map.elem();
                let entries = map.entries().into_iter();
                Ok(Box::new(entries.map(move |(key, item)| {
                    (Slot::concrete(Value::Str(key)), Slot::of(elem, item))
                })))
            }
            other => {
                let shown = self.shown(&other)?;
                Err(self.error(&format!("range can't iterate over {shown}")))
            }
        }
    }

    /// Counts what is made, here or by a function.
    fn made(&self, bytes: usize) -> Result<(), Error> {
        limits::made(bytes).map_err(|error| self.error(&error.to_string()))
    }

    fn shown(&self, value: &Value) -> Result<String, Error> {
        let text = sprint(std::slice::from_ref(value)).map_err(|e| self.error(&e.to_string()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Gives the variables of a range their values for one iteration.
    fn bind(&mut self, pipe: &'a Pipe, index: Slot, elem: &Slot) -> Result<(), Error> {
        let len = self.vars.len();
        match (pipe.decl.as_slice(), pipe.is_assign) {
            ([], _) => {}
            ([one], true) => self.assign(one, elem.clone())?,
            ([first, second, ..], true) => {
                self.assign(first, index)?;
                self.assign(second, elem.clone())?;
            }
            ([_], false) => self.vars[len - 1].1 = elem.clone(),
            (_, false) => {
                self.vars[len - 1].1 = elem.clone();
                self.vars[len - 2].1 = index;
            }
        }
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Slot) -> Result<(), Error> {
        match self.vars.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => Err(self.error(&format!("undefined variable: {name}"))),
        }
    }

    fn pipeline(&mut self, dot: &Slot, pipe: Option<&'a Pipe>) -> Result<Slot, Error> {
        let Some(pipe) = pipe else {
            return Ok(Slot::INVALID);
        };
        self.at = At::Pipe(pipe);
        let mut value = None;
        for cmd in &pipe.cmds {
            value = Some(self.command(dot, cmd, value)?.unwrapped());
        }
        let value = value.unwrap_or(Slot::INVALID);
        for name in &pipe.decl {
            if pipe.is_assign {
                self.assign(name, value.clone())?;
            } else {
                self.vars.push((name, value.clone()));
            }
        }
        Ok(value)
    }
}

/// The fields of a struct or of what a pointer points to.
fn fields_of(shape: Shape) -> Option<Vec<crate::value::Field>> {
    match shape {
        Shape::Struct(fields) | Shape::Pointer(fields) => Some(fields),
        Shape::Alias(_) => None,
    }
}

/// The zero value of a map's element, as it sits in the map.
fn zero_slot(elem: &Type) -> Slot {
    Slot::of(elem, Value::zero(elem))
}
