//! Options of the programs that start servers: enough of each to find where the server begins.

use std::collections::VecDeque;

use super::PastedError;
use crate::draft::Draft;

/// The name of an option of which nothing is known but where it ends; its value is what it is called.
pub(super) const UNKNOWN: &str = "";

/// What a program knows, without dashes; names of one letter are short options.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionSet {
    /// How the program is called in messages.
    pub(super) program: &'static str,
    /// Options without a value.
    pub(super) flags: &'static [&'static str],
    /// Options with a value.
    pub(super) values: &'static [&'static str],
}

/// One option as it was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedOption {
    /// Its name without dashes.
    pub(super) name: &'static str,
    /// Its value; empty for a flag.
    pub(super) value: String,
}

impl OptionSet {
    /// The next option before the first word that is none; `None` at that word, or behind the sign that no more follow. One that
    /// the program is not known to have, but that has its value behind a `=`, is [`UNKNOWN`].
    ///
    /// # Errors
    /// [`PastedError`] for an option of which nobody knows whether a value follows, or one without its value.
    pub(super) fn next(
        &self,
        words: &mut VecDeque<String>,
    ) -> Result<Option<ParsedOption>, PastedError> {
        let Some(word) = words.front() else {
            return Ok(None);
        };
        if word == "--" {
            words.pop_front();
            return Ok(None);
        }
        if word == "-" || !word.starts_with('-') {
            return Ok(None);
        }
        let word = words.pop_front().unwrap_or_default();
        let long = word.strip_prefix("--");
        let name = long.unwrap_or_else(|| word.trim_start_matches('-'));
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        let unknown = || PastedError::UnknownOption {
            program: self.program,
            option: name.chars().take(40).collect(),
        };
        if let Some(name) = find(self.values, name) {
            let value = value.or_else(|| words.pop_front());
            let value = value.ok_or(PastedError::NoValue {
                program: self.program,
                option: name,
            })?;
            return Ok(Some(ParsedOption { name, value }));
        }
        if let Some(name) = find(self.flags, name) {
            let value = value.unwrap_or_default();
            return Ok(Some(ParsedOption { name, value }));
        }
        if long.is_some() {
            return match value {
                Some(_) => Ok(Some(ParsedOption {
                    name: UNKNOWN,
                    value: name.chars().take(40).collect(),
                })),
                None => Err(unknown()),
            };
        }
        self.short(&word, words).ok_or_else(unknown).map(Some)
    }

    /// Several short options in one word (`-it`), or one with its value behind it (`-p8080:80`).
    fn short(&self, word: &str, words: &mut VecDeque<String>) -> Option<ParsedOption> {
        let letters = word.strip_prefix('-')?;
        let first = letters.get(..1)?;
        let rest = letters.get(1..)?;
        if let Some(name) = find(self.values, first) {
            let value = rest.strip_prefix('=').unwrap_or(rest).to_owned();
            return Some(ParsedOption { name, value });
        }
        let name = find(self.flags, first)?;
        words.push_front(format!("-{rest}"));
        Some(ParsedOption {
            name,
            value: String::new(),
        })
    }
}

impl ParsedOption {
    /// Says that an option of which nothing is known is left out.
    pub(super) fn note_unknown(&self, known: &OptionSet, draft: &mut Draft) {
        if self.name == UNKNOWN {
            draft.note(format!(
                "{} is given the option {:?}, of which nothing is known here: it is left out",
                known.program, self.value
            ));
        }
    }
}

fn find(known: &'static [&'static str], name: &str) -> Option<&'static str> {
    known.iter().copied().find(|known| *known == name)
}
