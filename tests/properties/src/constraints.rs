//! Versions and constraints: a version that is read compares as equal to itself and reads the same when written.

use crate::input;
use helm_chart::{Constraint, Version};

/// Panics when it does not hold for what these bytes stand for.
pub fn constraints(data: &[u8]) {
    let Some(input) = input::<(&str, &str)>(data) else {
        return;
    };
    let (constraint, version) = input;
    let Ok(version) = Version::parse(version) else {
        let _ = Constraint::parse(constraint);
        return;
    };
    assert_eq!(version.compare(&version), std::cmp::Ordering::Equal);
    if let Ok(constraint) = Constraint::parse(constraint) {
        let _ = constraint.check(&version);
    }
}
