//! [`PostRenderer`]: a program of the user that changes what was rendered before it is installed.

use std::{fmt, sync::Arc};

use helm_render::ProgramError;

/// What such a program is: standard input to standard output, or why that failed.
type Run = dyn Fn(&str) -> Result<String, ProgramError> + Send + Sync;

/// A program of the user between rendering and installing.
#[derive(Clone)]
pub enum PostRenderer {
    /// As with Helm 4: it gets all objects, those of hooks too, each with its file in an annotation.
    OfAll(Arc<Run>),
    /// As with Helm 3: it gets the text that would be recorded, without hooks, and what it gives back is recorded as it is.
    OfObjects(Arc<Run>),
}

impl fmt::Debug for PostRenderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OfAll(_) => "OfAll",
            Self::OfObjects(_) => "OfObjects",
        })
    }
}
