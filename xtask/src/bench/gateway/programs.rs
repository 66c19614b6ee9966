//! The programs under measurement: started on loopback with ports of their own, ended with the benchmark.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::{Pid, SysconfVar, sysconf},
};

use crate::{cache, cluster::wait, command};

/// Where Debian has it, which is not on everybody's PATH.
const NGINX: &str = "/usr/sbin/nginx";
/// How long a program may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Where to send MCP requests.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Target {
    pub(in crate::bench) address: SocketAddr,
    pub(in crate::bench) path: &'static str,
}

/// A child of the benchmark that listens.
#[derive(Debug)]
pub(in crate::bench) struct Program {
    child: Child,
    target: Target,
    /// Removed in the end.
    folder: Option<PathBuf>,
}

impl Program {
    /// The demo server.
    pub(in crate::bench) fn demo(mcpt: &Path) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(mcpt);
        command.args(["demo", "--listen", &address.to_string()]);
        // One line per call would be part of the figures.
        command.env("MCPT_LOG", "off");
        Self::start(command, address, "/mcp", None)
    }

    /// The gateway in front of a server.
    pub(in crate::bench) fn gateway(mcpt: &Path, server: &Target) -> anyhow::Result<Self> {
        let address = free_address()?;
        let url = format!("demo=http://{}{}", server.address, server.path);
        let mut command = Command::new(mcpt);
        command.args(["--quiet", "--backend", "process", "gateway", "run"]);
        command.args(["--listen", &address.to_string(), "--server", &url]);
        // Servers that are deployed on this machine are none of the benchmark's business.
        let folder = folder("gateway", address)?;
        command.env("MCPT_STATE_DIR", &folder);
        command.env("MCPT_LOG", "warn");
        Self::start(command, address, "/mcp/demo", Some(folder))
    }

    /// The bridge before a server of Python that speaks over stdio.
    pub(in crate::bench) fn bridge(mcpt: &Path, server: &str) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(mcpt);
        command.args(["bridge", "--listen", &address.to_string(), "--"]);
        command.args(["python3", "-u", "-c", server]);
        command.env("MCPT_LOG", "off");
        Self::start(command, address, "/mcp", None)
    }

    /// nginx in front of a server: kept connections, no buffering, no log.
    pub(in crate::bench) fn nginx(server: &Target) -> anyhow::Result<Self> {
        let address = free_address()?;
        let folder = folder("nginx", address)?;
        let file = folder.join("nginx.conf");
        fs::write(&file, nginx_config(&folder, address, server.address))
            .with_context(|| format!("writing {}", file.display()))?;
        let mut command = Command::new(NGINX);
        command.args(["-e", "stderr", "-c"]).arg(&file);
        Self::start(command, address, "/mcp", Some(folder))
    }

    fn start(
        mut command: Command,
        address: SocketAddr,
        path: &'static str,
        folder: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", command::shown(&command)))?;
        let mut program = Self {
            child,
            target: Target { address, path },
            folder,
        };
        wait::until(START_TIMEOUT, || {
            if let Some(status) = program.child.try_wait()? {
                bail!("it ended with {status}");
            }
            Ok(TcpStream::connect(address).is_ok())
        })
        .with_context(|| command::shown(&command))?;
        Ok(program)
    }

    /// Where it takes MCP requests.
    pub(in crate::bench) fn target(&self) -> &Target {
        &self.target
    }

    /// CPU time of it and its children up to now.
    pub(in crate::bench) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let ticks_per_second = sysconf(SysconfVar::CLK_TCK)?.context("ticks per second")? as f64;
        let mut ticks = 0;
        for process in self.processes()? {
            let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
            ticks += cpu_ticks(&stat).context("the fields of /proc/PID/stat")?;
        }
        Ok(ticks as f64 / ticks_per_second)
    }

    /// Resident memory of it and its children in bytes.
    pub(in crate::bench) fn memory(&self) -> anyhow::Result<f64> {
        let mut kilobytes = 0.0;
        for process in self.processes()? {
            let status = fs::read_to_string(format!("/proc/{process}/status"))?;
            kilobytes += status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))
                .and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok())
                .context("VmRSS in /proc/PID/status")?;
        }
        Ok(kilobytes * 1024.0)
    }

    fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let mut all = vec![id];
        for child in children.split_whitespace() {
            all.push(child.parse()?);
        }
        Ok(all)
    }
}

/// SIGTERM, since nginx killed in another way would leave its workers.
impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; whoever used it has noticed.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
        if let Some(folder) = &self.folder {
            let _ = cache::remove(folder);
        }
    }
}

/// Lets this program and its children have as many connections as the machine allows.
pub(crate) fn allow_many_files() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("raising the limit of open files")
}

/// An address that was free a moment ago: the kernel hands ports out in turn, so nobody else is given it soon.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("a free port")?;
    Ok(listener.local_addr()?)
}

fn folder(name: &str, address: SocketAddr) -> anyhow::Result<PathBuf> {
    let name = format!("mcpt-bench-{name}-{}", address.port());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

fn nginx_config(folder: &Path, listen: SocketAddr, server: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
worker_processes auto;
worker_rlimit_nofile 16384;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  upstream server {{
    server {server};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {listen} backlog=4096;
    location / {{
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host {server};
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 1h;
    }}
  }}
}}
"
    )
}

/// User and system time from `/proc/PID/stat`; the name in it may have spaces and brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_of_a_process_with_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 50 25 8 9 20 0 4 0 100";
        assert_eq!(cpu_ticks(stat), Some(75));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(cpu_ticks(&own).is_some(), "{own}");
    }
}
