//! Classes of characters: in brackets, Perl's, Unicode's; and escaped characters.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::{INVALID_ESCAPE, INVALID_RANGE, Mistake, before, mistake, next, tables};

/// An escaped character: `None` for one that no text has (a surrogate).
pub(super) fn escaped(text: &str) -> Result<(Option<char>, &str), Mistake> {
    let (code, rest) = escaped_code(text)?;
    Ok((char::from_u32(code), rest))
}

fn escaped_code(text: &str) -> Result<(u32, &str), Mistake> {
    let Some((c, mut rest)) = next(&text[1..]) else {
        return Err(mistake("trailing backslash at end of expression", ""));
    };
    let octal = |c: char| c.to_digit(8);
    let code = match c {
        // A digit alone would be a reference to a group.
        '1'..='7' if !rest.starts_with(|c| ('0'..='7').contains(&c)) => None,
        '0'..='7' => {
            let mut code = octal(c).unwrap_or(0);
            for _ in 0..2 {
                let Some((c, after)) = next(rest) else { break };
                let Some(digit) = octal(c) else { break };
                code = code * 8 + digit;
                rest = after;
            }
            Some(code)
        }
        'x' => {
            let (code, after) = hexadecimal(rest);
            rest = after;
            code
        }
        'a' => Some(0x07),
        'f' => Some(0x0c),
        'n' => Some(0x0a),
        'r' => Some(0x0d),
        't' => Some(0x09),
        'v' => Some(0x0b),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c.into()),
        _ => None,
    };
    match code {
        Some(code) => Ok((code, rest)),
        None => Err(mistake(INVALID_ESCAPE, before(text, rest))),
    }
}

/// The code after `\x`, and what follows it or what was found wrong.
fn hexadecimal(text: &str) -> (Option<u32>, &str) {
    let Some((c, mut rest)) = next(text) else {
        return (None, text);
    };
    if c != '{' {
        let high = c.to_digit(16);
        let Some((c, rest)) = next(rest) else {
            return (None, rest);
        };
        let code = high.zip(c.to_digit(16));
        return (code.map(|(high, low)| high * 16 + low), rest);
    }
    let (mut code, mut digits) = (0, 0);
    while let Some((c, after)) = next(rest) {
        rest = after;
        if c == '}' {
            return ((digits > 0).then_some(code), rest);
        }
        let Some(digit) = c.to_digit(16) else {
            break;
        };
        code = code * 16 + digit;
        if code > u32::from(char::MAX) {
            break;
        }
        digits += 1;
    }
    (None, rest)
}

/// `\pN`, `\p{Name}` and their opposites, if the text begins with one.
pub(super) fn unicode(text: &str, fold: bool) -> Result<Option<(ClassUnicode, &str)>, Mistake> {
    let (mut negated, rest) = match (text.strip_prefix("\\p"), text.strip_prefix("\\P")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Ok(None),
    };
    let (name, rest) = match next(rest) {
        None => ("", rest),
        Some(('{', _)) => {
            let Some(end) = rest.find('}') else {
                return Err(mistake(INVALID_RANGE, text));
            };
            (&rest[1..end], &rest[end + 1..])
        }
        Some((_, after)) => (before(rest, after), after),
    };
    let plain = name.strip_prefix('^').unwrap_or(name);
    negated ^= plain.len() != name.len();
    let Some(mut class) = tables::named(plain) else {
        return Err(mistake(INVALID_RANGE, before(text, rest)));
    };
    finish(&mut class, negated, fold);
    Ok(Some((class, rest)))
}

/// `\d`, `\s`, `\w` and their opposites, if the text begins with one: of ASCII alone.
pub(super) fn perl(text: &str, fold: bool) -> Option<(ClassUnicode, &str)> {
    let ranges: &[(char, char)] = match text.as_bytes().get(1)? {
        b'd' | b'D' => &[('0', '9')],
        b's' | b'S' => &[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')],
        b'w' | b'W' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => return None,
    };
    let mut class = of(ranges);
    finish(&mut class, text.as_bytes()[1].is_ascii_uppercase(), fold);
    Some((class, &text[2..]))
}

fn of(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(
        ranges
            .iter()
            .map(|(low, high)| ClassUnicodeRange::new(*low, *high)),
    )
}

/// Without regard to case, then the opposite.
fn finish(class: &mut ClassUnicode, negated: bool, fold: bool) {
    if fold {
        class.case_fold_simple();
    }
    if negated {
        class.negate();
    }
}

/// `[:alpha:]` and the like, if the text begins with one.
fn posix(text: &str, fold: bool) -> Result<Option<(ClassUnicode, &str)>, Mistake> {
    let Some(rest) = text.strip_prefix("[:") else {
        return Ok(None);
    };
    let Some(end) = rest.find(":]") else {
        return Ok(None);
    };
    let (name, rest) = (&rest[..end], &rest[end + 2..]);
    let plain = name.strip_prefix('^').unwrap_or(name);
    let Some(ranges) = tables::posix(plain) else {
        return Err(mistake(INVALID_RANGE, before(text, rest)));
    };
    let mut class = of(ranges);
    finish(&mut class, plain.len() != name.len(), fold);
    Ok(Some((class, rest)))
}

/// A class in brackets.
pub(super) fn bracketed(text: &str, fold: bool) -> Result<(ClassUnicode, &str), Mistake> {
    let mut rest = &text[1..];
    let negated = rest.starts_with('^');
    if negated {
        rest = &rest[1..];
    }
    let mut class = ClassUnicode::empty();
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        let group = match posix(rest, fold)? {
            Some(group) => Some(group),
            None => unicode(rest, fold)?,
        };
        let escape = rest.starts_with('\\');
        if let Some((group, after)) = group.or_else(|| perl(rest, fold).filter(|_| escape)) {
            class.union(&group);
            rest = after;
            continue;
        }
        let start = rest;
        let (low, after) = single(rest, text)?;
        rest = after;
        let mut high = low;
        // A hyphen before the bracket is a hyphen.
        if let Some(after) = rest.strip_prefix('-')
            && !after.is_empty()
            && !after.starts_with(']')
        {
            (high, rest) = single(after, text)?;
            if high < low {
                return Err(mistake(INVALID_RANGE, before(start, rest)));
            }
        }
        let mut range = tables::range(low, high);
        if fold {
            range.case_fold_simple();
        }
        class.union(&range);
    }
    finish(&mut class, negated, false);
    Ok((class, &rest[1..]))
}

/// One character of a class, by its code.
fn single<'a>(text: &'a str, whole: &str) -> Result<(u32, &'a str), Mistake> {
    match next(text) {
        None => Err(mistake("missing closing ]", whole)),
        Some(('\\', _)) => escaped_code(text),
        Some((c, rest)) => Ok((c.into(), rest)),
    }
}
