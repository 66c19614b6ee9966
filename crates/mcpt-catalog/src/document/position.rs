//! Where each value of a JSON text stands, so that a problem found in the parsed value can name its line.

use std::collections::HashMap;

/// Positions of the values of one JSON text, by JSON pointer.
pub(crate) struct Positions {
    lines: HashMap<String, usize>,
    /// Pointers of keys that occur twice in one object, with the line of the second.
    pub(crate) duplicates: Vec<(String, usize)>,
}

impl Positions {
    /// Reads a text that is known to be valid JSON; of any other text it finds a part.
    pub(crate) fn of(text: &str) -> Self {
        let mut scanner = Scanner {
            bytes: text.as_bytes(),
            text,
            at: 0,
            line: 1,
            found: Self {
                lines: HashMap::new(),
                duplicates: Vec::new(),
            },
        };
        scanner.value(&mut String::new());
        scanner.found
    }

    /// Line of a value, or of the nearest value around it, counted from 1. A member of an object stands where its key does.
    pub(crate) fn line(&self, pointer: &str) -> usize {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return *line;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return 1,
            }
        }
    }
}

/// A JSON pointer's notation of one key.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

struct Scanner<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    line: usize,
    found: Positions,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.peek().filter(u8::is_ascii_whitespace) {
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, pointer: &mut String) {
        self.skip_space();
        self.found.lines.entry(pointer.clone()).or_insert(self.line);
        if self.eat(b'{') {
            self.object(pointer);
        } else if self.eat(b'[') {
            self.array(pointer);
        } else if self.peek() == Some(b'"') {
            let _ = self.string();
        } else {
            while self
                .peek()
                .is_some_and(|b| !matches!(b, b',' | b']' | b'}') && !b.is_ascii_whitespace())
            {
                self.at += 1;
            }
        }
    }

    fn object(&mut self, pointer: &mut String) {
        let length = pointer.len();
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                break;
            }
            let key_line = self.line;
            let Some(key) = self.string() else { break };
            pointer.push('/');
            pointer.push_str(&escape(&key));
            if self.found.lines.insert(pointer.clone(), key_line).is_some() {
                self.found.duplicates.push((pointer.clone(), key_line));
            }
            let colon = self.eat(b':');
            if colon {
                self.value(pointer);
            }
            pointer.truncate(length);
            if !colon || !self.eat(b',') {
                break;
            }
        }
        self.eat(b'}');
    }

    fn array(&mut self, pointer: &mut String) {
        let length = pointer.len();
        let mut index = 0;
        loop {
            self.skip_space();
            if self.peek().is_none_or(|byte| byte == b']') {
                break;
            }
            pointer.push('/');
            pointer.push_str(&index.to_string());
            self.value(pointer);
            pointer.truncate(length);
            index += 1;
            if !self.eat(b',') {
                break;
            }
        }
        self.eat(b']');
    }

    /// The string that begins here, decoded.
    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_by_pointer() {
        let text =
            "{\n \"a\": [1,\n  {\"b\\n/~\": \"}]\\\"\"}],\n \"c\"\n: true,\n \"a\": null\n}\n";
        let positions = Positions::of(text);
        for (pointer, line) in [
            ("", 1),
            ("/a/0", 2),
            ("/a/1", 3),
            ("/a/1/b\n~1~0", 3),
            ("/c", 4),
            ("/c/nothing/there", 4),
            ("/nothing", 1),
        ] {
            assert_eq!(positions.line(pointer), line, "{pointer}");
        }
        assert_eq!(positions.duplicates, [("/a".to_owned(), 6)]);
    }

    #[test]
    fn texts_that_are_not_json_do_no_harm() {
        for text in [
            "", "{", "[", "{\"a", "{\"a\\", "[1,", "{\"a\":}", "}", "[[[", "\"\\",
        ] {
            let _ = Positions::of(text);
        }
    }
}
