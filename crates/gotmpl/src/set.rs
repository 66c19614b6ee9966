//! A set of templates that know each other by name.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::error::Error;
use crate::fmt::quote;
use crate::func::{Func, FuncMap};
use crate::parse::node::Tree;
use crate::value::Value;

/// What reading a missing key of a map gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// No value at all; printed as `<no value>`.
    #[default]
    Default,
    /// The zero value of the map's element type.
    Zero,
    /// An error.
    Error,
}

/// Associated templates, as one Go `*template.Template` and all it is associated with. A clone
/// shares the parsed trees and can be extended on its own.
#[derive(Debug, Clone)]
pub struct TemplateSet {
    name: Rc<str>,
    trees: BTreeMap<String, Rc<Tree>>,
    funcs: Rc<FuncMap>,
    missing_key: MissingKey,
    running: Rc<Cell<usize>>,
}

/// How many executions may be under way inside each other, through functions that execute
/// templates. Go has no such limit and dies of it.
const MAX_NESTED_EXECUTIONS: usize = 5_000;

impl TemplateSet {
    /// An empty set whose templates may call `funcs` besides the built-in functions. The name is
    /// that of the template the others are associated with; error texts mention it.
    pub fn new(name: &str, funcs: FuncMap, missing_key: MissingKey) -> Self {
        Self {
            name: Rc::from(name),
            trees: BTreeMap::new(),
            funcs: Rc::new(funcs),
            missing_key,
            running: Rc::new(Cell::new(0)),
        }
    }

    /// The name given to [`TemplateSet::new`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Parses a text and adds it as template `name`, with all that it defines. A definition
    /// replaces an earlier one of the same name unless it is empty.
    ///
    /// # Errors
    /// The parse error, with Go's text.
    pub fn parse(&mut self, name: &str, text: &str) -> Result<(), Error> {
        self.add(name, text).map(|_| ())
    }

    /// Adds what a text defines; returns its own tree.
    fn add(&mut self, name: &str, text: &str) -> Result<Option<Rc<Tree>>, Error> {
        let known = |f: &str| self.funcs.contains_key(f) || crate::builtin::find(f).is_some();
        let trees = crate::parse::parse(name, text, &known)?;
        let own = trees.get(name).cloned();
        for (name, tree) in trees {
            if self.trees.contains_key(&name) && tree.root.is_empty_tree() {
                continue;
            }
            self.trees.insert(name, tree);
        }
        Ok(own)
    }

    /// Executes template `name` with `data` as dot; returns the text, which is UTF-8 unless
    /// a value is not.
    ///
    /// # Errors
    /// The execution error, with Go's text.
    pub fn execute(&self, name: &str, data: &Value) -> Result<Vec<u8>, Error> {
        let Some(tree) = self.lookup(name) else {
            return Err(Error::lookup(format!(
                "template: no template {} associated with template {}",
                quote(name.as_bytes()),
                quote(self.name.as_bytes())
            )));
        };
        self.run(tree, data)
    }

    /// Parses a text under the set's own name and executes it, even where it is empty and an
    /// earlier text of that name stays in the set: Helm's `tpl`.
    ///
    /// # Errors
    /// The parse or execution error; [`Error::stage`] tells which.
    pub fn execute_text(&mut self, text: &str, data: &Value) -> Result<Vec<u8>, Error> {
        let name = self.name().to_owned();
        let tree = self.add(&name, text)?;
        match tree {
            Some(tree) => self.run(&tree, data),
            None => Ok(Vec::new()),
        }
    }

    fn run(&self, tree: &Tree, data: &Value) -> Result<Vec<u8>, Error> {
        if self.running.get() >= MAX_NESTED_EXECUTIONS {
            return Err(Error::call(format!(
                "exceeded maximum depth of nested executions ({MAX_NESTED_EXECUTIONS})"
            )));
        }
        self.running.set(self.running.get() + 1);
        let result = crate::exec::execute(self, tree, data);
        self.running.set(self.running.get() - 1);
        result
    }

    /// Whether template `name` exists.
    pub fn contains(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    pub(crate) fn lookup(&self, name: &str) -> Option<&Rc<Tree>> {
        self.trees.get(name)
    }

    pub(crate) fn func(&self, name: &str) -> Option<&Func> {
        self.funcs.get(name)
    }

    pub(crate) fn missing_key(&self) -> MissingKey {
        self.missing_key
    }
}
