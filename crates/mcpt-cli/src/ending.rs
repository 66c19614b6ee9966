//! [`Ending`]: the ways in which a command ends without having done its work.

use std::io;

use mcpt_core::{Failure, FailureKind};

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It failed; the user is told.
    Failure(Box<Failure>),
    /// It failed, and the user is told, where an exit code of 1 says something else.
    AboveOne(Box<Failure>),
    /// What was compared differs, as its output says.
    Different,
    /// The same, and the user wants to be told by the exit code that `helm diff --detailed-exitcode` has.
    DifferentInDetail,
    /// What it ran elsewhere ended with this exit code, which is its own.
    Exited(u8),
    /// The reader of standard output went away (`mcpt list | head`): nobody is left to tell, and nothing is wrong.
    ReaderGone,
    /// The user ended what would go on for ever (`mcpt logs -f`): that is how it ends, and nobody needs to be told.
    Stopped,
}

impl Ending {
    /// What would go on for ever ends by an interruption, and that is no failure.
    #[must_use]
    pub(crate) fn silent_when_followed(self, follow: bool) -> Self {
        match self {
            Self::Failure(failure) if follow && failure.kind == FailureKind::Interrupted => {
                Self::Stopped
            }
            other => other,
        }
    }

    /// A failure ends with another code than 1, since that says that something differs.
    #[must_use]
    pub(crate) fn above_one(self) -> Self {
        match self {
            Self::Failure(failure) if failure.kind == FailureKind::Failed => {
                Self::AboveOne(failure)
            }
            other => other,
        }
    }

    /// What to do after an interruption of what makes something; `removal` is the command that removes it, when there is one.
    #[must_use]
    pub(crate) fn hint_again_or(self, removal: Option<&String>) -> Self {
        let again = "the same command again finishes it";
        match removal {
            Some(removal) => {
                self.hint_when_interrupted(&format!("{again}; to remove all of it: {removal}"))
            }
            None => self.hint_when_interrupted(again),
        }
    }

    /// What to do after an interruption.
    #[must_use]
    pub(crate) fn hint_when_interrupted(mut self, hint: &str) -> Self {
        if let Self::Failure(failure) = &mut self
            && failure.kind == FailureKind::Interrupted
        {
            failure.hint = Some(hint.to_owned());
        }
        self
    }
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self::Failure(Box::new(failure))
    }
}

/// Errors of writing to standard output.
impl From<io::Error> for Ending {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Failure::new(FailureKind::Failed, "cannot write to standard output")
            .caused_by(&error)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_tells_how_to_go_on() {
        let interrupted = |removal: Option<&str>| {
            let ending = Ending::from(Failure::new(FailureKind::Interrupted, "interrupted"));
            match ending.hint_again_or(removal.map(str::to_owned).as_ref()) {
                Ending::Failure(failure) => failure.hint.unwrap_or_default(),
                other => panic!("{other:?}"),
            }
        };
        let again = "the same command again finishes it";
        assert_eq!(interrupted(None), again);
        assert_eq!(
            interrupted(Some("mcpt -b kubernetes -n team delete demo")),
            format!("{again}; to remove all of it: mcpt -b kubernetes -n team delete demo")
        );
    }
}
