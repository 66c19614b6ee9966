//! Rust source taken apart as far as the fences need it: code without comments and tests, and the texts in it.

/// A Rust file: what ships of it.
#[derive(Debug)]
pub(super) struct Source {
    /// The code, with blanks for comments, tests and what is in quotes. A character is where it is in the file.
    pub(super) code: Vec<char>,
    /// What is in quotes outside of tests, with where it begins.
    pub(super) texts: Vec<(usize, String)>,
    /// Modules that are tests and have a file of their own, by name.
    pub(super) test_modules: Vec<String>,
}

impl Source {
    /// Takes a file apart. What is no Rust gives no code that makes sense, but no error.
    pub(super) fn read(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let (code, texts) = without_comments(&chars);
        let mut source = Self {
            code,
            texts,
            test_modules: Vec::new(),
        };
        source.drop_tests();
        source
    }

    /// The line of a character, counted from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.code[..at].iter().filter(|c| **c == '\n').count()
    }

    /// Where a word stands in the code, each time.
    pub(super) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let word: Vec<char> = word.chars().collect();
        let in_name = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
        (0..self.code.len()).filter(move |&at| {
            self.code[at..].starts_with(&word)
                && !in_name(self.code.get(at + word.len()))
                && !in_name(at.checked_sub(1).and_then(|before| self.code.get(before)))
        })
    }

    /// The first place from `at` on that is no white space.
    pub(super) fn solid(&self, at: usize) -> usize {
        let blanks = self.code[at..].iter().take_while(|c| c.is_whitespace());
        at + blanks.count()
    }

    /// Where the bracket that opens at `at` is closed, or the end of the file.
    pub(super) fn closed(&self, at: usize) -> usize {
        let mut depth = 0_usize;
        for (index, c) in self.code.iter().enumerate().skip(at) {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 {
                return index;
            }
        }
        self.code.len()
    }

    /// Blanks every item that is compiled for tests alone.
    fn drop_tests(&mut self) {
        let marked: Vec<usize> = self.words("cfg").collect();
        for at in marked {
            let open = at + "cfg".len();
            let inside: String = self.code[open.min(self.code.len())..]
                .iter()
                .take("(test)".len())
                .collect();
            let attribute = at.checked_sub(2).map(|start| &self.code[start..at]);
            if inside != "(test)" || attribute != Some(&['#', '[']) {
                continue;
            }
            let start = at - 2;
            // To the end of the item: its block, or its semicolon.
            let mut end = self.closed(start + 1) + 1;
            while end < self.code.len() {
                match self.code[end] {
                    '{' => {
                        end = self.closed(end);
                        break;
                    }
                    ';' => break,
                    '(' | '[' => end = self.closed(end),
                    _ => {}
                }
                end += 1;
            }
            let end = (end + 1).min(self.code.len());
            let item: String = self.code[start..end].iter().collect();
            if let Some(name) = item
                .strip_suffix(';')
                .and_then(|item| item.rsplit_once("mod "))
            {
                self.test_modules.push(name.1.trim().to_owned());
            }
            for c in &mut self.code[start..end] {
                if *c != '\n' {
                    *c = ' ';
                }
            }
            self.texts
                .retain(|(place, _)| !(start..end).contains(place));
        }
    }
}

/// The code with blanks for comments and quotes, and what was in quotes.
fn without_comments(chars: &[char]) -> (Vec<char>, Vec<(usize, String)>) {
    let mut code = chars.to_vec();
    let mut texts = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let end = match rest {
            ['/', '/', ..] => at + rest.iter().take_while(|c| **c != '\n').count(),
            ['/', '*', ..] => at + block_comment(rest),
            ['r', '"' | '#', ..] if !follows_name(chars, at) && raw_hashes(rest).is_some() => {
                let hashes = raw_hashes(rest).unwrap_or_default();
                let start = at + hashes + 2;
                let length = raw_length(&chars[start..], hashes);
                texts.push((at, chars[start..start + length].iter().collect()));
                (start + length + hashes + 1).min(chars.len())
            }
            ['"', ..] => {
                let length = quoted_length(&rest[1..]);
                texts.push((at, rest[1..=length].iter().collect()));
                (at + length + 2).min(chars.len())
            }
            // A character, and no lifetime.
            ['\'', '\\', ..] => {
                let length = rest[3..].iter().take_while(|c| **c != '\'').count();
                (at + length + 4).min(chars.len())
            }
            ['\'', _, '\'', ..] => at + 3,
            _ => {
                at += 1;
                continue;
            }
        };
        for c in &mut code[at..end] {
            if *c != '\n' {
                *c = ' ';
            }
        }
        at = end;
    }
    (code, texts)
}

fn follows_name(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    // `br"` is a raw text too.
    before.is_some_and(|c| (c.is_alphanumeric() && *c != 'b') || *c == '_')
}

/// How many hashes a raw text begins with, if one begins here.
fn raw_hashes(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    (rest.get(1 + hashes) == Some(&'"')).then_some(hashes)
}

fn raw_length(rest: &[char], hashes: usize) -> usize {
    (0..rest.len())
        .find(|&end| {
            rest[end] == '"' && rest[end + 1..].iter().take_while(|c| **c == '#').count() >= hashes
        })
        .unwrap_or(rest.len())
}

/// The length of a text up to the quote that ends it.
fn quoted_length(rest: &[char]) -> usize {
    let mut escaped = false;
    for (index, c) in rest.iter().enumerate() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index,
            _ => {}
        }
    }
    rest.len().saturating_sub(1)
}

/// The length of a comment between stars, which may hold others.
fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_texts_and_tests_are_no_code() {
        let source = Source::read(
            r##"fn a<'x>() { b("c // d", 'e', '"', r#"f "g" h"#); } // i
/* j /* k */ l */ fn m() {}
#[cfg(test)]
fn n(o: [u8; 1]) { p("q") }
#[cfg(test)]
mod r;
fn s() {}
#[cfg(test)]
mod tests { fn t() { u() } }
"##,
        );
        let code: String = source.code.iter().collect();
        let names: String = code.chars().filter(char::is_ascii_alphabetic).collect();
        assert_eq!(names, "fnaxbfnmfns");
        let texts: Vec<&str> = source.texts.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["c // d", "f \"g\" h"]);
        assert_eq!(source.test_modules, ["r"]);
        let at = source.words("s").next().unwrap();
        assert_eq!(source.line(at), 7);
    }
}
