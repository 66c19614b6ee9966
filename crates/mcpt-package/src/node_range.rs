//! Ranges of versions as npm packages write them in `engines`, for the one question whether a Node.js fits.

use semver::{Version, VersionReq};

/// Whether a version is in a range in npm's notation. `None` for a range that cannot be read: nobody is refused for it.
pub(crate) fn contains(range: &str, version: &Version) -> Option<bool> {
    // Pre-releases of Node.js are taken for the version that they lead to.
    let version = Version::new(version.major, version.minor, version.patch);
    range.split("||").try_fold(false, |found, part| {
        Some(found | comparators(part)?.matches(&version))
    })
}

/// One alternative: comparators with spaces between them, or two versions with a hyphen, all of which must hold.
fn comparators(text: &str) -> Option<VersionReq> {
    if let Some((low, high)) = text.split_once(" - ") {
        return VersionReq::parse(&format!(">={}, <={}", bare(low), bare(high))).ok();
    }
    let mut all: Vec<String> = Vec::new();
    let mut open = String::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        // `>= 18` is one comparator of two words.
        open.push_str(word);
        if open.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '*') {
            all.push(comparator(&std::mem::take(&mut open)));
        }
    }
    if !open.is_empty() {
        return None;
    }
    if all.is_empty() {
        return Some(VersionReq::STAR);
    }
    VersionReq::parse(&all.join(", ")).ok()
}

/// A comparator in Cargo's notation, where a bare version would mean all that are compatible with it.
fn comparator(word: &str) -> String {
    let word = word.replace('v', "").replace(['x', 'X'], "*");
    if word.starts_with(|c: char| c.is_ascii_digit()) && !word.contains('*') {
        format!("={word}")
    } else {
        word
    }
}

fn bare(version: &str) -> &str {
    version.trim().trim_start_matches('v')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_real_packages() {
        let node = Version::new(22, 9, 0);
        for (range, expected) in [
            (">=18", Some(true)),
            (">= 18.0.0", Some(true)),
            (">=22.13", Some(false)),
            ("^20.19.0 || ^22.12.0 || >=24", Some(false)),
            ("^18 || ^20 || >=22", Some(true)),
            (">=18 <23", Some(true)),
            (">=18 <22", Some(false)),
            ("18.x || 20.x", Some(false)),
            ("22.x", Some(true)),
            ("22", Some(true)),
            ("22.8.0", Some(false)),
            ("~22.9", Some(true)),
            ("18 - 22", Some(true)),
            ("v18.0.0 - v20.0.0", Some(false)),
            ("*", Some(true)),
            ("", Some(true)),
            ("node lts", None),
            (">=", None),
        ] {
            assert_eq!(contains(range, &node), expected, "{range}");
        }
        let nightly = Version::parse("24.0.0-nightly20260101").unwrap();
        assert_eq!(contains(">=24", &nightly), Some(true));
    }
}
