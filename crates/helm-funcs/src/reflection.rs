//! Types, kinds and equality of values.

use gotmpl::{Error, Type, Value};

use crate::args::Registry;
use crate::nesting;

pub(crate) fn register(r: &mut Registry) {
    r.add("typeOf", &[Type::Any], Type::Str, |a| {
        Ok(Value::str(a.any(0).type_name()))
    });
    r.add("typeIs", &[Type::Str, Type::Any], Type::Bool, |a| {
        Ok(Value::Bool(a.text(0) == a.any(1).type_name()))
    });
    r.add("typeIsLike", &[Type::Str, Type::Any], Type::Bool, |a| {
        let of = a.any(1).type_name();
        let plain = of.strip_prefix('*').unwrap_or(&of);
        Ok(Value::Bool(a.text(0) == of || a.text(0) == plain))
    });
    r.add("kindOf", &[Type::Any], Type::Str, |a| {
        Ok(Value::str(a.any(0).kind_name()))
    });
    r.add("kindIs", &[Type::Str, Type::Any], Type::Bool, |a| {
        Ok(Value::Bool(a.text(0) == a.any(1).kind_name()))
    });
    r.add("deepEqual", &[Type::Any, Type::Any], Type::Bool, |a| {
        Ok(Value::Bool(deep_equal(a.any(0), a.any(1))?))
    });
}

/// Go's `reflect.DeepEqual`: same types and same values at all depths.
pub(crate) fn deep_equal(a: &Value, b: &Value) -> Result<bool, Error> {
    compare(a, b, 0)
}

#[expect(
    clippy::float_cmp,
    reason = "Go compares floats exactly, and so must we"
)]
fn compare(a: &Value, b: &Value, depth: usize) -> Result<bool, Error> {
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(of_a, a), Value::Int(of_b, b)) => of_a == of_b && a == b,
        (Value::Uint(of_a, a), Value::Uint(of_b, b)) => of_a == of_b && a == b,
        (Value::Float(of_a, a), Value::Float(of_b, b)) => of_a == of_b && a == b,
        (Value::Str(a), Value::Str(b)) | (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.elem() != b.elem() || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            if a.same(b) {
                return Ok(true);
            }
            nesting::level(depth, |depth| {
                for (a, b) in a.to_vec().iter().zip(&b.to_vec()) {
                    if !compare(a, b, depth)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            })?
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.elem() != b.elem() || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            if a.same(b) {
                return Ok(true);
            }
            nesting::level(depth, |depth| {
                for ((key_a, a), (key_b, b)) in a.entries().iter().zip(&b.entries()) {
                    if key_a != key_b || !compare(a, b, depth)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            })?
        }
        (Value::Object(a), Value::Object(b)) => {
            a.type_name() == b.type_name() && compare(&a.marshal(), &b.marshal(), depth)?
        }
        _ => false,
    })
}
