//! mcpt with a backend more, as whoever writes one would add it: this crate, and one line in the list of backends. The
//! end-to-end suite runs against it unchanged (`MCPT_TEST_BACKEND=memory`, `MCPT_BIN` this binary).

mod backend;
mod driver;
mod host;
mod wire;

use std::{path::PathBuf, process::ExitCode};

use mcpt_backend::Driver;
use mcpt_cli::BACKENDS;

use self::driver::MemoryDriver;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == host::COMMAND) {
        let socket = arguments.next().map(PathBuf::from).unwrap_or_default();
        return match host::run(&socket) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    // The place where backends are chosen: those of mcpt, and one more. They are there until the process ends.
    let own: &dyn Driver = &MemoryDriver;
    let backends: Vec<_> = BACKENDS.iter().copied().chain([own]).collect();
    mcpt_cli::run_with(backends.leak())
}
