//! The grammar of `--set` and its kin.

use crate::input;
use helm_chart::{Values, set, set_file, set_json, set_literal, set_string};

/// Panics when it does not hold for what these bytes stand for.
pub fn strvals(data: &[u8]) {
    let Some(line) = input::<&str>(data) else {
        return;
    };
    let mut values = Values::new();
    let _ = set(&mut values, line);
    let _ = set(&mut values, line);
    let _ = set_string(&mut values, line);
    let _ = set_json(&mut values, line);
    let _ = set_literal(&mut values, line);
    let _ = set_file(&mut values, line, "text");
    let _ = serde_json::to_string(&values).expect("values are JSON");
}
