//! Pipelines: declarations, commands, operands and terms.

use super::lex::{Item, Kind};
use super::node::{Command, Operand, Pipe, Term};
use super::{Parse, Parser, number};
use crate::fmt::quote;

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parse<Pipe> {
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
                Term::Number(
                    number::parse(&token.text, is_char).map_err(|e| self.error(&e.to_string()))?,
                )
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
