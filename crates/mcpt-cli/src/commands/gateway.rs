//! `mcpt gateway`: one address for all servers.

mod install;
mod run;
mod status;
mod uninstall;

use clap::{Args, Subcommand};
use mcpt_core::{BackendKind, Failure, FailureKind};
use mcpt_kube::Kubernetes;

use crate::{args::Global, ending::Ending, log, place, user_config::UserConfig};

/// Arguments of `mcpt gateway`.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve all servers at one address, here and now
    Run(run::Run),
    /// Install or update the gateway in a cluster
    Install(install::Install),
    /// Show the gateway in a cluster and the servers that it knows
    Status,
    /// Remove the gateway from a cluster
    Uninstall(uninstall::Uninstall),
}

impl Gateway {
    /// Does what is asked for.
    pub(crate) fn run(self, global: &Global) -> Result<(), Ending> {
        if !matches!(self.action, Action::Run(_)) {
            log::start_for_command(global.verbose);
        }
        match self.action {
            Action::Run(run) => run.run(global),
            Action::Install(install) => install.run(global),
            Action::Status => status::run(global),
            Action::Uninstall(uninstall) => uninstall.run(global),
        }
    }
}

/// Only a cluster has a gateway that is installed.
fn on_kubernetes(global: &Global, config: &UserConfig, verb: &str) -> Result<(), Failure> {
    let kind = place::kind(global, config);
    if kind == BackendKind::Kubernetes {
        return Ok(());
    }
    let what = format!("cannot {verb} the gateway");
    Err(Failure::new(FailureKind::Usage, what)
        .because(format!(
            "a gateway is installed in a cluster, and the backend is {kind}"
        ))
        .hint("add --backend kubernetes; on this machine one is run: mcpt gateway run"))
}

/// The cluster of the options.
async fn cluster(global: &Global, config: &UserConfig) -> Result<Kubernetes, Failure> {
    Kubernetes::connect(&place::cluster(global, config)).await
}
