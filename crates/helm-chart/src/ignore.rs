//! `.helmignore`: which files of a folder are no part of the chart.

use crate::Error;

/// The rules of a `.helmignore` and Helm's own.
#[derive(Debug)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    negated: bool,
    folders_only: bool,
    /// Matches the whole path, not only the last part of it.
    whole_path: bool,
    glob: Vec<char>,
}

impl Rules {
    /// Reads the text of a `.helmignore`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let own_rule = "templates/.?*";
        let rules = text
            .lines()
            .chain([own_rule])
            .filter_map(|line| Rule::parse(line).transpose());
        Ok(Self(rules.collect::<Result<_, _>>()?))
    }

    /// Whether a path, relative to the chart's folder, is left out. The first rule that says so decides; a rule with `!`
    /// leaves out what it does **not** match, as in Helm.
    pub(crate) fn ignore(&self, path: &str, is_folder: bool) -> bool {
        self.0.iter().any(|rule| {
            if rule.negated {
                rule.folders_only && !is_folder || !rule.matches(path)
            } else {
                (!rule.folders_only || is_folder) && rule.matches(path)
            }
        })
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Option<Self>, Error> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        if line.contains("**") {
            return Err(Error::Ignore(
                "double-star (**) syntax is not supported".to_owned(),
            ));
        }
        let (negated, rest) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (folders_only, rest) = match rest.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let glob: Vec<char> = rest.strip_prefix('/').unwrap_or(rest).chars().collect();
        if matches(&glob, &['a', 'b', 'c']).is_none() {
            return Err(Error::Ignore("syntax error in pattern".to_owned()));
        }
        Ok(Some(Self {
            negated,
            folders_only,
            whole_path: rest.contains('/'),
            glob,
        }))
    }

    fn matches(&self, path: &str) -> bool {
        let last = path.rsplit('/').next().unwrap_or(path);
        let subject: Vec<char> = if self.whole_path { path } else { last }.chars().collect();
        matches(&self.glob, &subject).unwrap_or(false)
    }
}

/// Go's `filepath.Match`: `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` are classes, `\` takes the next character as it is.
/// `None` when the pattern is malformed.
fn matches(glob: &[char], text: &[char]) -> Option<bool> {
    let Some((first, rest)) = glob.split_first() else {
        return Some(text.is_empty());
    };
    let in_part = text.first().filter(|c| **c != '/');
    match first {
        '*' => {
            let part = text.iter().position(|c| *c == '/').unwrap_or(text.len());
            let mut found = false;
            for skipped in 0..=part {
                found |= matches(rest, &text[skipped..])?;
                if found {
                    break;
                }
            }
            Some(found)
        }
        '?' => {
            let after = matches(rest, text.get(1..).unwrap_or_default())?;
            Some(in_part.is_some() && after)
        }
        '[' => {
            let (contains, rest) = class(rest, in_part.copied())?;
            let after = matches(rest, text.get(1..).unwrap_or_default())?;
            Some(contains && after)
        }
        '\\' => {
            let (literal, rest) = rest.split_first()?;
            let after = matches(rest, text.get(1..).unwrap_or_default())?;
            Some(text.first() == Some(literal) && after)
        }
        literal => {
            let after = matches(rest, text.get(1..).unwrap_or_default())?;
            Some(text.first() == Some(literal) && after)
        }
    }
}

/// Reads a class after its `[`; whether it holds the character, and the pattern after its `]`.
fn class(glob: &[char], c: Option<char>) -> Option<(bool, &[char])> {
    let (negated, mut rest) = match glob.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, glob),
    };
    let (mut found, mut ranges) = (false, 0);
    loop {
        if let (Some((']', after)), true) = (rest.split_first(), ranges > 0) {
            return Some((c.is_some() && found != negated, after));
        }
        let (low, after) = class_char(rest)?;
        let (high, after) = match after.split_first() {
            Some(('-', after)) => class_char(after)?,
            _ => (low, after),
        };
        found |= c.is_some_and(|c| (low..=high).contains(&c));
        ranges += 1;
        rest = after;
    }
}

fn class_char(glob: &[char]) -> Option<(char, &[char])> {
    let (c, rest) = glob.split_first()?;
    match c {
        '-' | ']' => None,
        '\\' => rest.split_first().map(|(c, rest)| (*c, rest)),
        c => Some((*c, rest)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Rules;

    /// What Helm's own rules say, recorded: `rules`, a `path` that is a `dir` or not, and the answer.
    #[test]
    fn as_helm() {
        let cases = include_str!("../tests/cases/ignore.jsonl");
        let mut failures = Vec::new();
        for line in cases.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| case[name].as_str().unwrap();
            let ours = Rules::parse(text("rules"))
                .map(|rules| rules.ignore(text("path"), case["dir"] == true))
                .map_err(|error| error.to_string());
            let same = match &ours {
                Ok(ignored) => case["ok"] == *ignored,
                Err(error) => case["err"] == *error,
            };
            if !same {
                failures.push(format!("{line}\n  ours: {ours:?}"));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
