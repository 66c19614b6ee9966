//! From tokens to events, as go-yaml v2 puts a document together: a machine without recursion.

use crate::Error;
use crate::scan::{Scanner, Token, TokenKind};

/// A step in the reading of a document.
#[derive(Debug)]
pub(crate) enum Event {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(String),
    Scalar {
        text: String,
        is_plain: bool,
        marks: Marks,
    },
    SequenceStart(Marks),
    MappingStart(Marks),
    /// Of a sequence or a mapping.
    End,
}

/// What stands before a node.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub(crate) anchor: Option<String>,
    /// The whole tag; empty without one.
    pub(crate) tag: String,
}

/// What is expected next.
#[derive(Debug, Clone, Copy)]
enum State {
    ImplicitDocument,
    Document,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockEntry,
    IndentlessEntry,
    BlockKey,
    BlockValue,
    FlowEntry(FlowContext),
    /// A pair within a flow sequence.
    PairKey,
    PairValue,
    PairEnd,
    FlowKey(FlowContext),
    FlowValue,
    FlowEmptyValue,
    End,
}

/// Where in a flow collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FlowContext {
    First,
    Later,
}

pub(crate) struct Events {
    scanner: Scanner,
    state: State,
    /// Where to go on when what is open is complete.
    then: Vec<State>,
    /// `%TAG` directives: handles and prefixes.
    prefixes: Vec<(String, String)>,
}

/// An event with the line where it begins, counted from 0.
type NextEvent = Result<(Event, usize), Error>;

impl Events {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            scanner: Scanner::new(text),
            state: State::ImplicitDocument,
            then: Vec::new(),
            prefixes: Vec::new(),
        }
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> NextEvent {
        match self.state {
            State::ImplicitDocument => self.document_start(true),
            State::Document => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockEntry => self.block_entry(),
            State::IndentlessEntry => self.indentless_entry(),
            State::BlockKey => self.block_key(),
            State::BlockValue => self.block_value(),
            State::FlowEntry(place) => self.flow_entry(place),
            State::PairKey => self.pair_key(),
            State::PairValue => self.pair_value(),
            State::PairEnd => {
                self.state = State::FlowEntry(FlowContext::Later);
                Ok((Event::End, self.line()?))
            }
            State::FlowKey(place) => self.flow_key(place),
            State::FlowValue => self.flow_value(),
            State::FlowEmptyValue => self.empty(State::FlowKey(FlowContext::Later)),
            State::End => Ok((Event::StreamEnd, self.line()?)),
        }
    }

    fn line(&mut self) -> Result<usize, Error> {
        Ok(self.scanner.peek()?.line)
    }

    fn sees(&mut self, kinds: &[TokenKind]) -> Result<bool, Error> {
        let kind = &self.scanner.peek()?.kind;
        Ok(kinds.contains(kind))
    }

    /// Takes the next token if it is of a kind.
    fn take(&mut self, kind: &TokenKind) -> Result<Option<Token>, Error> {
        if self.scanner.peek()?.kind == *kind {
            Ok(self.scanner.take())
        } else {
            Ok(None)
        }
    }

    /// An error about the next token. go-yaml has no line for those of the first one, and one
    /// less than there is for all others.
    fn unexpected<T>(&mut self, problem: &str) -> Result<T, Error> {
        let line = self.line()?;
        Err(Error::read((line > 0).then_some(line), problem))
    }

    fn back(&mut self) {
        self.state = self.then.pop().unwrap_or(State::End);
    }

    /// A node that must be there, and where to go on after it.
    fn node_then(&mut self, then: State, block: bool, indentless: bool) -> NextEvent {
        self.then.push(then);
        self.node(block, indentless)
    }

    /// A node that is not there: nothing.
    fn empty(&mut self, then: State) -> NextEvent {
        self.state = then;
        let event = Event::Scalar {
            text: String::new(),
            is_plain: true,
            marks: Marks::default(),
        };
        Ok((event, self.line()?))
    }

    /// The end of a collection.
    fn end(&mut self, line: usize) -> (Event, usize) {
        self.back();
        (Event::End, line)
    }

    fn document_start(&mut self, implicit: bool) -> NextEvent {
        if !implicit {
            while self.take(&TokenKind::DocumentEnd)?.is_some() {}
        }
        let line = self.line()?;
        let is_end = self.sees(&[TokenKind::StreamEnd])?;
        let has_start = matches!(
            self.scanner.peek()?.kind,
            TokenKind::Version(..) | TokenKind::TagDirective(..) | TokenKind::DocumentStart
        );
        if implicit && !has_start && !is_end {
            self.then.push(State::DocumentEnd);
            self.state = State::BlockNode;
            self.directives()?;
            return Ok((Event::DocumentStart, line));
        }
        if is_end {
            self.state = State::End;
            return Ok((Event::StreamEnd, line));
        }
        self.directives()?;
        if self.take(&TokenKind::DocumentStart)?.is_none() {
            return self.unexpected("did not find expected <document start>");
        }
        self.then.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        Ok((Event::DocumentStart, line))
    }

    fn directives(&mut self) -> Result<(), Error> {
        let mut has_version = false;
        let mut prefixes: Vec<(String, String)> = Vec::new();
        loop {
            match &self.scanner.peek()?.kind {
                TokenKind::Version(..) if has_version => {
                    return self.unexpected("found duplicate %YAML directive");
                }
                TokenKind::Version(1, 1) => has_version = true,
                TokenKind::Version(..) => {
                    return self.unexpected("found incompatible YAML document");
                }
                TokenKind::TagDirective(handle, prefix) => {
                    let (handle, prefix) = (handle.clone(), prefix.clone());
                    if prefixes.iter().any(|(known, _)| *known == handle) {
                        return self.unexpected("found duplicate %TAG directive");
                    }
                    prefixes.push((handle, prefix));
                }
                _ => break,
            }
            self.scanner.take();
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !prefixes.iter().any(|(known, _)| known == handle) {
                prefixes.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        self.prefixes = prefixes;
        Ok(())
    }

    fn document_content(&mut self) -> NextEvent {
        let is_empty = matches!(
            self.scanner.peek()?.kind,
            TokenKind::Version(..)
                | TokenKind::TagDirective(..)
                | TokenKind::DocumentStart
                | TokenKind::DocumentEnd
                | TokenKind::StreamEnd
        );
        if is_empty {
            self.back();
            let then = self.state;
            return self.empty(then);
        }
        self.node(true, false)
    }

    fn document_end(&mut self) -> NextEvent {
        let line = self.line()?;
        self.take(&TokenKind::DocumentEnd)?;
        self.state = State::Document;
        Ok((Event::DocumentEnd, line))
    }

    /// Anchor and tag, in any order.
    fn marks(&mut self) -> Result<Marks, Error> {
        let mut marks = Marks::default();
        let mut tag = None;
        for _ in 0..2 {
            match &self.scanner.peek()?.kind {
                TokenKind::Anchor(name) if marks.anchor.is_none() => {
                    marks.anchor = Some(name.clone());
                }
                TokenKind::Tag(handle, suffix) if tag.is_none() => {
                    tag = Some((handle.clone(), suffix.clone(), self.line()?));
                }
                _ => break,
            }
            self.scanner.take();
        }
        if let Some((handle, suffix, line)) = tag {
            let prefix = self.prefixes.iter().find(|(known, _)| *known == handle);
            marks.tag = match prefix {
                _ if handle.is_empty() => suffix,
                Some((_, prefix)) => format!("{prefix}{suffix}"),
                None => {
                    // The next token is looked at before the handle is looked up.
                    self.scanner.peek()?;
                    let line = (line > 0).then_some(line);
                    return Err(Error::read(line, "found undefined tag handle"));
                }
            };
        }
        Ok(marks)
    }

    fn node(&mut self, block: bool, indentless: bool) -> NextEvent {
        let line = self.line()?;
        if matches!(self.scanner.peek()?.kind, TokenKind::Alias(_)) {
            self.back();
            return match self.scanner.take().map(|token| token.kind) {
                Some(TokenKind::Alias(name)) => Ok((Event::Alias(name), line)),
                _ => self.unexpected("did not find expected node content"),
            };
        }
        let marks = self.marks()?;
        let (state, event) = match &self.scanner.peek()?.kind {
            TokenKind::BlockEntry if indentless => {
                (State::IndentlessEntry, Event::SequenceStart(marks))
            }
            TokenKind::Scalar { .. } => {
                self.back();
                return match self.scanner.take().map(|token| token.kind) {
                    Some(TokenKind::Scalar { text, is_plain }) => {
                        let event = Event::Scalar {
                            text,
                            is_plain,
                            marks,
                        };
                        Ok((event, line))
                    }
                    _ => self.unexpected("did not find expected node content"),
                };
            }
            TokenKind::FlowSequenceStart => (
                State::FlowEntry(FlowContext::First),
                Event::SequenceStart(marks),
            ),
            TokenKind::FlowMappingStart => (
                State::FlowKey(FlowContext::First),
                Event::MappingStart(marks),
            ),
            TokenKind::BlockSequenceStart if block => {
                (State::BlockEntry, Event::SequenceStart(marks))
            }
            TokenKind::BlockMappingStart if block => (State::BlockKey, Event::MappingStart(marks)),
            _ if marks.anchor.is_some() || !marks.tag.is_empty() => {
                self.back();
                let event = Event::Scalar {
                    text: String::new(),
                    is_plain: true,
                    marks,
                };
                return Ok((event, line));
            }
            _ => return self.unexpected("did not find expected node content"),
        };
        // The start of an indentless sequence is its first entry, which is read later.
        if !matches!(state, State::IndentlessEntry) {
            self.scanner.take();
        }
        self.state = state;
        Ok((event, line))
    }

    fn block_entry(&mut self) -> NextEvent {
        let line = self.line()?;
        if self.take(&TokenKind::BlockEntry)?.is_some() {
            return if self.sees(&[TokenKind::BlockEntry, TokenKind::BlockEnd])? {
                self.empty(State::BlockEntry)
            } else {
                self.node_then(State::BlockEntry, true, false)
            };
        }
        if self.take(&TokenKind::BlockEnd)?.is_some() {
            return Ok(self.end(line));
        }
        self.unexpected("did not find expected '-' indicator")
    }

    fn indentless_entry(&mut self) -> NextEvent {
        let line = self.line()?;
        if self.take(&TokenKind::BlockEntry)?.is_none() {
            return Ok(self.end(line));
        }
        let after = [
            TokenKind::BlockEntry,
            TokenKind::Key,
            TokenKind::Value,
            TokenKind::BlockEnd,
        ];
        if self.sees(&after)? {
            self.empty(State::IndentlessEntry)
        } else {
            self.node_then(State::IndentlessEntry, true, false)
        }
    }

    fn block_key(&mut self) -> NextEvent {
        let line = self.line()?;
        if self.take(&TokenKind::Key)?.is_some() {
            let after = [TokenKind::Key, TokenKind::Value, TokenKind::BlockEnd];
            return if self.sees(&after)? {
                self.empty(State::BlockValue)
            } else {
                self.node_then(State::BlockValue, true, true)
            };
        }
        if self.take(&TokenKind::BlockEnd)?.is_some() {
            return Ok(self.end(line));
        }
        self.unexpected("did not find expected key")
    }

    fn block_value(&mut self) -> NextEvent {
        if self.take(&TokenKind::Value)?.is_none() {
            return self.empty(State::BlockKey);
        }
        let after = [TokenKind::Key, TokenKind::Value, TokenKind::BlockEnd];
        if self.sees(&after)? {
            self.empty(State::BlockKey)
        } else {
            self.node_then(State::BlockKey, true, true)
        }
    }

    fn flow_entry(&mut self, place: FlowContext) -> NextEvent {
        let line = self.line()?;
        if self.take(&TokenKind::FlowSequenceEnd)?.is_some() {
            return Ok(self.end(line));
        }
        if place == FlowContext::Later && self.take(&TokenKind::FlowEntry)?.is_none() {
            return self.unexpected("did not find expected ',' or ']'");
        }
        let line = self.line()?;
        if self.take(&TokenKind::Key)?.is_some() {
            self.state = State::PairKey;
            return Ok((Event::MappingStart(Marks::default()), line));
        }
        if self.take(&TokenKind::FlowSequenceEnd)?.is_some() {
            return Ok(self.end(line));
        }
        self.node_then(State::FlowEntry(FlowContext::Later), false, false)
    }

    fn pair_key(&mut self) -> NextEvent {
        let after = [
            TokenKind::Value,
            TokenKind::FlowEntry,
            TokenKind::FlowSequenceEnd,
        ];
        if self.sees(&after)? {
            // go-yaml loses the token after a key that is not there.
            let event = self.empty(State::PairValue)?;
            self.scanner.take();
            return Ok(event);
        }
        self.node_then(State::PairValue, false, false)
    }

    fn pair_value(&mut self) -> NextEvent {
        if self.take(&TokenKind::Value)?.is_some()
            && !self.sees(&[TokenKind::FlowEntry, TokenKind::FlowSequenceEnd])?
        {
            return self.node_then(State::PairEnd, false, false);
        }
        self.empty(State::PairEnd)
    }

    fn flow_key(&mut self, place: FlowContext) -> NextEvent {
        let line = self.line()?;
        if self.take(&TokenKind::FlowMappingEnd)?.is_some() {
            return Ok(self.end(line));
        }
        if place == FlowContext::Later && self.take(&TokenKind::FlowEntry)?.is_none() {
            return self.unexpected("did not find expected ',' or '}'");
        }
        if self.take(&TokenKind::Key)?.is_some() {
            let after = [
                TokenKind::Value,
                TokenKind::FlowEntry,
                TokenKind::FlowMappingEnd,
            ];
            return if self.sees(&after)? {
                self.empty(State::FlowValue)
            } else {
                self.node_then(State::FlowValue, false, false)
            };
        }
        let line = self.line()?;
        if self.take(&TokenKind::FlowMappingEnd)?.is_some() {
            return Ok(self.end(line));
        }
        self.node_then(State::FlowEmptyValue, false, false)
    }

    fn flow_value(&mut self) -> NextEvent {
        if self.take(&TokenKind::Value)?.is_some()
            && !self.sees(&[TokenKind::FlowEntry, TokenKind::FlowMappingEnd])?
        {
            return self.node_then(State::FlowKey(FlowContext::Later), false, false);
        }
        self.empty(State::FlowKey(FlowContext::Later))
    }
}
