//! The supervisor: a process of its own session that outlives the command which started it, keeps one server running, and
//! owns the port that clients use.
//!
//! Until it is told to commit it is on trial: when the command that started it ends, for whatever reason, it ends the server
//! and removes its folder. When it commits, it takes the port, becomes the current run, and ends its predecessor. So the old
//! server answers until the new one does, and a command killed at any moment leaves one of them.

mod child;
mod control;
mod renewal;

use std::{
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use mcpt_core::REDACTED;
use mcpt_workload::{Backoff, Endpoint, Event, Forward, News, Readiness};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::setsid,
};
use tokio::time::{Instant, sleep};

pub(crate) use self::renewal::{NotRenewed, RenewalOrder};
use self::{
    child::Server,
    control::{Control, Instruction, Reporter},
    renewal::Renewal,
};
use crate::{
    bundles,
    compare::secrets_digest,
    events::{self, Happened},
    folder::RunFolder,
    lock::{self, AliveLock},
    recall,
    state::{Phase, Renewals, RunState, now},
    wire::Spec,
};

/// Runs a supervisor in this process until its server is ended. The spec comes on standard input.
///
/// # Errors
/// When the spec or the folders cannot be used.
pub fn supervise() -> io::Result<()> {
    // Fails for the leader of a process group, which is never how a command starts it.
    let _ = setsid();
    // One thread, this one: the system ends the server when the thread that started it ends.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut control = Control::new()?;
        let reporter = Reporter::new()?;
        let spec = control.spec().await?;
        let run = spec.run.clone();
        match Supervisor::new(spec, control, &reporter) {
            Ok(supervisor) => {
                supervisor.run(&reporter).await;
                Ok(())
            }
            Err(error) => {
                reporter.tell(&Event::Failed {
                    why: in_words(&error, &run),
                });
                Err(error)
            }
        }
    })
}

/// An error of the system; of a full disk the system does not say which.
fn in_words(error: &io::Error, run: &Path) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
            "the disk of the state folder is full ({}): free some space, or choose another folder with MCPT_STATE_DIR",
            run.display()
        ),
        _ => error.to_string(),
    }
}

struct Supervisor {
    spec: Spec,
    run: RunFolder,
    predecessor: Option<RunFolder>,
    state: RunState,
    control: Control,
    forward: Forward,
    /// A start anew that is under way.
    renewal: Option<Renewal>,
    committed: bool,
    _alive: AliveLock,
}

impl Supervisor {
    fn new(spec: Spec, control: Control, reporter: &Reporter) -> io::Result<Self> {
        let folder = |path: PathBuf| {
            RunFolder::at(path).ok_or_else(|| io::Error::other("the spec names no folder of a run"))
        };
        let run = folder(spec.run.clone())?;
        let predecessor = spec.predecessor.clone().map(folder).transpose()?;
        let alive = AliveLock::take(&run)?;
        let shared = predecessor.as_ref().is_some_and(lock::is_alive);
        let forward = Forward::reserve(spec.keep_port, shared)?;
        if let Some(wanted) = spec.keep_port.filter(|wanted| *wanted != forward.port()) {
            let why = format!(
                "port {wanted} is taken by now: the new one is {}",
                forward.port()
            );
            reporter.tell(&Event::Waiting { why });
        }
        if let Some(plan) = &spec.plan {
            recall::record(&run, plan)?;
        }
        let state = initial_state(&spec, forward.port());
        state.write(&run)?;
        Ok(Self {
            spec,
            run,
            predecessor,
            state,
            control,
            forward,
            renewal: None,
            committed: false,
            _alive: alive,
        })
    }

    /// Keeps the server running until a instruction ends it.
    async fn run(mut self, reporter: &Reporter) {
        let mut backoff = Backoff::default();
        let last_wish = loop {
            let began = Instant::now();
            let how = match Server::start(&self.spec, &self.run) {
                Err(error) => {
                    let why = format!("cannot be started: {}", in_words(&error, self.run.path()));
                    reporter.tell(&Event::Failed { why: why.clone() });
                    why
                }
                Ok(mut server) => match self.attend(&mut server, reporter).await {
                    Attended::Ended(how) => {
                        server.note(&format!("it {how}"));
                        reporter.tell(&Event::Exited { why: how.clone() });
                        if self.renewal.is_some() {
                            match self.await_renewal(reporter).await {
                                Some(instruction) => break instruction,
                                None => continue,
                            }
                        }
                        how
                    }
                    Attended::Told(Instruction::Renew) => {
                        server.note("stopping, to be started anew");
                        self.forward.set_target(None);
                        server.stop().await;
                        self.begin_renewal();
                        match self.await_renewal(reporter).await {
                            Some(instruction) => break instruction,
                            None => continue,
                        }
                    }
                    Attended::Told(Instruction::StandAside) => {
                        server.note("stopping, to make room for an update");
                        server.stop().await;
                        match self.stand_aside(reporter).await {
                            Some(instruction) => break instruction,
                            None => continue,
                        }
                    }
                    Attended::Told(instruction) => {
                        self.forward.close();
                        server.note("stopping");
                        server.stop().await;
                        break instruction;
                    }
                },
            };
            let pause = backoff.after(began.elapsed());
            let reason = format!("it {how}; starts so far: {}", self.state.restarts + 1);
            self.enter(Phase::Restarting, Some(reason), None);
            match self.pause(pause, reporter).await {
                None => self.state.restarts += 1,
                Some(Instruction::StandAside) => {
                    if let Some(instruction) = self.stand_aside(reporter).await {
                        break instruction;
                    }
                }
                Some(Instruction::Renew) => {
                    self.begin_renewal();
                    if let Some(instruction) = self.await_renewal(reporter).await {
                        break instruction;
                    }
                }
                Some(instruction) => break instruction,
            }
        };
        self.renewal = None;
        self.leave(last_wish).await;
    }

    /// Stays with the running server: probes it until it is ready, and carries out wishes.
    async fn attend(&mut self, server: &mut Server, reporter: &Reporter) -> Attended {
        self.state.started = Some(now());
        self.state.server_port = Some(server.port());
        self.enter(
            Phase::Starting,
            Some("it has not answered yet".to_owned()),
            Some(server.pid()),
        );
        self.happened(false, "Started", Some(server.pid()), "it was started");
        reporter.tell(&Event::Started);
        // Whom the last start had may be somebody else's by now.
        self.forward.set_target(None);
        let mut readiness = Readiness::new(self.spec.server.endpoint.clone(), server.port());
        loop {
            tokio::select! {
                how = server.ended() => return Attended::Ended(how),
                news = readiness.next() => {
                    self.forward.set_target(readiness.address());
                    match news {
                        News::Ready => {
                            self.state.served = true;
                            self.enter(Phase::Ready, None, Some(server.pid()));
                            reporter.tell(&Event::Ready);
                        }
                        News::Waiting(why) => self.not_ready(Phase::Starting, why, server, reporter),
                        News::Refusing(why) => self.not_ready(Phase::Refusing, why, server, reporter),
                    }
                }
                why = renewal::failed(&mut self.renewal) => self.not_renewed(why),
                instruction = self.control.next() => match self.carry_out(instruction, reporter) {
                    None => {}
                    // Beside this server, unless it has the only port.
                    Some(Instruction::Renew) if !self.has_the_only_port() => self.begin_renewal(),
                    Some(instruction) => return Attended::Told(instruction),
                }
            }
        }
    }

    /// Whether no other process of the server can run beside this one.
    fn has_the_only_port(&self) -> bool {
        let endpoint = &self.spec.server.endpoint;
        matches!(endpoint, Endpoint::Http { port_env: None, .. })
    }

    /// Begins a start anew, unless one is under way.
    fn begin_renewal(&mut self) {
        if self.renewal.is_some() {
            return;
        }
        let renewals = self.state.renewals.get_or_insert_default();
        renewals.orders += 1;
        renewals.failed = None;
        // As with every entry, the next one tries again.
        drop(self.state.write(&self.run));
        self.renewal = Some(Renewal::begin(&self.spec, &self.run, self.forward.port()));
    }

    /// Writes down that nothing came of it.
    fn not_renewed(&mut self, why: NotRenewed) {
        self.renewal = None;
        self.state.renewals.get_or_insert_default().failed = Some(why);
        drop(self.state.write(&self.run));
    }

    /// Waits, without a server, until a start anew has failed; gives the instruction that ends the waiting for good.
    async fn await_renewal(&mut self, reporter: &Reporter) -> Option<Instruction> {
        let reason = "it is started anew".to_owned();
        self.enter(Phase::StandingAside, Some(reason), None);
        loop {
            tokio::select! {
                why = renewal::failed(&mut self.renewal) => {
                    self.not_renewed(why);
                    return None;
                }
                instruction = self.control.next() => match self.carry_out(instruction, reporter) {
                    None | Some(Instruction::StandAside | Instruction::Renew) => {}
                    told => return told,
                }
            }
        }
    }

    /// Writes down and tells why the server is not ready, when that has changed.
    fn not_ready(&mut self, phase: Phase, why: String, server: &Server, reporter: &Reporter) {
        if self.state.phase == phase && self.state.reason.as_ref() == Some(&why) {
            return;
        }
        self.enter(phase, Some(why.clone()), Some(server.pid()));
        reporter.tell(&if phase == Phase::Refusing {
            Event::Refused { why }
        } else {
            Event::Waiting { why }
        });
    }

    /// Waits before the next start; gives the instruction that ends the waiting for good.
    async fn pause(&mut self, pause: Duration, reporter: &Reporter) -> Option<Instruction> {
        let over = sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return None,
                instruction = self.control.next() => if let Some(instruction) = self.carry_out(instruction, reporter) {
                    return Some(instruction);
                }
            }
        }
    }

    /// Waits, without a server, until the command that asked for it is done or gone; gives the instruction that ends the waiting for good.
    async fn stand_aside(&mut self, reporter: &Reporter) -> Option<Instruction> {
        // The new one may have the server's port by now, and is on trial.
        self.forward.set_target(None);
        let reason = "it makes room for an update".to_owned();
        self.enter(Phase::StandingAside, Some(reason), None);
        let folder = self.run.server();
        let over = lock::wait_for_change(&folder);
        tokio::pin!(over);
        loop {
            tokio::select! {
                unchanged = &mut over => {
                    // Before the next command can begin: it would take what stands aside for one that stays so.
                    self.enter(Phase::Starting, Some("it is started again".to_owned()), None);
                    drop(unchanged);
                    return None;
                }
                instruction = self.control.next() => match self.carry_out(instruction, reporter) {
                    None | Some(Instruction::StandAside | Instruction::Renew) => {}
                    told => return told,
                }
            }
        }
    }

    /// Carries a instruction out; gives it back when the server must be ended.
    fn carry_out(&mut self, instruction: Instruction, reporter: &Reporter) -> Option<Instruction> {
        if instruction != Instruction::Commit {
            return Some(instruction);
        }
        match self.commit() {
            Ok(()) => {
                self.committed = true;
                let said = "it is the server from now on";
                self.happened(false, "Deployed", self.state.process, said);
                reporter.tell(&Event::Committed);
                None
            }
            Err(error) => {
                reporter.tell(&Event::Failed {
                    why: format!("cannot take over: {}", in_words(&error, self.run.path())),
                });
                Some(Instruction::Undo)
            }
        }
    }

    /// Tells of what begins, for those who look later.
    fn note(&self, phase: Phase, reason: Option<&str>, process: Option<u32>) {
        let Some((warning, word)) = events::of(phase, self.state.phase) else {
            return;
        };
        let said = reason.unwrap_or(match phase {
            Phase::Ready => "it answers",
            _ => "it was ended on order",
        });
        self.happened(warning, word, process.or(self.state.process), said);
    }

    /// Writes down what happened to the server's process.
    fn happened(&self, warning: bool, word: &str, process: Option<u32>, said: &str) {
        let object = match process {
            Some(id) => format!("process/{id}"),
            None => self.state.name.to_string(),
        };
        let event = Happened::now(warning, word, object, said.to_owned());
        // A full disk must not end the server.
        drop(events::add(&self.run.server(), event));
    }

    fn commit(&mut self) -> io::Result<()> {
        self.forward.open()?;
        self.run.server().set_current(&self.run)?;
        if let Some(predecessor) = &self.predecessor {
            terminate(predecessor)?;
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase, reason: Option<String>, process: Option<u32>) {
        self.note(phase, reason.as_deref(), process);
        self.state.phase = phase;
        self.state.reason = reason;
        self.state.process = process;
        // A full disk must not end the server; the next change tries again.
        drop(self.state.write(&self.run));
    }

    /// The server is ended: leaves what the last instruction wants to be left.
    async fn leave(mut self, instruction: Instruction) {
        self.enter(Phase::Stopped, None, None);
        let folder = self.run.server();
        let deleted = folder.ending_file().exists();
        if instruction == Instruction::Undo || !self.committed || deleted {
            // Whoever changes the server next removes what could not be removed.
            drop(self.run.remove());
            lock::remove_empty(&folder).await;
        }
    }
}

/// How attending the server ended.
enum Attended {
    Ended(String),
    Told(Instruction),
}

/// Asks the supervisor of a run to end its server. Nothing happens when it is gone.
pub(crate) fn terminate(run: &RunFolder) -> io::Result<()> {
    send(run, Signal::SIGTERM)
}

/// Asks the supervisor of a run to end its server until nobody changes the server any more. Nothing happens when it is gone.
pub(crate) fn stand_aside(run: &RunFolder) -> io::Result<()> {
    send(run, Signal::SIGUSR1)
}

/// Asks the supervisor of a run to start its server anew, as its order file says. Nothing happens when it is gone.
pub(crate) fn renew(run: &RunFolder) -> io::Result<()> {
    send(run, Signal::SIGUSR2)
}

/// Ends the supervisor of a run and its server at once. Nothing happens when it is gone.
pub(crate) fn kill_supervisor(run: &RunFolder) -> io::Result<()> {
    send(run, Signal::SIGKILL)
}

fn send(run: &RunFolder, signal: Signal) -> io::Result<()> {
    match lock::supervisor(run).map(|supervisor| kill(supervisor, signal)) {
        // It has ended since.
        None | Some(Ok(()) | Err(Errno::ESRCH)) => Ok(()),
        Some(Err(error)) => Err(error.into()),
    }
}

fn initial_state(spec: &Spec, port: u16) -> RunState {
    let server = &spec.server;
    let mut env = server.env.clone();
    env.extend(
        server
            .secrets
            .keys()
            .map(|name| (name.clone(), REDACTED.to_owned())),
    );
    RunState {
        name: server.name.clone(),
        template: server.template.clone(),
        template_version: server.template_version.clone(),
        transport: server.endpoint.transport().to_owned(),
        source: server.shown(),
        package: server.package.clone(),
        bundles: bundles::named_in(server),
        env,
        digest: spec.digest.clone(),
        secrets_digest: Some(secrets_digest(
            spec.digest.rsplit_once('#').map_or("", |(salt, _)| salt),
            &server.secrets,
        )),
        deployed: now(),
        supervisor: std::process::id(),
        port,
        url: server.endpoint.url((Ipv4Addr::LOCALHOST, port).into()),
        server_port: None,
        sessions: server.sessions,
        phase: Phase::Starting,
        reason: None,
        process: None,
        started: None,
        restarts: 0,
        served: false,
        renewals: Some(Renewals::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_that_ended_meanwhile_needs_no_signal() {
        let root = tempfile::tempdir().unwrap();
        let name = mcpt_core::ServerName::new("demo").unwrap();
        let folder = crate::folder::StateFolder::new(root.path().to_owned()).server(&name);
        folder.create().unwrap();
        let run = folder.create_run().unwrap();
        let _alive = AliveLock::take(&run).unwrap();
        // The lock is still held, but the process that is written down is gone.
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        std::fs::write(run.alive_file(), format!("{}\n", gone.id())).unwrap();
        assert!(lock::supervisor(&run).is_some());
        terminate(&run).unwrap();
    }

    #[test]
    fn a_full_disk_is_named() {
        let run = Path::new("/state/servers/demo/run-1");
        let full = in_words(&io::Error::from(io::ErrorKind::StorageFull), run);
        assert!(
            full.contains("full") && full.contains("/state/servers/demo/run-1"),
            "{full}"
        );
        let other = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(in_words(&other, run), other.to_string());
    }
}
