//! The parser: tokens to trees, with the errors of Go's text/template/parse.

mod lex;
pub(crate) mod node;
mod number;
mod pipeline;
mod tokens;
pub(crate) mod unquote;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::error::Error;
use crate::fmt::quote;
use crate::gostr::Str;
use lex::{Item, Keywords, Kind, Lexer};
use node::{Branch, List, Node, Tree};
use tokens::Frame;

/// How deep parentheses and control structures may nest. Go allows 10000 parentheses and any
/// number of structures; no real template comes near this.
const MAX_NESTING: usize = 500;

/// Parses one text. The result holds the text's own tree under `name` and one for each
/// `define` and `block` in it.
pub(crate) fn parse(
    name: &str,
    text: &str,
    known: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Rc<Tree>>, Error> {
    let keywords = Keywords {
        break_ok: !known("break"),
        continue_ok: !known("continue"),
    };
    let mut parser = Parser {
        known,
        parse_name: Rc::from(name),
        text: Rc::from(text),
        lexer: Lexer::new(text, keywords),
        frame: Frame::new(name),
        nesting: 0,
        trees: BTreeMap::new(),
    };
    parser.parse_text()?;
    Ok(parser.trees)
}

struct Parser<'a> {
    /// Whether a function of that name exists.
    known: &'a dyn Fn(&str) -> bool,
    parse_name: Rc<str>,
    text: Rc<str>,
    lexer: Lexer<'a>,
    frame: Frame,
    nesting: usize,
    trees: BTreeMap<String, Rc<Tree>>,
}

/// What an action turned out to be.
enum Parsed {
    Node(Node),
    Else { pos: usize },
    End,
}

impl Parsed {
    fn describe(&self) -> &'static str {
        match self {
            Parsed::Node(_) => "",
            Parsed::Else { .. } => "{{else}}",
            Parsed::End => "{{end}}",
        }
    }
}

type Parse<T> = Result<T, Error>;

impl Parser<'_> {
    fn parse_text(&mut self) -> Parse<()> {
        let mut root = List {
            pos: self.peek().pos,
            nodes: Vec::new(),
        };
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.backup2(delim);
            }
            match self.text_or_action()? {
                Parsed::Node(node) => root.nodes.push(node),
                other => return Err(self.error(&format!("unexpected {}", other.describe()))),
            }
        }
        self.add(root)
    }

    /// Runs `build` for a tree of its own, then goes on with the present one.
    fn nested<T>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        let outer = std::mem::replace(&mut self.frame, Frame::new(name));
        let result = build(self);
        // After an error nothing is parsed any more, and the error has its line.
        self.frame = outer;
        result
    }

    fn definition(&mut self) -> Parse<()> {
        const CONTEXT: &str = "define clause";
        self.nested("definition", |p| {
            let token = p.next_non_space();
            if token.kind != Kind::String && token.kind != Kind::RawString {
                return Err(p.unexpected(&token, CONTEXT));
            }
            p.frame.name = p.unquote(&token.text)?.text().into_owned();
            p.expect(Kind::RightDelim, CONTEXT)?;
            p.body(CONTEXT)
        })
    }

    /// The rest of a `define` or `block` up to its `end`.
    fn body(&mut self, context: &str) -> Parse<()> {
        let (list, end) = self.item_list()?;
        if !matches!(end, Parsed::End) {
            return Err(self.error(&format!("unexpected {} in {context}", end.describe())));
        }
        self.add(list)
    }

    fn add(&mut self, root: List) -> Parse<()> {
        let name = self.frame.name.clone();
        let empty = root.is_empty_tree();
        if self
            .trees
            .get(&name)
            .is_none_or(|old| old.root.is_empty_tree())
        {
            let tree = Tree {
                name: name.clone(),
                parse_name: self.parse_name.clone(),
                text: self.text.clone(),
                root,
            };
            self.trees.insert(name, Rc::new(tree));
        } else if !empty {
            let name = quote(name.as_bytes());
            return Err(self.error(&format!("template: multiple definition of template {name}")));
        }
        Ok(())
    }

    fn unquote(&self, quoted: &str) -> Parse<Str> {
        unquote::unquote(quoted).ok_or_else(|| self.error("invalid syntax"))
    }

    /// Guards every recursion of the parser.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.nesting >= MAX_NESTING {
            return Err(self.error("max expression depth exceeded"));
        }
        self.nesting += 1;
        let result = stacker::maybe_grow(64 * 1024, 1024 * 1024, || parse(self));
        self.nesting -= 1;
        result
    }

    /// Nodes up to an `end` or `else`, which is returned too.
    fn item_list(&mut self) -> Parse<(List, Parsed)> {
        self.deeper(|p| {
            let mut list = List {
                pos: p.peek_non_space().pos,
                nodes: Vec::new(),
            };
            while p.peek_non_space().kind != Kind::Eof {
                match p.text_or_action()? {
                    Parsed::Node(node) => list.nodes.push(node),
                    end => return Ok((list, end)),
                }
            }
            Err(p.error("unexpected EOF"))
        })
    }

    fn text_or_action(&mut self) -> Parse<Parsed> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Parsed::Node(Node::Text {
                pos: token.pos,
                text: Str::from(token.text),
            })),
            Kind::LeftDelim => {
                self.frame.action_line = token.line;
                let parsed = self.action();
                self.frame.action_line = 0;
                parsed
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Parse<Parsed> {
        let token = self.next_non_space();
        let node = match token.kind {
            Kind::Block => self.block_control()?,
            Kind::Break => {
                self.loop_control("{{break}}")?;
                Node::Break { pos: token.pos }
            }
            Kind::Continue => {
                self.loop_control("{{continue}}")?;
                Node::Continue { pos: token.pos }
            }
            Kind::Else => {
                let next = self.peek_non_space();
                if next.kind == Kind::If || next.kind == Kind::With {
                    return Ok(Parsed::Else { pos: next.pos });
                }
                let token = self.expect(Kind::RightDelim, "else")?;
                return Ok(Parsed::Else { pos: token.pos });
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Parsed::End);
            }
            Kind::If => Node::If(self.control(Kind::If, "if")?),
            Kind::Range => Node::Range(self.control(Kind::Range, "range")?),
            Kind::Template => self.template_control()?,
            Kind::With => Node::With(self.control(Kind::With, "with")?),
            _ => {
                self.backup();
                let pos = self.peek().pos;
                Node::Action {
                    pos,
                    pipe: self.pipeline("command", Kind::RightDelim)?,
                }
            }
        };
        Ok(Parsed::Node(node))
    }

    fn loop_control(&mut self, action: &str) -> Parse<()> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(&token, action));
        }
        if self.frame.range_depth == 0 {
            return Err(self.error(&format!("{action} outside {{{{range}}}}")));
        }
        Ok(())
    }

    fn control(&mut self, kind: Kind, context: &str) -> Parse<Branch> {
        let outer_vars = self.frame.vars.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        if kind == Kind::Range {
            self.frame.range_depth += 1;
        }
        let (list, next) = self.item_list()?;
        if kind == Kind::Range {
            self.frame.range_depth -= 1;
        }
        let mut else_list = None;
        if let Parsed::Else { pos } = next {
            let chained = self.peek().kind;
            if chained == kind && (kind == Kind::If || kind == Kind::With) {
                self.next();
                let branch = self.deeper(|p| p.control(kind, context))?;
                let node = if kind == Kind::If {
                    Node::If(branch)
                } else {
                    Node::With(branch)
                };
                else_list = Some(List {
                    pos,
                    nodes: vec![node],
                });
            } else {
                let (list, end) = self.item_list()?;
                if !matches!(end, Parsed::End) {
                    return Err(self.error(&format!("expected end; found {}", end.describe())));
                }
                else_list = Some(list);
            }
        }
        self.frame.vars.truncate(outer_vars);
        Ok(Branch {
            pos: pipe.pos,
            pipe,
            list,
            else_list,
        })
    }

    fn block_control(&mut self) -> Parse<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        self.nested(&name, |p| p.body(CONTEXT))?;
        Ok(Node::Template {
            pos: token.pos,
            name,
            pipe: Some(pipe),
        })
    }

    fn template_control(&mut self) -> Parse<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
        }
        Ok(Node::Template {
            pos: token.pos,
            name,
            pipe,
        })
    }

    fn template_name(&mut self, token: &Item, context: &str) -> Parse<String> {
        match token.kind {
            Kind::String | Kind::RawString => Ok(self.unquote(&token.text)?.text().into_owned()),
            _ => Err(self.unexpected(token, context)),
        }
    }
}
