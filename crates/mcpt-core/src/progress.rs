//! What a long operation tells while it runs.

/// One step or observation of a running operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgressEvent {
    /// A step began: `applying 6 objects`. The step before it is done.
    Step(String),
    /// What the current step waits for: `0 of 2 pods ready: pulling image`. Replaces the last such text.
    Waiting(String),
    /// Something the user should know though it is not an error.
    Warning(String),
}

/// Receiver of [`ProgressEvent`]s. Called from the operation's own task: it must not block.
pub trait Progress: Send + Sync {
    /// Takes one event.
    fn event(&self, event: ProgressEvent);
}

/// Drops every event.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: ProgressEvent) {}
}
