//! `*`, `+`, `?` and `{n,m}`.

use regex_syntax::hir::{Hir, Repetition};

use super::{
    INVALID_COUNT, INVALID_REPETITION, Item, MISSING_ARGUMENT, Mistake, Node, Parser, before,
    mistake,
};

/// Go repeats nothing more often, nested repetitions included.
const MOST: u64 = 1000;
/// Numbers from here on are too large, whatever they are.
const TOO_LARGE: u64 = 100_000_000;

/// How often at least and at most; `None` for a number that is too large.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    min: Option<u64>,
    max: Most,
}

#[derive(Debug, Clone, Copy)]
enum Most {
    Any,
    /// `None` for a number that is too large.
    Number(Option<u64>),
}

/// A number without needless zeros, and what follows it.
fn number(text: &str) -> Option<(Option<u64>, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    let value = digits.parse().ok().filter(|value| *value < TOO_LARGE);
    Some((value, rest))
}

/// `{n}`, `{n,}` or `{n,m}` and what follows it; anything else is a literal brace.
pub(super) fn counts(text: &str) -> Option<(Counts, &str)> {
    let (min, rest) = number(text.strip_prefix('{')?)?;
    let Some(rest) = rest.strip_prefix(',') else {
        let rest = rest.strip_prefix('}')?;
        let max = Most::Number(min);
        return Some((Counts { min, max }, rest));
    };
    if let Some(rest) = rest.strip_prefix('}') {
        let max = Most::Any;
        return Some((Counts { min, max }, rest));
    }
    let (max, rest) = number(rest)?;
    let rest = rest.strip_prefix('}')?;
    let max = Most::Number(max);
    Some((Counts { min, max }, rest))
}

impl<'a> Parser<'a> {
    pub(super) fn repeat(
        &mut self,
        operator: char,
        text: &'a str,
        after: &'a str,
        last: Option<&'a str>,
    ) -> Result<&'a str, Mistake> {
        let (min, max) = match operator {
            '*' => (0, None),
            '+' => (1, None),
            _ => (0, Some(1)),
        };
        let (node, greedy, after) = self.argument(text, after, last)?;
        let repeated = node.repeated;
        let size = node.size.saturating_add(1);
        self.push_repeated(node, (min, max), greedy, size, repeated)?;
        Ok(after)
    }

    pub(super) fn repeat_counted(
        &mut self,
        counts: Counts,
        text: &'a str,
        after: &'a str,
        last: Option<&'a str>,
    ) -> Result<&'a str, Mistake> {
        let refused = |after| mistake(INVALID_COUNT, before(text, after));
        let min = counts.min.filter(|min| *min <= MOST);
        let (Some(min), max) = (min, counts.max) else {
            return Err(refused(after));
        };
        let max = match max {
            Most::Any => None,
            Most::Number(Some(max)) if max <= MOST && max >= min => Some(max),
            Most::Number(_) => return Err(refused(after)),
        };
        let (node, greedy, after) = self.argument(text, after, last)?;
        let repeated = match max.unwrap_or(min) {
            0 if max.is_some() => 1,
            count => count.max(1) * node.repeated,
        };
        if (min >= 2 || max.is_some_and(|max| max >= 2)) && repeated > MOST {
            return Err(refused(after));
        }
        let size = match max {
            Some(max) => (max * node.size).saturating_add(max - min),
            None if min == 0 => node.size.saturating_add(2),
            None => (min * node.size).saturating_add(1),
        };
        self.push_repeated(node, (min, max), greedy, size.max(1), repeated)?;
        Ok(after)
    }

    /// What is repeated, whether greedily, and what follows the operator.
    fn argument(
        &mut self,
        text: &'a str,
        after: &'a str,
        last: Option<&'a str>,
    ) -> Result<(Node, bool, &'a str), Mistake> {
        let (lazy, after) = match after.strip_prefix('?') {
            Some(after) => (true, after),
            None => (false, after),
        };
        if let Some(last) = last {
            return Err(mistake(INVALID_REPETITION, before(last, after)));
        }
        match self.stack.pop() {
            Some(Item::Node(node)) => Ok((node, lazy == self.flags.lazy, after)),
            _ => Err(mistake(MISSING_ARGUMENT, before(text, after))),
        }
    }

    fn push_repeated(
        &mut self,
        node: Node,
        (min, max): (u64, Option<u64>),
        greedy: bool,
        size: u64,
        repeated: u64,
    ) -> Result<(), Mistake> {
        let hir = Hir::repetition(Repetition {
            min: min as u32,
            max: max.map(|max| max as u32),
            greedy,
            sub: Box::new(node.hir),
        });
        self.push(Node {
            hir,
            height: node.height + 1,
            size,
            repeated,
        })
    }
}
