//! [`Selector`]: which labels something must have, as `kubectl -l` and `helm list -l` take it.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// All of these must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    wants: Wants,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wants {
    /// There is such a label.
    There,
    /// There is none.
    Missing,
    /// It has one of these values.
    OneOf(Vec<String>),
    /// It has none of these values, or there is none.
    NoneOf(Vec<String>),
    /// Its value is a number above this one.
    Above(i64),
    /// Its value is a number below this one.
    Below(i64),
}

impl Selector {
    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let number = || value.and_then(|value| value.parse::<i64>().ok());
            match &requirement.wants {
                Wants::There => value.is_some(),
                Wants::Missing => value.is_none(),
                Wants::OneOf(values) => value.is_some_and(|value| values.contains(value)),
                Wants::NoneOf(values) => value.is_none_or(|value| !values.contains(value)),
                Wants::Above(than) => number().is_some_and(|number| number > *than),
                Wants::Below(than) => number().is_some_and(|number| number < *than),
            }
        })
    }
}

/// What is wrong with a selector, with the part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoSelector(String);

impl fmt::Display for NoSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoSelector {}

impl FromStr for Selector {
    type Err = NoSelector;

    fn from_str(text: &str) -> Result<Self, NoSelector> {
        let mut tokens = Tokens(text);
        let mut requirements = Vec::new();
        if tokens.peek() == Token::End {
            return Ok(Self(requirements));
        }
        loop {
            requirements.push(tokens.requirement()?);
            match tokens.next() {
                Token::End => return Ok(Self(requirements)),
                Token::Sign(",") => {}
                other => return Err(other.instead_of("',' or the end")),
            }
        }
    }
}

/// Signs that are no words, the longer before what they begin with.
const SIGNS: [&str; 9] = ["==", "!=", "=", "!", "<", ">", "(", ")", ","];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Sign(&'static str),
    End,
}

impl Token<'_> {
    fn instead_of(self, wanted: &str) -> NoSelector {
        let found = match self {
            Self::Word(text) => text,
            Self::Sign(text) => text,
            Self::End => "",
        };
        NoSelector(format!("found '{found}', expected: {wanted}"))
    }
}

/// What of a selector is not read yet.
#[derive(Clone, Copy)]
struct Tokens<'t>(&'t str);

impl<'t> Tokens<'t> {
    fn peek(self) -> Token<'t> {
        let mut ahead = self;
        ahead.next()
    }

    fn next(&mut self) -> Token<'t> {
        let text = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
        for sign in SIGNS {
            if let Some(rest) = text.strip_prefix(sign) {
                self.0 = rest;
                return Token::Sign(sign);
            }
        }
        let ends = |letter: char| " \t\r\n=!<>(),".contains(letter);
        let (word, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
        self.0 = rest;
        if word.is_empty() {
            Token::End
        } else {
            Token::Word(word)
        }
    }

    fn requirement(&mut self) -> Result<Requirement, NoSelector> {
        let missing = self.peek() == Token::Sign("!");
        if missing {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return Err(other.instead_of("the key of a label")),
        };
        check_key(key)?;
        let wants = if missing {
            Wants::Missing
        } else if matches!(self.peek(), Token::End | Token::Sign(",")) {
            Wants::There
        } else {
            self.wants()?
        };
        if let Wants::OneOf(values) | Wants::NoneOf(values) = &wants {
            values.iter().try_for_each(|value| check_value(value))?;
        }
        Ok(Requirement {
            key: key.to_owned(),
            wants,
        })
    }

    fn wants(&mut self) -> Result<Wants, NoSelector> {
        Ok(match self.next() {
            Token::Sign("=" | "==") => Wants::OneOf(vec![self.value()?]),
            Token::Sign("!=") => Wants::NoneOf(vec![self.value()?]),
            Token::Sign(">") => Wants::Above(self.number()?),
            Token::Sign("<") => Wants::Below(self.number()?),
            Token::Word("in") => Wants::OneOf(self.values()?),
            Token::Word("notin") => Wants::NoneOf(self.values()?),
            other => return Err(other.instead_of("in, notin, =, ==, !=, > or <")),
        })
    }

    /// What follows a sign: a word, or nothing.
    fn value(&mut self) -> Result<String, NoSelector> {
        match self.peek() {
            Token::Word(word) => {
                self.next();
                Ok(word.to_owned())
            }
            Token::End | Token::Sign(",") => Ok(String::new()),
            other @ Token::Sign(_) => Err(other.instead_of("a value")),
        }
    }

    fn number(&mut self) -> Result<i64, NoSelector> {
        let value = self.value()?;
        check_value(&value)?;
        value
            .parse()
            .map_err(|_| NoSelector(format!("{value:?} is no number")))
    }

    /// Values in brackets; between commas there may be none, which is an empty one.
    fn values(&mut self) -> Result<Vec<String>, NoSelector> {
        match self.next() {
            Token::Sign("(") => {}
            other => return Err(other.instead_of("'('")),
        }
        let mut values = Vec::new();
        loop {
            values.push(match self.peek() {
                Token::Sign(")") => String::new(),
                _ => self.value()?,
            });
            match self.next() {
                Token::Sign(",") => {}
                Token::Sign(")") => return Ok(values),
                other => return Err(other.instead_of("',' or ')'")),
            }
        }
    }
}

/// Letters and digits, with `-`, `_` and `.` between them, at most 63.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    let ends = ends.map(|end| end.is_some_and(u8::is_ascii_alphanumeric));
    ends == [true, true] && bytes.len() <= 63 && bytes.iter().copied().all(inner)
}

/// A name of DNS, at most 253 letters.
fn is_domain(text: &str) -> bool {
    let end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let ends = [bytes.first(), bytes.last()].map(|byte| byte.is_some_and(end));
        ends == [true, true] && bytes.iter().all(|byte| end(byte) || *byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

fn check_key(key: &str) -> Result<(), NoSelector> {
    let (domain, name) = key
        .split_once('/')
        .map_or((None, key), |(domain, name)| (Some(domain), name));
    if domain.is_none_or(is_domain) && is_name(name) {
        return Ok(());
    }
    Err(NoSelector(format!("{key:?} is no key of a label")))
}

fn check_value(value: &str) -> Result<(), NoSelector> {
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    Err(NoSelector(format!("{value:?} is no value of a label")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected_as_the_api_server_does() {
        let labels = [
            ("a", "1"),
            ("own", "label"),
            ("n", "-7"),
            ("e", ""),
            ("in", "x"),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let labels = BTreeMap::from(labels);
        for (text, matches) in [
            ("", true),
            ("a=1", true),
            ("a==1", true),
            ("a = 1, own=label", true),
            ("a=1,own=other", false),
            ("a!=1", false),
            ("a!=2", true),
            ("none!=2", true),
            ("none=", false),
            ("a", true),
            ("!a", false),
            ("!none", true),
            ("a in (1, 2)", true),
            ("a in (2,3),own", false),
            ("a notin (2,3),own", true),
            ("none notin (2)", true),
            (" ", true),
            ("a>0", true),
            ("a > 1", false),
            ("a<2", true),
            ("n<0,own", true),
            ("none>1", false),
            ("own<1", false),
            ("e in ()", true),
            ("a in (,)", false),
            ("a in (1,,c)", true),
            ("a notin(b)", true),
            ("a in(1)", true),
            ("! a", false),
            ("a=", false),
            ("e=", true),
            ("a!=,own", true),
            ("in in (x)", true),
            ("in", true),
            ("notin", false),
            ("a=in", false),
            ("a\t=\t1 ,own", true),
            ("a.b-c/d_e.f=1", false),
        ] {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.matches(&labels), matches, "{text}");
        }
        let (long, domain) = ("a".repeat(64), format!("{}a/b", "a.".repeat(127)));
        for text in [
            "=1",
            "a in 1)",
            "a in (1",
            "a of (1)",
            "a b",
            "(a)",
            "n>-8",
            "a>x",
            "a>",
            "a>+0",
            "a>=1",
            "a<5x",
            "a>9223372036854775808",
            "a=b=c",
            "a=b c",
            "a===1",
            "a= =1",
            ",",
            "a,",
            ",a",
            "a,,own",
            "a in (b c)",
            "a in (=)",
            "a in (notin,=)",
            "own in (label)a",
            "in(a)",
            "!a=b",
            "!!a",
            "a!",
            "a!b",
            "a=1!",
            "a=b>c",
            "a<>1",
            "a>1<2",
            "a)",
            "a()",
            "a=(b)",
            "a/b/c",
            "/a",
            "a/",
            "-a",
            "A.b/c",
            "a=-b",
            "a=b_",
            "a=é",
            &long,
            &format!("a={long}"),
            &domain,
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
