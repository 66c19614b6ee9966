//! The mcpt binary: starts the command line of `mcpt-cli` and leaves with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    mcpt_cli::run()
}
