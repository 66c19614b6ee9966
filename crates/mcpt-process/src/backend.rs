//! [`Processes`]: the backend as the command line sees it.

use std::time::Duration;

use async_trait::async_trait;
use mcpt_client::ClientError;
use mcpt_core::{
    Backend, BackendName, Capabilities, Capability, ChangeOptions, CommandOption, Comparison,
    Connection, DeleteOptions, Deleted, DeployOptions, Deployed, DryRun, EventStream, Failure,
    FailureKind, Garbage, GcOptions, InstanceUsage, LogOptions, Logs, Plan, Progress,
    ProgressEvent, Recalled, Server, ServerName, ServerState, command_line, near,
};

use crate::{
    command::check_program,
    compare,
    configuration::{manifest, server_spec},
    deploy::{self, change_lock, end_run, state_failure},
    driver, events,
    folder::{RunFolder, StateFolder},
    gc, logs, packages, recall, restart,
    state::{RunState, unreadable},
    supervisor::terminate,
    usage,
};

/// How long a server may take to answer when its status is asked for.
const STATUS_PROBE: Duration = Duration::from_secs(3);

/// The servers that run as processes of this user on this machine.
#[derive(Debug)]
pub struct Processes {
    state: StateFolder,
    /// Whether commands in hints name this backend.
    named: bool,
}

impl Processes {
    /// With the state folder of the environment: `MCPT_STATE_DIR`, else `$XDG_STATE_HOME/mcpt`, else
    /// `~/.local/state/mcpt`.
    ///
    /// # Errors
    /// When none of these is set.
    pub fn new() -> Result<Self, Failure> {
        let state = StateFolder::of_environment().map_err(|error| {
            Failure::new(FailureKind::Failed, "cannot find the state folder").caused_by(&error)
        })?;
        Ok(Self::in_folder(state))
    }

    /// Commands in hints name this backend: it is not the one that commands mean which name none.
    #[must_use]
    pub fn named(self) -> Self {
        Self {
            named: true,
            ..self
        }
    }

    /// With this state folder.
    pub(crate) fn in_folder(state: StateFolder) -> Self {
        let named = false;
        Self { state, named }
    }

    /// The state folder.
    pub(crate) fn state(&self) -> &StateFolder {
        &self.state
    }

    /// The run that is the server, with what its supervisor wrote down. Before the first deployment of a server has ended
    /// that is its newest run. A server whose state cannot be read is a failed one.
    pub(crate) fn find(&self, name: &ServerName) -> Result<Option<(RunFolder, Server)>, Failure> {
        let folder = self.state.server(name);
        let look = || -> std::io::Result<_> {
            let mut run = folder.current_or_newest()?;
            loop {
                let Some(looked_at) = run else {
                    return Ok(None);
                };
                let server = match RunState::read(&looked_at) {
                    Ok(state) => state.map(|state| state.server(&looked_at)),
                    Err(error) => {
                        let file = looked_at.state_file();
                        let reason = format!("{} cannot be read: {error}", file.display());
                        Some(unreadable(name, looked_at.path(), Some(&looked_at), reason))
                    }
                };
                run = folder.current_or_newest()?;
                // An update may have put another run in its place meanwhile, and removed it.
                if run.as_ref().is_none_or(|now| *now == looked_at) {
                    return Ok(server.map(|server| (looked_at, server)));
                }
            }
        };
        look().map_err(|error| state_failure(&format!("cannot look at {name}"), &folder, &error))
    }

    /// The names that have a folder.
    fn names(&self, what: &str) -> Result<Vec<ServerName>, Failure> {
        self.state.names().map_err(|error| {
            Failure::new(FailureKind::Failed, what).because(format!(
                "state folder {}: {error}",
                self.state.path().display()
            ))
        })
    }

    fn existing(&self, name: &ServerName) -> Result<(RunFolder, Server), Failure> {
        self.find(name)?.ok_or_else(|| self.not_found(name))
    }

    /// Whoever asks for these has not looked at the capabilities.
    fn refuse_what_it_lacks(&self, plan: &Plan, options: &DeployOptions) -> Result<(), Failure> {
        let what = format!("cannot deploy {} as a process on this machine", plan.name);
        options.platform.refuse(&what)?;
        if plan.replicas.is_some_and(|replicas| replicas != 1) {
            return Err(self.unsupported(what, Capability::Instances));
        }
        if options.dry_run == Some(DryRun::Server) {
            return Err(self.unsupported(what, Capability::RemoteDryRun));
        }
        Ok(())
    }

    fn not_found(&self, name: &ServerName) -> Failure {
        // A folder that cannot be listed gives no near match; what is said stays true.
        let names = self.state.names().unwrap_or_default();
        let hint = near::hint(name.as_str(), names.iter().map(ServerName::as_str));
        Failure::new(
            FailureKind::NotFound,
            format!("there is no server {name} on this machine{hint}"),
        )
        .hint(format!(
            "{} shows those that are there",
            self.command("list")
        ))
    }
}

#[async_trait]
impl Backend for Processes {
    fn name(&self) -> BackendName {
        driver::NAME.clone()
    }

    fn capabilities(&self) -> Capabilities {
        driver::CAPABILITIES
    }

    fn place(&self) -> String {
        "on this machine".to_owned()
    }

    fn command(&self, words: &str) -> String {
        let here = [(CommandOption::Backend, driver::NAME.as_str())];
        command_line(if self.named { &here } else { &[] }, words)
    }

    async fn check(&self, plan: &Plan, options: &DeployOptions) -> Result<(), Failure> {
        self.refuse_what_it_lacks(plan, options)?;
        let server = server_spec(plan, None)?;
        if plan.package.is_some() {
            // Its program is there once it is installed.
            return Ok(());
        }
        check_program(&server.command, &format!("cannot deploy {}", plan.name))
    }

    async fn deploy(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        progress: &dyn Progress,
    ) -> Result<Deployed, Failure> {
        self.refuse_what_it_lacks(plan, options)?;
        if options.dry_run.is_some() {
            return Ok(Deployed {
                server: None,
                revision: None,
                manifest: Some(manifest(plan, &server_spec(plan, None)?)),
            });
        }
        // Held until the run that names it is there, so that nobody clears it away between.
        let tree = packages::installed(&self.state, plan, options, progress).await?;
        let server = server_spec(plan, tree.as_ref())?;
        let run = deploy::deploy(&self.state, plan, server, None, options, progress).await?;
        let what = format!("cannot look at {}", plan.name);
        let state = RunState::read(&run)
            .map_err(|error| state_failure(&what, &run.server(), &error))?
            .ok_or_else(|| self.not_found(&plan.name))?;
        Ok(Deployed {
            server: Some(state.server(&run)),
            revision: None,
            manifest: None,
        })
    }

    async fn compare(&self, plan: &Plan, options: &DeployOptions) -> Result<Comparison, Failure> {
        self.check(plan, options).await?;
        let server = server_spec(plan, None)?;
        let found = self.find(&plan.name)?;
        let running = match &found {
            Some((run, _)) => RunState::read(run).map_err(|error| {
                let what = format!("cannot compare with what runs as {}", plan.name);
                state_failure(&what, &run.server(), &error)
            })?,
            None => None,
        };
        Ok(compare::with_running(running.as_ref(), &server))
    }

    async fn list(&self) -> Result<Vec<Server>, Failure> {
        let names = self.names("cannot list the servers of this machine")?;
        let mut servers = Vec::new();
        for name in names {
            match self.find(&name) {
                Ok(Some((_, mut server))) => {
                    server.replicas.clear();
                    servers.push(server);
                }
                Ok(None) => {}
                // That is a server which failed, and no failure of the others.
                Err(failure) => {
                    let folder = self.state.server(&name);
                    let reason = failure.why.join("; ");
                    servers.push(unreadable(&name, folder.path(), None, reason));
                }
            }
        }
        Ok(servers)
    }

    async fn has(&self, name: &ServerName) -> Result<bool, Failure> {
        self.find(name).map(|found| found.is_some())
    }

    async fn status(&self, name: &ServerName) -> Result<Server, Failure> {
        let (run, mut server) = self.existing(name)?;
        if server.state == ServerState::Running
            && let Some(silence) = silence(&run, &server).await
        {
            server.state = ServerState::Failed;
            server.ready = 0;
            server.reason = Some(format!("it runs, but does not answer: {silence}"));
            for replica in &mut server.replicas {
                replica.ready = false;
                "NotReady".clone_into(&mut replica.state);
            }
        }
        Ok(server)
    }

    async fn logs(&self, name: &ServerName, options: &LogOptions) -> Result<Logs, Failure> {
        let (run, server) = self.existing(name)?;
        let replica = server
            .replicas
            .first()
            .map_or(name.as_str(), |replica| &replica.name);
        let lines = logs::stream(&run, replica, options)
            .map_err(|error| logs::failure(&format!("cannot read the log of {name}"), &error))?;
        Ok(Logs {
            several: false,
            lines,
        })
    }

    async fn events(&self, name: &ServerName, follow: bool) -> Result<EventStream, Failure> {
        let (run, _) = self.existing(name)?;
        events::stream(&run, follow)
            .map_err(|error| logs::failure(&format!("cannot show the events of {name}"), &error))
    }

    async fn delete(
        &self,
        name: &ServerName,
        options: &DeleteOptions,
        progress: &dyn Progress,
    ) -> Result<Deleted, Failure> {
        let what = format!("cannot delete {name}");
        if options.delete_namespace {
            return Err(self.unsupported(what, Capability::Namespaces));
        }
        let folder = self.state.server(name);
        let io_failure = |error: std::io::Error| state_failure(&what, &folder, &error);
        if folder.runs().map_err(io_failure)?.is_empty() && !folder.work().exists() {
            return Err(self.not_found(name));
        }
        let _lock = change_lock(&folder, &what, name).await?;
        let runs = folder.runs().map_err(io_failure)?;
        // Another command may have deleted it until now.
        if runs.is_empty() && !folder.work().exists() {
            return Err(self.not_found(name));
        }
        // From here on a deletion that is interrupted goes on: the supervisor sees this file, or the next command does.
        folder.note_ending(options.keep_work).map_err(io_failure)?;
        for run in &runs {
            terminate(run).map_err(io_failure)?;
        }
        let deleted = || -> std::io::Result<Deleted> {
            let work = format!("working directory {}", folder.work().display());
            let kept = folder.keeps_work()?.then_some(work);
            Ok(Deleted {
                kept: kept.into_iter().collect(),
            })
        };
        progress.event(ProgressEvent::Step(format!("ending {name}")));
        match options.wait {
            None => {
                if runs.iter().any(crate::lock::is_alive) {
                    return deleted().map_err(io_failure);
                }
            }
            Some(_) => progress.event(ProgressEvent::Waiting("waiting for its end".to_owned())),
        }
        for run in &runs {
            end_run(run, options.wait.unwrap_or(Duration::ZERO))
                .await
                .map_err(io_failure)?;
        }
        // What it wrote while it ended counts.
        let deleted = deleted().map_err(io_failure)?;
        folder.remove().map_err(io_failure)?;
        Ok(deleted)
    }

    async fn restart(
        &self,
        name: &ServerName,
        options: &ChangeOptions,
        progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        let restarted = restart::restart(&self.state, name, options, progress).await?;
        let run = restarted.ok_or_else(|| self.not_found(name))?;
        let state = RunState::read(&run).map_err(|error| {
            state_failure(&format!("cannot look at {name}"), &run.server(), &error)
        })?;
        let state = state.ok_or_else(|| self.not_found(name))?;
        Ok(state.server(&run))
    }

    async fn recall(&self, name: &ServerName) -> Result<Recalled, Failure> {
        let (run, _) = self.existing(name)?;
        recall::recall(&run, name)
    }

    async fn usage(&self, name: Option<&ServerName>) -> Result<Vec<InstanceUsage>, Failure> {
        let names = match name {
            Some(name) => vec![name.clone()],
            None => self.names("cannot tell what servers use")?,
        };
        let mut found = Vec::new();
        for server in names {
            match self.find(&server)? {
                Some((run, state)) => found.push((server, run, state)),
                None if name.is_some() => return Err(self.not_found(&server)),
                None => {}
            }
        }
        let runs: Vec<_> = found.iter().map(|(_, run, _)| run.path()).collect();
        let used = usage::of(&runs).await;
        let each = found.into_iter().zip(used);
        Ok(each
            .map(|((server, _, state), usage)| InstanceUsage {
                server,
                instance: state
                    .replicas
                    .into_iter()
                    .next()
                    .map_or_else(|| "-".to_owned(), |replica| replica.name),
                usage,
            })
            .collect())
    }

    async fn gc(
        &self,
        options: &GcOptions,
        progress: &dyn Progress,
    ) -> Result<Vec<Garbage>, Failure> {
        let what = "cannot clean up this machine";
        let names = self.names(what)?;
        let mut garbage = gc::gc(&self.state, names, options, progress).await?;
        let gateways = self.state.gateways().map_err(|error| {
            Failure::new(FailureKind::Failed, what).because(format!(
                "state folder {}: {error}",
                self.state.path().display()
            ))
        })?;
        for state in gateways {
            let gateway = Self::in_folder(state);
            let names = gateway.names(what)?;
            garbage.extend(gc::gc(&gateway.state, names, options, progress).await?);
        }
        Ok(garbage)
    }

    async fn connect(&self, name: &ServerName) -> Result<Connection, Failure> {
        let (run, server) = self.existing(name)?;
        match (server.state, server.url) {
            (ServerState::Running | ServerState::Pending | ServerState::Degraded, Some(url)) => {
                let state = RunState::read(&run).map_err(|error| {
                    state_failure(&format!("cannot connect to {name}"), &run.server(), &error)
                })?;
                Ok(Connection {
                    url,
                    host: state.as_ref().and_then(RunState::host),
                    tunnel: None,
                })
            }
            (state, _) => {
                let failure =
                    Failure::new(FailureKind::Unreachable, format!("{name} does not run"));
                let failure = server.reason.into_iter().fold(failure, Failure::because);
                Err(failure.hint(match state {
                    ServerState::Failed => self.command(&format!("logs {name}")),
                    _ => format!(
                        "deploy it again as before, or end it for good: {}",
                        self.command(&format!("delete {name}"))
                    ),
                }))
            }
        }
    }
}

/// What keeps a server that was ready from answering now. Of a stdio server its bridge answers, which starts one for each
/// session: there is nothing to be asked between them.
async fn silence(run: &RunFolder, server: &Server) -> Option<ClientError> {
    let url = server
        .url
        .as_deref()
        .filter(|_| server.transport != "stdio")?;
    // What cannot be read now says nothing of the server.
    let state = RunState::read(run).ok().flatten();
    let host = state.as_ref().and_then(RunState::host);
    let answer = mcpt_client::probe_named(url, host.as_deref(), STATUS_PROBE).await;
    answer.err()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use mcpt_core::Silent;

    use super::*;
    use crate::lock;

    fn delete(state: &StateFolder, name: &ServerName, keep_work: bool) -> Result<Deleted, Failure> {
        let processes = Processes::in_folder(state.clone());
        let options = DeleteOptions {
            wait: Some(Duration::ZERO),
            purge_data: false,
            keep_work,
            delete_namespace: false,
        };
        lock::tests::awaited(processes.delete(name, &options, &Silent))
    }

    /// What a server wrote goes with it, unless it goes on elsewhere.
    #[test]
    fn working_data_stays_behind_a_server_that_moves() {
        let root = tempfile::tempdir().unwrap();
        let state = StateFolder::new(root.path().to_owned());
        let name = ServerName::new("demo").unwrap();
        let folder = state.server(&name);
        let data = folder.work().join("data.db");
        let deployed = || {
            folder.create().unwrap();
            let run = folder.create_run().unwrap();
            folder.create_work().unwrap();
            folder.set_current(&run).unwrap();
        };
        deployed();
        assert_eq!(delete(&state, &name, true).unwrap(), Deleted::default());
        assert!(!folder.path().exists(), "there was nothing to keep");

        for _ in 0..2 {
            deployed();
            std::fs::write(&data, "precious").unwrap();
            let deleted = delete(&state, &name, true).unwrap();
            let kept = format!("working directory {}", folder.work().display());
            assert_eq!(deleted.kept, [kept]);
            assert_eq!(std::fs::read(&data).unwrap(), b"precious");
            let processes = Processes::in_folder(state.clone());
            assert!(processes.find(&name).unwrap().is_none());
            // The next one of that name has it again, and is none before it is ready.
            let lock = lock::tests::take_now(&folder).unwrap();
            let run = folder.create_run().unwrap();
            assert_eq!(folder.current().unwrap(), None);
            run.remove().unwrap();
            drop(lock);
            assert_eq!(std::fs::read(&data).unwrap(), b"precious");
        }
        assert_eq!(delete(&state, &name, false).unwrap(), Deleted::default());
        assert!(!folder.path().exists());
    }

    #[test]
    fn of_two_deletions_one_finds_nothing() {
        let root = tempfile::tempdir().unwrap();
        let state = StateFolder::new(root.path().to_owned());
        let name = ServerName::new("demo").unwrap();
        let folder = state.server(&name);
        let first = lock::tests::take_now(&folder).unwrap();
        folder.create_run().unwrap();
        let before = lock::tests::opened(&folder);
        let second = thread::spawn(move || delete(&state, &name, false));
        while lock::tests::opened(&folder) == before && !second.is_finished() {}
        folder.remove().unwrap();
        drop(first);
        let failure = second.join().unwrap().unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound, "{failure}");
        assert!(!folder.path().exists());
    }
}
