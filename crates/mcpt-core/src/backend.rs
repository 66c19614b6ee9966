//! The [`Backend`] trait: what every place that can run a [`Plan`] offers, and the only seam the command line sees.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde::Serialize;

use crate::{
    Autoscaling, BackendName, Capabilities, Capability, Comparison, Exec, ExecStream, Failure,
    FailureKind, Garbage, InstanceUsage, Plan, PlatformOptions, Progress, Recalled, Revision,
    RevisionEntry, Server, ServerEvent, ServerName, ServerValue,
};

/// How long a server may always take until it first answers: one that is fetched at its first start takes minutes. A deploy
/// that waits longer gives it as long.
pub const START_TIMEOUT: Duration = Duration::from_mins(5);

/// How to deploy.
#[derive(Debug, Clone)]
pub struct DeployOptions {
    /// Return only when the server answers MCP requests.
    pub wait: bool,
    /// How long to wait at most.
    pub timeout: Duration,
    /// When it fails, put everything back as it was before.
    pub atomic: bool,
    /// Say what would happen and change nothing.
    pub dry_run: Option<DryRun>,
    /// What only one kind of backend has.
    pub platform: PlatformOptions,
}

/// Which part of the work a dry run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// Render and check locally.
    Client,
    /// Let the API server check it too.
    Server,
}

/// How many instances shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// This many; autoscaling is turned off.
    To(u32),
    /// As many as the load asks for.
    Auto(Autoscaling),
}

/// How a scale or a rollback is carried out; a deploy says the same with its own options.
#[derive(Debug, Clone, Copy)]
pub struct ChangeOptions {
    /// Return only when all wanted instances are ready.
    pub wait: bool,
    /// How long to wait at most.
    pub timeout: Duration,
    /// Take over what another tool changed since, instead of being refused for it.
    pub force_conflicts: bool,
}

/// How to clean up.
#[derive(Debug, Clone, Copy)]
pub struct GcOptions {
    /// Say what would be removed and remove nothing.
    pub dry_run: bool,
    /// How long to wait at most.
    pub timeout: Duration,
}

/// What a deploy did.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The server afterwards. `None` after a dry run.
    pub server: Option<Server>,
    /// Revision that was made, on backends with a history.
    pub revision: Option<Revision>,
    /// What would be applied, secrets redacted; only after a dry run.
    pub manifest: Option<String>,
}

/// How to delete.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// Wait until everything is gone, at most this long; `None` returns once deletion was asked for.
    pub wait: Option<Duration>,
    /// Also what was to outlive the server: its volumes with their data. Also after the server itself is gone.
    pub purge_data: bool,
    /// Not what it has written into a working directory that outlives its runs: the server goes on elsewhere.
    pub keep_work: bool,
    /// Also its namespace, unless something else is in it.
    pub delete_namespace: bool,
}

/// What a delete did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    /// What outlives the server, as its settings say: `persistentvolumeclaim "demo-workspace"`.
    pub kept: Vec<String>,
}

/// Which log lines to give.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Go on with new lines until the reader stops.
    pub follow: bool,
    /// Only the last lines of each instance.
    pub tail: Option<u32>,
    /// Only lines that were written since then, to the second.
    pub since: Option<SystemTime>,
    /// The previous run of each instance instead of the current one.
    pub previous: bool,
}

/// One line of a server's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Instance it came from.
    pub replica: String,
    /// Text without the line end.
    pub text: String,
}

/// Lines of all instances as they come.
pub type LogStream = BoxStream<'static, Result<LogLine, Failure>>;

/// What the instances of a server write.
pub struct Logs {
    /// Whether there are, or shall be, several instances. Of one that is replaced lines of two may come all the same.
    pub several: bool,
    /// The lines.
    pub lines: LogStream,
}

/// Without the lines.
impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs")
            .field("several", &self.several)
            .finish_non_exhaustive()
    }
}

/// Events of a server as they come, the oldest first.
pub type EventStream = BoxStream<'static, Result<ServerEvent, Failure>>;

/// What keeps a [`Connection`]'s path open; dropping it closes the path.
pub trait Tunnel: Send + Sync + fmt::Debug {}

/// A way from this machine to a server's MCP endpoint.
#[derive(Debug)]
pub struct Connection {
    /// URL to speak streamable HTTP to, reachable from this process as long as the connection lives.
    pub url: String,
    /// What the server behind it calls itself, `localhost:8931`: servers that guard against foreign hosts know nothing of a
    /// forwarded port. `None` when the URL says it.
    pub host: Option<String>,
    /// The forwarded port or the like behind it, if any.
    pub tunnel: Option<Box<dyn Tunnel>>,
}

/// A place that can run servers. Every operation can be repeated: a killed caller leaves nothing that the same call
/// does not finish or undo.
#[async_trait]
pub trait Backend: Send + Sync {
    /// What it is called.
    fn name(&self) -> BackendName;

    /// What it can do beyond what every backend can.
    fn capabilities(&self) -> Capabilities;

    /// Where its servers are, for messages: `on this machine`, `in namespace "tools"`.
    fn place(&self) -> String;

    /// A command of mcpt that acts on a server of this backend, for hints: `words` are `delete demo`.
    fn command(&self, words: &str) -> String;

    /// Finds what is wrong with a plan and its options before anything is changed, as [`Self::deploy`] would find it now.
    ///
    /// # Errors
    /// [`crate::FailureKind::Usage`] with all faults of the input; others when it cannot be told.
    async fn check(&self, plan: &Plan, options: &DeployOptions) -> Result<(), Failure>;

    /// Before several deploys at the same time, of which these are the options: makes what is for all of them. None of them
    /// takes it away from the others.
    ///
    /// # Errors
    /// When it cannot be made.
    async fn begin_together(
        &self,
        _options: &[&DeployOptions],
        _progress: &dyn Progress,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// After them: takes away what was made for all of them, if none of them left anything in it. At most this long.
    ///
    /// # Errors
    /// When that fails.
    async fn end_together(
        &self,
        _timeout: Duration,
        _progress: &dyn Progress,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// Makes the server or updates it in place.
    ///
    /// # Errors
    /// A [`Failure`] that names the cause; with `atomic` nothing is left behind.
    async fn deploy(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        progress: &dyn Progress,
    ) -> Result<Deployed, Failure>;

    /// What a deploy of the plan would change, by what is known now. Nothing is changed.
    ///
    /// # Errors
    /// [`crate::FailureKind::Usage`] with all faults of the input, also on backends that cannot tell; others when it cannot be told.
    async fn compare(&self, plan: &Plan, _options: &DeployOptions) -> Result<Comparison, Failure> {
        let what = format!("cannot tell what a deploy of {} would change", plan.name);
        Err(self.unsupported(what, Capability::Comparison))
    }

    /// What differs between two revisions: `from`, else the newest one before the other that ran; `to`, else the last one.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is no such server or revision, [`crate::FailureKind::Usage`] on backends
    /// without a history.
    async fn compare_revisions(
        &self,
        name: &ServerName,
        _from: Option<Revision>,
        _to: Option<Revision>,
    ) -> Result<Comparison, Failure> {
        Err(self.unsupported(
            format!("cannot compare revisions of {name}"),
            Capability::History,
        ))
    }

    /// All servers that mcpt deployed here, by name.
    ///
    /// # Errors
    /// When the backend cannot be asked.
    async fn list(&self) -> Result<Vec<Server>, Failure>;

    /// Whether there is a server of that name.
    ///
    /// # Errors
    /// When the backend cannot be asked.
    async fn has(&self, name: &ServerName) -> Result<bool, Failure> {
        Ok(self.list().await?.iter().any(|server| server.name == *name))
    }

    /// One server with its replicas.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name.
    async fn status(&self, name: &ServerName) -> Result<Server, Failure>;

    /// Its log lines.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name.
    async fn logs(&self, name: &ServerName, options: &LogOptions) -> Result<Logs, Failure>;

    /// Ends the server gracefully and removes everything of it, and nothing else.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name.
    async fn delete(
        &self,
        name: &ServerName,
        options: &DeleteOptions,
        progress: &dyn Progress,
    ) -> Result<Deleted, Failure>;

    /// Changes how many instances run. A new revision, on backends with a history.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name, [`crate::FailureKind::Usage`] on backends that run
    /// one instance only, otherwise as [`Self::deploy`].
    async fn scale(
        &self,
        name: &ServerName,
        _scale: &Scale,
        _options: &ChangeOptions,
        _progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        Err(self.unsupported(format!("cannot scale {name}"), Capability::Instances))
    }

    /// Starts all of its instances anew, as they are configured: new ones beside the old ones where that can be, so that there
    /// is no moment without one. No new revision, on backends with a history.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name, otherwise as [`Self::deploy`]; the old ones go on then.
    async fn restart(
        &self,
        name: &ServerName,
        _options: &ChangeOptions,
        _progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        Err(self.unsupported(format!("cannot restart {name}"), Capability::Restart))
    }

    /// Its revisions, the oldest first.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name, [`crate::FailureKind::Usage`] on backends without a history.
    async fn history(&self, name: &ServerName) -> Result<Vec<RevisionEntry>, Failure> {
        Err(self.unsupported(
            format!("cannot show the history of {name}"),
            Capability::History,
        ))
    }

    /// The values of its chart and who said each, by their paths.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name, [`crate::FailureKind::Usage`] on backends without charts.
    async fn values(&self, name: &ServerName) -> Result<Vec<ServerValue>, Failure> {
        Err(self.unsupported(
            format!("cannot show the values of {name}"),
            Capability::Chart,
        ))
    }

    /// Makes an earlier revision run again, all of it together: image, configuration, secrets, number of instances. That is a
    /// new revision. `None` means the newest one before the current one that ran.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is no such server or revision, [`crate::FailureKind::Usage`] on backends
    /// without a history, otherwise as [`Self::deploy`].
    async fn rollback(
        &self,
        name: &ServerName,
        _to: Option<Revision>,
        _options: &ChangeOptions,
        _progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        Err(self.unsupported(format!("cannot roll {name} back"), Capability::History))
    }

    /// What the platform tells about the server's objects, those of now and, with `follow`, those to come.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name, [`crate::FailureKind::Usage`] on backends without events.
    async fn events(&self, name: &ServerName, _follow: bool) -> Result<EventStream, Failure> {
        Err(self.unsupported(
            format!("cannot show the events of {name}"),
            Capability::Events,
        ))
    }

    /// What the instances of a server use now, or with `None` those of all servers, by server and instance.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name, [`crate::FailureKind::Usage`] on backends that measure nothing.
    async fn usage(&self, _name: Option<&ServerName>) -> Result<Vec<InstanceUsage>, Failure> {
        Err(self.unsupported("cannot tell what servers use".to_owned(), Capability::Usage))
    }

    /// Removes what commands that died left behind, and nothing else.
    ///
    /// # Errors
    /// When the backend cannot be asked or refuses.
    async fn gc(
        &self,
        options: &GcOptions,
        progress: &dyn Progress,
    ) -> Result<Vec<Garbage>, Failure>;

    /// The refusal of something that this backend cannot do.
    fn unsupported(&self, what: String, lacking: Capability) -> Failure {
        Failure::new(FailureKind::Usage, what).because(format!(
            "the {} backend {}",
            self.name(),
            lacking.lacking()
        ))
    }

    /// The server as it was deployed, with its secrets, so that it can be deployed elsewhere.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name; when that was not written down, or its secrets cannot be
    /// had now; [`crate::FailureKind::Usage`] on backends that write down nothing.
    async fn recall(&self, name: &ServerName) -> Result<Recalled, Failure> {
        let what = format!("cannot tell what was deployed as {name}");
        Err(self.unsupported(what, Capability::Recall))
    }

    /// Runs a command in the container of one of its instances.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is no such server or instance, [`crate::FailureKind::Usage`] on backends
    /// without containers.
    async fn exec(&self, name: &ServerName, _exec: Exec) -> Result<ExecStream, Failure> {
        Err(self.unsupported(
            format!("cannot run a command beside {name}"),
            Capability::Exec,
        ))
    }

    /// Opens a way to its MCP endpoint.
    ///
    /// # Errors
    /// [`crate::FailureKind::Unreachable`] when no instance can be reached.
    async fn connect(&self, name: &ServerName) -> Result<Connection, Failure>;

    /// Opens the same way by this port of the loopback, which stays over restarts and updates of the server; 0 is a free one.
    ///
    /// # Errors
    /// As [`Self::connect`]; when the port is taken; [`crate::FailureKind::Usage`] on backends whose servers have addresses of this machine.
    async fn forward(&self, name: &ServerName, _port: u16) -> Result<Connection, Failure> {
        Err(self.unsupported(
            format!("cannot forward a port to {name}"),
            Capability::Forwarding,
        ))
    }
}
