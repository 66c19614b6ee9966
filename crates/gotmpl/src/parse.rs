//! The parser: tokens to trees, with the errors of Go's text/template/parse.

mod lex;
pub(crate) mod node;
mod number;
pub(crate) mod unquote;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::error::Error;
use crate::fmt::quote;
use crate::gostr::Str;
use lex::{Item, Keywords, Kind, Lexer};
use node::{Branch, Command, List, Node, Operand, Pipe, Term, Tree};

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

/// What the parser keeps for each tree it is building: a `define` starts afresh.
struct Frame {
    name: String,
    token: [Item; 3],
    peek_count: usize,
    vars: Vec<String>,
    range_depth: usize,
    action_line: usize,
}

impl Frame {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            token: [Item::none(), Item::none(), Item::none()],
            peek_count: 0,
            vars: vec!["$".to_owned()],
            range_depth: 0,
            action_line: 0,
        }
    }
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
    fn next(&mut self) -> Item {
        if self.frame.peek_count > 0 {
            self.frame.peek_count -= 1;
        } else {
            self.frame.token[0] = self.lexer.next_item();
        }
        self.frame.token[self.frame.peek_count].clone()
    }

    fn backup(&mut self) {
        self.frame.peek_count += 1;
    }

    /// Backs up two tokens; the first is still in place.
    fn backup2(&mut self, first: Item) {
        self.frame.token[1] = first;
        self.frame.peek_count = 2;
    }

    fn backup3(&mut self, second: Item, first: Item) {
        self.frame.token[1] = first;
        self.frame.token[2] = second;
        self.frame.peek_count = 3;
    }

    fn peek(&mut self) -> &Item {
        if self.frame.peek_count == 0 {
            self.frame.peek_count = 1;
            self.frame.token[0] = self.lexer.next_item();
        }
        &self.frame.token[self.frame.peek_count - 1]
    }

    fn next_non_space(&mut self) -> Item {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Item {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn error(&self, text: &str) -> Error {
        Error::parse(format!(
            "template: {}:{}: {text}",
            self.parse_name, self.frame.token[0].line
        ))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parse<Item> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            Err(self.unexpected(&token, context))
        }
    }

    fn unexpected(&self, token: &Item, context: &str) -> Error {
        if token.kind == Kind::Error {
            let mut extra = String::new();
            let line = self.frame.action_line;
            if line != 0 && line != token.line {
                extra = format!(" in action started at {}:{line}", self.parse_name);
                if token.text.ends_with(" action") {
                    extra = extra.split_off(" in action".len());
                }
            }
            return self.error(&format!("{}{extra}", token.describe()));
        }
        self.error(&format!("unexpected {} in {context}", token.describe()))
    }

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

    fn pipeline(&mut self, context: &str, end: Kind) -> Parse<Pipe> {
        let pos = self.peek_non_space().pos;
        let mut pipe = Pipe {
            pos,
            is_assign: false,
            decl: Vec::new(),
            cmds: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let cmd = self.command()?;
                    pipe.cmds.push(cmd);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
        if pipe.cmds.is_empty() {
            return Err(self.error(&format!("missing value for {context}")));
        }
        for (i, cmd) in pipe.cmds.iter().enumerate().skip(1) {
            let constant = matches!(
                cmd.args.first().map(|arg| &arg.term),
                Some(Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::String { .. })
            );
            if constant {
                let stage = i + 1;
                let text = format!("non executable command in pipeline stage {stage}");
                return Err(self.error(&text));
            }
        }
        Ok(pipe)
    }

    /// The variables that a pipeline declares or assigns, up to the `:=` or `=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parse<()> {
        loop {
            let v = self.peek_non_space();
            if v.kind != Kind::Variable {
                return Ok(());
            }
            self.next();
            // A blank after the variable must survive if this is no declaration.
            let after = self.peek().clone();
            let next = self.peek_non_space();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.is_assign = next.kind == Kind::Assign;
                    self.next_non_space();
                    self.declare(pipe, v);
                    return Ok(());
                }
                Kind::Char if next.text == "," => {
                    self.next_non_space();
                    self.declare(pipe, v);
                    if context != "range" || pipe.decl.len() >= 2 {
                        return Err(self.error(&format!("too many declarations in {context}")));
                    }
                    let more = self.peek_non_space().kind;
                    if !matches!(more, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                        return Err(self.error("range can only initialize variables"));
                    }
                }
                _ => {
                    if after.kind == Kind::Space {
                        self.backup3(v, after);
                    } else {
                        self.backup2(v);
                    }
                    return Ok(());
                }
            }
        }
    }

    fn declare(&mut self, pipe: &mut Pipe, variable: Item) {
        pipe.decl.push(variable.text.clone());
        self.frame.vars.push(variable.text);
    }

    fn command(&mut self) -> Parse<Command> {
        let mut cmd = Command {
            pos: self.peek_non_space().pos,
            args: Vec::new(),
        };
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                cmd.args.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if cmd.args.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(cmd)
    }

    fn operand(&mut self) -> Parse<Option<Operand>> {
        let Some(node) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != Kind::Field {
            return Ok(Some(node));
        }
        let pos = self.peek().pos;
        let mut field = Vec::new();
        while self.peek().kind == Kind::Field {
            field.push(self.next().text[1..].to_owned());
        }
        let term = match node.term {
            Term::Field(mut names) => {
                names.append(&mut field);
                Term::Field(names)
            }
            Term::Variable(mut names) => {
                names.append(&mut field);
                Term::Variable(names)
            }
            Term::Bool(_) | Term::String { .. } | Term::Number(_) | Term::Nil | Term::Dot => {
                let shown = quote(node.to_string().as_bytes());
                return Err(self.error(&format!("unexpected . after term {shown}")));
            }
            _ => Term::Chain {
                node: Box::new(node),
                field,
            },
        };
        Ok(Some(Operand { pos, term }))
    }

    fn term(&mut self) -> Parse<Option<Operand>> {
        let token = self.next_non_space();
        let term = match token.kind {
            Kind::Identifier => {
                if !(self.known)(&token.text) {
                    let name = quote(token.text.as_bytes());
                    return Err(self.error(&format!("function {name} not defined")));
                }
                Term::Identifier(token.text)
            }
            Kind::Dot => Term::Dot,
            Kind::Nil => Term::Nil,
            Kind::Variable => {
                if !self.frame.vars.contains(&token.text) {
                    let name = quote(token.text.as_bytes());
                    return Err(self.error(&format!("undefined variable {name}")));
                }
                Term::Variable(vec![token.text])
            }
            Kind::Field => Term::Field(vec![token.text[1..].to_owned()]),
            Kind::Bool => Term::Bool(token.text == "true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                let is_char = token.kind == Kind::CharConstant;
                Term::Number(number::parse(&token.text, is_char).map_err(|e| self.error(&e))?)
            }
            Kind::LeftParen => {
                let pipe =
                    self.deeper(|p| p.pipeline("parenthesized pipeline", Kind::RightParen))?;
                Term::Pipe(Box::new(pipe))
            }
            Kind::String | Kind::RawString => {
                let text = self.unquote(&token.text)?;
                Term::String {
                    quoted: token.text,
                    text,
                }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(Operand {
            pos: token.pos,
            term,
        }))
    }
}
