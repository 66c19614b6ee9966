//! Dictionaries: reading, changing in place, merging and copying them.

use gotmpl::{Error, List, Map, Shape, Type, Value};

use crate::args::{Args, Registry, Returned, fail};
use crate::nesting;
use crate::strings::strval;

const MAP: Type = Type::MAP;
const STR: Type = Type::Str;

pub(crate) fn register(r: &mut Registry) {
    r.add_variadic("dict", &[], Type::Any, MAP, dict);
    r.add("get", &[MAP, STR], Type::Any, |a| {
        Ok(a.map(0).get(a.bytes(1)).unwrap_or_else(|| Value::from("")))
    });
    r.add("set", &[MAP, STR, Type::Any], MAP, |a| {
        let map = a.map(0);
        if map.is_nil() {
            return fail("assignment to entry in nil map");
        }
        map.set(a.str(1), a.any(2).clone());
        Ok(Value::Map(map))
    });
    r.add("unset", &[MAP, STR], MAP, |a| {
        let map = a.map(0);
        map.remove(a.bytes(1));
        Ok(Value::Map(map))
    });
    r.add("hasKey", &[MAP, STR], Type::Bool, |a| {
        Ok(Value::Bool(a.map(0).contains(a.bytes(1))))
    });
    r.add_variadic("keys", &[], MAP, Type::STRINGS, |a| {
        Ok(Value::strings(maps(a.rest(0)).iter().flat_map(Map::keys)))
    });
    r.add("values", &[MAP], Type::LIST, |a| {
        Ok(Value::list(
            a.map(0)
                .entries()
                .into_iter()
                .map(|(_, value)| value)
                .collect(),
        ))
    });
    r.add_variadic("pluck", &[STR], MAP, Type::LIST, |a| {
        let key = a.bytes(0);
        Ok(Value::list(
            maps(a.rest(1))
                .iter()
                .filter_map(|map| map.get(key))
                .collect(),
        ))
    });
    r.add_variadic("pick", &[MAP], STR, MAP, |a| {
        Ok(filtered(&a.map(0), |key| names(a.rest(1)).contains(&key)))
    });
    r.add_variadic("omit", &[MAP], STR, MAP, |a| {
        Ok(filtered(&a.map(0), |key| !names(a.rest(1)).contains(&key)))
    });
    r.add_variadic("dig", &[], Type::Any, Type::Any, dig);
    for (name, overwrite) in [("merge", false), ("mergeOverwrite", true)] {
        r.add_variadic(name, &[MAP], MAP, Type::Any, move |a| {
            let target = a.map(0);
            for source in maps(a.rest(1)) {
                merge(&target, &source, overwrite, 0)?;
            }
            Ok(Value::Map(target))
        });
    }
    r.alias("mustMerge", "merge");
    r.alias("mustMergeOverwrite", "mergeOverwrite");
    r.add("deepCopy", &[Type::Any], Type::Any, |a| match a.any(0) {
        Value::Nil => fail("reflect: call of reflect.Value.Type on zero Value"),
        value => deep_copy(value, 0),
    });
    r.alias("mustDeepCopy", "deepCopy");
}

fn maps(values: &[Value]) -> Vec<Map> {
    values
        .iter()
        .filter_map(|value| match value {
            Value::Map(map) => Some(map.clone()),
            _ => None,
        })
        .collect()
}

fn names(values: &[Value]) -> Vec<&[u8]> {
    values
        .iter()
        .filter_map(|value| match value {
            Value::Str(s) => Some(s.as_bytes()),
            _ => None,
        })
        .collect()
}

fn dict(a: Args<'_>) -> Returned {
    let map = Map::new(&Type::Any);
    for pair in a.rest(0).chunks(2) {
        if let Some(key) = pair.first() {
            let value = pair.get(1).cloned().unwrap_or_else(|| Value::from(""));
            map.set(strval(key)?, value);
        }
    }
    Ok(Value::Map(map))
}

fn filtered(map: &Map, keep: impl Fn(&[u8]) -> bool) -> Value {
    let entries = map.entries().into_iter().filter(|(key, _)| keep(key));
    Value::map(entries)
}

fn dig(a: Args<'_>) -> Returned {
    let args = a.rest(0);
    let [path @ .., default, dict] = args else {
        return fail("dig needs at least three arguments");
    };
    if path.is_empty() {
        return fail("dig needs at least three arguments");
    }
    let mut value = dict.clone();
    if !matches!(dict, Value::Map(map) if *map.elem() == Type::Any) {
        return Err(conversion(dict, "map[string]interface {}"));
    }
    let keys = path.iter().map(|key| match key {
        Value::Str(key) => Ok(key),
        other => Err(conversion(other, "string")),
    });
    for key in keys.collect::<Result<Vec<_>, _>>()? {
        let map = match &value {
            Value::Map(map) if *map.elem() == Type::Any => map.clone(),
            other => return Err(conversion(other, "map[string]interface {}")),
        };
        match map.get(key) {
            Some(next) => value = next,
            None => return Ok(default.clone()),
        }
    }
    Ok(value)
}

/// The text of Go's failed type assertion.
fn conversion(value: &Value, wanted: &str) -> Error {
    let found = match value {
        Value::Nil => "nil".to_owned(),
        other => other.type_name(),
    };
    Error::call(format!(
        "interface conversion: interface {{}} is {found}, not {wanted}"
    ))
}

/// Whether mergo sees a value as empty: false and 0 too.
fn is_zero(value: &Value) -> bool {
    match value.plain() {
        Value::Object(_) => false,
        plain => !plain.is_true(),
    }
}

/// Merges as mergo does: what the target lacks, or has only as an empty value, comes from the
/// source, and is shared with it; maps on both sides merge in place.
fn merge(target: &Map, source: &Map, overwrite: bool, depth: usize) -> Result<(), Error> {
    if target.same(source) {
        return Ok(());
    }
    for (key, from) in source.entries() {
        let present = target.get(&key);
        // Maps of named types merge as their plain ones do.
        if let (Some(Value::Map(to)), Value::Map(from_map)) =
            (present.as_ref().map(Value::plain), from.plain())
        {
            nesting::level(depth, |depth| merge(&to, &from_map, overwrite, depth))?;
            if to.is_empty() {
                target.set(key, from);
            }
            continue;
        }
        match (&present, &from) {
            (_, Value::Nil) => {
                if overwrite {
                    target.set(key, from);
                }
            }
            (Some(to), Value::List(_)) if !is_zero(to) => {
                if overwrite {
                    target.set(key, from);
                }
            }
            (Some(to), _) if !overwrite && !is_zero(to) => {}
            _ => target.set(key, from),
        }
    }
    Ok(())
}

/// A copy that shares nothing with the original that could be changed; what is nil stays nil.
pub(crate) fn deep_copy(value: &Value, depth: usize) -> Returned {
    match value {
        Value::List(list) if !list.is_nil() => nesting::level(depth, |depth| {
            let items = list.to_vec();
            let copies = items
                .iter()
                .map(|item| deep_copy(item, depth))
                .collect::<Result<_, _>>()?;
            Ok(Value::List(List::new(list.elem(), copies)))
        }),
        Value::Map(map) if !map.is_nil() => nesting::level(depth, |depth| {
            let copy = Map::new(map.elem());
            for (key, item) in map.entries() {
                copy.set(key, deep_copy(&item, depth)?);
            }
            Ok(Value::Map(copy))
        }),
        Value::Object(object) => match object.shape() {
            Shape::Alias(plain) => {
                let copy = object.with_plain(deep_copy(&plain, depth)?);
                Ok(copy.unwrap_or_else(|| value.clone()))
            }
            Shape::Struct(_) | Shape::Pointer(_) => Ok(value.clone()),
        },
        other => Ok(other.clone()),
    }
}
