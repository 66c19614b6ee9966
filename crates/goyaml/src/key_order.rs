//! The order in which go-yaml v2 writes the keys of a map: letters after other characters, runs of digits as numbers.

use crate::emit::Dialect;
use unicode_general_category::{GeneralCategory, get_general_category};

/// Whether key `a` comes before key `b`.
fn less(a: &[char], b: &[char], dialect: Dialect) -> bool {
    let Some(at) = a.iter().zip(b).position(|(x, y)| x != y) else {
        return a.len() < b.len();
    };
    // v3 puts a letter after digits before other characters: "1a" < "1-".
    let letters_first = dialect == Dialect::V3 && at > 0 && is_digit(a[at - 1]);
    match (is_letter(a[at]), is_letter(b[at])) {
        (true, true) => return a[at] < b[at],
        (true, false) => return letters_first,
        (false, true) => return !letters_first,
        (false, false) => {}
    }
    // Zeros count only inside a number: "a10" and "a1" differ by their value, "a01" and "a1" by their length.
    let inside_number = (a[at] == '0' || b[at] == '0')
        && a[..at]
            .iter()
            .rev()
            .take_while(|c| is_digit(**c))
            .any(|c| *c != '0');
    let (a_number, a_end) = number(a, at, inside_number);
    let (b_number, b_end) = number(b, at, inside_number);
    if a_number != b_number {
        a_number < b_number
    } else if a_end != b_end {
        a_end < b_end
    } else {
        a[at] < b[at]
    }
}

/// The value of the digits from `at` on, and where they end.
fn number(text: &[char], at: usize, inside_number: bool) -> (i64, usize) {
    let mut value = i64::from(inside_number);
    let mut end = at;
    while end < text.len() && is_digit(text[end]) {
        let digit = i64::from(u32::from(text[end])) - i64::from(u32::from('0'));
        value = value.wrapping_mul(10).wrapping_add(digit);
        end += 1;
    }
    (value, end)
}

fn is_letter(c: char) -> bool {
    use GeneralCategory::{
        LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter,
    };
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    matches!(
        get_general_category(c),
        UppercaseLetter | LowercaseLetter | TitlecaseLetter | ModifierLetter | OtherLetter
    )
}

fn is_digit(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_digit();
    }
    get_general_category(c) == GeneralCategory::DecimalNumber
}

/// The entries in go-yaml's order.
///
/// A merge sort of our own: the order is not transitive for some odd keys, and the standard library's sort may panic on such.
pub(crate) fn sorted<'a, T>(
    entries: impl Iterator<Item = (&'a String, T)>,
    dialect: Dialect,
) -> Vec<(&'a str, T)> {
    let entries: Vec<_> = entries
        .map(|(key, value)| (key.chars().collect::<Vec<_>>(), (key.as_str(), value)))
        .collect();
    merge_sort(entries, dialect)
        .into_iter()
        .map(|(_, entry)| entry)
        .collect()
}

fn merge_sort<T>(mut entries: Vec<(Vec<char>, T)>, dialect: Dialect) -> Vec<(Vec<char>, T)> {
    if entries.len() < 2 {
        return entries;
    }
    let right = merge_sort(entries.split_off(entries.len() / 2), dialect);
    let left = merge_sort(entries, dialect);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some((a, _)), Some((b, _))) = (left.peek(), right.peek()) {
        merged.extend(if less(b, a, dialect) {
            right.next()
        } else {
            left.next()
        });
    }
    merged.extend(left);
    merged.extend(right);
    merged
}
