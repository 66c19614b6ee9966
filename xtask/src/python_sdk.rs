//! The Python SDK of MCP, for suites that need clients that others wrote: the one that the time server's image has.

use std::path::PathBuf;

use anyhow::Context;

use crate::{
    cache::{self, Key},
    command,
    lock::Lock,
    report, wheels,
};

/// Its name among the tools.
pub(crate) const NAME: &str = "python-sdk";

/// Installs it unless the cache has it, and returns the folder that belongs into `PYTHONPATH`.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let requirements = cache::repository().join("xtask/images/time/requirements.txt");
    let python = command::output(std::process::Command::new("python3").arg("--version"))?;
    let key = Key::new().with_file(&requirements)?.with(python).finish();
    let tools = cache::folder()?.join("tools");
    let folder = tools.join(format!("{NAME}-{key}"));
    let _lock = Lock::take(&tools.join(format!("{NAME}.lock")), NAME)?;
    if !folder.is_dir() {
        report::progress(format_args!("installing {NAME}"));
        let partial = tools.join(format!(".{NAME}"));
        cache::remove(&partial)?;
        command::output(wheels::pip_install(&requirements, &partial).arg("--no-deps"))?;
        std::fs::rename(&partial, &folder)
            .with_context(|| format!("cannot write {}", folder.display()))?;
    }
    Ok(folder)
}
