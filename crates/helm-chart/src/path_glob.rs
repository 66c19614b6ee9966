//! Globs as Go's `filepath.Match` reads them.

use std::iter::Peekable;
use std::str::Chars;

/// A parsed glob: `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` are classes, `\` takes the next character as it is.
#[derive(Debug)]
pub struct PathGlob(Vec<Token>);

/// A part of a glob.
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

impl PathGlob {
    /// Parses a glob; `None` when it is malformed.
    pub fn parse(glob: &str) -> Option<Self> {
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
        Some(Self(tokens))
    }

    /// Whether the glob matches all of a path. The places in it that the path so far can have led to are followed together,
    /// so that the work is at most the product of both lengths.
    pub fn matches(&self, path: &str) -> bool {
        let Self(glob) = self;
        let mut places = vec![false; glob.len() + 1];
        places[0] = true;
        skip_stars(glob, &mut places);
        for c in path.chars() {
            let mut after = vec![false; glob.len() + 1];
            for (place, token) in glob.iter().enumerate().filter(|(at, _)| places[*at]) {
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
    use super::PathGlob;

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
            let glob = PathGlob::parse(&glob).unwrap();
            assert_eq!(glob.matches(&name), expected);
        }
    }
}
