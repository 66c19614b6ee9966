//! One process of the stdio server: start, log, and end with all that it started.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fmt, io,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::HeaderMap;
use bytes::Bytes;
use mcpt_http::Account;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use process_tree::{ExitWords, Keeper, Mark, cannot_start};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    process::{Child, ChildStderr, Command},
    sync::mpsc,
    task::JoinHandle,
};

use crate::{
    BridgeConfig,
    lines::{Line, LineReader},
    older::Link,
    reaper::CHILDREN,
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
/// Environment variable that marks a child and all that it starts with the session they belong to.
const OWNER: Mark = Mark("MCPT_BRIDGE_OWNER");

/// The last lines that a child wrote to stderr.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    pub(crate) fn push(&self, mut line: String) {
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

/// A running child. It leads a process group of its own, and with a keeper it ends after all that it started.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    pid: Pid,
    program: OsString,
    owner: String,
    exit_grace: Duration,
    tail: Tail,
    log: JoinHandle<()>,
}

/// The command cannot be executed.
#[derive(Debug)]
pub(crate) struct CannotStart {
    program: OsString,
    error: io::Error,
}

impl CannotStart {
    /// Whether it can be executed at all: it is not there, or no program.
    pub(crate) fn is_hopeless(&self) -> bool {
        matches!(
            self.error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
        )
    }
}

impl fmt::Display for CannotStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_path = self.program.as_encoded_bytes().contains(&b'/');
        let program = self.program.display();
        match self.error.kind() {
            // The system says the same of a script whose interpreter is missing, as is usual in small images.
            io::ErrorKind::NotFound if is_path => write!(
                f,
                "cannot start {program}: the file, or the interpreter that it names, does not exist"
            ),
            io::ErrorKind::NotFound => {
                write!(f, "cannot start {program}: no such program is on PATH")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "cannot start {program}: it is not executable")
            }
            _ => write!(f, "cannot start {program}: {}", self.error),
        }
    }
}

/// How a child ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Its command was never executed.
    NotStarted(CannotStart),
    /// In these words.
    Otherwise(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(why) => why.fmt(f),
            Self::Otherwise(words) => f.write_str(words),
        }
    }
}

/// What a server writes.
pub(crate) type Output = LineReader<BufReader<Box<dyn AsyncRead + Send + Sync + Unpin>>>;

/// Where messages for a server go. Dropping it asks that to end.
pub(crate) enum Input {
    /// The standard input of a child, one line each.
    Lines(Box<dyn AsyncWrite + Send + Unpin>),
    /// What posts them.
    Posts(mpsc::Sender<Said>),
}

/// A message of a session.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) message: Bytes,
    /// The headers by which its client says who it is; `None` for what the bridge says by itself.
    pub(crate) headers: Option<HeaderMap>,
}

/// A started child and its pipes, or what stands in its place.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) input: Input,
    pub(crate) stdout: Output,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Started");
        text.field("process", &self.process).finish_non_exhaustive()
    }
}

/// What has the server's side of a session.
#[derive(Debug)]
pub(crate) enum Process {
    /// A child.
    Here(Box<ServerProcess>),
    /// A server of the older transport, which runs by itself, and what is kept of its log: nothing.
    Elsewhere(Link, Tail),
}

impl Process {
    /// A connection to a server that runs by itself.
    pub(crate) fn elsewhere(link: Link) -> Self {
        Self::Elsewhere(link, Tail::default())
    }

    /// The number of the process, if it is one of ours.
    pub(crate) fn pid(&self) -> Option<i32> {
        match self {
            Self::Here(process) => Some(process.pid()),
            Self::Elsewhere(..) => None,
        }
    }

    pub(crate) fn tail(&self) -> &Tail {
        match self {
            Self::Here(process) => process.tail(),
            Self::Elsewhere(_, tail) => tail,
        }
    }

    /// Waits until a process has ended by itself. A connection ends with what comes over it.
    pub(crate) async fn wait(&mut self) {
        match self {
            Self::Here(process) => {
                if let Err(error) = process.wait().await {
                    tracing::debug!(%error, "cannot wait for the server process");
                }
            }
            Self::Elsewhere(..) => std::future::pending().await,
        }
    }

    /// How it ended, once nothing comes from it any more.
    pub(crate) async fn how_it_ended(&mut self) -> Ended {
        match self {
            Self::Here(process) => process.how_it_ended().await,
            Self::Elsewhere(link, _) => link.how_it_ended().await,
        }
    }

    /// Ends it, after its stdin was closed.
    pub(crate) async fn end(self) {
        match self {
            Self::Here(process) => process.end().await,
            Self::Elsewhere(link, _) => drop(link),
        }
    }
}

/// Starts the command for the session or check `owner`, a name that nobody else has. What it writes is held by `account`.
///
/// # Errors
/// When the program cannot be started: not found, not executable, no memory. With a keeper that is known when it ends.
pub(crate) fn start(
    config: &BridgeConfig,
    owner: &str,
    account: &Account,
) -> Result<Started, CannotStart> {
    let named = config.command.first().cloned().unwrap_or_default();
    let cannot = |error| CannotStart {
        program: named.clone(),
        error,
    };
    let words = match config.keeper.as_slice() {
        [] => config.command.clone(),
        keeper => {
            let told = Keeper {
                parent: Pid::this(),
                grace: config.exit_grace,
                command: config.command.clone(),
            };
            keeper.iter().cloned().chain(told.words()).collect()
        }
    };
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| cannot(io::Error::new(io::ErrorKind::InvalidInput, "no command")))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(&config.env)
        .env(OWNER.0, owner)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let (mut child, pid) = {
        let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn().map_err(cannot)?;
        let id = child.id().map(u32::cast_signed);
        let pid = id.ok_or_else(|| cannot(io::Error::other("the process has no id")))?;
        children.insert(pid);
        (child, pid)
    };
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        let error = io::Error::other("the pipes of the process are missing");
        return Err(cannot(error));
    };
    let tail = Tail::default();
    let stderr = LineReader::new(BufReader::new(stderr), LOG_LINE_MAX, account);
    let log = tokio::spawn(log(stderr, pid, tail.clone()));
    tracing::debug!(pid, "server process started");
    let process = ServerProcess {
        child,
        pid: Pid::from_raw(pid),
        program: named,
        owner: owner.to_owned(),
        exit_grace: config.exit_grace,
        tail,
        log,
    };
    let stdout: Box<dyn AsyncRead + Send + Sync + Unpin> = Box::new(stdout);
    Ok(Started {
        process: Process::Here(Box::new(process)),
        input: Input::Lines(Box::new(stdin)),
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
    pub(crate) async fn how_it_ended(&mut self) -> Ended {
        let ended = tokio::time::timeout(EXIT_STATUS_WAIT, self.child.wait()).await;
        let Ok(status) = ended else {
            return Ended::Otherwise("the server process closed its output".to_owned());
        };
        // When it takes longer, those lines are missing from the explanation and no more.
        drop(tokio::time::timeout(LAST_LINES, &mut self.log).await);
        let status = match status {
            Ok(status) => status,
            Err(error) => return Ended::Otherwise(format!("the server process was lost: {error}")),
        };
        let last = self.tail.lines().pop().unwrap_or_default();
        match cannot_start(status, &last) {
            Some(error) => Ended::NotStarted(CannotStart {
                program: self.program.clone(),
                error,
            }),
            None => Ended::Otherwise(format!("the server process ended: {}", ExitWords(status))),
        }
    }

    /// Ends it, after its stdin was closed: waits, then SIGTERM to its group, which a keeper passes on; then SIGHUP, at
    /// which a keeper kills all that it keeps; then SIGKILL. Ends what was left even so.
    pub(crate) async fn end(mut self) {
        let grace = self.exit_grace;
        let mut left = tokio::time::timeout(grace, self.child.wait()).await.is_ok();
        if !left {
            tracing::info!(
                pid = self.pid(),
                "the server does not leave when its stdin is closed"
            );
        }
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGKILL] {
            if left {
                break;
            }
            self.signal_group(signal);
            left = tokio::time::timeout(grace, self.child.wait()).await.is_ok();
        }
        if !left {
            tracing::warn!(pid = self.pid(), "the server process survives SIGKILL");
        }
        self.signal_group(Signal::SIGKILL);
        self.end_marked().await;
    }

    /// Ends what its keeper could not, since it was killed, or since there was none.
    async fn end_marked(&self) {
        let owner = self.owner.clone();
        // It waits for them, without a runtime.
        let ended = tokio::task::spawn_blocking(move || OWNER.end(owner.as_bytes())).await;
        if ended.is_ok_and(|ended| ended > 0) {
            let pid = self.pid();
            tracing::warn!(pid, "ended processes that the server left behind");
        }
    }

    fn signal_group(&self, signal: Signal) {
        // The last process of the group may have left.
        if let Err(error) = killpg(self.pid, signal) {
            tracing::trace!(pid = self.pid(), %signal, %error, "cannot signal the server's group");
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
        children.remove(&self.pid.as_raw());
    }
}
