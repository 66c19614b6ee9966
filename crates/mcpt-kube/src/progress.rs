//! What the crates below tell, told on to the command.

use mcpt_core::{Progress, ProgressEvent};

/// Takes what the crates below tell.
pub(crate) struct AsProgress<'a>(pub(crate) &'a dyn Progress);

impl kube_access::Progress for AsProgress<'_> {
    fn step(&self, text: String) {
        self.0.event(ProgressEvent::Step(text));
    }

    fn waiting(&self, text: String) {
        self.0.event(ProgressEvent::Waiting(text));
    }

    fn warning(&self, text: String) {
        self.0.event(ProgressEvent::Warning(text));
    }
}
