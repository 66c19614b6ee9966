//! `.helmignore`: which files of a folder are no part of the chart.

use std::iter::Peekable;
use std::str::Chars;

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
    glob: Vec<Token>,
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
        let glob = parse_glob(rest.strip_prefix('/').unwrap_or(rest))
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
        matches(&self.glob, if self.whole_path { path } else { last })
    }
}

/// A part of a glob as Go's `filepath.Match` reads it.
#[derive(Debug)]
enum Token {
    /// This character; `\` before it takes away its meaning.
    Char(char),
    /// `?`: one character, no `/`.
    One,
    /// `*`: any number of characters, no `/`.
    Many,
    /// `[a-z]` or `[^a-z]`: one character, no `/`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Parses a glob; `None` when it is malformed.
fn parse_glob(glob: &str) -> Option<Vec<Token>> {
    let mut chars = glob.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Many,
            '?' => Token::One,
            '[' => class(&mut chars)?,
            '\\' => Token::Char(chars.next()?),
            c => Token::Char(c),
        });
    }
    Some(tokens)
}

/// Reads a class after its `[`.
fn class(glob: &mut Peekable<Chars<'_>>) -> Option<Token> {
    let negated = glob.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || glob.next_if_eq(&']').is_none() {
        let low = class_char(glob)?;
        let high = match glob.next_if_eq(&'-') {
            Some(_) => class_char(glob)?,
            None => low,
        };
        ranges.push((low, high));
    }
    Some(Token::Class { negated, ranges })
}

fn class_char(glob: &mut Peekable<Chars<'_>>) -> Option<char> {
    match glob.next()? {
        '-' | ']' => None,
        '\\' => glob.next(),
        c => Some(c),
    }
}

/// Whether a glob matches all of a text. The places in the glob that the text so far can have led to are followed together,
/// so that the work is at most the product of both lengths.
fn matches(glob: &[Token], text: &str) -> bool {
    let mut places = vec![false; glob.len() + 1];
    places[0] = true;
    skip_stars(glob, &mut places);
    for c in text.chars() {
        let mut after = vec![false; glob.len() + 1];
        for (place, token) in glob.iter().enumerate().filter(|(place, _)| places[*place]) {
            match token {
                Token::Many => after[place] |= c != '/',
                token => after[place + 1] |= token.takes(c),
            }
        }
        places = after;
        skip_stars(glob, &mut places);
    }
    places[glob.len()]
}

/// A star may take nothing.
fn skip_stars(glob: &[Token], places: &mut [bool]) {
    for (place, token) in glob.iter().enumerate() {
        if matches!(token, Token::Many) {
            places[place + 1] |= places[place];
        }
    }
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(literal) => *literal == c,
            Self::One | Self::Many => c != '/',
            Self::Class { negated, ranges } => {
                c != '/' && ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Rules, matches, parse_glob};

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

    /// With backtracking these take longer than anybody waits.
    #[test]
    fn many_stars_take_no_longer_than_few() {
        let name = "a".repeat(250);
        let stars = "*a".repeat(60);
        for (glob, expected) in [
            (format!("{stars}*"), true),
            (format!("{stars}b"), false),
            (format!("{stars}[^a]"), false),
            (format!("{}b", "*?".repeat(60)), false),
        ] {
            let glob = parse_glob(&glob).unwrap();
            assert_eq!(matches(&glob, &name), expected);
        }
    }
}
