//! Version constraints as Helm reads them (Masterminds/semver v3), which are neither Cargo's nor npm's.

use std::cmp::Ordering;

use crate::Error;
use crate::version::{Version, compare_prereleases, is_number};

const LONGEST_CONSTRAINT: usize = 512;
const MOST_ALTERNATIVES: usize = 32;

/// A constraint: alternatives between `||`, each a list of comparisons between commas or blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    alternatives: Vec<Vec<Comparison>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// How much of a version a comparison names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Any,
    Major,
    Minor,
    Full,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    version: Version,
    precision: Precision,
}

impl Constraint {
    /// Reads a constraint.
    ///
    /// # Errors
    /// When it is no constraint.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > LONGEST_CONSTRAINT {
            let message = format!("constraint string is too long (max {LONGEST_CONSTRAINT} bytes)");
            return Err(Error::Version(message));
        }
        let parts: Vec<&str> = text.split("||").collect();
        if parts.len() > MOST_ALTERNATIVES {
            let message = format!("too many constraint groups (max {MOST_ALTERNATIVES})");
            return Err(Error::Version(message));
        }
        let alternatives = parts
            .into_iter()
            .map(|part| {
                parse_all(part)
                    .ok_or_else(|| Error::Version(format!("improper constraint: {part:?}")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// Whether a version fits. Prereleases fit only where the constraint names a prerelease.
    pub fn check(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|comparisons| {
            let prereleases = comparisons
                .iter()
                .any(|one| !one.version.prerelease().is_empty());
            (version.prerelease().is_empty() || prereleases)
                && comparisons.iter().all(|one| one.holds_for(version))
        })
    }
}

impl Comparison {
    fn new(operator: Operator, text: &str) -> Option<Self> {
        let (numbers, prerelease) = match text.find(['-', '+']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let mut numbers = numbers.strip_prefix('v').unwrap_or(numbers).split('.');
        let mut next = || {
            numbers
                .next()
                .filter(|number| !matches!(*number, "x" | "X" | "*"))
        };
        let (major, minor, patch) = (next(), next(), next());
        let prerelease_only = prerelease.split('+').next().unwrap_or_default();
        let (precision, text) = match (major, minor, patch) {
            (None, ..) => (Precision::Any, format!("0.0.0{prerelease_only}")),
            (Some(major), None, _) => (Precision::Major, format!("{major}.0.0{prerelease_only}")),
            (Some(major), Some(minor), None) => (
                Precision::Minor,
                format!("{major}.{minor}.0{prerelease_only}"),
            ),
            (Some(major), Some(minor), Some(patch)) => (
                Precision::Full,
                format!("{major}.{minor}.{patch}{prerelease}"),
            ),
        };
        Some(Self {
            operator,
            version: Version::parse(&text).ok()?,
            precision,
        })
    }

    fn holds_for(&self, version: &Version) -> bool {
        let order = version.compare(&self.version);
        let same_major = version.major() == self.version.major();
        let same_minor = version.minor() == self.version.minor();
        match self.operator {
            Operator::Equal if self.precision == Precision::Full => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => self.tilde(version, order),
            Operator::NotEqual => match self.precision {
                Precision::Full => order != Ordering::Equal,
                Precision::Major => !same_major,
                Precision::Minor => {
                    !(same_major && same_minor)
                        || compare_prereleases(version.prerelease(), self.version.prerelease())
                            != Ordering::Equal
                }
                // Helm's library compares `!=*` as `!=0.0.0`.
                Precision::Any => !same_major || !same_minor || order != Ordering::Equal,
            },
            Operator::Greater => match self.precision {
                Precision::Major => version.major() > self.version.major(),
                Precision::Minor => {
                    (version.major(), version.minor())
                        > (self.version.major(), self.version.minor())
                }
                Precision::Any | Precision::Full => order == Ordering::Greater,
            },
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual => match self.precision {
                Precision::Full => order != Ordering::Greater,
                Precision::Major => version.major() <= self.version.major(),
                Precision::Any | Precision::Minor => {
                    (version.major(), version.minor())
                        <= (self.version.major(), self.version.minor())
                }
            },
            Operator::Caret => self.caret(version, order),
        }
    }

    fn tilde(&self, version: &Version, order: Ordering) -> bool {
        let zero = (
            self.version.major(),
            self.version.minor(),
            self.version.patch(),
        ) == (0, 0, 0);
        let anything = zero && matches!(self.precision, Precision::Any | Precision::Full);
        let same_major = version.major() == self.version.major();
        let same_minor =
            version.minor() == self.version.minor() || self.precision == Precision::Major;
        order != Ordering::Less && (anything || same_major && same_minor)
    }

    fn caret(&self, version: &Version, order: Ordering) -> bool {
        if order == Ordering::Less {
            return false;
        }
        let same_major = version.major() == self.version.major();
        if self.version.major() > 0 || self.precision == Precision::Major {
            return same_major;
        }
        let same_minor = version.minor() == self.version.minor();
        if self.version.minor() > 0 || self.precision == Precision::Minor {
            return same_major && same_minor;
        }
        same_major && same_minor && version.patch() == self.version.patch()
    }
}

/// Reads comparisons up to the end of the text; `None` when something else stands there.
fn parse_all(text: &str) -> Option<Vec<Comparison>> {
    let mut comparisons = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let operator_end = rest.find(|c| !"=!<>~^".contains(c))?;
        let (operator, after) = rest.split_at(operator_end);
        let operator = parse_operator(operator)?;
        let (version, after) = split_version(after.trim_start())?;
        let blank = after.len() - after.trim_start().len();
        let next = after.trim_start();
        let hyphen = next
            .strip_prefix('-')
            .filter(|upper| blank > 0 && upper.starts_with(char::is_whitespace));
        if let Some(upper) = hyphen.filter(|_| operator_end == 0) {
            let (upper, after) = split_version(upper.trim_start())?;
            comparisons.push(Comparison::new(Operator::GreaterEqual, version)?);
            comparisons.push(Comparison::new(Operator::LessEqual, upper)?);
            rest = after;
        } else {
            comparisons.push(Comparison::new(operator, version)?);
            rest = after;
        }
        let next = rest.trim_start();
        if next.is_empty() {
            return Some(comparisons);
        }
        rest = match next.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if next.len() < rest.len() => next,
            None => return None,
        };
    }
}

fn parse_operator(text: &str) -> Option<Operator> {
    Some(match text {
        "" | "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        ">=" | "=>" => Operator::GreaterEqual,
        "<=" | "=<" => Operator::LessEqual,
        "~" | "~>" => Operator::Tilde,
        "^" => Operator::Caret,
        _ => return None,
    })
}

/// Cuts a version, in which `x`, `X` and `*` may stand for numbers, off the front.
fn split_version(text: &str) -> Option<(&str, &str)> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '*');
    let end = text.find(|c| !legal(c)).unwrap_or(text.len());
    let (version, after) = text.split_at(end);
    let numbers = version.strip_prefix('v').unwrap_or(version);
    let numbers = &numbers[..numbers.find(['-', '+']).unwrap_or(numbers.len())];
    let number = |part: &str| is_number(part) || matches!(part, "x" | "X" | "*");
    let fits = numbers.split('.').count() <= 3 && numbers.split('.').all(number);
    fits.then_some((version, after))
}
