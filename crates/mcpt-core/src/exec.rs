//! [`Exec`]: a command that is to run beside a server, and what comes of it.

use std::fmt;

use futures_util::stream::BoxStream;

use crate::Failure;

/// A command that is to run in the container of one of a server's instances.
pub struct Exec {
    /// Name of the instance; `None` means the first one that is ready.
    pub instance: Option<String>,
    /// The program and its arguments, as they are: no shell reads them.
    pub command: Vec<String>,
    /// Its standard input, which ends with the stream; `None` when it has none.
    pub input: Option<BoxStream<'static, Vec<u8>>>,
    /// The sizes of its terminal, the first one at once; `None` when it has no terminal.
    pub terminal: Option<BoxStream<'static, TerminalSize>>,
}

/// Without what it reads: that may be a secret.
impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec")
            .field("instance", &self.instance)
            .field("has_input", &self.input.is_some())
            .field("has_terminal", &self.terminal.is_some())
            .finish_non_exhaustive()
    }
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Lines.
    pub height: u16,
}

/// Something of a command that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    /// Bytes of its standard output; of its terminal, if it has one.
    Output(Vec<u8>),
    /// Bytes of its standard error.
    Error(Vec<u8>),
    /// It has ended, with this exit code; nothing follows.
    Ended(i32),
}

/// What a command writes as it comes, and its end. Dropping it leaves the command alone, as its platform has it.
pub type ExecStream = BoxStream<'static, Result<ExecEvent, Failure>>;
