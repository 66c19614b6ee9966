//! [`Method`]: how objects come to be as a revision wants them, and what its record says of that.

use helm_release::{APPLY_METHOD_CLIENT_SIDE, APPLY_METHOD_SERVER_SIDE, Release};

use super::{Action, ActionError, Result};

/// Who decides between two who want the same field. The API server merges in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// As with the revision before it, or the one that is gone back to; the first one as [`Self::ServerSide`].
    #[default]
    AsBefore,
    /// The API server: fields of others are a conflict.
    ServerSide,
    /// The release: as with what Helm calls client-side apply, what a chart says holds, whoever said something else.
    ClientSide,
}

impl Method {
    /// What a record says after a revision that was made over another one.
    pub(super) fn recorded(self, before: Option<&Release>) -> String {
        let merged = match self {
            Self::ServerSide => true,
            Self::ClientSide => false,
            Self::AsBefore => before.is_none_or(is_server_side),
        };
        let method = if merged {
            APPLY_METHOD_SERVER_SIDE
        } else {
            APPLY_METHOD_CLIENT_SIDE
        };
        method.to_owned()
    }
}

fn is_server_side(release: &Release) -> bool {
    release.apply_method == APPLY_METHOD_SERVER_SIDE
}

impl Action<'_> {
    /// Refuses to replace objects of a revision whose objects the API server is to merge, as Helm does.
    ///
    /// # Errors
    /// When both are wanted.
    pub(super) fn refuse_both(&self, release: &Release) -> Result<()> {
        if self.conduct.force_replace && is_server_side(release) {
            return Err(ActionError::ReplacedAndMerged);
        }
        Ok(())
    }

    /// The same work, in the way that its revision is to be made.
    pub(super) fn made_by(&self, release: &Release) -> Self {
        let by_release = !is_server_side(release);
        let mut action = self.clone();
        action.applier = action
            .applier
            .forced(self.conduct.force_conflicts || by_release)
            .replacing(self.conduct.force_replace && by_release);
        action
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_say_what_helm_says() {
        let made_by = |method: &str| Release {
            apply_method: method.to_owned(),
            ..Release::default()
        };
        let recorded = |method: Method, before: Option<&str>| {
            let before = before.map(made_by);
            method.recorded(before.as_ref())
        };
        for (method, before, wanted) in [
            (Method::AsBefore, None, "ssa"),
            (Method::AsBefore, Some("ssa"), "ssa"),
            (Method::AsBefore, Some("csa"), "csa"),
            // Helm 3 does not say it.
            (Method::AsBefore, Some(""), "csa"),
            (Method::ServerSide, Some("csa"), "ssa"),
            (Method::ClientSide, Some("ssa"), "csa"),
            (Method::ClientSide, None, "csa"),
        ] {
            assert_eq!(recorded(method, before), wanted, "{method:?} {before:?}");
        }
    }
}
