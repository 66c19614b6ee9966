//! `mcpt completion SHELL`: what a shell needs to complete mcpt's command lines.

use clap::Args;
use clap_complete::Shell;

use crate::{
    args::{Cli, Global},
    ending::Ending,
    output,
};

/// Arguments of `mcpt completion`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  source <(mcpt completion bash)
  mcpt completion zsh > \"${fpath[1]}/_mcpt\"
  mcpt completion fish > ~/.config/fish/completions/mcpt.fish")]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    /// Prints the script.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let mut script = Vec::new();
        let mut grammar = Cli::grammar(global.backends);
        clap_complete::generate(self.shell, &mut grammar, "mcpt", &mut script);
        output::exact(&String::from_utf8_lossy(&script))
    }
}
