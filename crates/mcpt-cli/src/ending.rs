//! [`Ending`]: the ways in which a command ends without having done its work.

use std::io;

use mcpt_core::{Failure, FailureKind};

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It failed; the user is told.
    Failure(Box<Failure>),
    /// The reader of standard output went away (`mcpt list | head`): nobody is left to tell, and nothing is wrong.
    ReaderGone,
}

impl Ending {
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
