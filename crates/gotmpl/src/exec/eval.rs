//! Evaluation of commands, fields, variables and calls.

use super::args::Callee;
use super::{At, Slot, State, fields_of, zero_slot};
use crate::error::Error;
use crate::fmt::quote;
use crate::parse::node::{Command, Number, Operand, Term};
use crate::set::MissingKey;
use crate::types::Type;
use crate::value::{Shape, Value};

impl<'a> State<'a> {
    /// One command of a pipeline; `last` is the value of the command before it.
    pub(super) fn command(
        &mut self,
        dot: &Slot,
        cmd: &'a Command,
        last: Option<Slot>,
    ) -> Result<Slot, Error> {
        let Some((first, rest)) = cmd.args.split_first() else {
            return Err(self.error("empty command"));
        };
        match &first.term {
            Term::Field(names) => {
                self.at = At::Operand(first);
                return self.field_chain(dot, dot.clone(), first, names, rest, last);
            }
            Term::Chain { node, field } => return self.chain(dot, first, node, field, rest, last),
            Term::Identifier(name) => {
                self.at = At::Operand(first);
                return self.function(dot, name, At::Command(cmd), rest, last);
            }
            Term::Pipe(pipe) => {
                self.not_a_function(first, rest, last.as_ref())?;
                return super::grow(|| self.pipeline(dot, Some(pipe)));
            }
            Term::Variable(names) => return self.variable(dot, first, names, rest, last),
            _ => {}
        }
        self.at = At::Operand(first);
        self.not_a_function(first, rest, last.as_ref())?;
        match &first.term {
            Term::Nil => Err(self.error("nil is not a command")),
            _ => self.constant(dot, first),
        }
    }

    /// A literal or dot.
    pub(super) fn constant(&mut self, dot: &Slot, operand: &'a Operand) -> Result<Slot, Error> {
        Ok(Slot::concrete(match &operand.term {
            Term::Bool(v) => Value::Bool(*v),
            Term::Dot => return Ok(dot.clone()),
            Term::Number(number) => {
                self.at = At::Operand(operand);
                self.ideal_number(number)?
            }
            Term::String { text, .. } => Value::Str(text.clone()),
            _ => {
                let shown = quote(operand.to_string().as_bytes());
                return Err(self.error(&format!("can't evaluate command {shown}")));
            }
        }))
    }

    fn ideal_number(&self, number: &Number) -> Result<Value, Error> {
        let text = &number.text;
        let is_rune = text.starts_with('\'');
        let is_hex = text.len() > 2
            && (text.starts_with("0x") || text.starts_with("0X"))
            && !text.contains(['p', 'P']);
        match (number.float, number.int) {
            (Some(v), _) if !is_hex && !is_rune && text.contains(['.', 'e', 'E', 'p', 'P']) => {
                Ok(Value::float(v))
            }
            (_, Some(v)) => Ok(Value::int(v)),
            _ => Err(self.error(&format!("{text} overflows int"))),
        }
    }

    fn not_a_function(
        &self,
        first: &Operand,
        rest: &[Operand],
        last: Option<&Slot>,
    ) -> Result<(), Error> {
        if rest.is_empty() && last.is_none() {
            return Ok(());
        }
        Err(self.error(&format!("can't give argument to non-function {first}")))
    }

    pub(super) fn chain(
        &mut self,
        dot: &Slot,
        operand: &'a Operand,
        node: &'a Operand,
        field: &'a [String],
        rest: &'a [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Error> {
        self.at = At::Operand(operand);
        if matches!(node.term, Term::Nil) {
            let text = format!("indirection through explicit nil in {operand}");
            return Err(self.error(&text));
        }
        self.at = At::Operand(node);
        let receiver = match &node.term {
            Term::Pipe(pipe) => super::grow(|| self.pipeline(dot, Some(pipe)))?,
            Term::Identifier(name) => self.function(dot, name, At::Operand(node), &[], None)?,
            _ => self.constant(dot, node)?,
        };
        self.field_chain(dot, receiver, operand, field, rest, last)
    }

    pub(super) fn variable(
        &mut self,
        dot: &Slot,
        operand: &'a Operand,
        names: &'a [String],
        rest: &'a [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Error> {
        self.at = At::Operand(operand);
        let Some((name, fields)) = names.split_first() else {
            return Ok(Slot::INVALID);
        };
        let Some((_, value)) = self.vars.iter().rev().find(|(known, _)| known == name) else {
            return Err(self.error(&format!("undefined variable: {name}")));
        };
        let value = value.clone();
        if fields.is_empty() {
            self.not_a_function(operand, rest, last.as_ref())?;
            return Ok(value);
        }
        self.field_chain(dot, value, operand, fields, rest, last)
    }

    /// A chain of fields; only the last may be called with arguments.
    pub(super) fn field_chain(
        &mut self,
        dot: &Slot,
        mut receiver: Slot,
        node: &'a Operand,
        names: &'a [String],
        rest: &'a [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Error> {
        let Some((final_name, names)) = names.split_last() else {
            return Ok(receiver);
        };
        for name in names {
            receiver = self.field(dot, name, node, &[], None, &receiver)?;
        }
        self.field(dot, final_name, node, rest, last, &receiver)
    }

    fn field(
        &mut self,
        dot: &Slot,
        name: &str,
        node: &'a Operand,
        rest: &'a [Operand],
        last: Option<Slot>,
        receiver: &Slot,
    ) -> Result<Slot, Error> {
        if receiver.is_invalid() {
            if self.set.missing_key() == MissingKey::Error {
                let name = quote(name.as_bytes());
                return Err(self.missing(&format!("nil data; no entry for key {name}")));
            }
            return Ok(Slot::INVALID);
        }
        let of = receiver.type_name();
        if receiver.is_nil_interface() {
            return Err(self.missing(&format!("nil pointer evaluating {of}.{name}")));
        }
        if let Value::Object(object) = &receiver.value
            && let Some(method) = std::rc::Rc::clone(object).method(name)
        {
            let callee = Callee::Func(&method);
            return self.invoke(dot, callee, At::Operand(node), name, rest, last);
        }
        let has_args = !rest.is_empty() || last.is_some();
        if let Value::Object(object) = &receiver.value
            && let shape @ (Shape::Struct(_) | Shape::Pointer(_)) = object.shape()
        {
            let fields = fields_of(shape).unwrap_or_default();
            let Some(field) = fields.into_iter().find(|field| field.name == name) else {
                return Err(self.error(&format!("can't evaluate field {name} in type {of}")));
            };
            if !field.is_exported() {
                let text = format!("{name} is an unexported field of struct type {of}");
                return Err(self.error(&text));
            }
            if has_args {
                let text = format!("{name} has arguments but cannot be invoked as function");
                return Err(self.error(&text));
            }
            return Ok(Slot::of(&field.of, field.value));
        }
        let Value::Map(map) = receiver.value.plain() else {
            return Err(self.error(&format!("can't evaluate field {name} in type {of}")));
        };
        if has_args {
            return Err(self.error(&format!("{name} is not a method but has arguments")));
        }
        match (map.get(name.as_bytes()), self.set.missing_key()) {
            (Some(value), _) => Ok(Slot::of(map.elem(), value)),
            (None, MissingKey::Default) => Ok(Slot::INVALID),
            (None, MissingKey::Zero) => Ok(zero_slot(map.elem())),
            (None, MissingKey::Error) => {
                let name = quote(name.as_bytes());
                Err(self.missing(&format!("map has no entry for key {name}")))
            }
        }
    }

    pub(super) fn function(
        &mut self,
        dot: &Slot,
        name: &'a str,
        node: At<'a>,
        rest: &'a [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Error> {
        let callee = match (self.set.func(name), crate::builtin::find(name)) {
            (Some(func), _) => Callee::Func(func),
            (None, Some(_)) if name == "and" || name == "or" => {
                return self.short_circuit(dot, name, rest, last);
            }
            (None, Some(builtin)) => Callee::Builtin(builtin),
            (None, None) => {
                let name = quote(name.as_bytes());
                return Err(self.error(&format!("{name} is not a defined function")));
            }
        };
        let result = self.invoke(dot, callee, node, name, rest, last)?;
        self.made(size(&result.value))?;
        Ok(result)
    }

    /// `and` and `or` evaluate no more arguments than they need.
    fn short_circuit(
        &mut self,
        dot: &Slot,
        name: &str,
        rest: &'a [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Error> {
        if rest.is_empty() && last.is_none() {
            let text = format!("wrong number of args for {name}: want at least 1 got 0");
            return Err(self.error(&text));
        }
        let mut value = Slot::INVALID;
        for operand in rest {
            value = self.argument(dot, &Type::Reflect, operand)?;
            if value.value.is_true() == (name == "or") {
                return Ok(value);
            }
        }
        match last {
            Some(last) => self.checked(last, &Type::Reflect),
            None => Ok(value),
        }
    }
}

/// Bytes that count for a value which a function gave: those of texts, and of lists so long that few of them are too many.
fn size(value: &Value) -> usize {
    match value {
        Value::Str(text) | Value::Bytes(text) => text.len(),
        Value::List(list) if list.len() > 1000 => list.len() * size_of::<Value>(),
        _ => 0,
    }
}
