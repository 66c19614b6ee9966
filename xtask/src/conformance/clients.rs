//! Clients through the gateway: for each scenario of the suite a gateway before the suite's server, and the client before
//! that. The suite runs this program with the URL of its server as the last argument.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};

use super::programs::{Program, free_address, gateway};
use crate::cache;

#[derive(Debug, clap::Args)]
pub(crate) struct Through {
    /// The binary with the gateway
    mcpt: PathBuf,
    /// The client
    client: PathBuf,
    /// The server
    url: String,
}

/// What the suite is to run.
pub(super) fn command(mcpt: &Path, tools: &Path) -> anyhow::Result<String> {
    let own = std::env::current_exe().context("path of xtask")?;
    let client = tools.join("everything-client");
    let words = [
        own.as_path(),
        Path::new("conformance-client"),
        mcpt,
        &client,
    ];
    let words: Option<Vec<_>> = words.iter().map(|word| word.to_str()).collect();
    let words = words.context("paths that are UTF-8")?;
    if words.iter().any(|word| word.contains(char::is_whitespace)) {
        bail!("the suite takes no paths with blanks: {words:?}");
    }
    Ok(words.join(" "))
}

/// Runs one client through a gateway of its own.
pub(crate) fn run(through: &Through) -> anyhow::Result<ExitCode> {
    let folder = std::env::temp_dir().join(format!("mcpt-conformance-{}", std::process::id()));
    cache::remove(&folder)?;
    std::fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
    let address = free_address("127.0.0.1")?;
    let server = format!("s={}", through.url);
    let gateway = Program::start(gateway(&through.mcpt, &folder, address, &server), address)?;
    let status = Command::new(&through.client)
        .arg(format!("http://{address}/mcp/s"))
        .status()
        .with_context(|| format!("cannot run {}", through.client.display()))?;
    drop(gateway);
    cache::remove(&folder)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
