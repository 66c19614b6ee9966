//! Templates: each parses or is refused, and what parses is executed within its bounds.

use crate::input;
use std::time::Duration;

use gotmpl::limits::{Limits, limited};
use gotmpl::{MissingKey, TemplateSet, Value};
use helm_funcs::{Sources, functions};

/// Panics when it does not hold for what these bytes stand for.
pub fn templates(data: &[u8]) {
    let Some(text) = input::<&str>(data) else {
        return;
    };
    let limits = Limits {
        time: Duration::from_secs(2),
        memory: 16 << 20,
    };
    let mut set = TemplateSet::new("t", functions(&Sources::system()), MissingKey::Zero);
    if set.parse("t", text).is_err() {
        return;
    }
    let list = Value::list(vec![Value::int(1), Value::from("two"), Value::Nil]);
    let data = Value::map([
        ("a", list.clone()),
        ("b", Value::map([("c", Value::float(1.5)), ("d", list)])),
        ("s", Value::from("text")),
    ]);
    let _ = limited(limits, || set.execute("t", &data));
}
