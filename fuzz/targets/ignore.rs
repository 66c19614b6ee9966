//! `.helmignore`: each file of rules is read or refused, and each answer comes soon.

#![no_main]

use helm_chart::IgnoreRules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (rules, path) = input;
    if let Ok(rules) = IgnoreRules::parse(rules) {
        let _ = rules.ignore(path, false);
        let _ = rules.ignore(path, true);
    }
});
