//! `.helmignore`: each file of rules is read or refused, and each answer comes soon.

use crate::input;
use helm_chart::IgnoreRules;

/// Panics when it does not hold for what these bytes stand for.
pub fn ignore(data: &[u8]) {
    let Some(input) = input::<(&str, &str)>(data) else {
        return;
    };
    let (rules, path) = input;
    if let Ok(rules) = IgnoreRules::parse(rules) {
        let _ = rules.ignore(path, false);
        let _ = rules.ignore(path, true);
    }
}
