//! The grammar of `--set` and its kin.

#![no_main]

use helm_chart::{Values, set, set_file, set_json, set_literal, set_string};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    let mut values = Values::new();
    let _ = set(&mut values, line);
    let _ = set(&mut values, line);
    let _ = set_string(&mut values, line);
    let _ = set_json(&mut values, line);
    let _ = set_literal(&mut values, line);
    let _ = set_file(&mut values, line, "text");
    let _ = serde_json::to_string(&values).expect("values are JSON");
});
