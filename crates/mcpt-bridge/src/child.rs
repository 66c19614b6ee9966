//! One process of the stdio server: start, log, and end with all that it started.

use std::{
    collections::VecDeque,
    io,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mcpt_http::Account;
use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::BufReader,
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};

use crate::{
    BridgeConfig,
    lines::{Line, LineReader},
    orphans::{CHILDREN, OWNER_VARIABLE, end_orphans_of},
};

/// How many of the last lines of stderr are kept to explain a failure.
const TAIL_LINES: usize = 20;
/// How much of each is kept, in bytes. Every session keeps some.
const TAIL_LINE_MAX: usize = 500;
/// Longest line of stderr that is logged, in bytes: no more than each reader has for good.
const LOG_LINE_MAX: usize = 8 * 1024;
/// How long lines of stderr may still be on their way after a child has ended. What it left behind may hold it open.
const LAST_LINES: Duration = Duration::from_millis(500);
/// How long to wait for the exit code of a child that closed its output.
const EXIT_STATUS_WAIT: Duration = Duration::from_secs(1);
/// How soon to look again whether a process group is gone.
const POLL: Duration = Duration::from_millis(10);

/// The last lines that a child wrote to stderr.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    fn push(&self, mut line: String) {
        line.truncate(line.floor_char_boundary(TAIL_LINE_MAX));
        line.shrink_to_fit();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

/// A running child. It leads a process group of its own, so that it can be ended with all that it started.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    pid: Pid,
    owner: String,
    exit_grace: Duration,
    tail: Tail,
    log: JoinHandle<()>,
}

/// A started child and its pipes. Dropping `stdin` asks it to end.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) process: ServerProcess,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: LineReader<BufReader<ChildStdout>>,
}

/// Starts the command for the session or check `owner`. What it writes is held by `account`.
///
/// # Errors
/// When the program cannot be started: not found, not executable, no memory.
pub(crate) fn start(config: &BridgeConfig, owner: &str, account: &Account) -> io::Result<Started> {
    let (program, arguments) = config
        .command
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command"))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(&config.env)
        .env(OWNER_VARIABLE, owner)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let (mut child, pid) = {
        let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        let id = child.id().map(u32::cast_signed);
        let pid = id.ok_or_else(|| io::Error::other("the process has no id"))?;
        children.insert(pid);
        (child, pid)
    };
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("the pipes of the process are missing"));
    };
    let tail = Tail::default();
    let stderr = LineReader::new(BufReader::new(stderr), LOG_LINE_MAX, account);
    let log = tokio::spawn(log(stderr, pid, tail.clone()));
    tracing::debug!(pid, "server process started");
    Ok(Started {
        process: ServerProcess {
            child,
            pid: Pid::from_raw(pid),
            owner: owner.to_owned(),
            exit_grace: config.exit_grace,
            tail,
            log,
        },
        stdin,
        stdout: LineReader::new(
            BufReader::with_capacity(64 * 1024, stdout),
            config.max_message,
            account,
        ),
    })
}

async fn log(mut stderr: LineReader<BufReader<ChildStderr>>, pid: i32, tail: Tail) {
    loop {
        match stderr.next().await {
            Ok(Line::Complete | Line::TooLong | Line::NoRoom) => {
                let text = String::from_utf8_lossy(stderr.line()).into_owned();
                tracing::info!("server[{pid}]: {text}");
                tail.push(text);
            }
            Ok(Line::End) => return,
            Err(error) => {
                tracing::debug!(pid, %error, "cannot read the server's stderr");
                return;
            }
        }
    }
}

impl ServerProcess {
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// How it ended, once it has closed its output: `the server process ended: exit code 1`. Its last lines are then in
    /// the tail.
    pub(crate) async fn how_it_ended(&mut self) -> String {
        let ended = tokio::time::timeout(EXIT_STATUS_WAIT, self.child.wait()).await;
        let Ok(status) = ended else {
            return "the server process closed its output".to_owned();
        };
        // When it takes longer, those lines are missing from the explanation and no more.
        drop(tokio::time::timeout(LAST_LINES, &mut self.log).await);
        format!("the server process ended: {}", describe_exit(status))
    }

    /// Ends it, after its stdin was closed: waits, then SIGTERM to its group, then SIGKILL; and ends what it left.
    pub(crate) async fn end(mut self) {
        let grace = self.exit_grace;
        let mut left = tokio::time::timeout(grace, self.child.wait()).await.is_ok();
        if !left {
            tracing::info!(
                pid = self.pid(),
                "the server does not leave when its stdin is closed"
            );
        }
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if left && !self.group_lives() {
                break;
            }
            self.signal_group(signal);
            left = tokio::time::timeout(grace, self.all_left()).await.is_ok();
        }
        if !left {
            tracing::warn!(pid = self.pid(), "server process group survives SIGKILL");
        }
        end_orphans_of(&self.owner).await;
    }

    /// Completes when no process of the group is left.
    async fn all_left(&mut self) {
        // A child that cannot be waited for is gone.
        drop(self.child.wait().await);
        while self.group_lives() {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether any process of the group is left, a zombie included.
    fn group_lives(&self) -> bool {
        !matches!(killpg(self.pid, None), Err(Errno::ESRCH))
    }

    fn signal_group(&self, signal: Signal) {
        // The last process of the group may leave at the same moment.
        if let Err(error) = killpg(self.pid, signal) {
            tracing::debug!(pid = self.pid(), %signal, %error, "cannot signal the server's group");
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
        children.remove(&self.pid.as_raw());
    }
}

/// `exit code 1` or `signal 9`, for people.
fn describe_exit(status: io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => status.to_string(),
        },
        Err(error) => error.to_string(),
    }
}
