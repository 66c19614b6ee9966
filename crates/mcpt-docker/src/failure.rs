//! Errors of an engine as [`Failure`]s.

use bollard::errors::Error;
use mcpt_core::{Failure, FailureKind, chain};

/// What an engine refused or did not answer.
pub(crate) fn failure(what: &str, error: &Error) -> Failure {
    let kind = match error {
        Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. }
        | Error::SocketNotFoundError(_) => FailureKind::Unreachable,
        Error::RequestTimeoutError => FailureKind::TimedOut,
        _ => FailureKind::Failed,
    };
    Failure::new(kind, what).because(words(error))
}

/// What an engine says, without the library's own words around it.
pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::RequestTimeoutError => "the engine did not answer in time".to_owned(),
        other => chain(other),
    }
}

/// The status by which the engine refused, if it did.
pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether what was asked for is not there, or is as it should become already.
pub(crate) fn is_missing(error: &Error) -> bool {
    // Podman says it with a status for faults of its own, when another removes the same thing at that moment.
    matches!(status(error), Some(404 | 304))
        || status(error) == Some(500)
            && [
                "no such container",
                "no such volume",
                "no such network",
                "no such image",
            ]
            .iter()
            .any(|missing| words(error).contains(missing))
}

/// Whether another command's removal of it is under way.
pub(crate) fn is_being_removed(error: &Error) -> bool {
    status(error) == Some(409) && words(error).contains("is already in progress")
}

/// Whether there is something of that name already.
pub(crate) fn is_taken(error: &Error) -> bool {
    // Podman says it with a status for faults of its own.
    status(error) == Some(409)
        || status(error) == Some(500) && words(error).contains("is already in use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there() {
        let error = |status_code, message: &str| Error::DockerResponseServerError {
            status_code,
            message: message.to_owned(),
        };
        for (status, message, expected) in [
            (404, "", true),
            (304, "", true),
            (500, "no such container: x", true),
            (500, "no such volume", true),
            (500, "mkdir /x: no such file or directory", false),
            (409, "no such container", false),
        ] {
            assert_eq!(is_missing(&error(status, message)), expected, "{message}");
        }
    }
}
