//! Go's `Regexp.Expand`: `$1`, `$name` and `${name}` in a replacement.

use regex::Captures;

/// Writes a replacement with what the groups matched. The first of several groups with a name
/// that matched stands for it.
pub(super) fn expand(
    template: &str,
    captures: &Captures<'_>,
    names: &[Option<String>],
    out: &mut String,
) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(rest) else {
            out.push('$');
            continue;
        };
        rest = after;
        let is_number =
            name.bytes().all(|b| b.is_ascii_digit()) && !(name.len() > 1 && name.starts_with('0'));
        let found = if is_number {
            name.parse()
                .ok()
                .and_then(|number: usize| captures.get(number))
        } else {
            let mut named = names
                .iter()
                .enumerate()
                .filter(|(_, known)| known.as_deref() == Some(name));
            named.find_map(|(number, _)| captures.get(number))
        };
        out.push_str(found.map_or("", |found| found.as_str()));
    }
    out.push_str(rest);
}

/// The name or number that the text begins with, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (braced, text) = match text.strip_prefix('{') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.find(|c| !in_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let rest = if braced {
        rest.strip_prefix('}')?
    } else {
        rest
    };
    Some((name, rest))
}
