//! Anchors, aliases, tags and directives.

use super::{Scanner, TokenKind, is_alpha, is_blank, is_blank_or_end, is_break};
use crate::Error;

impl Scanner {
    /// `*name` or `&name`.
    pub(super) fn anchor(&mut self) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.at.line;
        let is_alias = self.char(0) == '*';
        self.skip();
        let mut name = String::new();
        while is_alpha(self.char(0)) {
            self.read(&mut name);
        }
        let c = self.char(0);
        if name.is_empty() || !(is_blank_or_end(c) || "?:,]}%@`".contains(c)) {
            let problem = "did not find expected alphabetic or numeric character";
            return Err(self.error(problem));
        }
        let kind = if is_alias {
            TokenKind::Alias(name)
        } else {
            TokenKind::Anchor(name)
        };
        self.push(kind, line);
        Ok(())
    }

    /// `!suffix`, `!handle!suffix`, `!!suffix` or `!<tag>`.
    pub(super) fn tag(&mut self) -> Result<(), Error> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.at.line;
        let (handle, suffix) = if self.char(1) == '<' {
            self.skip_many(2);
            let suffix = self.uri("")?;
            if self.char(0) != '>' {
                return Err(self.error("did not find the expected '>'"));
            }
            self.skip();
            (String::new(), suffix)
        } else {
            let handle = self.handle(false)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.uri("")?;
                (handle, suffix)
            } else {
                let suffix = self.uri(&handle)?;
                if suffix.is_empty() {
                    // The tag `!` alone.
                    (String::new(), "!".to_owned())
                } else {
                    ("!".to_owned(), suffix)
                }
            }
        };
        if !is_blank_or_end(self.char(0)) {
            return Err(self.error("did not find expected whitespace or line break"));
        }
        self.push(TokenKind::Tag(handle, suffix), line);
        Ok(())
    }

    fn handle(&mut self, in_directive: bool) -> Result<String, Error> {
        let mut handle = String::new();
        if self.char(0) != '!' {
            return Err(self.error("did not find expected '!'"));
        }
        self.read(&mut handle);
        while is_alpha(self.char(0)) {
            self.read(&mut handle);
        }
        if self.char(0) == '!' {
            self.read(&mut handle);
        } else if in_directive && handle != "!" {
            return Err(self.error("did not find expected '!'"));
        }
        Ok(handle)
    }

    /// The rest of a tag, after what was taken for its handle.
    fn uri(&mut self, head: &str) -> Result<String, Error> {
        let mut uri = head.get(1..).unwrap_or_default().to_owned();
        let mut has_tag = !head.is_empty();
        loop {
            let c = self.char(0);
            if c == '%' {
                self.escaped(&mut uri)?;
            } else if is_alpha(c) || ";/?:@&=+$,.!~*'()[]".contains(c) {
                self.read(&mut uri);
            } else {
                break;
            }
            has_tag = true;
        }
        if !has_tag {
            return Err(self.error("did not find expected tag URI"));
        }
        Ok(uri)
    }

    /// The characters of `%41` and the like.
    fn escaped(&mut self, to: &mut String) -> Result<(), Error> {
        let mut bytes = Vec::new();
        loop {
            let digits = self.char(1).to_digit(16).zip(self.char(2).to_digit(16));
            let Some((high, low)) = digits.filter(|_| self.char(0) == '%') else {
                return Err(self.error("did not find URI escaped octet"));
            };
            bytes.push((high * 16 + low) as u8);
            self.skip_many(3);
            match std::str::from_utf8(&bytes) {
                Ok(text) => {
                    to.push_str(text);
                    return Ok(());
                }
                Err(e) if e.error_len().is_some() => {
                    let problem = if bytes.len() == 1 {
                        "found an incorrect leading UTF-8 octet"
                    } else {
                        "found an incorrect trailing UTF-8 octet"
                    };
                    return Err(self.error(problem));
                }
                Err(_) => {}
            }
        }
    }

    /// `%YAML` or `%TAG`.
    pub(super) fn directive(&mut self) -> Result<(), Error> {
        self.unroll(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let line = self.at.line;
        self.skip();
        let mut name = String::new();
        while is_alpha(self.char(0)) {
            self.read(&mut name);
        }
        if name.is_empty() {
            return Err(self.error("could not find expected directive name"));
        }
        if !is_blank_or_end(self.char(0)) {
            return Err(self.error("found unexpected non-alphabetical character"));
        }
        let kind = match name.as_str() {
            "YAML" => self.version()?,
            "TAG" => self.tag_directive()?,
            _ => return Err(self.error("found unknown directive name")),
        };
        self.skip_blanks();
        self.skip_comment();
        if is_break(self.char(0)) {
            self.skip_line();
        } else if !is_blank_or_end(self.char(0)) {
            return Err(self.error("did not find expected comment or line break"));
        }
        self.push(kind, line);
        Ok(())
    }

    fn version(&mut self) -> Result<TokenKind, Error> {
        self.skip_blanks();
        let major = self.version_number()?;
        if self.char(0) != '.' {
            return Err(self.error("did not find expected digit or '.' character"));
        }
        self.skip();
        let minor = self.version_number()?;
        Ok(TokenKind::Version(major, minor))
    }

    fn version_number(&mut self) -> Result<u32, Error> {
        const LONGEST: usize = 2;
        let (mut value, mut length) = (0, 0);
        while let Some(digit) = self.char(0).to_digit(10) {
            length += 1;
            if length > LONGEST {
                return Err(self.error("found extremely long version number"));
            }
            value = value * 10 + digit;
            self.skip();
        }
        if length == 0 {
            return Err(self.error("did not find expected version number"));
        }
        Ok(value)
    }

    fn tag_directive(&mut self) -> Result<TokenKind, Error> {
        self.skip_blanks();
        let handle = self.handle(true)?;
        if !is_blank(self.char(0)) {
            return Err(self.error("did not find expected whitespace"));
        }
        self.skip_blanks();
        let prefix = self.uri("")?;
        if !is_blank_or_end(self.char(0)) {
            return Err(self.error("did not find expected whitespace or line break"));
        }
        Ok(TokenKind::TagDirective(handle, prefix))
    }
}
