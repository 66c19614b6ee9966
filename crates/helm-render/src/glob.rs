//! Globs as gobwas/glob reads them, with `/` as the separator.

/// A parsed pattern: steps that a text is led through, from the first one to the one behind the last.
#[derive(Debug, Default)]
pub(crate) struct Glob(Vec<Step>);

/// What leads from its place in the pattern to others.
#[derive(Debug)]
enum Step {
    /// One such character to the next place.
    Take(Set),
    /// `*` and `**`: any number of such characters, here or on to the next place.
    Loop(Set),
    /// To other places, with nothing: the beginnings of `{a,b}`, or the place behind it. All lie ahead.
    Jump(Vec<usize>),
}

#[derive(Debug, Clone)]
enum Set {
    /// This one.
    Char(char),
    /// All but the separator.
    Part,
    /// All.
    Any,
    /// `[a-z]`, `[!abc]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// How deep `{}` may nest.
const MAX_NESTING: usize = 20;

impl Glob {
    /// Parses a pattern; `None` if it is malformed.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        let chars: Vec<char> = pattern.chars().collect();
        let mut at = 0;
        let mut glob = Self::default();
        glob.sequence(&chars, &mut at, 0)?;
        (at == chars.len()).then_some(glob)
    }

    /// Steps up to the end, or to the `,` or `}` that ends an alternative.
    fn sequence(&mut self, chars: &[char], at: &mut usize, depth: usize) -> Option<()> {
        while let Some(&c) = chars.get(*at) {
            if depth > 0 && matches!(c, ',' | '}') {
                break;
            }
            *at += 1;
            let step = match c {
                '*' => {
                    let stars = chars[*at..].iter().take_while(|c| **c == '*').count();
                    *at += stars;
                    Step::Loop(if stars > 0 { Set::Any } else { Set::Part })
                }
                '?' => Step::Take(Set::Part),
                '[' => Step::Take(class(chars, at)?),
                '{' if depth < MAX_NESTING => {
                    self.alternatives(chars, at, depth + 1)?;
                    continue;
                }
                '{' => return None,
                '\\' => {
                    let escaped = *chars.get(*at)?;
                    *at += 1;
                    Step::Take(Set::Char(escaped))
                }
                c => Step::Take(Set::Char(c)),
            };
            self.0.push(step);
        }
        Some(())
    }

    /// Alternatives after their `{`.
    fn alternatives(&mut self, chars: &[char], at: &mut usize, depth: usize) -> Option<()> {
        let fork = self.0.len();
        self.0.push(Step::Jump(Vec::new()));
        let (mut begins, mut ends) = (Vec::new(), Vec::new());
        loop {
            begins.push(self.0.len());
            self.sequence(chars, at, depth)?;
            ends.push(self.0.len());
            self.0.push(Step::Jump(Vec::new()));
            let end = *chars.get(*at)?;
            *at += 1;
            if end == '}' {
                break;
            }
        }
        self.0[fork] = Step::Jump(begins);
        let behind = self.0.len();
        for end in ends {
            self.0[end] = Step::Jump(vec![behind]);
        }
        Some(())
    }

    /// Whether a path matches. All places that its beginning leads to are followed together, so that the work is at most the
    /// product of both lengths.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let mut places = vec![false; self.0.len() + 1];
        places[0] = true;
        self.without_taking(&mut places);
        for c in path.chars() {
            let mut after = vec![false; self.0.len() + 1];
            for (place, step) in self.0.iter().enumerate().filter(|(at, _)| places[*at]) {
                match step {
                    Step::Take(set) => after[place + 1] |= set.has(c),
                    Step::Loop(set) => after[place] |= set.has(c),
                    Step::Jump(_) => {}
                }
            }
            places = after;
            self.without_taking(&mut places);
        }
        places[self.0.len()]
    }

    /// Adds the places that are reached without a character; all of them lie ahead.
    fn without_taking(&self, places: &mut [bool]) {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                _ if !places[place] => {}
                Step::Take(_) => {}
                Step::Loop(_) => places[place + 1] = true,
                Step::Jump(to) => to.iter().for_each(|to| places[*to] = true),
            }
        }
    }
}

impl Set {
    fn has(&self, c: char) -> bool {
        match self {
            Self::Char(literal) => *literal == c,
            Self::Part => c != '/',
            Self::Any => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) != *negated
            }
        }
    }
}

/// A class, after its `[`.
fn class(chars: &[char], at: &mut usize) -> Option<Set> {
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
    (!ranges.is_empty()).then_some(Set::Class { negated, ranges })
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
            ("{a,b/{c,d}}/x", "b/e/x", false),
            ("{a,}{,b}", "", true),
            ("{*,x/**}.yaml", "x/y/z.yaml", true),
            ("{*,x/**}.yaml", "y/z.yaml", false),
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

    /// With backtracking these take longer than anybody waits.
    #[test]
    fn many_stars_take_no_longer_than_few() {
        let path = "a/".repeat(500);
        for pattern in [
            format!("{}x", "**/".repeat(200)),
            format!("{}x", "*a".repeat(200)),
            format!("{}x", "{a/,a/}".repeat(200)),
            format!("{}x", "{**,{*,**}}".repeat(100)),
        ] {
            assert!(!Glob::parse(&pattern).unwrap().matches(&path), "{pattern}");
        }
    }
}
