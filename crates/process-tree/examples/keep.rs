//! A keeper as a program of its own, for the tests.

use std::{env, process::ExitCode};

use process_tree::{KeepError, keep};

fn main() -> Result<ExitCode, KeepError> {
    let words: Vec<_> = env::args_os().skip(1).collect();
    keep(&["/proc/self/exe".into()], &words)
}
