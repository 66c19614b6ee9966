//! Programs that only start another one, with a runtime, variables or a priority of their own: what they start is what is meant.

use std::collections::VecDeque;

use super::{PastedError, is_runner, options::OptionSet, refused};
use crate::draft::Draft;

/// What a starter gives to what it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    /// A priority, a terminal, a display, or nothing.
    Nothing,
    /// A version of Node.js or Python.
    Runtime,
    /// Variables out of a file or a store of secrets.
    Variables,
}

/// One of them.
struct Starter {
    known: OptionSet,
    /// Its own words before the command, of which one must be there; none when it has no such words.
    verbs: &'static [&'static str],
    /// How many words of its own follow: a duration, the name of a profile.
    words: usize,
    /// Whether the command may only be behind `--`, whatever stands before it.
    behind_sign: bool,
    gives: Gives,
}

const fn starter(
    program: &'static str,
    flags: &'static [&'static str],
    values: &'static [&'static str],
) -> Starter {
    Starter {
        known: OptionSet {
            program,
            flags,
            values,
        },
        verbs: &[],
        words: 0,
        behind_sign: false,
        gives: Gives::Nothing,
    }
}

/// One whose command is behind `--`.
const fn with_sign(program: &'static str, verbs: &'static [&'static str], gives: Gives) -> Starter {
    Starter {
        verbs,
        behind_sign: true,
        gives,
        ..starter(program, &[], &[])
    }
}

const STARTERS: &[Starter] = &[
    starter(
        "wsl",
        &["e", "exec"],
        &["d", "distribution", "u", "user", "cd", "shell-type"],
    ),
    starter("nice", &[], &["n", "adjustment"]),
    starter("ionice", &["t"], &["c", "n", "class", "classdata"]),
    starter("stdbuf", &[], &["i", "o", "e", "input", "output", "error"]),
    starter("setsid", &["c", "f", "w", "ctty", "fork", "wait"], &[]),
    starter("caffeinate", &["d", "i", "m", "s", "u"], &["t", "w"]),
    starter("arch", &["arm64", "x86_64"], &[]),
    starter("doas", &["n"], &["u"]),
    starter("unbuffer", &["p"], &[]),
    starter(
        "xvfb-run",
        &["a", "auto-servernum", "l"],
        &["s", "server-args", "n", "server-num", "e", "w"],
    ),
    Starter {
        words: 1,
        ..starter(
            "timeout",
            &["v", "foreground", "preserve-status"],
            &["k", "kill-after", "s", "signal"],
        )
    },
    Starter {
        verbs: &["exec"],
        gives: Gives::Runtime,
        ..starter("asdf", &[], &[])
    },
    Starter {
        verbs: &["run"],
        gives: Gives::Runtime,
        ..starter("volta", &[], &["node", "npm", "yarn", "pnpm"])
    },
    Starter {
        verbs: &["exec"],
        words: 1,
        gives: Gives::Runtime,
        ..starter("nvm", &["silent", "no-progress"], &[])
    },
    Starter {
        verbs: &["exec"],
        gives: Gives::Runtime,
        ..starter("fnm", &[], &["using"])
    },
    Starter {
        verbs: &["exec"],
        words: 1,
        gives: Gives::Variables,
        ..starter("direnv", &[], &[])
    },
    Starter {
        gives: Gives::Variables,
        ..starter(
            "env-cmd",
            &[
                "no-override",
                "fallback",
                "use-shell",
                "silent",
                "verbose",
                "expand-envs",
                "x",
            ],
            &["f", "file", "e", "environments", "r", "rc-file"],
        )
    },
    with_sign("mise", &["exec", "x"], Gives::Runtime),
    with_sign("rtx", &["exec", "x"], Gives::Runtime),
    with_sign("flox", &["activate"], Gives::Runtime),
    with_sign("devbox", &["run"], Gives::Runtime),
    with_sign("dotenv", &[], Gives::Variables),
    with_sign("dotenvx", &["run"], Gives::Variables),
    with_sign("op", &["run"], Gives::Variables),
    with_sign("doppler", &["run"], Gives::Variables),
    with_sign("infisical", &["run"], Gives::Variables),
    with_sign("aws-vault", &["exec"], Gives::Variables),
    with_sign("chamber", &["exec"], Gives::Variables),
    with_sign("teller", &["run"], Gives::Variables),
    with_sign("bws", &["run"], Gives::Variables),
    with_sign("phase", &["run"], Gives::Variables),
];

/// Takes a starter away that the command begins with, and says so. Whether it did.
///
/// # Errors
/// [`PastedError`] when what it starts cannot be told from its own words.
pub(super) fn strip(
    name: &str,
    words: &mut VecDeque<String>,
    draft: &mut Draft,
) -> Result<bool, PastedError> {
    let mut all = STARTERS.iter();
    let Some(starter) = all.find(|starter| starter.known.program == name) else {
        return Ok(false);
    };
    words.pop_front();
    starter.take(words, draft)?;
    match starter.gives {
        Gives::Nothing => {}
        Gives::Runtime => draft.note(format!(
            "{name} is left out: the version of Node.js or Python is chosen by what the package says"
        )),
        Gives::Variables => draft.note(format!(
            "{name} is left out, and the variables that it would set: give them with -e NAME=VALUE"
        )),
    }
    Ok(true)
}

impl Starter {
    /// Takes its own words, up to the command.
    fn take(&self, words: &mut VecDeque<String>, draft: &mut Draft) -> Result<(), PastedError> {
        let unclear = || {
            refused(
                self.known.program,
                "what it starts cannot be told from its own words: give the command that starts the server alone",
            )
        };
        if !self.verbs.is_empty() {
            let verb = words.pop_front().ok_or_else(unclear)?;
            if !self.verbs.contains(&verb.as_str()) {
                return Err(refused(
                    self.known.program,
                    "this starts no server: give the command that starts it",
                ));
            }
        }
        if self.behind_sign {
            // What gives variables names no runtime: a runner there is the command, and a sign behind it is its own.
            let begins = |word: &String| self.gives == Gives::Variables && is_runner(word);
            let at = words.iter().position(|word| word == "--" || begins(word));
            words.drain(..at.ok_or_else(unclear)?);
            if words.front().is_some_and(|word| word == "--") {
                words.pop_front();
            }
            return Ok(());
        }
        let mut sign = false;
        while !sign {
            sign = words.front().is_some_and(|word| word == "--");
            let Some(given) = self.known.next(words)? else {
                break;
            };
            given.note_unknown(&self.known, draft);
        }
        for _ in 0..self.words {
            words.pop_front().ok_or_else(unclear)?;
        }
        if words.front().is_some_and(|word| word == "--") {
            words.pop_front();
        }
        Ok(())
    }
}
