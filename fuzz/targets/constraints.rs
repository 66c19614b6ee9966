//! Versions and constraints: a version that is read compares as equal to itself and reads the same when written.

#![no_main]

use helm_chart::{Constraint, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (constraint, version) = input;
    let Ok(version) = Version::parse(version) else {
        let _ = Constraint::parse(constraint);
        return;
    };
    assert_eq!(version.compare(&version), std::cmp::Ordering::Equal);
    if let Ok(constraint) = Constraint::parse(constraint) {
        let _ = constraint.check(&version);
    }
});
