//! Strings: trimming, case, quoting, indenting, splitting.

mod bytewise;
mod case;

use gotmpl::fmt::quote;
use gotmpl::{Map, Type, Value, limits};

use crate::args::{Args, Registry, Returned, fail};

const STR: Type = Type::Str;
const INT: Type = Type::INT;

/// sprig's `toString`: the value as text.
pub(crate) fn strval(value: &Value) -> Result<Vec<u8>, gotmpl::Error> {
    match value {
        Value::Str(s) | Value::Bytes(s) => Ok(s.to_vec()),
        _ => gotmpl::fmt::sprint(std::slice::from_ref(value)),
    }
}

/// As [`strval`], but text.
pub(crate) fn strval_text(value: &Value) -> Result<String, gotmpl::Error> {
    strval(value).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// sprig's `toStrings`: the elements of a list as texts, nil ones left out.
pub(crate) fn strslice(value: &Value) -> Result<Vec<Vec<u8>>, gotmpl::Error> {
    match value.plain() {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => {
            let items = list.to_vec();
            items
                .iter()
                .filter(|item| !matches!(item, Value::Nil))
                .map(strval)
                .collect()
        }
        Value::Bytes(bytes) => Ok(bytes.iter().map(|b| b.to_string().into_bytes()).collect()),
        _ => Ok(vec![strval(value)?]),
    }
}

pub(crate) fn register(r: &mut Registry) {
    case::register(r);
    bytewise::register(r);
    r.add("hello", &[], STR, |_| Ok(Value::from("Hello!")));
    r.text("trim", |s| s.trim().to_owned());
    for name in ["trimAll", "trimall"] {
        r.add(name, &[STR, STR], STR, |a| {
            let cut = a.text(0).into_owned();
            Ok(Value::str(
                a.text(1).trim_matches(|c| cut.contains(c)).to_owned(),
            ))
        });
    }
    r.add("trimSuffix", &[STR, STR], STR, |a| {
        let s = a.bytes(1);
        Ok(Value::str(s.strip_suffix(a.bytes(0)).unwrap_or(s)))
    });
    r.add("trimPrefix", &[STR, STR], STR, |a| {
        let s = a.bytes(1);
        Ok(Value::str(s.strip_prefix(a.bytes(0)).unwrap_or(s)))
    });
    r.add("contains", &[STR, STR], Type::Bool, |a| {
        Ok(Value::Bool(a.text(1).contains(&*a.text(0))))
    });
    r.add("hasPrefix", &[STR, STR], Type::Bool, |a| {
        Ok(Value::Bool(a.bytes(1).starts_with(a.bytes(0))))
    });
    r.add("hasSuffix", &[STR, STR], Type::Bool, |a| {
        Ok(Value::Bool(a.bytes(1).ends_with(a.bytes(0))))
    });
    r.add("replace", &[STR, STR, STR], STR, |a| {
        Ok(Value::str(a.text(2).replace(&*a.text(0), &a.text(1))))
    });
    r.add("repeat", &[INT, STR], STR, repeat);
    r.add("trunc", &[INT, STR], STR, |a| {
        Ok(Value::str(trunc(a.int(0), a.bytes(1))))
    });
    r.add("substr", &[INT, INT, STR], STR, substr);
    r.add_variadic("quote", &[], Type::Any, STR, |a| quoted(a, quote));
    r.add_variadic("squote", &[], Type::Any, STR, |a| {
        quoted(a, |s| format!("'{}'", String::from_utf8_lossy(s)))
    });
    r.add_variadic("cat", &[], Type::Any, STR, cat);
    r.add("indent", &[INT, STR], STR, |a| indent(a, ""));
    r.add("nindent", &[INT, STR], STR, |a| indent(a, "\n"));
    r.add("toString", &[Type::Any], STR, |a| {
        Ok(Value::str(strval(a.any(0))?))
    });
    r.add("toStrings", &[Type::Any], Type::STRINGS, |a| {
        Ok(Value::strings(strslice(a.any(0))?))
    });
    r.add("join", &[STR, Type::Any], STR, |a| {
        Ok(Value::str(strslice(a.any(1))?.join(a.bytes(0))))
    });
    r.add("splitList", &[STR, STR], Type::STRINGS, |a| {
        Ok(Value::strings(split(&a.text(1), &a.text(0), None)))
    });
    r.add("split", &[STR, STR], Type::Map(&Type::Str), |a| {
        Ok(numbered(split(&a.text(1), &a.text(0), None)))
    });
    r.add("splitn", &[STR, INT, STR], Type::Map(&Type::Str), |a| {
        let parts = match a.int(1) {
            0 => Vec::new(),
            n => split(&a.text(2), &a.text(0), usize::try_from(n).ok()),
        };
        Ok(numbered(parts))
    });
    r.add("plural", &[STR, STR, INT], STR, |a| {
        Ok(Value::Str(a.str(usize::from(a.int(2) != 1))))
    });
}

fn repeat(a: Args<'_>) -> Returned {
    match usize::try_from(a.int(0)) {
        Err(_) => fail("strings: negative Repeat count"),
        Ok(count) if count.saturating_mul(a.bytes(1).len()) > 1 << 30 => {
            fail("strings: Repeat output length overflow")
        }
        Ok(count) => {
            limits::made(count * a.bytes(1).len())?;
            Ok(Value::str(a.bytes(1).repeat(count)))
        }
    }
}

/// The first `count` bytes, or the last, if it is negative.
fn trunc(count: i64, s: &[u8]) -> &[u8] {
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count >= 0 {
        &s[..size.min(s.len())]
    } else {
        &s[s.len().saturating_sub(size)..]
    }
}

fn substr(a: Args<'_>) -> Returned {
    let (start, end, s) = (a.int(0), a.int(1), a.bytes(2));
    let len = i64::try_from(s.len()).unwrap_or(i64::MAX);
    let (from, to) = match (start, end) {
        (start, end) if start < 0 => (0, end),
        (start, end) if end < 0 || end > len => (start, len),
        both => both,
    };
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    match range.and_then(|(from, to)| s.get(from..to)) {
        Some(part) => Ok(Value::str(part)),
        None if to > len || to < 0 => fail(format!(
            "runtime error: slice bounds out of range [:{to}]{}",
            if to > len {
                format!(" with length {len}")
            } else {
                String::new()
            }
        )),
        None => fail(format!(
            "runtime error: slice bounds out of range [{from}:{to}]"
        )),
    }
}

fn quoted(a: Args<'_>, quote: impl Fn(&[u8]) -> String) -> Returned {
    let given = a
        .rest(0)
        .iter()
        .filter(|value| !matches!(value, Value::Nil));
    let texts: Vec<String> = given
        .map(|value| strval(value).map(|s| quote(&s)))
        .collect::<Result<_, _>>()?;
    Ok(Value::str(texts.join(" ")))
}

fn cat(a: Args<'_>) -> Returned {
    let given = a
        .rest(0)
        .iter()
        .filter(|value| !matches!(value, Value::Nil));
    let texts: Vec<Vec<u8>> = given
        .map(|value| gotmpl::fmt::sprintf(b"%v", std::slice::from_ref(value)))
        .collect::<Result<_, _>>()?;
    Ok(Value::str(texts.join(&b' ')))
}

fn indent(a: Args<'_>, before: &str) -> Returned {
    let Ok(width) = usize::try_from(a.int(0)) else {
        return fail("strings: negative Repeat count");
    };
    if width > 1 << 20 {
        return fail("strings: Repeat output length overflow");
    }
    let lines = a.bytes(1).split(|b| *b == b'\n').count();
    limits::made(width.saturating_mul(lines))?;
    let pad = " ".repeat(width);
    let mut out = before.as_bytes().to_vec();
    for (i, line) in a.bytes(1).split(|b| *b == b'\n').enumerate() {
        if i > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(pad.as_bytes());
        out.extend_from_slice(line);
    }
    Ok(Value::str(out))
}

/// Go's `strings.SplitN`; with an empty separator the characters.
pub(crate) fn split(s: &str, separator: &str, limit: Option<usize>) -> Vec<String> {
    if !separator.is_empty() {
        return match limit {
            Some(limit) => s.splitn(limit, separator).map(str::to_owned).collect(),
            None => s.split(separator).map(str::to_owned).collect(),
        };
    }
    let limit = limit.unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = s;
    while let Some(c) = rest.chars().next() {
        if parts.len() + 1 == limit {
            parts.push(rest.to_owned());
            return parts;
        }
        parts.push(c.to_string());
        rest = &rest[c.len_utf8()..];
    }
    parts
}

fn numbered(parts: Vec<String>) -> Value {
    let map = Map::new(&Type::Str);
    for (i, part) in parts.into_iter().enumerate() {
        map.set(format!("_{i}"), Value::from(part));
    }
    Value::Map(map)
}
