//! Options that only one kind of backend has: carried to it without anybody between having to know them.

use std::{any::Any, fmt, sync::Arc};

use crate::{Failure, FailureKind};

/// Options of one backend's own type, made by a caller that knows that backend. All others refuse them: an option that has
/// no effect would be a promise that is not kept.
#[derive(Clone, Default)]
pub struct PlatformOptions(Option<Arc<dyn Any + Send + Sync>>);

impl PlatformOptions {
    /// These.
    pub fn new<T: Any + Send + Sync>(options: T) -> Self {
        Self(Some(Arc::new(options)))
    }

    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Those of this type; `None` when there are none at all.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] when they are another backend's. `what` is what fails by it: `cannot deploy demo`.
    pub fn of<T: Any>(&self, what: &str) -> Result<Option<&T>, Failure> {
        let Some(options) = &self.0 else {
            return Ok(None);
        };
        options.downcast_ref().map(Some).ok_or_else(|| refuse(what))
    }

    /// That there are none, for a backend that has no options of its own.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] when there are some, as [`Self::of`].
    pub fn refuse(&self, what: &str) -> Result<(), Failure> {
        self.0.as_ref().map_or(Ok(()), |_| Err(refuse(what)))
    }
}

fn refuse(what: &str) -> Failure {
    Failure::new(FailureKind::Usage, what)
        .because("it was asked for with options that another backend has")
}

/// Without what they say: values of charts can be secret.
impl fmt::Debug for PlatformOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "some" } else { "none" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_reach_their_backend_and_no_other() {
        let none = PlatformOptions::none();
        assert_eq!(none.of::<u8>("cannot x").unwrap(), None);
        none.refuse("cannot x").unwrap();
        let some = PlatformOptions::new(7_u8);
        assert_eq!(some.of::<u8>("cannot x").unwrap(), Some(&7));
        for refused in [
            some.of::<u16>("cannot x").map(drop),
            some.refuse("cannot x"),
        ] {
            let failure = refused.unwrap_err();
            assert_eq!(
                (failure.kind, failure.what.as_str()),
                (FailureKind::Usage, "cannot x")
            );
        }
        assert_eq!(format!("{some:?}"), "some");
    }
}
