//! [`keep`]: a small process between a program and one that it starts, which ends after all that this one has started.
//!
//! The keeper takes in the orphans among its descendants, and the system tells it when the program that started it is gone,
//! however that ended. So nothing that was started is left, also of a server whose descendants have cleared their
//! environment and made a process session of their own.
//!
//! The program itself ends with its keeper, should that be killed.
//!
//! SIGTERM to the keeper is passed on to the process group that it started; SIGHUP makes it kill all at once.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, ExitCode, ExitStatus},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{SigSet, Signal, kill, killpg, raise},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, getppid},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::children::{adopted, has_children};

/// Exit code of a keeper that could not start its program. It has said why then, see [`cannot_start`].
const NOT_STARTED: u8 = 125;
/// How what it says begins; the number of the system's error follows.
const WORDS: &str = "cannot be started: os error ";

/// Why nothing could be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The words say nothing that can be kept.
    #[error("a keeper is started by a program, never by hand")]
    NotTold,
    /// The system refuses what a keeper needs.
    #[error("cannot keep processes together")]
    System(#[from] io::Error),
}

/// What a keeper was told.
#[derive(Debug)]
pub struct Keeper {
    /// Process that starts it: when that one is gone, all is ended.
    pub parent: Pid,
    /// How long what the program left in its process group may take to end after SIGTERM.
    pub grace: Duration,
    /// Program and arguments. It leads a process group of its own and has this process's standard streams.
    pub command: Vec<OsString>,
}

/// What a process of this program is to be.
#[derive(Debug)]
enum Role {
    /// A keeper.
    Keeper(Keeper),
    /// What a keeper keeps: it becomes the command.
    Kept { keeper: Pid, command: Vec<OsString> },
}

/// The first word of a role.
const KEEPER: &str = "keeper";
const KEPT: &str = "kept";

impl Keeper {
    /// The words that tell this to a process that calls [`keep`].
    pub fn words(&self) -> Vec<OsString> {
        let parent = self.parent.to_string();
        let grace = self.grace.as_millis().to_string();
        let told = [KEEPER.to_owned(), parent, grace].map(OsString::from);
        told.into_iter()
            .chain(self.command.iter().cloned())
            .collect()
    }
}

impl Role {
    fn from_words(words: &[OsString]) -> Option<Self> {
        let number = |word: &OsString| word.to_str()?.parse::<u32>().ok();
        let pid = |word| Some(Pid::from_raw(number(word)?.cast_signed()));
        match words {
            [role, parent, grace, command @ ..] if role == KEEPER => Some(Self::Keeper(Keeper {
                parent: pid(parent)?,
                grace: Duration::from_millis(number(grace)?.into()),
                command: command.to_vec(),
            })),
            [role, keeper, command @ ..] if role == KEPT => Some(Self::Kept {
                keeper: pid(keeper)?,
                command: command.to_vec(),
            }),
            _ => None,
        }
    }
}

/// Why the program of a keeper could not be started: by the way the keeper ended, and the last line that it wrote to
/// standard error. `None` when it was started.
pub fn cannot_start(ended: ExitStatus, last_line: &str) -> Option<io::Error> {
    let number = last_line.strip_prefix(WORDS)?.parse().ok()?;
    (ended.code() == Some(NOT_STARTED.into())).then(|| io::Error::from_raw_os_error(number))
}

/// Tells, as the last thing of a process that should have become the program of a keeper, why it could not: as [`cannot_start`]
/// reads it. The exit code is the one to end with.
pub fn not_started(error: &io::Error) -> ExitCode {
    let number = error.raw_os_error().unwrap_or_default();
    // Without a reader there is nobody to tell.
    drop(writeln!(io::stderr(), "{WORDS}{number}"));
    ExitCode::from(NOT_STARTED)
}

/// Is a keeper, in a process that does nothing else and has no other thread: starts the program, and ends in the same way as
/// it did, once nothing is left of it. `words` are those of [`Keeper::words`]; `own` is how this program is called to get
/// here again, without them.
///
/// # Errors
/// [`KeepError`] before anything was started.
pub fn keep(own: &[OsString], words: &[OsString]) -> Result<ExitCode, KeepError> {
    match Role::from_words(words).ok_or(KeepError::NotTold)? {
        Role::Keeper(told) => be_keeper(own, &told),
        Role::Kept { keeper, command } => be_kept(keeper, &command),
    }
}

/// Becomes the command, which ends with its keeper.
fn be_kept(keeper: Pid, command: &[OsString]) -> Result<ExitCode, KeepError> {
    let (program, arguments) = command.split_first().ok_or(KeepError::NotTold)?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)?;
    if getppid() != keeper {
        // It ended before the system was asked to say so.
        return Ok(ExitCode::FAILURE);
    }
    // Its keeper has blocked them, and what it becomes inherits that.
    SigSet::all().thread_unblock().map_err(io::Error::from)?;
    let error = Command::new(program).args(arguments).exec();
    Ok(not_started(&error))
}

fn be_keeper(own: &[OsString], told: &Keeper) -> Result<ExitCode, KeepError> {
    let (program, arguments) = own.split_first().ok_or(KeepError::NotTold)?;
    // From now on they are read one by one: none comes between the start of the program and its keeping.
    let signals: SigSet = [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
    ]
    .into_iter()
    .collect();
    signals.thread_block().map_err(io::Error::from)?;
    let events = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(io::Error::from)?;
    prctl::set_pdeathsig(Signal::SIGHUP).map_err(io::Error::from)?;
    if getppid() != told.parent {
        return Ok(ExitCode::FAILURE);
    }
    prctl::set_child_subreaper(true).map_err(io::Error::from)?;
    let child = Command::new(program)
        .args(arguments)
        .args([KEPT, &Pid::this().to_string()])
        .args(&told.command)
        .process_group(0)
        .spawn()?;
    let mut kept = Kept {
        leader: Pid::from_raw(child.id().cast_signed()),
        ended: None,
    };
    // Whoever reads the program's output is to see its end.
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing).map_err(io::Error::from)?;
    dup2_stdout(&nothing).map_err(io::Error::from)?;
    dup2_stderr(&nothing).map_err(io::Error::from)?;
    kept.until_over(&events, told.grace)?;
    kept.kill_all();
    Ok(leave_as(kept.ended))
}

/// The program and what it has started.
struct Kept {
    /// Process id of the program and id of its group.
    leader: Pid,
    ended: Option<ExitStatus>,
}

impl Kept {
    /// Waits until the program has ended and nothing is left in its group, or there is no more time for that.
    fn until_over(&mut self, events: &SignalFd, grace: Duration) -> io::Result<()> {
        let mut deadline = None;
        loop {
            while let Some(event) = events.read_signal().map_err(io::Error::from)? {
                match Signal::try_from(event.ssi_signo.cast_signed()) {
                    Ok(Signal::SIGHUP) => return Ok(()),
                    Ok(Signal::SIGTERM | Signal::SIGINT) => self.signal_group(Signal::SIGTERM),
                    _ => {}
                }
            }
            self.reap();
            if self.ended.is_some() {
                if !self.group_lives() {
                    return Ok(());
                }
                if deadline.is_none() {
                    self.signal_group(Signal::SIGTERM);
                    deadline = Some(Instant::now() + grace);
                }
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(());
            }
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut ready = [PollFd::new(events, PollFlags::IN)];
            match poll(&mut ready, left.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes in all that have ended.
    fn reap(&mut self) {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                return;
            }
            self.note(status);
        }
    }

    fn note(&mut self, status: WaitStatus) {
        let raw = match status {
            WaitStatus::Exited(pid, code) if pid == self.leader => (code & 0xff) << 8,
            WaitStatus::Signaled(pid, signal, _) if pid == self.leader => signal as i32,
            _ => return,
        };
        self.ended = Some(ExitStatus::from_raw(raw));
    }

    /// Whether any process of the group is left, a zombie included.
    fn group_lives(&self) -> bool {
        killpg(self.leader, None) != Err(Errno::ESRCH)
    }

    fn signal_group(&self, signal: Signal) {
        // The last process of the group may leave at the same moment.
        let _ = killpg(self.leader, signal);
    }

    /// Kills all descendants. The end of one hands over those that it had started before it can be reaped, so each round
    /// finds whoever came.
    fn kill_all(&mut self) {
        while has_children() {
            for pid in adopted() {
                // It may have ended by itself.
                let _ = kill(pid, Signal::SIGKILL);
            }
            match waitpid(None, None) {
                Ok(status) => self.note(status),
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
            self.reap();
        }
    }
}

/// Ends as the program did.
fn leave_as(ended: Option<ExitStatus>) -> ExitCode {
    let signal = ended.and_then(|ended| ended.signal());
    if let Some(signal) = signal.and_then(|number| Signal::try_from(number).ok()) {
        // The program has left its own core file, if any.
        let _ = prctl::set_dumpable(false);
        let _ = SigSet::all().thread_unblock();
        let _ = raise(signal);
    }
    // Out of reach after a signal that ends a process.
    let code = ended.and_then(|ended| ended.code()).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
