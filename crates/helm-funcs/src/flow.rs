//! fail, required, include, tpl and lookup.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use gotmpl::{Error, Stage, Type, Value};

use crate::args::{Args, Registry, Returned, fail};
use crate::convert::from_json;
use crate::sources::Sources;

/// Stands before a message of `fail` and `required`, so that it can be found in an error text.
pub const WARN_START: &str = "HELM_ERR_START";
/// Stands after such a message.
pub const WARN_END: &str = "HELM_ERR_END";

/// How often one name may be included inside itself.
const MAX_INCLUDES: usize = 1000;

const STR: Type = Type::Str;

pub(crate) fn register(r: &mut Registry, sources: &Sources) {
    r.add("fail", &[STR], STR, |a| warn(&a.text(0)));
    r.add("required", &[STR, Type::Any], Type::Any, |a| {
        match a.any(1) {
            Value::Nil => warn(&a.text(0)),
            Value::Str(s) if s.is_empty() => warn(&a.text(0)),
            value => Ok(value.clone()),
        }
    });
    let included = Rc::new(RefCell::new(BTreeMap::new()));
    r.add("include", &[STR, Type::Any], STR, move |a| {
        include(a, &included)
    });
    r.add("tpl", &[STR, Type::Any], STR, tpl);
    let lookup = Rc::clone(&sources.lookup);
    r.add("lookup", &[STR, STR, STR, STR], Type::MAP, move |a| {
        let found = lookup.lookup(&a.text(0), &a.text(1), &a.text(2), &a.text(3));
        Ok(Value::map(
            found?.iter().map(|(key, value)| (key, from_json(value))),
        ))
    });
    let host = Rc::clone(&sources.host);
    r.add("getHostByName", &[STR], STR, move |a| {
        Ok(Value::from(host(&a.text(0))))
    });
}

/// `fail` and `required` that end nothing.
pub(crate) fn register_lenient(r: &mut Registry) {
    r.add("fail", &[STR], STR, |_| Ok(Value::from("")));
    r.add("required", &[STR, Type::Any], Type::Any, |a| {
        match a.any(1) {
            Value::Nil => Ok(Value::from("")),
            value => Ok(value.clone()),
        }
    });
}

fn warn(message: &str) -> Returned {
    fail(format!("{WARN_START}{message}{WARN_END}"))
}

fn include(a: Args<'_>, included: &RefCell<BTreeMap<String, usize>>) -> Returned {
    let name = a.text(0).into_owned();
    {
        let mut counts = included.borrow_mut();
        let count = counts.entry(name.clone()).or_insert(0);
        if *count > MAX_INCLUDES {
            return Err(Error::wrap(
                &format!("rendering template has a nested reference name: {name}: "),
                Error::call("unable to execute template"),
            ));
        }
        *count += 1;
    }
    let result = a.call.templates().execute(&name, a.any(1));
    if let Some(count) = included.borrow_mut().get_mut(&name) {
        *count -= 1;
    }
    result.map(Value::str)
}

fn tpl(a: Args<'_>) -> Returned {
    let text = a.text(0);
    let shown = gotmpl::fmt::quote(text.as_bytes());
    let mut set = a.call.templates().clone();
    let out = set.execute_text(&text, a.any(1)).map_err(|e| {
        let context = match e.stage() {
            Stage::Parse => "cannot parse template",
            _ => "error during tpl function execution for",
        };
        Error::wrap(&format!("{context} {shown}: "), e)
    })?;
    Ok(Value::str(without_no_value(&out)))
}

/// Removes every `<no value>`, which Go prints for what is not there.
pub fn without_no_value(text: &[u8]) -> Vec<u8> {
    const NO_VALUE: &[u8] = b"<no value>";
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest
        .windows(NO_VALUE.len())
        .position(|window| window == NO_VALUE)
    {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + NO_VALUE.len()..];
    }
    out.extend_from_slice(rest);
    out
}
