//! Expressions of Go's package regexp, as trees of `regex-syntax`.
//!
//! Go's dialect is RE2's (<https://github.com/google/re2/wiki/Syntax>) with Perl's additions: all
//! of it is read here and nothing else, and what is wrong is told in Go's words.

mod classes;
mod groups;
mod repetitions;
mod tables;

use regex_syntax::hir::{Capture, Class, Dot, Hir, Look};

/// Go's bounds: how deep an expression may nest, and how many instructions it may have.
const MOST_HEIGHT: usize = 1000;
const MOST_SIZE: u64 = (128 << 20) / 40;

/// An expression and the names of its groups, the whole match first.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) hir: Hir,
    pub(super) names: Vec<Option<String>>,
}

/// Why an expression is none: Go's word for it and the part that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("error parsing regexp: {what}: `{part}`")]
pub(super) struct Mistake {
    what: &'static str,
    part: String,
}

fn mistake(what: &'static str, part: &str) -> Mistake {
    let part = part.to_owned();
    Mistake { what, part }
}

const INVALID_RANGE: &str = "invalid character class range";
const INVALID_ESCAPE: &str = "invalid escape sequence";
const INVALID_NAME: &str = "invalid named capture";
const INVALID_PERL: &str = "invalid or unsupported Perl syntax";
const INVALID_REPETITION: &str = "invalid nested repetition operator";
const INVALID_COUNT: &str = "invalid repeat count";
const MISSING_ARGUMENT: &str = "missing argument to repetition operator";

/// What `(?flags)` sets.
#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    fold: bool,
    many_lines: bool,
    dot_all: bool,
    lazy: bool,
}

/// A part of the tree with what Go counts of it.
#[derive(Debug)]
struct Node {
    hir: Hir,
    height: usize,
    /// How many instructions it is.
    size: u64,
    /// The product of the counts of nested `{n}`.
    repeated: u64,
}

#[derive(Debug)]
enum Item {
    Node(Node),
    /// A group that is open: its number if it captures, and the flags outside.
    Open(Option<u32>, Flags),
    Bar,
}

impl Node {
    fn one(hir: Hir) -> Self {
        Self {
            hir,
            height: 1,
            size: 1,
            repeated: 1,
        }
    }

    /// Several nodes as one.
    fn of(nodes: Vec<Self>, join: fn(Vec<Hir>) -> Hir, more: u64) -> Self {
        let height = nodes.iter().map(|node| node.height).max().unwrap_or(0);
        let height = height + usize::from(nodes.len() != 1);
        let sizes = nodes
            .iter()
            .fold(0, |sum: u64, node| sum.saturating_add(node.size));
        let size = sizes.saturating_add(more * (nodes.len() as u64).saturating_sub(1));
        let repeated = nodes.iter().map(|node| node.repeated).max().unwrap_or(1);
        Self {
            hir: join(nodes.into_iter().map(|node| node.hir).collect()),
            height,
            size: size.max(1),
            repeated,
        }
    }
}

/// Reads an expression.
pub(super) fn parse(whole: &str) -> Result<Expression, Mistake> {
    let mut parser = Parser {
        whole,
        flags: Flags::default(),
        stack: Vec::new(),
        names: vec![None],
    };
    parser.all()
}

struct Parser<'a> {
    whole: &'a str,
    flags: Flags,
    stack: Vec<Item>,
    names: Vec<Option<String>>,
}

/// The part of `text` before `after`, which is its end.
fn before<'a>(text: &'a str, after: &str) -> &'a str {
    &text[..text.len() - after.len()]
}

/// The first character and what follows it.
fn next(text: &str) -> Option<(char, &str)> {
    let c = text.chars().next()?;
    Some((c, &text[c.len_utf8()..]))
}

impl<'a> Parser<'a> {
    fn all(&mut self) -> Result<Expression, Mistake> {
        let mut text = self.whole;
        // The text from the repetition on that was read last.
        let mut last_repetition = None;
        while let Some((c, rest)) = next(text) {
            let mut repetition = None;
            match c {
                '(' if rest.starts_with('?') => text = self.perl_group(text)?,
                '(' => {
                    self.open_capture(None);
                    text = rest;
                }
                '|' => {
                    self.stack.push(Item::Bar);
                    text = rest;
                }
                ')' => {
                    self.close()?;
                    text = rest;
                }
                '*' | '+' | '?' => {
                    repetition = Some(text);
                    text = self.repeat(c, text, rest, last_repetition)?;
                }
                '{' if let Some((counts, after)) = repetitions::counts(text) => {
                    repetition = Some(text);
                    text = self.repeat_counted(counts, text, after, last_repetition)?;
                }
                '[' => text = self.class(text)?,
                '\\' => text = self.escape(text)?,
                '^' | '$' | '.' => {
                    self.simple(c)?;
                    text = rest;
                }
                _ => {
                    self.literal(c)?;
                    text = rest;
                }
            }
            last_repetition = repetition;
        }
        let node = self.collapse();
        if !self.stack.is_empty() {
            return Err(mistake("missing closing )", self.whole));
        }
        self.check(&node)?;
        Ok(Expression {
            hir: node.hir,
            names: std::mem::take(&mut self.names),
        })
    }

    fn push(&mut self, node: Node) -> Result<(), Mistake> {
        self.check(&node)?;
        self.stack.push(Item::Node(node));
        Ok(())
    }

    fn check(&self, node: &Node) -> Result<(), Mistake> {
        if node.size > MOST_SIZE {
            return Err(mistake("expression too large", self.whole));
        }
        if node.height > MOST_HEIGHT {
            return Err(mistake("expression nests too deeply", self.whole));
        }
        Ok(())
    }

    fn simple(&mut self, c: char) -> Result<(), Mistake> {
        let hir = match (c, self.flags.many_lines) {
            ('^', false) => Hir::look(Look::Start),
            ('^', true) => Hir::look(Look::StartLF),
            ('$', false) => Hir::look(Look::End),
            ('$', true) => Hir::look(Look::EndLF),
            _ if self.flags.dot_all => Hir::dot(Dot::AnyChar),
            _ => Hir::dot(Dot::AnyCharExceptLF),
        };
        self.push(Node::one(hir))
    }

    fn literal(&mut self, c: char) -> Result<(), Mistake> {
        let hir = if self.flags.fold {
            Hir::class(Class::Unicode(tables::folded(c)))
        } else {
            let mut bytes = [0; 4];
            Hir::literal(c.encode_utf8(&mut bytes).as_bytes())
        };
        self.push(Node::one(hir))
    }

    /// An escape outside of brackets.
    fn escape(&mut self, text: &'a str) -> Result<&'a str, Mistake> {
        let after = text.get(2..);
        let look = match text.as_bytes().get(1) {
            Some(b'A') => Some(Look::Start),
            Some(b'b') => Some(Look::WordAscii),
            Some(b'B') => Some(Look::WordAsciiNegate),
            Some(b'z') => Some(Look::End),
            Some(b'C') => return Err(mistake(INVALID_ESCAPE, &text[..2])),
            Some(b'Q') => {
                let quoted = after.unwrap_or_default();
                let (literal, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                for c in literal.chars() {
                    self.literal(c)?;
                }
                return Ok(after);
            }
            _ => None,
        };
        if let (Some(look), Some(after)) = (look, after) {
            self.push(Node::one(Hir::look(look)))?;
            return Ok(after);
        }
        if let Some((class, after)) = classes::unicode(text, self.flags.fold)?
            .or_else(|| classes::perl(text, self.flags.fold))
        {
            self.push(Node::one(Hir::class(Class::Unicode(class))))?;
            return Ok(after);
        }
        let (c, after) = classes::escaped(text)?;
        match c {
            Some(c) => self.literal(c)?,
            None => self.push(Node::one(Hir::fail()))?,
        }
        Ok(after)
    }

    fn class(&mut self, text: &'a str) -> Result<&'a str, Mistake> {
        let (class, after) = classes::bracketed(text, self.flags.fold)?;
        self.push(Node::one(Hir::class(Class::Unicode(class))))?;
        Ok(after)
    }

    fn open_capture(&mut self, name: Option<String>) {
        let number = self.names.len() as u32;
        self.names.push(name);
        self.stack.push(Item::Open(Some(number), self.flags));
    }

    /// The end of a group.
    fn close(&mut self) -> Result<(), Mistake> {
        let inside = self.collapse();
        let Some(Item::Open(number, flags)) = self.stack.pop() else {
            return Err(mistake("unexpected )", self.whole));
        };
        self.flags = flags;
        let node = match number {
            None => inside,
            Some(index) => Node {
                hir: Hir::capture(Capture {
                    index,
                    name: None,
                    sub: Box::new(inside.hir),
                }),
                height: inside.height + 1,
                size: inside.size.saturating_add(2),
                repeated: inside.repeated,
            },
        };
        self.push(node)
    }

    /// All since the last open group, as one node.
    fn collapse(&mut self) -> Node {
        let start = self
            .stack
            .iter()
            .rposition(|item| matches!(item, Item::Open(..)));
        let items = self.stack.split_off(start.map_or(0, |start| start + 1));
        let mut ways = vec![Vec::new()];
        for item in items {
            match (item, ways.last_mut()) {
                (Item::Node(node), Some(way)) => way.push(node),
                _ => ways.push(Vec::new()),
            }
        }
        let ways = ways.into_iter().map(|way| Node::of(way, Hir::concat, 0));
        Node::of(ways.collect(), Hir::alternation, 1)
    }
}
