//! Commands, output and messages of mcpt.
//!
//! [`run`] is the whole program. It parses the arguments, runs one command, and turns what came of it into output and an
//! exit code. Commands see the places where servers run only as `dyn Backend`; nothing is built (runtime, TLS, templates,
//! cluster connection) before the command that needs it.

mod args;
mod backends;
mod changed;
mod chart_values;
mod commands;
mod compared;
mod deletion;
mod deployment;
mod duration;
mod ending;
mod everywhere;
mod log;
mod mcp_registries;
mod messages;
mod output;
mod place;
mod progress;
mod readable;
mod report;
mod runtime;
mod since;
mod speak;
mod stdin;
mod table;
mod terminal;
mod tool_arguments;
mod usage;
mod user_config;
mod user_file;
mod value_source;
mod waiting;

use std::process::ExitCode;

use mcpt_backend::Driver;

use self::{args::Cli, backends::Backends};

pub use self::backends::BACKENDS;

/// Runs the command line of this process with the backends of mcpt and gives its exit code.
pub fn run() -> ExitCode {
    run_with(BACKENDS)
}

/// Runs the command line of this process with these backends and gives its exit code. The first is the one that commands mean
/// which name none.
pub fn run_with(backends: &'static [&'static dyn Driver]) -> ExitCode {
    let cli = match Cli::of(std::env::args_os(), Backends(backends)) {
        Ok(cli) => cli,
        Err(error) => return usage::exit(&error),
    };
    // These end with a code of their own.
    let ended = match &cli.command {
        args::Command::Keep(keep) => Some(keep.run()),
        args::Command::Fill(fill) => Some(fill.run()),
        _ => None,
    };
    if let Some(ended) = ended {
        return ended.unwrap_or_else(|failed| report::exit(Err(failed), cli.global.output));
    }
    let outcome = commands::run(cli.command, &cli.global);
    report::exit(outcome, cli.global.output)
}
