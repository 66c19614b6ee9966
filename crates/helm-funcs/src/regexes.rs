//! Regular expressions in Go's dialect.

mod expand;
mod go_syntax;

use gotmpl::{Error, List, Type, Value};
use regex::{Captures, NoExpand, Regex, RegexBuilder};

use crate::args::{Args, Registry, Returned};

const STR: Type = Type::Str;
/// Bounds of a compiled expression.
const MOST_MEMORY: usize = 64 << 20;
const MOST_NESTING: u32 = 10_000;

pub(crate) fn register(r: &mut Registry) {
    r.add("regexMatch", &[STR, STR], Type::Bool, |a| {
        Ok(Value::Bool(
            compile(a).is_ok_and(|re| re.regex.is_match(&a.text(1))),
        ))
    });
    r.add("mustRegexMatch", &[STR, STR], Type::Bool, |a| {
        Ok(Value::Bool(compile(a)?.regex.is_match(&a.text(1))))
    });
    both(r, "regexFind", &[STR, STR], &STR, |a, re| {
        let text = a.text(1);
        Ok(Value::str(re.regex.find(&text).map_or("", |m| m.as_str())))
    });
    both(
        r,
        "regexFindAll",
        &[STR, STR, Type::INT],
        &Type::STRINGS,
        |a, re| {
            let text = a.text(1);
            let limit = usize::try_from(a.int(2)).unwrap_or(usize::MAX);
            let found: Vec<&str> = re
                .regex
                .find_iter(&text)
                .take(limit)
                .map(|m| m.as_str())
                .collect();
            Ok(if found.is_empty() {
                none()
            } else {
                Value::strings(found)
            })
        },
    );
    both(r, "regexReplaceAll", &[STR, STR, STR], &STR, |a, re| {
        let template = a.text(2);
        let replace = |captures: &Captures<'_>| {
            let mut out = String::new();
            expand::expand(&template, captures, &re.names, &mut out);
            out
        };
        Ok(Value::str(re.regex.replace_all(&a.text(1), replace)))
    });
    both(
        r,
        "regexReplaceAllLiteral",
        &[STR, STR, STR],
        &STR,
        |a, re| {
            Ok(Value::str(
                re.regex.replace_all(&a.text(1), NoExpand(&a.text(2))),
            ))
        },
    );
    both(
        r,
        "regexSplit",
        &[STR, STR, Type::INT],
        &Type::STRINGS,
        |a, re| Ok(split(a, re)),
    );
    r.text("regexQuoteMeta", |s| {
        let mut out = String::new();
        for c in s.chars() {
            if r"\.+*?()|[]{}^$".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
        out
    });
}

/// Registers a function under its own name and its `must` name.
fn both(
    r: &mut Registry,
    name: &str,
    params: &[Type],
    result: &Type,
    body: fn(Args<'_>, &Pattern) -> Returned,
) {
    r.add(name, params, result.clone(), move |a| {
        body(a, &must_compile(a)?)
    });
    let must = format!("mustR{}", &name[1..]);
    r.add(&must, params, result.clone(), move |a| {
        body(a, &compile(a)?)
    });
}

fn none() -> Value {
    Value::List(List::nil(&Type::Str))
}

/// A compiled expression, with the names of its groups.
struct Pattern {
    regex: Regex,
    names: Vec<Option<String>>,
}

/// The expression in the first argument.
fn compile(a: Args<'_>) -> Result<Pattern, Error> {
    pattern(&a.text(0))
}

/// An expression in Go's dialect.
///
/// # Errors
/// What Go's `regexp.Compile` says, and for expressions that are larger than anybody needs.
pub fn go_regex(text: &str) -> Result<Regex, Error> {
    Ok(pattern(text)?.regex)
}

fn pattern(pattern: &str) -> Result<Pattern, Error> {
    let expression = go_syntax::parse(pattern).map_err(|e| Error::call(e.to_string()))?;
    let regex = RegexBuilder::new(&expression.hir.to_string())
        .size_limit(MOST_MEMORY)
        .nest_limit(MOST_NESTING)
        .build();
    // What Go takes and this machine does not is larger than anybody needs.
    let regex = regex.map_err(|_| {
        Error::call(format!(
            "error parsing regexp: expression too large: `{pattern}`"
        ))
    })?;
    let names = expression.names;
    Ok(Pattern { regex, names })
}

/// As [`compile`]; the error is what Go's `regexp.MustCompile` panics with.
fn must_compile(a: Args<'_>) -> Result<Pattern, Error> {
    compile(a).map_err(|e| {
        let pattern = a.text(0);
        let shown = if pattern.contains('`') {
            gotmpl::fmt::quote(pattern.as_bytes())
        } else {
            format!("`{pattern}`")
        };
        Error::call(format!("regexp: Compile({shown}): {e}"))
    })
}

/// Go's `Regexp.Split`: at most `n` parts, all for a negative `n`, none for 0.
fn split(a: Args<'_>, re: &Pattern) -> Value {
    let (pattern, text, limit) = (a.bytes(0), a.text(1), a.int(2));
    if limit == 0 {
        return none();
    }
    if !pattern.is_empty() && text.is_empty() {
        return Value::strings([""]);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in re.regex.find_iter(&text) {
        if parts.len() + 1 == limit {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(&text[begin..end]);
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(&text[begin..]);
    }
    Value::strings(parts)
}
