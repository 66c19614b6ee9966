//! [`Outline`]: what can be told of a text that should be a message and may be none.

/// What the outermost object of a text has shown so far. The text need not be valid JSON, nor end.
#[derive(Debug, Clone, Default)]
pub(super) struct Outline {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The string at depth 1 that was read last, as far as it can be a key that counts.
    last: Vec<u8>,
    answers: bool,
    asks: bool,
}

/// No key that counts is longer.
const KEY_MAX: usize = 8;

impl Outline {
    pub(super) fn of(text: &[u8]) -> Self {
        let mut outline = Self::default();
        outline.read(text);
        outline
    }

    /// Reads on.
    pub(super) fn read(&mut self, text: &[u8]) {
        for byte in text {
            if self.in_string {
                self.read_in_string(*byte);
            } else {
                self.read_outside(*byte);
            }
        }
    }

    fn read_in_string(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ if self.depth == 1 && self.last.len() <= KEY_MAX => self.last.push(byte),
            _ => {}
        }
    }

    fn read_outside(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.in_string = true;
                self.last.clear();
            }
            b':' if self.depth == 1 => match self.last.as_slice() {
                b"result" | b"error" => self.answers = true,
                b"method" => self.asks = true,
                _ => {}
            },
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    /// Whether more lines may belong to it: its object is open, and not within a text, which no line end can be in.
    pub(super) fn goes_on(&self) -> bool {
        self.depth > 0 && !self.in_string
    }

    /// Whether it seems to answer a request.
    pub(super) fn answers(&self) -> bool {
        self.answers && !self.asks
    }

    /// Whether it seems to be a request or a notification.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlines() {
        for (text, goes_on, answers, asks) in [
            (
                r#"{"jsonrpc":"2.0","id":5,"result":{"mean":NaN}}"#,
                false,
                true,
                false,
            ),
            (r#"{"id":1, "error" : "x"}"#, false, true, false),
            (
                r#"{"method":"a","params":{"result":1}}"#,
                false,
                false,
                true,
            ),
            (
                r#"{"x":{"result":1},"y":"result","z":["error"]}"#,
                false,
                false,
                false,
            ),
            (r#"{"a\"result":1}"#, false, false, false),
            ("{", true, false, false),
            (r#"{ "result": {"#, true, true, false),
            (r#"{"result": "cut o"#, false, true, false),
            ("Listening", false, false, false),
            ("}}}", false, false, false),
        ] {
            let outline = Outline::of(text.as_bytes());
            assert_eq!(
                (outline.goes_on(), outline.answers(), outline.asks()),
                (goes_on, answers, asks),
                "{text}"
            );
            let mut pieces = Outline::default();
            text.bytes().for_each(|byte| pieces.read(&[byte]));
            assert_eq!(pieces.answers(), answers, "{text}");
        }
    }
}
