//! Commands, output and messages of mcpt.
