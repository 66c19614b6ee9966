//! Defaults and choices: default, empty, coalesce, ternary, all, any.

use gotmpl::{Shape, Type, Value};

use crate::args::Registry;

/// sprig's notion of empty: nil, false, zero, and what has no elements.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(object) => match object.shape() {
            Shape::Struct(_) | Shape::Pointer(_) => false,
            Shape::Alias(plain) => is_empty(&plain),
        },
        other => !other.is_true(),
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add_variadic("default", &[Type::Any], Type::Any, Type::Any, |a| {
        let given = a.rest(1).first().filter(|value| !is_empty(value));
        Ok(given.unwrap_or(a.any(0)).clone())
    });
    r.add("empty", &[Type::Any], Type::Bool, |a| {
        Ok(Value::Bool(is_empty(a.any(0))))
    });
    r.add_variadic("coalesce", &[], Type::Any, Type::Any, |a| {
        Ok(a.rest(0)
            .iter()
            .find(|value| !is_empty(value))
            .cloned()
            .unwrap_or_default())
    });
    r.add_variadic("all", &[], Type::Any, Type::Bool, |a| {
        Ok(Value::Bool(!a.rest(0).iter().any(is_empty)))
    });
    r.add_variadic("any", &[], Type::Any, Type::Bool, |a| {
        Ok(Value::Bool(!a.rest(0).iter().all(is_empty)))
    });
    r.add(
        "ternary",
        &[Type::Any, Type::Any, Type::Bool],
        Type::Any,
        |a| Ok(a.any(usize::from(!a.bool(2))).clone()),
    );
}
