//! The programs that a run needs: a server, the gateways before it, and what makes one URL of several gateways.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::relay::Relay;
use crate::{cache, cluster::wait, command};

/// How long a program may take until it listens.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// A name that is that of all replicas.
const REPLICAS: &str = "replicas.mcpt.test";

/// How the server runs that others wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Server {
    /// Over HTTP, with sessions
    Stateful,
    /// Over HTTP, without sessions
    Stateless,
    /// Over stdio, behind the bridge
    Bridge,
}

impl Server {
    pub(super) const ALL: [Self; 3] = [Self::Stateful, Self::Stateless, Self::Bridge];

    /// As the table says it.
    pub(super) fn shown(self) -> &'static str {
        match self {
            Self::Stateful => "HTTP, with sessions",
            Self::Stateless => "HTTP, stateless",
            Self::Bridge => "stdio, behind the bridge",
        }
    }
}

/// A server with its gateways, at one URL.
#[derive(Debug)]
pub(super) struct Front {
    url: String,
    _relay: Option<Relay>,
    _gateways: Vec<Program>,
    _server: Program,
    folder: PathBuf,
}

impl Front {
    pub(super) fn start(
        mcpt: &Path,
        tools: &Path,
        kind: Server,
        replicas: usize,
    ) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("mcpt-conformance-{}", std::process::id()));
        cache::remove(&folder)?;
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        let address = free_address("127.0.0.1")?;
        let program = tools.join("everything-server");
        let mut server = match kind {
            Server::Bridge => {
                let mut bridge = Command::new(mcpt);
                bridge.args(["bridge", "--listen", &address.to_string(), "--"]);
                bridge.arg(program);
                bridge
            }
            Server::Stateful | Server::Stateless => {
                let mut server = Command::new(program);
                server.arg(format!("-http={address}"));
                server.arg(format!("-stateless={}", kind == Server::Stateless));
                server
            }
        };
        server.env("MCPT_LOG", "warn");
        let server = Program::start(server, address)?;
        let upstream = format!("s=http://{address}/mcp");
        let mut gateways = Vec::new();
        let mut addresses = Vec::new();
        let admin = free_address("127.0.0.1")?.port();
        for number in 1..=replicas {
            let address = free_address("127.0.0.1")?;
            let mut gateway = gateway(mcpt, &folder, address, &upstream);
            if replicas > 1 {
                let pages = format!("127.0.0.{number}:{admin}");
                let peers = format!("{REPLICAS}:{admin}");
                gateway.args(["--admin-listen", &pages, "--peers", &peers]);
                gateway.arg("--session-key-file").arg(key_file(&folder)?);
                gateway = with_hosts(&gateway, &folder, replicas)?;
            }
            gateways.push(Program::start(gateway, address)?);
            addresses.push(address);
        }
        let relay = match addresses[..] {
            [_] => None,
            _ => Some(Relay::start(&addresses)?),
        };
        let address = relay.as_ref().map_or(addresses[0], Relay::address);
        Ok(Self {
            url: format!("http://{address}/mcp/s"),
            _relay: relay,
            _gateways: gateways,
            _server: server,
            folder,
        })
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = cache::remove(&self.folder);
    }
}

/// A gateway that knows this server alone.
pub(crate) fn gateway(mcpt: &Path, folder: &Path, listen: SocketAddr, server: &str) -> Command {
    let mut gateway = Command::new(mcpt);
    gateway.args(["--quiet", "--backend", "process", "gateway", "run"]);
    gateway.args(["--listen", &listen.to_string(), "--server", server]);
    gateway.args(["--drain", "1s"]);
    // Servers that are deployed on this machine are none of the suite's business.
    gateway
        .env("MCPT_STATE_DIR", folder)
        .env("MCPT_LOG", "warn");
    gateway
}

/// The keys of session ids, which all replicas share.
fn key_file(folder: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join("keys");
    if !file.exists() {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = fs::OpenOptions::new();
        let made = options.write(true).create_new(true).mode(0o600).open(&file);
        let mut made = made.with_context(|| format!("writing {}", file.display()))?;
        std::io::Write::write_all(&mut made, b"a key of nothing but a test, 32 characters\n")?;
    }
    Ok(file)
}

/// The same command in a mount namespace of its own, in which one name is that of all replicas.
fn with_hosts(inner: &Command, folder: &Path, replicas: usize) -> anyhow::Result<Command> {
    if !nix::unistd::geteuid().is_root() {
        bail!("several replicas need root, for a name that all of them have");
    }
    let hosts = folder.join("hosts");
    let mut lines = "127.0.0.1 localhost\n".to_owned();
    for number in 1..=replicas {
        let _ = writeln!(lines, "127.0.0.{number} {REPLICAS}");
    }
    fs::write(&hosts, lines).with_context(|| format!("writing {}", hosts.display()))?;
    let mut outer = Command::new("unshare");
    outer.args(["--mount", "--", "sh", "-ec"]);
    outer.arg("mount --bind \"$1\" /etc/hosts; shift; exec \"$@\"");
    outer.arg("sh").arg(&hosts).arg(inner.get_program());
    outer.args(inner.get_args());
    for (name, value) in inner.get_envs() {
        if let Some(value) = value {
            outer.env(name, value);
        }
    }
    Ok(outer)
}

/// A child that listens, ended with this.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
}

impl Program {
    pub(crate) fn start(mut command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", command::shown(&command)))?;
        let mut program = Self { child };
        // What it says is of interest when something fails, and must be read in any case.
        if let Some(stderr) = program.child.stderr.take() {
            let shown = std::env::var_os("MCPT_CONFORMANCE_SHOW").is_some();
            std::thread::spawn(move || {
                let lines = BufReader::new(stderr).lines().map_while(Result::ok);
                lines.filter(|_| shown).for_each(crate::report::progress);
            });
        }
        wait::until(START_TIMEOUT, || {
            if let Some(status) = program.child.try_wait()? {
                bail!("it ended with {status}");
            }
            Ok(TcpStream::connect(address).is_ok())
        })
        .with_context(|| command::shown(&command))?;
        Ok(program)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; whoever used it has noticed.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// An address that was free a moment ago: the kernel hands ports out in turn, so nobody else is given it soon.
pub(crate) fn free_address(host: &str) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((host, 0)).context("a free port")?;
    Ok(listener.local_addr()?)
}
