//! [`Progress`]: what long operations on a cluster tell while they run.

/// Receiver of what an operation tells. Called from the operation's own task: it must not block.
pub trait Progress: Send + Sync {
    /// A step began: `applying 6 objects`. The step before it is done.
    fn step(&self, text: String);

    /// What the current step waits for: `0 of 2 pods ready: pulling image`. Replaces the last such text.
    fn waiting(&self, text: String);

    /// Something the user should know though it is not an error.
    fn warning(&self, text: String);
}

/// Drops everything.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _text: String) {}
    fn waiting(&self, _text: String) {}
    fn warning(&self, _text: String) {}
}
