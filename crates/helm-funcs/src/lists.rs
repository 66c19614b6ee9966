//! Lists: making, cutting, searching and sorting them.

use gotmpl::{Error, List, Type, Value};

use crate::args::{Args, Registry, Returned, fail};
use crate::math::to_int;
use crate::reflection::deep_equal;
use crate::strings::strslice;

/// The elements of a list or byte slice.
fn items(value: &Value, refusal: &str) -> Result<Vec<Value>, Error> {
    match value.plain() {
        Value::List(list) => Ok(list.to_vec()),
        Value::Bytes(bytes) => Ok(bytes
            .iter()
            .map(|b| Value::Uint(gotmpl::UintKind::Uint8, u64::from(*b)))
            .collect()),
        Value::Nil => fail("runtime error: invalid memory address or nil pointer dereference"),
        other => fail(format!("{refusal} {}", other.kind_name())),
    }
}

/// Registers a function under its own name and its `must` name, which behave the same in a
/// template: a panic and an error both end it.
fn both(
    r: &mut Registry,
    name: &str,
    params: &[Type],
    result: &Type,
    body: impl Fn(Args<'_>) -> Returned + 'static,
) {
    r.add(name, params, result.clone(), body);
    r.alias(&must(name), name);
}

fn must(name: &str) -> String {
    format!("must{}{}", name[..1].to_uppercase(), &name[1..])
}

pub(crate) fn register(r: &mut Registry) {
    for name in ["list", "tuple"] {
        r.add_variadic(name, &[], Type::Any, Type::LIST, |a| {
            Ok(Value::list(a.rest(0).to_vec()))
        });
    }
    for name in ["append", "push"] {
        both(r, name, &[Type::Any, Type::Any], &Type::LIST, |a| {
            let mut list = items(a.any(0), "Cannot push on type")?;
            list.push(a.any(1).clone());
            Ok(Value::list(list))
        });
    }
    both(r, "prepend", &[Type::Any, Type::Any], &Type::LIST, |a| {
        let mut list = items(a.any(0), "Cannot prepend on type")?;
        list.insert(0, a.any(1).clone());
        Ok(Value::list(list))
    });
    both(r, "first", &[Type::Any], &Type::Any, |a| {
        let list = items(a.any(0), "Cannot find first on type")?;
        Ok(list.first().cloned().unwrap_or_default())
    });
    both(r, "last", &[Type::Any], &Type::Any, |a| {
        let list = items(a.any(0), "Cannot find last on type")?;
        Ok(list.last().cloned().unwrap_or_default())
    });
    both(r, "rest", &[Type::Any], &Type::LIST, |a| {
        let list = items(a.any(0), "Cannot find rest on type")?;
        Ok(list
            .get(1..)
            .map_or_else(nil_list, |rest| Value::list(rest.to_vec())))
    });
    both(r, "initial", &[Type::Any], &Type::LIST, |a| {
        let mut list = items(a.any(0), "Cannot find initial on type")?;
        Ok(if list.pop().is_some() {
            Value::list(list)
        } else {
            nil_list()
        })
    });
    both(r, "reverse", &[Type::Any], &Type::LIST, |a| {
        let mut list = items(a.any(0), "Cannot find reverse on type")?;
        list.reverse();
        Ok(Value::list(list))
    });
    both(r, "compact", &[Type::Any], &Type::LIST, |a| {
        let mut list = items(a.any(0), "Cannot compact on type")?;
        list.retain(|item| !crate::defaults::is_empty(item));
        Ok(Value::list(list))
    });
    both(r, "uniq", &[Type::Any], &Type::LIST, |a| {
        let mut found: Vec<Value> = Vec::new();
        for item in items(a.any(0), "Cannot find uniq on type")? {
            if !is_in(&item, &found)? {
                found.push(item);
            }
        }
        Ok(Value::list(found))
    });
    both(r, "has", &[Type::Any, Type::Any], &Type::Bool, |a| {
        if matches!(a.any(1), Value::Nil) {
            return Ok(Value::Bool(false));
        }
        let list = items(a.any(1), "Cannot find has on type")?;
        Ok(Value::Bool(is_in(a.any(0), &list)?))
    });
    r.add_variadic("without", &[Type::Any], Type::Any, Type::LIST, |a| {
        let mut kept = Vec::new();
        for item in items(a.any(0), "Cannot find without on type")? {
            if !is_in(&item, a.rest(1))? {
                kept.push(item);
            }
        }
        Ok(Value::list(kept))
    });
    r.alias("mustWithout", "without");
    r.add_variadic("slice", &[Type::Any], Type::Any, Type::Any, slice);
    r.alias("mustSlice", "slice");
    r.add_variadic("concat", &[], Type::Any, Type::Any, concat);
    both(
        r,
        "chunk",
        &[Type::INT, Type::Any],
        &Type::List(&Type::LIST),
        chunk,
    );
    r.add("sortAlpha", &[Type::Any], Type::STRINGS, |a| {
        let mut texts = strslice(a.any(0))?;
        if matches!(a.any(0), Value::Nil) {
            texts = vec![b"<nil>".to_vec()];
        }
        texts.sort();
        Ok(Value::strings(texts))
    });
}

fn nil_list() -> Value {
    Value::List(List::nil(&Type::Any))
}

fn is_in(needle: &Value, list: &[Value]) -> Result<bool, Error> {
    for item in list {
        if deep_equal(needle, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn slice(a: Args<'_>) -> Returned {
    let list = items(a.any(0), "list should be type of slice or array but")?;
    if list.is_empty() {
        return Ok(Value::Nil);
    }
    let len = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let start = a.rest(1).first().map_or(0, to_int);
    let end = a.rest(1).get(1).map_or(len, to_int);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let Some(part) = range.and_then(|(start, end)| list.get(start..end)) else {
        return fail("reflect.Value.Slice: slice index out of bounds");
    };
    Ok(match a.any(0).plain() {
        Value::List(list) => Value::List(List::new(list.elem(), part.to_vec())),
        _ => Value::list(part.to_vec()),
    })
}

fn concat(a: Args<'_>) -> Returned {
    let mut all = Vec::new();
    for list in a.rest(0) {
        match list.plain() {
            Value::List(list) => all.append(&mut list.to_vec()),
            Value::Nil => {
                return fail("runtime error: invalid memory address or nil pointer dereference");
            }
            other => {
                return fail(format!("Cannot concat type {} as list", other.kind_name()));
            }
        }
    }
    Ok(if all.is_empty() {
        nil_list()
    } else {
        Value::list(all)
    })
}

fn chunk(a: Args<'_>) -> Returned {
    let list = items(a.any(1), "Cannot chunk type")?;
    let Some(size) = usize::try_from(a.int(0)).ok().filter(|size| *size > 0) else {
        return fail("runtime error: makeslice: len out of range");
    };
    let chunks = list
        .chunks(size)
        .map(|chunk| Value::list(chunk.to_vec()))
        .collect();
    Ok(Value::List(List::new(&Type::LIST, chunks)))
}
