//! Text that comes from elsewhere (servers, templates, charts, clusters, logs) as it may be shown: nothing in it moves the
//! cursor, hides text or turns it around, whoever wrote it.
//!
//! It is the same for a terminal and for a pipe, since most pipes end at a terminal too (`| grep`, `| less`); a program that
//! wants the text exactly takes `-o json`. Colours are left out: what is shown in them is said without them as well.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_general_category::{GeneralCategory, get_general_category};

/// A text of several lines.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    shown(text, |c| matches!(c, '\n' | '\t'))
}

/// A text that stays on one line: it cannot begin a line that looks like one of ours.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    shown(text, |c| c == '\t')
}

/// A JSON document in which such characters are escaped as JSON escapes them: it means exactly the same.
pub(crate) fn json(document: &str) -> Cow<'_, str> {
    // JSON has its own line ends, and no other control character outside of strings.
    if !document
        .chars()
        .any(|c| is_active(c) && !c.is_ascii_whitespace())
    {
        return Cow::Borrowed(document);
    }
    let mut escaped = String::with_capacity(document.len());
    for c in document.chars() {
        if is_active(c) && !c.is_ascii_whitespace() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn shown(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_active(c) && !stays(c)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = after_colour(rest) {
            rest = after;
            continue;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if !is_active(c) || stays(c) {
            shown.push(c);
        } else if c == '\r' && (rest.is_empty() || rest.starts_with('\n')) {
            // The end of a line as some systems write it.
        } else if (c as u32) < 0x100 {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\x{:02x}", c as u32);
        } else {
            let _ = write!(shown, "\\u{{{:x}}}", c as u32);
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal or a reader's eye does something else with it than show it: control characters, and those that are
/// invisible or change the direction of text.
fn is_active(c: char) -> bool {
    matches!(
        get_general_category(c),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    )
}

/// What follows a sequence that only changes colours, if the text begins with one.
fn after_colour(text: &str) -> Option<&str> {
    let parameters = text
        .strip_prefix("\x1b[")
        .or_else(|| text.strip_prefix('\u{9b}'))?;
    let end = parameters.find(|c: char| !(c.is_ascii_digit() || matches!(c, ';' | ':')))?;
    parameters.get(end..)?.strip_prefix('m')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_stranger_acts_on_the_terminal() {
        for (given, expected) in [
            ("plain, ÄÖ, 日本, 🙂", "plain, ÄÖ, 日本, 🙂"),
            ("a\tb\nc", "a\tb\nc"),
            ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
            ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\u{9b}31mred\u{9b}2J", "red\\x9b2J"),
            ("over\rwritten", "over\\x0dwritten"),
            ("line\r\nend\r", "line\nend"),
            ("\u{8}\u{7f}\0", "\\x08\\x7f\\x00"),
            ("\u{202e}txt.exe\u{2066}", "\\u{202e}txt.exe\\u{2066}"),
            (
                "pay\u{200b}pal\u{feff}\u{ad}",
                "pay\\u{200b}pal\\u{feff}\\xad",
            ),
            ("\u{e0041}\u{2028}", "\\u{e0041}\\u{2028}"),
            ("\x1b[31", "\\x1b[31"),
        ] {
            assert_eq!(text(given), expected, "{given:?}");
            // What is shown once is shown as it is.
            assert_eq!(text(expected), expected);
        }
        assert_eq!(line("one\nerror: forged"), "one\\x0aerror: forged");
    }

    #[test]
    fn json_stays_exact() {
        let value = serde_json::json!({"a": "\u{9b}2J \u{202e} \u{e0041} \x1b \n", "b": [1]});
        let document = serde_json::to_string_pretty(&value).unwrap();
        let escaped = json(&document);
        assert!(
            escaped.contains("\\u009b2J \\u202e \\udb40\\udc41 \\u001b"),
            "{escaped}"
        );
        assert!(!escaped.contains('\u{202e}'));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
            value
        );
    }
}
