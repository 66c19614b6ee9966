//! `mcpt fill`: becomes a server of which an argument holds a secret. Started by what starts servers, never by hand.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use clap::Args;
use mcpt_core::{ARGUMENT_VARIABLE, Failure, FailureKind, filled};

use crate::{ending::Ending, messages};

/// Arguments of `mcpt fill`.
#[derive(Debug, Args)]
pub(crate) struct Fill {
    /// Program, and arguments in which $(NAME) stands for the value of that variable, and $$ for $
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Fill {
    /// Becomes the server. Returns only when that fails, in a way that a keeper's starter knows.
    pub(crate) fn run(&self) -> Result<ExitCode, Ending> {
        let what = "cannot start the server";
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| Failure::new(FailureKind::Usage, what))?;
        let mut command = Command::new(program);
        for word in arguments {
            let word = filled(word, |name| env::var_os(name));
            command.arg(
                word.map_err(|error| Failure::new(FailureKind::Usage, what).caused_by(&error))?,
            );
        }
        // The server knows nothing of how its arguments came.
        let own = env::vars_os().map(|(name, _)| name);
        for name in own.filter(is_for_arguments) {
            command.env_remove(name);
        }
        let error = command.exec();
        messages::line(&format!("{what}: {}: {error}", program.display()));
        Ok(process_tree::not_started(&error))
    }
}

fn is_for_arguments(name: &OsString) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with(ARGUMENT_VARIABLE))
}
