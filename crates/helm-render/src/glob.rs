//! Globs as gobwas/glob reads them, with `/` as the separator.

/// A parsed pattern.
#[derive(Debug)]
pub(crate) struct Glob(Vec<Token>);

#[derive(Debug)]
enum Token {
    Char(char),
    /// `?`: one character, no separator.
    One,
    /// `*`: any number of characters, no separator.
    Many,
    /// `**`: any number of characters.
    Super,
    /// `[a-z]`, `[!abc]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `{a,b}`
    Any(Vec<Vec<Token>>),
}

/// How deep `{}` may nest.
const MAX_NESTING: usize = 20;

impl Glob {
    /// Parses a pattern; `None` if it is malformed.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        let chars: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        let tokens = sequence(&chars, &mut at, 0)?;
        (at == chars.len()).then_some(Self(tokens))
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        let tokens: Vec<&Token> = self.0.iter().collect();
        matches(&tokens, &path)
    }
}

/// Tokens up to the end, or to the `,` or `}` that ends an alternative.
fn sequence(chars: &[char], at: &mut usize, depth: usize) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    while let Some(&c) = chars.get(*at) {
        if depth > 0 && matches!(c, ',' | '}') {
            break;
        }
        *at += 1;
        tokens.push(match c {
            '*' => {
                let stars = chars[*at..].iter().take_while(|c| **c == '*').count();
                *at += stars;
                if stars > 0 { Token::Super } else { Token::Many }
            }
            '?' => Token::One,
            '[' => class(chars, at)?,
            '{' if depth < MAX_NESTING => {
                let mut alternatives = Vec::new();
                loop {
                    alternatives.push(sequence(chars, at, depth + 1)?);
                    let end = *chars.get(*at)?;
                    *at += 1;
                    if end == '}' {
                        break;
                    }
                }
                Token::Any(alternatives)
            }
            '{' => return None,
            '\\' => {
                let escaped = *chars.get(*at)?;
                *at += 1;
                Token::Char(escaped)
            }
            c => Token::Char(c),
        });
    }
    Some(tokens)
}

/// A class, after its `[`.
fn class(chars: &[char], at: &mut usize) -> Option<Token> {
    let negated = chars.get(*at) == Some(&'!');
    if negated {
        *at += 1;
    }
    let mut ranges = Vec::new();
    loop {
        let mut low = *chars.get(*at)?;
        *at += 1;
        if low == ']' {
            break;
        }
        if low == '\\' {
            low = *chars.get(*at)?;
            *at += 1;
        }
        let mut high = low;
        if chars.get(*at) == Some(&'-') && chars.get(*at + 1).is_some_and(|c| *c != ']') {
            high = *chars.get(*at + 1)?;
            *at += 2;
        }
        ranges.push((low, high));
    }
    (!ranges.is_empty()).then_some(Token::Class { negated, ranges })
}

fn matches(tokens: &[&Token], path: &[char]) -> bool {
    let Some((token, rest)) = tokens.split_first() else {
        return path.is_empty();
    };
    match token {
        Token::Char(c) => path.first() == Some(c) && matches(rest, &path[1..]),
        Token::One => path.first().is_some_and(|c| *c != '/') && matches(rest, &path[1..]),
        Token::Many => {
            let reach = path.iter().take_while(|c| **c != '/').count();
            (0..=reach).any(|len| matches(rest, &path[len..]))
        }
        Token::Super => (0..=path.len()).any(|len| matches(rest, &path[len..])),
        Token::Class { negated, ranges } => {
            path.first().is_some_and(|c| {
                ranges.iter().any(|(low, high)| (low..=high).contains(&c)) != *negated
            }) && matches(rest, &path[1..])
        }
        Token::Any(alternatives) => alternatives.iter().any(|alternative| {
            let tokens: Vec<&Token> = alternative.iter().chain(rest.iter().copied()).collect();
            matches(&tokens, path)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn stars_stop_at_separators_and_double_stars_do_not() {
        for (pattern, path, expected) in [
            ("config/*", "config/a.yaml", true),
            ("config/*", "config/sub/a.yaml", false),
            ("config/**", "config/sub/a.yaml", true),
            ("**.yaml", "config/sub/a.yaml", true),
            ("*.yaml", "config/a.yaml", false),
            ("c?nfig/[a-c].{yaml,json}", "config/b.json", true),
            ("c?nfig/[!a-c].{yaml,json}", "config/b.json", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("{a,b/{c,d}}/x", "b/d/x", true),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            assert_eq!(glob.matches(path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn unbalanced_patterns_are_refused() {
        for pattern in ["[a", "{a,b", "a\\", "[]"] {
            assert!(Glob::parse(pattern).is_none(), "{pattern}");
        }
    }
}
