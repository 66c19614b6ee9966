//! Indentation inside of flow collections and quoted scalars: it means nothing to go-yaml, but the parser wants every line
//! of them to be indented deeper than the block around them. Lines that it refuses are indented, which changes no value.

use saphyr_parser::ScanError;

/// After so many repairs a text is refused as it is: each costs another reading of it.
const MAX_REPAIRS: usize = 500;
/// No line is moved farther at once.
const MAX_WIDTH: usize = 1024;

/// Repairs a text, one complaint of the parser at a time.
#[derive(Debug, Default)]
pub(crate) struct Indenter {
    repairs: usize,
    /// Where the first line of the last repair begins, and how far it was moved.
    last: Option<(usize, usize)>,
}

impl Indenter {
    /// The text with the lines indented that the error is about; `None` when it is about something else.
    pub(crate) fn mend(&mut self, text: &str, error: &ScanError) -> Option<String> {
        let place = text.char_indices().nth(error.marker().index());
        let place = place.map_or(text.len(), |(place, _)| place);
        let lines = match error.info() {
            "invalid indentation" | "invalid indentation in flow construct" => {
                vec![line_start(text, place)]
            }
            // The place is where the scalar begins.
            "invalid indentation in quoted scalar" => lines_in_quotes(text, place),
            _ => return None,
        };
        let first = *lines.first()?;
        let width = match self.last {
            Some((last, width)) if last == first => width * 2,
            _ => indentation_above(text, first) + 2,
        };
        if self.repairs == MAX_REPAIRS || width > MAX_WIDTH {
            return None;
        }
        self.repairs += 1;
        self.last = Some((first, width));
        let mut mended = String::with_capacity(text.len() + width * lines.len());
        let mut written = 0;
        for line in lines {
            mended.push_str(&text[written..line]);
            mended.extend(std::iter::repeat_n(' ', width));
            written = line;
        }
        mended.push_str(&text[written..]);
        Some(mended)
    }
}

/// Where the line of a place begins.
fn line_start(text: &str, place: usize) -> usize {
    text[..place].rfind(['\n', '\r']).map_or(0, |end| end + 1)
}

/// Blanks before the content of the line above the one that begins there.
fn indentation_above(text: &str, start: usize) -> usize {
    let above = text[..start].trim_end_matches(['\n', '\r']);
    let above = &above[line_start(above, above.len())..];
    above.len() - above.trim_start_matches(' ').len()
}

/// Where the lines of the quoted scalar begin that begins at that place, without its first one.
fn lines_in_quotes(text: &str, place: usize) -> Vec<usize> {
    let mut characters = text[place..].char_indices().peekable();
    let quote = characters.next().map(|(_, quote)| quote);
    let mut lines = Vec::new();
    let mut escaped = false;
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        match character {
            '\r' if next == Some('\n') => continue,
            '\n' | '\r' => lines.push(place + at + 1),
            '\\' if quote == Some('"') && !escaped => {
                escaped = true;
                continue;
            }
            // A doubled single quote is one in the text.
            '\'' if quote == Some('\'') && next == quote => {
                characters.next();
            }
            other if Some(other) == quote && !escaped => break,
            _ => {}
        }
        escaped = false;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_quoted_scalars() {
        for (text, expected) in [
            ("\"a\nb\"\nc", &[3][..]),
            ("'a\r\nb\rc'\n", &[4, 6]),
            ("\"\\\"\n\\\\\"\n", &[4]),
            ("\"a\\\nb\"", &[4]),
            ("'it''s\n'\n", &[7]),
            ("'a", &[]),
            ("", &[]),
        ] {
            assert_eq!(lines_in_quotes(text, 0), expected, "{text:?}");
        }
    }

    #[test]
    fn indentation_of_the_line_above() {
        for (text, start, expected) in [
            ("a\n", 2, 0),
            ("  a\n\nb", 5, 2),
            ("  a\r\nb", 5, 2),
            ("x", 0, 0),
        ] {
            assert_eq!(indentation_above(text, start), expected, "{text:?}");
        }
    }
}
