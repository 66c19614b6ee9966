//! Calls: arguments evaluated for, and checked against, the types of the parameters.

use super::{At, Slot, State};
use crate::builtin::Builtin;
use crate::error::Error;
use crate::func::Func;
use crate::parse::node::{Operand, Term};
use crate::types::{FloatKind, Type};
use crate::value::{Shape, Value};

/// What is called.
#[derive(Clone, Copy)]
pub(super) enum Callee<'f> {
    Func(&'f Func),
    Builtin(&'static Builtin),
}

impl<'f> Callee<'f> {
    fn params(self) -> &'f [Type] {
        match self {
            Callee::Func(func) => &func.params,
            Callee::Builtin(builtin) => builtin.params,
        }
    }

    fn refusal(self) -> Option<&'static str> {
        match self {
            Callee::Func(func) => func.refusal,
            Callee::Builtin(_) => None,
        }
    }

    fn rest(self) -> Option<&'f Type> {
        match self {
            Callee::Func(func) => func.variadic.as_ref(),
            Callee::Builtin(builtin) => builtin.rest.as_ref(),
        }
    }
}

/// The text of Go's `reflect.Value.String`.
fn reflected(slot: &Slot) -> String {
    match &slot.value {
        Value::Str(s) => s.to_string(),
        Value::Nil => "<invalid Value>".to_owned(),
        value => format!("<{} Value>", value.type_name()),
    }
}

impl<'a> State<'a> {
    pub(super) fn invoke(
        &mut self,
        dot: &Slot,
        callee: Callee<'_>,
        node: At<'a>,
        name: &str,
        operands: &'a [Operand],
        last: Option<Slot>,
    ) -> Result<Slot, Error> {
        let (params, rest) = (callee.params(), callee.rest());
        let given = operands.len() + usize::from(last.is_some());
        if rest.is_some() && given < params.len() {
            let (want, got) = (params.len(), operands.len());
            let text = format!("wrong number of args for {name}: want at least {want} got {got}");
            return Err(self.error(&text));
        }
        if rest.is_none() && given != params.len() {
            let want = params.len();
            let text = format!("wrong number of args for {name}: want {want} got {given}");
            return Err(self.error(&text));
        }
        if let Some(refusal) = callee.refusal() {
            return Err(self.error(refusal));
        }
        let mut args = Vec::with_capacity(given);
        for (i, operand) in operands.iter().enumerate() {
            if let Some(of) = params.get(i).or(rest) {
                args.push(self.argument(dot, of, operand)?);
            }
        }
        if let Some(last) = last
            && let Some(of) = params.get(args.len()).or(rest)
        {
            args.push(self.checked(last, of)?);
        }
        let result = match callee {
            Callee::Func(func) => {
                let values: Vec<Value> = args.into_iter().map(|arg| arg.value).collect();
                (func.body)(self.call(), &values).map(|value| Slot::of(&func.result, value))
            }
            Callee::Builtin(builtin) => {
                let callee_name = match operands.first() {
                    Some(operand) => operand.to_string(),
                    None => args.first().map(reflected).unwrap_or_default(),
                };
                (builtin.body)(&callee_name, &args)
            }
        };
        result.map_err(|e| {
            self.at = node;
            Error::exec(self.located(&format!("error calling {name}: ")), Some(e))
        })
    }

    /// Evaluates an argument for a parameter of type `of`.
    pub(super) fn argument(
        &mut self,
        dot: &Slot,
        of: &Type,
        operand: &'a Operand,
    ) -> Result<Slot, Error> {
        self.at = At::Operand(operand);
        let value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Nil => {
                if of.can_be_nil() {
                    return Ok(Slot::of(of, Value::zero(of)));
                }
                return Err(self.error(&format!("cannot assign nil to {of}")));
            }
            Term::Field(names) => self.field_chain(dot, dot.clone(), operand, names, &[], None)?,
            Term::Variable(names) => self.variable(dot, operand, names, &[], None)?,
            Term::Pipe(pipe) => super::grow(|| self.pipeline(dot, Some(pipe)))?,
            Term::Identifier(name) => self.function(dot, name, At::Operand(operand), &[], None)?,
            Term::Chain { node, field } => self.chain(dot, operand, node, field, &[], None)?,
            _ => return self.literal(dot, of, operand),
        };
        self.checked(value, of)
    }

    /// A literal takes the type of the parameter.
    fn literal(&mut self, dot: &Slot, of: &Type, operand: &'a Operand) -> Result<Slot, Error> {
        let number = match &operand.term {
            Term::Number(number) => Some(number),
            _ => None,
        };
        let (value, wanted) = match of {
            Type::Any | Type::Reflect => return self.constant(dot, operand),
            Type::Bool => match &operand.term {
                Term::Bool(v) => (Some(Value::Bool(*v)), "bool"),
                _ => (None, "bool"),
            },
            Type::Str => match &operand.term {
                Term::String { text, .. } => (Some(Value::Str(text.clone())), "string"),
                _ => (None, "string"),
            },
            Type::Int(kind) | Type::NamedInt(_, kind) => (
                number
                    .and_then(|n| n.int)
                    .map(|v| Value::Int(*kind, kind.wrap(v))),
                "integer",
            ),
            Type::Uint(kind) => (
                number
                    .and_then(|n| n.uint)
                    .map(|v| Value::Uint(*kind, kind.wrap(v))),
                "unsigned integer",
            ),
            Type::Float(kind) => {
                let float = number.and_then(|n| n.float).map(|v| match kind {
                    FloatKind::Float32 => f64::from(v as f32),
                    FloatKind::Float64 => v,
                });
                (float.map(|v| Value::Float(*kind, v)), "float")
            }
            _ => {
                let text = format!("can't handle {operand} for arg of type {of}");
                return Err(self.error(&text));
            }
        };
        value
            .map(Slot::concrete)
            .ok_or_else(|| self.error(&format!("expected {wanted}; found {operand}")))
    }

    /// Checks a value against the type of a parameter.
    pub(super) fn checked(&self, value: Slot, of: &Type) -> Result<Slot, Error> {
        if value.is_invalid() {
            if of.can_be_nil() {
                return Ok(Slot::of(of, Value::zero(of)));
            }
            return Err(self.error(&format!("invalid value; expected {of}")));
        }
        if matches!(of, Type::Any | Type::Reflect) {
            return Ok(value);
        }
        if value.is_nil_interface() {
            let got = value.type_name();
            return Err(self.error(&format!("wrong type for value; expected {of}; got {got}")));
        }
        let value = value.unwrapped();
        if value.value.type_of().is_some_and(|found| of.is(&found)) {
            return Ok(value);
        }
        // A named map or slice may stand for its plain type.
        if let Value::Object(object) = &value.value
            && let Shape::Alias(plain) = object.shape()
            && matches!(of, Type::List(_) | Type::Map(_) | Type::Bytes)
            && plain.type_of().as_ref() == Some(of)
        {
            return Ok(Slot::concrete(plain));
        }
        let got = value.type_name();
        Err(self.error(&format!("wrong type for value; expected {of}; got {got}")))
    }
}
