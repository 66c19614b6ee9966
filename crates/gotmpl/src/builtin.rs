//! The functions every template knows: Go's predefined global functions.

mod compare;
mod escape;
mod index;

use crate::error::Error;
use crate::exec::Slot;
use crate::fmt::{sprint, sprintf, sprintln};
use crate::types::Type;
use crate::value::Value;

/// A predefined function. Unlike a [`Func`](crate::Func) it sees what its arguments sit in.
pub(crate) struct Builtin {
    name: &'static str,
    pub(crate) params: &'static [Type],
    pub(crate) rest: Option<Type>,
    pub(crate) body: fn(&str, &[Slot]) -> Result<Slot, Error>,
}

const ONE: &[Type] = &[Type::Reflect];
const TWO: &[Type] = &[Type::Reflect, Type::Reflect];
const ANY_NUMBER: Option<Type> = Some(Type::Any);
const MORE: Option<Type> = Some(Type::Reflect);

/// All predefined functions. `and` and `or` are here for their names; the evaluator runs them.
static BUILTINS: &[Builtin] = &[
    Builtin {
        name: "and",
        params: ONE,
        rest: MORE,
        body: |_, _| Ok(Slot::INVALID),
    },
    Builtin {
        name: "or",
        params: ONE,
        rest: MORE,
        body: |_, _| Ok(Slot::INVALID),
    },
    Builtin {
        name: "not",
        params: ONE,
        rest: None,
        body: |_, a| bool(!a[0].value.is_true()),
    },
    Builtin {
        name: "len",
        params: ONE,
        rest: None,
        body: |_, a| index::len(&a[0]),
    },
    Builtin {
        name: "index",
        params: ONE,
        rest: MORE,
        body: |_, a| index::index(a),
    },
    Builtin {
        name: "slice",
        params: ONE,
        rest: MORE,
        body: |_, a| index::slice(a),
    },
    Builtin {
        name: "call",
        params: ONE,
        rest: MORE,
        body: call,
    },
    Builtin {
        name: "print",
        params: &[],
        rest: ANY_NUMBER,
        body: |_, a| str(sprint(&values(a))),
    },
    Builtin {
        name: "println",
        params: &[],
        rest: ANY_NUMBER,
        body: |_, a| str(sprintln(&values(a))),
    },
    Builtin {
        name: "printf",
        params: &[Type::Str],
        rest: ANY_NUMBER,
        body: printf,
    },
    Builtin {
        name: "html",
        params: &[],
        rest: ANY_NUMBER,
        body: |_, a| str(escape::html(a)),
    },
    Builtin {
        name: "js",
        params: &[],
        rest: ANY_NUMBER,
        body: |_, a| str(escape::js(a)),
    },
    Builtin {
        name: "urlquery",
        params: &[],
        rest: ANY_NUMBER,
        body: |_, a| str(escape::urlquery(a)),
    },
    Builtin {
        name: "eq",
        params: ONE,
        rest: MORE,
        body: |_, a| bool(compare::eq(&a[0], &a[1..])?),
    },
    Builtin {
        name: "ne",
        params: TWO,
        rest: None,
        body: |_, a| bool(!compare::eq(&a[0], &a[1..])?),
    },
    Builtin {
        name: "lt",
        params: TWO,
        rest: None,
        body: |_, a| bool(compare::lt(&a[0], &a[1])?),
    },
    Builtin {
        name: "le",
        params: TWO,
        rest: None,
        body: |_, a| bool(compare::le(&a[0], &a[1])?),
    },
    Builtin {
        name: "gt",
        params: TWO,
        rest: None,
        body: |_, a| bool(!compare::le(&a[0], &a[1])?),
    },
    Builtin {
        name: "ge",
        params: TWO,
        rest: None,
        body: |_, a| bool(!compare::lt(&a[0], &a[1])?),
    },
];

pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

fn values(args: &[Slot]) -> Vec<Value> {
    args.iter().map(|slot| slot.value.clone()).collect()
}

// The results have the shape that the table's entries need.
#[expect(
    clippy::unnecessary_wraps,
    reason = "an entry of the table returns a result"
)]
fn bool(v: bool) -> Result<Slot, Error> {
    Ok(Slot::concrete(Value::Bool(v)))
}

fn str(text: Result<Vec<u8>, Error>) -> Result<Slot, Error> {
    text.map(|text| Slot::concrete(Value::str(text)))
}

fn printf(_: &str, args: &[Slot]) -> Result<Slot, Error> {
    let Value::Str(format) = &args[0].value else {
        return Err(Error::call("printf needs a format"));
    };
    str(sprintf(format, &values(&args[1..])))
}

/// No value of a template here is a function, so a call always fails.
fn call(callee: &str, args: &[Slot]) -> Result<Slot, Error> {
    Err(Error::call(match args[0].value.type_of() {
        None => "call of nil".to_owned(),
        Some(of) => format!("non-function {callee} of type {of}"),
    }))
}
