//! Clients through the gateway: for each scenario of the suite a gateway before the suite's server, and the client before
//! that. The suite runs this program with the URL of its server as the last argument.
//!
//! The client is to call that very URL, since the suite compares what it is told of it with what it asks a login for. So it runs
//! as a group of its own, whose connections to the server's port go to the gateway instead, and the gateway shows the server to
//! those who call that host. All of it is in a network namespace, so nobody else is turned away.

use std::{
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};

use super::programs::{Program, gateway};
use crate::{cache, command};

/// The port of gateways, which nobody is given who asks for any.
const GATEWAY: u16 = 8900;
/// The group of clients: nobody's.
const CLIENTS: u32 = 65534;

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
    let address = own_address();
    let server = format!("s={}", through.url);
    let host = through.url.split('/').nth(2).context("a URL with a host")?;
    let port = host.rsplit_once(':').context("a URL with a port")?.1;
    let sets = folder.join("sets.yaml");
    std::fs::write(&sets, format!("hosts: [{{host: \"{host}\", server: s}}]\n"))
        .with_context(|| format!("writing {}", sets.display()))?;
    let mut gateway = gateway(&through.mcpt, &folder, address, &server);
    gateway.arg("--sets").arg(&sets);
    let gateway = Program::start(gateway, address)?;
    let turned = Turned::to(port, &address.to_string())?;
    let status = Command::new(&through.client)
        .arg(&through.url)
        .gid(CLIENTS)
        .status()
        .with_context(|| format!("cannot run {}", through.client.display()))?;
    drop(turned);
    drop(gateway);
    cache::remove(&folder)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// An address of this process alone: many scenarios run at once, and a free port is soon somebody else's.
fn own_address() -> SocketAddr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, a | 128, b, c], GATEWAY))
}

/// Connections of clients to one port that go to another address, until this is dropped.
struct Turned(Vec<String>);

impl Turned {
    fn to(from: &str, to: &str) -> anyhow::Result<Self> {
        let group = CLIENTS.to_string();
        let rule = [
            "OUTPUT",
            "-p",
            "tcp",
            "-d",
            "127.0.0.1",
            "--dport",
            from,
            "-m",
            "owner",
            "--gid-owner",
            &group,
            "-j",
            "DNAT",
            "--to-destination",
            to,
        ];
        let turned = Self(rule.map(str::to_owned).into());
        command::output(&mut turned.command("-A"))?;
        Ok(turned)
    }

    fn command(&self, action: &str) -> Command {
        let mut iptables = Command::new("iptables");
        iptables.args(["--wait", "-t", "nat", action]).args(&self.0);
        iptables
    }
}

impl Drop for Turned {
    fn drop(&mut self) {
        // The namespace goes with the suite in any case.
        let _ = command::output(&mut self.command("-D"));
    }
}
