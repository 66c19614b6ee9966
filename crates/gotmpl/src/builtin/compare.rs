//! eq, ne, lt, le, gt and ge: basic kinds compare with their own, integers of any size and
//! signedness with each other.

use std::cmp::Ordering;

use crate::error::Error;
use crate::exec::Slot;
use crate::fmt::sprintf;
use crate::value::Value;

/// A value by its basic kind.
enum Basic {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Str(crate::gostr::Str),
    /// Composite, or nil.
    None,
}

fn basic(value: &Value) -> Basic {
    match value.plain() {
        Value::Bool(v) => Basic::Bool(v),
        Value::Int(_, v) => Basic::Int(v),
        Value::Uint(_, v) => Basic::Uint(v),
        Value::Float(_, v) => Basic::Float(v),
        Value::Str(v) => Basic::Str(v),
        _ => Basic::None,
    }
}

fn int_to_uint(a: i64, b: u64) -> Ordering {
    u64::try_from(a).map_or(Ordering::Less, |a| a.cmp(&b))
}

fn incompatible(a: &Value, b: &Value) -> Error {
    let (a, b) = (a.type_name(), b.type_name());
    Error::call(format!("incompatible types for comparison: {a} and {b}"))
}

fn invalid() -> Error {
    Error::call("invalid type for comparison")
}

/// Whether `first` equals any of `others`.
pub(super) fn eq(first: &Slot, others: &[Slot]) -> Result<bool, Error> {
    if others.is_empty() {
        return Err(Error::call("missing argument for comparison"));
    }
    for other in others {
        if equal(&first.value, &other.value)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[expect(
    clippy::float_cmp,
    reason = "Go compares floats exactly, and so must we"
)]
fn equal(a: &Value, b: &Value) -> Result<bool, Error> {
    Ok(match (basic(a), basic(b)) {
        (Basic::Bool(a), Basic::Bool(b)) => a == b,
        (Basic::Int(a), Basic::Int(b)) => a == b,
        (Basic::Uint(a), Basic::Uint(b)) => a == b,
        (Basic::Float(a), Basic::Float(b)) => a == b,
        (Basic::Str(a), Basic::Str(b)) => a == b,
        (Basic::Int(a), Basic::Uint(b)) | (Basic::Uint(b), Basic::Int(a)) => {
            int_to_uint(a, b) == Ordering::Equal
        }
        (Basic::None, Basic::None) => return composite_equal(a, b),
        _ if matches!(a, Value::Nil) || matches!(b, Value::Nil) => false,
        _ => return Err(incompatible(a, b)),
    })
}

/// Composite values: two of a kind, of which either is nil, or whose type Go can compare.
fn composite_equal(a: &Value, b: &Value) -> Result<bool, Error> {
    if matches!(a, Value::Nil) || matches!(b, Value::Nil) {
        return Ok(a.is_nil() && b.is_nil());
    }
    let shown = |format: &[u8], v: &Value| {
        sprintf(format, std::slice::from_ref(v))
            .map(|text| String::from_utf8_lossy(&text).into_owned())
    };
    if a.kind_name() != b.kind_name() {
        let (of_a, of_b) = (a.type_name(), b.type_name());
        let (a, b) = (shown(b"%s", a)?, shown(b"%v", b)?);
        return Err(Error::call(format!(
            "non-comparable types {a}: {of_a}, {of_b}: {b}"
        )));
    }
    if a.is_nil() || b.is_nil() {
        return Ok(a.is_nil() && b.is_nil());
    }
    if !b.is_comparable() {
        return Err(Error::call(format!(
            "non-comparable type {}: {}",
            shown(b"%s", b)?,
            b.type_name()
        )));
    }
    Ok(a.go_equals(b))
}

/// Whether `a` is less than `b`.
pub(super) fn lt(a: &Slot, b: &Slot) -> Result<bool, Error> {
    let (a, b) = (&a.value, &b.value);
    Ok(match (basic(a), basic(b)) {
        (Basic::None, _) | (_, Basic::None) | (Basic::Bool(_), Basic::Bool(_)) => {
            return Err(invalid());
        }
        (Basic::Int(a), Basic::Int(b)) => a < b,
        (Basic::Uint(a), Basic::Uint(b)) => a < b,
        (Basic::Float(a), Basic::Float(b)) => a < b,
        (Basic::Str(a), Basic::Str(b)) => a < b,
        (Basic::Int(a), Basic::Uint(b)) => int_to_uint(a, b) == Ordering::Less,
        (Basic::Uint(a), Basic::Int(b)) => int_to_uint(b, a) == Ordering::Greater,
        _ => return Err(incompatible(a, b)),
    })
}

/// Whether `a` is less than or equal to `b`.
pub(super) fn le(a: &Slot, b: &Slot) -> Result<bool, Error> {
    Ok(lt(a, b)? || equal(&a.value, &b.value)?)
}
