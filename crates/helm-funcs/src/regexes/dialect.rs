//! Go's expressions in the words of the regex crate. Both are of the RE2 family; the differences
//! are the classes (`\d`, `\w`, `\s` and `\b` mean ASCII in Go), what has to be escaped, and
//! what the crate adds within brackets.

/// Translates an expression of Go's package regexp.
pub(super) fn from_go(pattern: &str) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut i = 0;
    let mut in_class = false;
    while i < chars.len() {
        let (c, next) = (chars[i], chars.get(i + 1).copied());
        match c {
            '\\' => {
                i += escape(&chars[i..], in_class, &mut out);
                continue;
            }
            '[' if in_class && next == Some(':') => out.push(c),
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                out.push(c);
                // A bracket right at the start of a class is a literal.
                let mut at = i + 1;
                if chars.get(at) == Some(&'^') {
                    out.push('^');
                    at += 1;
                }
                if chars.get(at) == Some(&']') {
                    out.push_str("\\]");
                    at += 1;
                }
                i = at;
                continue;
            }
            ']' if in_class => {
                // The end of `[:alpha:]` is not the end of the class around it.
                let closes_name = i > 0 && chars[i - 1] == ':' && has_open_name(&chars[..i]);
                in_class = closes_name;
                out.push(c);
            }
            ']' => out.push_str("\\]"),
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '-' if in_class && next == Some('-') => out.push_str("\\-"),
            '{' if !in_class && !is_repetition(&chars[i..]) => out.push_str("\\{"),
            '}' if !in_class && !closes_repetition(&chars[..i]) => out.push_str("\\}"),
            _ => out.push(c),
        }
        i += 1;
    }
    out
}

/// Writes an escape; returns how many characters it took.
fn escape(rest: &[char], in_class: bool, out: &mut String) -> usize {
    let Some(&c) = rest.get(1) else {
        out.push('\\');
        return 1;
    };
    let ascii = match (c, in_class) {
        ('d', true) => "0-9",
        ('d', false) => "[0-9]",
        ('D', _) => "[^0-9]",
        ('w', true) => "0-9A-Za-z_",
        ('w', false) => "[0-9A-Za-z_]",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', true) => r"\t\n\x0c\r\x20",
        ('s', false) => r"[\t\n\x0c\r\x20]",
        ('S', _) => r"[^\t\n\x0c\r\x20]",
        ('b', false) => r"(?-u:\b)",
        ('B', false) => r"(?-u:\B)",
        ('<', _) => "<",
        ('>', _) => ">",
        ('Q', _) => {
            let text = &rest[2..];
            let end = text
                .windows(2)
                .position(|w| w == ['\\', 'E'])
                .unwrap_or(text.len());
            let literal: String = text[..end].iter().collect();
            out.push_str(&regex::escape(&literal));
            return (2 + end + 2).min(rest.len());
        }
        ('p' | 'P' | 'x', _) if rest.get(2) == Some(&'{') => {
            let end = rest
                .iter()
                .position(|c| *c == '}')
                .map_or(rest.len(), |end| end + 1);
            out.extend(&rest[..end]);
            return end;
        }
        _ => {
            out.push('\\');
            out.push(c);
            return 2;
        }
    };
    out.push_str(ascii);
    2
}

/// Whether a `[:` is open at the end.
fn has_open_name(before: &[char]) -> bool {
    let open = before.windows(2).rposition(|w| w == ['[', ':']);
    open.is_some_and(|open| {
        open + 2 < before.len()
            && before[open + 2..before.len() - 1]
                .iter()
                .all(|c| c.is_alphabetic() || *c == '^')
    })
}

/// Whether the text begins with `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(rest: &[char]) -> bool {
    let body: String = rest[1..].iter().take_while(|c| **c != '}').collect();
    if rest.len() < body.chars().count() + 2 {
        return false;
    }
    let is_number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    match body.split_once(',') {
        None => is_number(&body),
        Some((low, high)) => is_number(low) && (high.is_empty() || is_number(high)),
    }
}

/// Whether a `}` after this text ends a repetition.
fn closes_repetition(before: &[char]) -> bool {
    let Some(open) = before.iter().rposition(|c| *c == '{') else {
        return false;
    };
    let mut group = before[open..].to_vec();
    group.push('}');
    is_repetition(&group)
}
