//! len, index and slice.

use crate::error::Error;
use crate::exec::Slot;
use crate::gostr::Str;
use crate::types::{Type, UintKind};
use crate::value::{List, Value};

fn fail<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::call(text))
}

/// The name of the type, without the pointer to it: Go goes through it first.
fn pointed_to(item: &Slot) -> String {
    let name = item.value.type_name();
    name.strip_prefix('*').unwrap_or(&name).to_owned()
}

pub(super) fn len(item: &Slot) -> Result<Slot, Error> {
    if item.is_nil_interface() {
        return fail("len of nil pointer");
    }
    let len = match item.value.plain() {
        Value::Str(s) | Value::Bytes(s) => s.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        // Go's reflection panics with these words.
        Value::Nil => return fail("reflect: call of reflect.Value.Type on zero Value"),
        _ => return fail(format!("len of type {}", pointed_to(item))),
    };
    Ok(Slot::concrete(Value::int(
        i64::try_from(len).unwrap_or(i64::MAX),
    )))
}

/// A position in something of length `cap`; `cap` itself is allowed.
fn position(index: &Slot, cap: usize) -> Result<usize, Error> {
    let at = match index.value.plain() {
        Value::Int(_, v) => v,
        Value::Uint(_, v) => v as i64,
        Value::Nil => return fail("cannot index slice/array with nil"),
        _ => {
            let of = index.value.type_name();
            return fail(format!("cannot index slice/array with type {of}"));
        }
    };
    match usize::try_from(at) {
        Ok(position) if position <= cap => Ok(position),
        _ => fail(format!("index out of range: {at}")),
    }
}

fn element<T>(found: Option<T>, what: &str) -> Result<T, Error> {
    // Go's check lets the length itself pass; reflection then panics.
    found.ok_or_else(|| Error::call(format!("reflect: {what} index out of range")))
}

pub(super) fn index(args: &[Slot]) -> Result<Slot, Error> {
    let Some((item, indexes)) = args.split_first() else {
        return fail("missing argument");
    };
    if matches!(item.value, Value::Nil) {
        return fail("index of untyped nil");
    }
    let mut item = item.clone().unwrapped();
    for index in indexes {
        if matches!(item.value, Value::Nil) {
            return fail("index of nil pointer");
        }
        item = match item.value.plain() {
            Value::Str(s) | Value::Bytes(s) => {
                let what = if matches!(item.value, Value::Str(_)) {
                    "string"
                } else {
                    "slice"
                };
                let byte = element(s.get(position(index, s.len())?), what)?;
                Slot::concrete(Value::Uint(UintKind::Uint8, u64::from(*byte)))
            }
            Value::List(list) => {
                let value = element(list.get(position(index, list.len())?), "slice")?;
                Slot::of(list.elem(), value)
            }
            Value::Map(map) => match &index.value {
                Value::Str(key) => {
                    let value = map.get(key).unwrap_or_else(|| Value::zero(map.elem()));
                    Slot::of(map.elem(), value)
                }
                Value::Nil => return fail("value is nil; should be of type string"),
                other => {
                    let of = other.type_name();
                    return fail(format!("value has type {of}; should be string"));
                }
            },
            _ => {
                return fail(format!("can't index item of type {}", pointed_to(&item)));
            }
        };
    }
    Ok(item)
}

pub(super) fn slice(args: &[Slot]) -> Result<Slot, Error> {
    let Some((item, indexes)) = args.split_first() else {
        return fail("missing argument");
    };
    if matches!(item.value, Value::Nil) {
        return fail("slice of untyped nil");
    }
    if indexes.len() > 3 {
        return fail(format!("too many slice indexes: {}", indexes.len()));
    }
    let plain = item.value.plain();
    let len = match &plain {
        Value::Str(_) if indexes.len() == 3 => return fail("cannot 3-index slice a string"),
        Value::Str(s) | Value::Bytes(s) => s.len(),
        Value::List(list) => list.len(),
        _ => {
            return fail(format!(
                "can't slice item of type {}",
                item.value.type_name()
            ));
        }
    };
    let mut bounds = [0, len, len];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        // Unlike index, slice does not look into interfaces.
        if index.in_interface {
            return fail("cannot index slice/array with type interface {}");
        }
        *bound = position(index, len)?;
    }
    let [start, end, cap] = bounds;
    if start > end {
        return fail(format!("invalid slice index: {start} > {end}"));
    }
    if end > cap {
        return fail(format!("invalid slice index: {end} > {cap}"));
    }
    Ok(Slot::concrete(match plain {
        Value::Bytes(bytes) => Value::Bytes(Str::from(&bytes[start..end])),
        Value::List(list) => sliced(list.elem(), &list, start, end),
        Value::Str(s) => Value::str(&s[start..end]),
        other => other,
    }))
}

fn sliced(elem: &'static Type, list: &List, start: usize, end: usize) -> Value {
    Value::List(List::new(elem, list.to_vec()[start..end].to_vec()))
}
