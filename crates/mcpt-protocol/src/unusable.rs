//! What can be told of output that is no message: which request it was meant to answer.
//!
//! Servers write `NaN`, bytes that are not UTF-8, answers without `jsonrpc` or with both a result and
//! an error. None of it can be passed on, but a client that waits for it must hear so.

use crate::MessageId;

/// The part of a line from which on it may be a message: without a byte order mark, and without words
/// or terminal escapes before the first `{"`. Empty when there is nothing of the kind.
pub fn without_noise(line: &[u8]) -> &[u8] {
    let line = line
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(line)
        .trim_ascii();
    if line.starts_with(b"[{") || line.starts_with(b"{") {
        return line;
    }
    let mut from = line;
    while let Some(at) = from.iter().position(|b| *b == b'{') {
        let (Some(object), Some(after)) = (from.get(at..), from.get(at + 1..)) else {
            break;
        };
        if after.trim_ascii_start().first() == Some(&b'"') {
            return object;
        }
        from = after;
    }
    if line.starts_with(b"[") { line } else { &[] }
}

/// The id in the outermost object of something like JSON; `None` when it names none, or several
/// different ones. The text need not be valid JSON, nor end.
pub fn find_id(bytes: &[u8]) -> Option<MessageId> {
    let mut scan = Scan { bytes, at: 0 };
    let mut depth = 0_usize;
    let mut found: Option<MessageId> = None;
    while let Some(byte) = scan.next() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let key = scan.rest_of_string();
                if depth == 1 && key == b"id" && scan.skip_colon() {
                    let id = scan.scalar().and_then(MessageId::of_text);
                    if found.is_some() && found != id {
                        return None;
                    }
                    found = id;
                }
            }
            _ => {}
        }
    }
    found
}

/// A walk over bytes.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn slice_from(&self, begin: usize, end: usize) -> &'a [u8] {
        self.bytes.get(begin..end).unwrap_or_default()
    }

    /// The inside of a string whose first quote was read; reads its last one.
    fn rest_of_string(&mut self) -> &'a [u8] {
        let begin = self.at;
        while let Some(byte) = self.next() {
            match byte {
                b'"' => return self.slice_from(begin, self.at - 1),
                b'\\' => self.at += 1,
                _ => {}
            }
        }
        &[]
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn skip_colon(&mut self) -> bool {
        self.skip_blanks();
        let colon = self.peek() == Some(b':');
        if colon {
            self.at += 1;
            self.skip_blanks();
        }
        colon
    }

    /// A text or a number, as JSON.
    fn scalar(&mut self) -> Option<&'a str> {
        let begin = self.at;
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.rest_of_string();
            }
            b'-' | b'0'..=b'9' => {
                while self
                    .peek()
                    .is_some_and(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                {
                    self.at += 1;
                }
            }
            _ => return None,
        }
        str::from_utf8(self.slice_from(begin, self.at)).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_of_what_is_no_message() {
        for (text, id) in [
            (
                r#"{"jsonrpc":"2.0","id":5,"result":{"mean":NaN}}"#,
                Some("5"),
            ),
            (r#"{"id" : "a", "result":{"id":7}}"#, Some("\"a\"")),
            (
                r#"{"jsonrpc":"2.0","id":5.0,"result":null,"error":{}}"#,
                Some("5"),
            ),
            (r#"{"result":{"text":"\"id\":9 }"},"id":5}"#, Some("5")),
            (r#"{"result":{"id":7}}"#, None),
            (r#"{"id":null,"error":{}}"#, None),
            (r#"{"id":1,"id":2}"#, None),
            (r#"{"id":1,"id":1.0}"#, Some("1")),
            (r#"{"id":3,"result":{"text":"cut of"#, Some("3")),
            (r#"{"id":"#, None),
            (r#"["id",5]"#, None),
            ("listening", None),
            ("", None),
        ] {
            let id = id.and_then(MessageId::of_text);
            assert_eq!(find_id(text.as_bytes()), id, "{text}");
        }
        let latin1 = b"{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"text\":\"caf\xe9\"}}";
        assert_eq!(find_id(latin1), Some(MessageId::from(5)));
    }

    #[test]
    fn noise_before_a_message() {
        for (line, rest) in [
            ("\u{feff}{\"a\":1}", "{\"a\":1}"),
            ("Loading... {\"a\":1}\r", "{\"a\":1}"),
            ("\u{1b}[?1h\u{1b}={ \"a\":1}", "{ \"a\":1}"),
            ("set {a} then {\"a\":1}", "{\"a\":1}"),
            ("[1/2] half", "[1/2] half"),
            ("[{\"a\":1}]", "[{\"a\":1}]"),
            ("[info] {\"a\":1}", "{\"a\":1}"),
            ("{ not json", "{ not json"),
            ("ready", ""),
            ("", ""),
        ] {
            let left = without_noise(line.as_bytes());
            assert_eq!(left, rest.as_bytes(), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = find_id(without_noise(&bytes));
        }

        #[test]
        fn finds_what_a_parser_finds(id in any::<i64>(), text in any::<String>()) {
            let text = serde_json::to_string(&text).unwrap();
            for body in [
                format!(r#"{{"result":{{"id":{text}}},"id":{id},"x":{text}}}"#),
                format!(r#"{{"x":[{{"id":0}},{text}],"id" :{id}}}"#),
            ] {
                prop_assert_eq!(find_id(body.as_bytes()), MessageId::of_text(&id.to_string()));
            }
        }
    }
}
