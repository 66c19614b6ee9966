//! The parser's hold on the token stream: lookahead, and errors with the line they are on.

use super::lex::{Item, Kind};
use super::{Parse, Parser};
use crate::error::Error;

/// What the parser keeps for each tree it is building: a `define` starts afresh.
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) token: [Item; 3],
    pub(super) peek_count: usize,
    pub(super) vars: Vec<String>,
    pub(super) range_depth: usize,
    pub(super) action_line: usize,
}

impl Frame {
    pub(super) fn new(name: &str) -> Self {
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

impl Parser<'_> {
    pub(super) fn next(&mut self) -> Item {
        if self.frame.peek_count > 0 {
            self.frame.peek_count -= 1;
        } else {
            self.frame.token[0] = self.lexer.next_item();
        }
        self.frame.token[self.frame.peek_count].clone()
    }

    pub(super) fn backup(&mut self) {
        self.frame.peek_count += 1;
    }

    /// Backs up two tokens; the first is still in place.
    pub(super) fn backup2(&mut self, first: Item) {
        self.frame.token[1] = first;
        self.frame.peek_count = 2;
    }

    pub(super) fn backup3(&mut self, second: Item, first: Item) {
        self.frame.token[1] = first;
        self.frame.token[2] = second;
        self.frame.peek_count = 3;
    }

    pub(super) fn peek(&mut self) -> &Item {
        if self.frame.peek_count == 0 {
            self.frame.peek_count = 1;
            self.frame.token[0] = self.lexer.next_item();
        }
        &self.frame.token[self.frame.peek_count - 1]
    }

    pub(super) fn next_non_space(&mut self) -> Item {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    pub(super) fn peek_non_space(&mut self) -> Item {
        let token = self.next_non_space();
        self.backup();
        token
    }

    pub(super) fn error(&self, text: &str) -> Error {
        Error::parse(format!(
            "template: {}:{}: {text}",
            self.parse_name, self.frame.token[0].line
        ))
    }

    pub(super) fn expect(&mut self, kind: Kind, context: &str) -> Parse<Item> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            Err(self.unexpected(&token, context))
        }
    }

    pub(super) fn unexpected(&self, token: &Item, context: &str) -> Error {
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
}
