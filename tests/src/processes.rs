//! Demo servers and gateways as processes of their own, which end with the test.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use tempfile::NamedTempFile;

use crate::{
    binary::{Mcpt, mcpt_binary},
    raw,
};

/// A running `mcpt`.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: String,
    /// Where a gateway's own pages are.
    admin: String,
    /// What a gateway of its own would find servers in.
    _home: Option<Mcpt>,
}

impl Process {
    /// Starts `mcpt demo` on a free port.
    pub fn demo() -> Self {
        let mut child = Command::new(mcpt_binary())
            .args(["demo", "--listen", "127.0.0.1:0"])
            .env_remove("MCPT_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting the demo server");
        let log = child.stderr.take().expect("stderr");
        // Its first log line says where it listens.
        let line = first_line(log);
        let address = line
            .rsplit("address=")
            .next()
            .expect("an address")
            .to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self {
            child,
            address,
            admin: String::new(),
            _home: None,
        }
    }

    /// Starts `mcpt bridge` on a free port before a command, with this variable for it.
    pub fn bridge(command: &[&OsStr], variable: (&str, &OsStr)) -> Self {
        let mut child = Command::new(mcpt_binary())
            .args(["bridge", "--listen", "127.0.0.1:0", "--"])
            .args(command)
            .env(variable.0, variable.1)
            .env_remove("MCPT_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting the bridge");
        let line = first_line(child.stderr.take().expect("stderr"));
        let address = line
            .rsplit("address=")
            .next()
            .and_then(|rest| rest.split(' ').next());
        let address = address.expect("an address").to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self {
            child,
            address,
            admin: String::new(),
            _home: None,
        }
    }

    /// Starts `mcpt gateway run` on a free port. Servers that are deployed on this machine stay out of it.
    pub fn gateway(arguments: &[&str]) -> Self {
        let home = Mcpt::default();
        let (child, address, admin) = start_gateway(&home, arguments);
        Self {
            child,
            address,
            admin,
            _home: Some(home),
        }
    }

    /// Starts `mcpt gateway run` on a free port, in front of what `mcpt` deploys.
    pub fn gateway_of(mcpt: &Mcpt, arguments: &[&str]) -> Self {
        let (child, address, admin) = start_gateway(mcpt, arguments);
        Self {
            child,
            address,
            admin,
            _home: None,
        }
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Host and port of a gateway's own pages.
    pub fn admin_address(&self) -> &str {
        &self.admin
    }

    /// A URL of them.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("the end of the process");
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status();
        assert!(sent.expect("running kill").success());
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("the end of the process")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn start_gateway(mcpt: &Mcpt, arguments: &[&str]) -> (Child, String, String) {
    let mut child = mcpt
        .command(&["gateway", "run", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .env_remove("MCPT_SESSION_KEY_FILE")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starting the gateway");
    let mut output = BufReader::new(child.stdout.take().expect("stdout"));
    let address = address_in(&mut output, "/mcp/NAME");
    let admin = address_in(&mut output, "/metrics");
    (child, address, admin)
}

/// The host and port of the next URL in an output that ends so.
fn address_in(output: &mut impl BufRead, end: &str) -> String {
    loop {
        let mut line = String::new();
        let read = output.read_line(&mut line).expect("reading a line");
        assert!(read > 0, "no URL with {end} in the output");
        let url = line.trim_end().strip_prefix("http://");
        if let Some(address) = url.and_then(|url| url.strip_suffix(end)) {
            return address.to_owned();
        }
    }
}

/// The first line of an output; the rest is read so that the process never has to wait for us.
fn first_line(output: impl Read + Send + 'static) -> String {
    let mut output = BufReader::new(output);
    let mut line = String::new();
    output.read_line(&mut line).expect("reading the first line");
    assert!(!line.is_empty(), "the process ended at once");
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    line.trim_end().to_owned()
}

/// Lines of a process that goes on, read so that nobody waits for the next one forever.
#[derive(Debug)]
pub struct Lines(Receiver<String>);

impl Lines {
    /// Begins to read them.
    pub fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel();
        // Ends with the process, or when nobody wants more.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line.expect("a line")).is_err() {
                    return;
                }
            }
        });
        Self(lines)
    }

    /// The next line, if one comes before that time.
    pub fn next_before(&self, deadline: Instant) -> Option<String> {
        let patience = deadline.saturating_duration_since(Instant::now());
        self.0.recv_timeout(patience).ok()
    }
}

/// The option that names servers with these instances.
pub fn servers(name: &str, instances: &[Process]) -> String {
    let urls: Vec<_> = instances.iter().map(|demo| demo.url("/mcp")).collect();
    format!("--server={name}={}", urls.join(","))
}

/// A key file.
pub fn key_file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes())
        .expect("writing the key file");
    file
}

/// What a gateway knows of a server's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Instances that get new sessions.
    pub ready: u64,
    /// Instances that are about to end.
    pub terminating: u64,
}

impl Known {
    /// So many that are ready, and none that terminates.
    pub fn ready(ready: u64) -> Self {
        Self {
            ready,
            terminating: 0,
        }
    }
}

impl Process {
    /// What this gateway knows of a server, from its metrics; `None` when it does not know it.
    pub fn knows(&self, server: &str) -> Option<Known> {
        let metrics = self.metrics();
        let count = |condition: &str| {
            let labels = format!("server=\"{server}\",condition=\"{condition}\"}} ");
            let line = metrics
                .lines()
                .find(|line| line.starts_with("mcpt_gateway_endpoints{") && line.contains(&labels));
            line?.rsplit(' ').next()?.parse().ok()
        };
        Some(Known {
            ready: count("ready")?,
            terminating: count("terminating")?,
        })
    }

    /// Waits until the gateway knows this of a server, and gives how long that took.
    pub fn learns(&self, server: &str, wanted: Option<Known>, patience: Duration) -> Duration {
        let begin = Instant::now();
        loop {
            let known = self.knows(server);
            if known == wanted {
                return begin.elapsed();
            }
            assert!(
                begin.elapsed() < patience,
                "the gateway should know {wanted:?} of {server}, not {known:?}"
            );
            // Nothing tells from outside when a gateway has heard of something.
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the gateway knows all servers.
    pub fn becomes_ready(&self, patience: Duration) {
        let begin = Instant::now();
        let ready = || {
            raw::Answer(
                raw::agent()
                    .get(self.url("/readyz"))
                    .call()
                    .expect("readiness"),
            )
        };
        while ready().status() != 200 {
            let why = ready().text();
            assert!(begin.elapsed() < patience, "not ready: {why}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn metrics(&self) -> String {
        let answer = raw::agent().get(self.admin_url("/metrics")).call();
        raw::Answer(answer.expect("the gateway's metrics")).text()
    }
}
