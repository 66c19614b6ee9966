//! `mcpt exec NAME -- COMMAND`: a command in the container of a server.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use futures_util::StreamExt as _;
use mcpt_core::{Capability, ExecEvent, Failure, FailureKind, ServerName};

use crate::{
    args::Global,
    ending::Ending,
    output, place, runtime,
    terminal::{self, Raw},
    user_config::UserConfig,
};

/// Arguments of `mcpt exec`.
#[derive(Debug, Args)]
#[command(
    after_help = "What the command writes is passed on byte for byte, and its exit code is that of mcpt; a failure of mcpt itself says so on \
        standard error. No shell reads the command: name one where it is needed. Without -t, Ctrl-C ends mcpt and leaves the command alone.

Examples:
  mcpt -b docker exec demo -- /mcpt version
  mcpt -b kubernetes exec time -it -- python3
  mcpt -b podman exec time -i -- python3 - < script.py"
)]
pub(crate) struct Exec {
    /// Name of the server
    name: ServerName,
    /// Pass standard input on
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Give the command a terminal, which is this one
    #[arg(short = 't', long, requires = "stdin")]
    tty: bool,
    /// Instance, as status names it [default: one that is ready]
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Exec {
    /// Runs it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let code = runtime::run(async {
            let what = format!("cannot run a command beside {}", self.name);
            let needed = Capability::Exec;
            let backend =
                place::of_server_that_can(global, &config, &self.name, needed, what.clone())
                    .await?;
            let unusable = |error: io::Error| {
                Failure::new(FailureKind::Failed, "cannot use the terminal").caused_by(&error)
            };
            if self.tty && !io::stdin().is_terminal() {
                let failure = Failure::new(FailureKind::Usage, what);
                return Err(failure
                    .because("standard input is no terminal that it could be given")
                    .hint("leave -t out")
                    .into());
            }
            let terminal = if self.tty {
                Some(terminal::sizes().map_err(unusable)?)
            } else {
                None
            };
            let exec = mcpt_core::Exec {
                instance: self.instance.clone(),
                command: self.command.clone(),
                input: self.stdin.then(terminal::input),
                terminal,
            };
            let mut events = backend.exec(&self.name, exec).await?;
            // Not before there is somebody to whom a Ctrl-C goes. The terminal is as before when this block ends, however it ends.
            let _raw = if self.tty {
                Raw::begin().map_err(unusable)?
            } else {
                None
            };
            while let Some(event) = events.next().await {
                match event? {
                    ExecEvent::Output(bytes) => output::bytes(&bytes)?,
                    ExecEvent::Error(bytes) => {
                        // With standard error gone the output and the exit code still tell.
                        let _gone = io::stderr().write_all(&bytes);
                    }
                    ExecEvent::Ended(code) => return Ok(code),
                }
            }
            Err(Failure::new(FailureKind::Failed, what)
                .because("nobody tells how it ended")
                .into())
        })?;
        match u8::try_from(code) {
            Ok(0) => Ok(()),
            Ok(code) => Err(Ending::Exited(code)),
            Err(_) => Err(Ending::Exited(u8::MAX)),
        }
    }
}
