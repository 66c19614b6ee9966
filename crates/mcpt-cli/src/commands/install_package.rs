//! `mcpt install-package LOCK DIR [SETTINGS] [--shared DIR]`: installs a package from its lock, unless it is there already. It is what runs in containers of
//! a runtime image before the server does.

use std::{
    env,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;
use mcpt_core::{Failure, FailureKind, Package};

use crate::{args::Global, ending::Ending, progress, runtime};

/// Arguments of `mcpt install-package`.
#[derive(Debug, Args)]
pub(crate) struct InstallPackage {
    /// File with the lock, as `mcpt deploy` made it
    #[arg(value_name = "LOCK")]
    lock: PathBuf,
    /// Folder that gets the package; it must exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Folder with what npm and uv are told: .npmrc, uv.toml, ca.pem, and files that are called as the variable whose value they
    /// hold; it need not exist
    #[arg(value_name = "SETTINGS")]
    settings: Option<PathBuf>,
    /// Folder that containers of several machines share: the package is put there for all with the same runtime, and DIR gets
    /// a link to it
    #[arg(long, value_name = "DIR")]
    shared: Option<PathBuf>,
    /// The variables of the installers are set
    #[arg(long)]
    prepared: bool,
}

impl InstallPackage {
    /// Installs it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let what = || format!("cannot install what {} locks", self.lock.display());
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(FailureKind::Failed, what()).caused_by(error)
        };
        if !self.prepared {
            return Err(self.prepare(&failed).into());
        }
        let package = read(&self.lock, &failed)?;
        runtime::run(async {
            let progress = progress::display(global);
            let installed = mcpt_package::install_into(
                &package,
                &self.folder,
                self.shared.as_deref(),
                progress.as_ref(),
            );
            let installed = installed.await;
            installed.map_err(|error| Failure::from(error).into())
        })
    }

    /// Becomes the same command with the variables of the installers: npm and uv are told by their environment. Returns only when
    /// that fails.
    fn prepare(&self, failed: &dyn Fn(&(dyn std::error::Error + 'static)) -> Failure) -> Failure {
        let variables = match mcpt_package::variables(&self.folder, self.settings.as_deref()) {
            Ok(variables) => variables,
            Err(error) => return failed(&error),
        };
        let program = match env::current_exe() {
            Ok(program) => program,
            Err(error) => return failed(&error),
        };
        let mut command = Command::new(program);
        command
            .args(env::args_os().skip(1))
            .arg("--prepared")
            .envs(variables);
        failed(&command.exec())
    }
}

fn read(
    path: &Path,
    failed: &dyn Fn(&(dyn std::error::Error + 'static)) -> Failure,
) -> Result<Package, Failure> {
    let text = std::fs::read(path).map_err(|error| failed(&error))?;
    mcpt_package::read_lock(&text).map_err(|error| failed(&error))
}
