//! Commands, output and messages of mcpt.
//!
//! [`run`] is the whole program. It parses the arguments, runs one command, and turns what came of it into output and an
//! exit code. Commands see the places where servers run only as `dyn Backend`; nothing is built (runtime, TLS, templates,
//! cluster connection) before the command that needs it.

mod args;
mod commands;
mod duration;
mod ending;
mod log;
mod messages;
mod output;
mod place;
mod progress;
mod report;
mod runtime;
mod speak;
mod stdin;
mod table;
mod tool_arguments;
mod user_config;
mod value_source;

use std::process::ExitCode;

use clap::{Parser as _, error::ErrorKind};

use self::args::Cli;

/// Runs the command line of this process and gives its exit code.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let outcome = commands::run(cli.command, &cli.global);
    report::exit(outcome, cli.global.output)
}

/// What clap has to say: help and version on standard output, faults on standard error.
fn usage(error: &clap::Error) -> ExitCode {
    let said = match error.kind() {
        // `mcpt` alone is a question, not a fault.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if std::env::args_os().len() == 1 => {
            args::print_help()
        }
        _ => error.print(),
    };
    // A closed pipe leaves nobody to tell.
    drop(said);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if std::env::args_os().len() == 1 => {
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(2),
    }
}
