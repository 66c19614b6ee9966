//! The mcpt binary: starts the command line of `mcpt-cli` and leaves with its exit code.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Gives freed memory back to the system within seconds, also when nothing happens any more. That of the C library keeps what
/// a burst of large bodies took.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    mcpt_cli::run()
}
