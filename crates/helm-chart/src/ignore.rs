//! `.helmignore`: which files of a folder are no part of the chart.

use crate::{Error, PathGlob};

/// The rules of a `.helmignore` and Helm's own.
#[derive(Debug)]
pub struct IgnoreRules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    negated: bool,
    folders_only: bool,
    /// Matches the whole path, not only the last part of it.
    whole_path: bool,
    glob: PathGlob,
}

impl IgnoreRules {
    /// Reads the text of a `.helmignore`.
    ///
    /// # Errors
    /// When a rule is malformed or has `**`.
    pub fn parse(text: &str) -> Result<Self, Error> {
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
    pub fn ignore(&self, path: &str, is_folder: bool) -> bool {
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
        let glob = PathGlob::parse(rest.strip_prefix('/').unwrap_or(rest))
            .ok_or_else(|| Error::Ignore("syntax error in pattern".to_owned()))?;
        Ok(Some(Self {
            negated,
            folders_only,
            whole_path: rest.contains('/'),
            glob,
        }))
    }

    fn matches(&self, path: &str) -> bool {
        let last = path.rsplit('/').next().unwrap_or(path);
        self.glob.matches(if self.whole_path { path } else { last })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::IgnoreRules;

    /// What Helm's own rules say, recorded: `rules`, a `path` that is a `dir` or not, and the answer.
    #[test]
    fn as_helm() {
        let cases = include_str!("../tests/cases/ignore.jsonl");
        let mut failures = Vec::new();
        for line in cases.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| case[name].as_str().unwrap();
            let ours = IgnoreRules::parse(text("rules"))
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
