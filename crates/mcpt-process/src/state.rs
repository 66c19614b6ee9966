//! The state file of a run: what its supervisor last knew, and how it reads as a [`Server`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use mcpt_core::{Replica, Server, ServerName, ServerState, Sessions, TemplateId};
use mcpt_workload::own_files;
use serde::{Deserialize, Serialize};

use crate::{driver, folder::RunFolder, lock, supervisor::NotRenewed, wire::InstalledPackage};

/// What a supervisor writes down. No secret is in it: of secret variables it has the names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunState {
    pub(crate) name: ServerName,
    pub(crate) template: TemplateId,
    pub(crate) template_version: String,
    /// The package that it runs from, if it is one; there is no template then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) package: Option<InstalledPackage>,
    /// Names of unpacked bundles that it runs from, which are kept as long as a run names them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) bundles: BTreeSet<String>,
    /// `stdio` or `http`.
    pub(crate) transport: String,
    /// Command line of the server.
    pub(crate) source: String,
    /// Environment, secret values redacted.
    pub(crate) env: BTreeMap<String, String>,
    /// Digest of the whole configuration, secrets included, with a salt of its own.
    pub(crate) digest: String,
    /// Digest of the secrets alone; versions before had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secrets_digest: Option<String>,
    /// RFC 3339 in UTC.
    pub(crate) deployed: String,
    /// Process id of the supervisor.
    pub(crate) supervisor: u32,
    /// Port of [`RunState::url`].
    pub(crate) port: u16,
    pub(crate) url: String,
    /// Port of the server itself, behind that one, since its last start.
    #[serde(default)]
    pub(crate) server_port: Option<u16>,
    /// Whether a session must stay with it, as its template says.
    #[serde(default = "stateful")]
    pub(crate) sessions: Sessions,
    pub(crate) phase: Phase,
    /// Why the phase is what it is, when it is not ready.
    pub(crate) reason: Option<String>,
    /// Process id of the server while it runs.
    pub(crate) process: Option<u32>,
    /// When the server last started, RFC 3339 in UTC.
    pub(crate) started: Option<String>,
    pub(crate) restarts: u32,
    /// Whether it has ever answered an MCP request.
    #[serde(default)]
    pub(crate) served: bool,
    /// What became of orders to start it anew; `None` of supervisors of versions that would end by such an order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) renewals: Option<Renewals>,
}

/// Orders to start a server anew that its supervisor had. After one that succeeded there is another supervisor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Renewals {
    /// How many there were.
    pub(crate) orders: u32,
    /// Why the last one failed, once it has.
    pub(crate) failed: Option<NotRenewed>,
}

/// What versions that did not write it down took every server for.
fn stateful() -> Sessions {
    Sessions::Stateful
}

/// Where the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// It runs but has not answered yet.
    Starting,
    /// It has answered an MCP request since its last start.
    Ready,
    /// It runs and answers, but not as an MCP server does.
    Refusing,
    /// It ended and is started again after a pause.
    Restarting,
    /// It was ended for the time of an update that cannot be tried beside it.
    StandingAside,
    /// It was ended on order.
    Stopped,
}

impl RunState {
    /// Reads the state of a run; `None` when its supervisor has not written one yet.
    pub(crate) fn read(run: &RunFolder) -> io::Result<Option<Self>> {
        let text = match own_files::read(&run.state_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Writes it in one step.
    pub(crate) fn write(&self, run: &RunFolder) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        own_files::replace(&run.state_file(), &text)
    }

    /// Whether a failed update must leave it: it answers, or did and is about to again.
    pub(crate) fn serves(&self) -> bool {
        match self.phase {
            Phase::Ready => true,
            Phase::Starting | Phase::StandingAside => self.served,
            Phase::Refusing | Phase::Restarting | Phase::Stopped => false,
        }
    }

    /// Whether there is a template: a package can be deployed without one.
    fn is_of_template(&self) -> bool {
        self.package.is_none() || !self.template_version.is_empty()
    }

    /// What the server calls itself: it knows nothing of the port that clients use.
    pub(crate) fn host(&self) -> Option<String> {
        let port = self.server_port?;
        Some(format!("localhost:{port}"))
    }

    /// The server as users see it. Whether the supervisor lives is asked of the system, not of the file.
    pub(crate) fn server(&self, run: &RunFolder) -> Server {
        let alive = lock::is_alive(run);
        let (state, platform_state) = match (alive, self.phase) {
            (true, Phase::Ready) => (ServerState::Running, "Running"),
            (true, Phase::Starting) => (ServerState::Pending, "Starting"),
            (true, Phase::StandingAside) => (ServerState::Pending, "StandingAside"),
            (true, Phase::Refusing) => (ServerState::Failed, "NotReady"),
            (true, Phase::Restarting) => (ServerState::Failed, "CrashLoop"),
            (_, Phase::Stopped) => (ServerState::Stopped, "Stopped"),
            (false, _) => (ServerState::Stopped, "Gone"),
        };
        let reason = match state {
            ServerState::Running => None,
            ServerState::Stopped if self.phase == Phase::Stopped => {
                Some("it was stopped".to_owned())
            }
            ServerState::Stopped => {
                Some("its supervisor is gone: killed, or the machine was restarted".to_owned())
            }
            _ => self.reason.clone(),
        };
        let ready = state == ServerState::Running;
        Server {
            name: self.name.clone(),
            backend: driver::NAME.clone(),
            namespace: None,
            template: self.is_of_template().then(|| self.template.to_string()),
            transport: self.transport.clone(),
            state,
            reason,
            desired: 1,
            ready: u32::from(ready),
            url: Some(self.url.clone()),
            revision: None,
            source: self.source.clone(),
            updated: self.deployed.clone(),
            log: Some(run.log_file().display().to_string()),
            autoscaling: None,
            replicas: vec![Replica {
                name: self
                    .process
                    .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                node: None,
                ready,
                state: platform_state.to_owned(),
                restarts: self.restarts,
                usage: None,
                started: self.started.clone(),
            }],
            env: self.env.clone(),
            events: Vec::new(),
        }
    }
}

/// A server of which only the name is known, since what is in its folder, or in that of its run, cannot be read.
pub(crate) fn unreadable(
    name: &ServerName,
    folder: &Path,
    run: Option<&RunFolder>,
    reason: String,
) -> Server {
    let updated = fs::metadata(folder)
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|time| jiff::Timestamp::try_from(time).ok());
    Server {
        name: name.clone(),
        backend: driver::NAME.clone(),
        namespace: None,
        template: None,
        transport: String::new(),
        state: ServerState::Failed,
        reason: Some(reason),
        desired: 1,
        ready: 0,
        url: None,
        revision: None,
        source: String::new(),
        updated: updated.map_or_else(String::new, to_the_second),
        log: run.map(|run| run.log_file().display().to_string()),
        autoscaling: None,
        replicas: Vec::new(),
        env: BTreeMap::new(),
        events: Vec::new(),
    }
}

/// Now, RFC 3339 in UTC, to the second.
pub(crate) fn now() -> String {
    to_the_second(jiff::Timestamp::now())
}

/// RFC 3339 in UTC.
pub(crate) fn to_the_second(time: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        folder::StateFolder,
        lock::{AliveLock, wait_for_death},
    };

    fn state(phase: Phase) -> RunState {
        RunState {
            sessions: Sessions::Stateful,
            name: ServerName::new("demo").unwrap(),
            template: TemplateId::new("demo").unwrap(),
            template_version: "1.0.0".to_owned(),
            package: None,
            bundles: BTreeSet::new(),
            transport: "http".to_owned(),
            source: "mcpt demo".to_owned(),
            env: BTreeMap::new(),
            digest: String::new(),
            secrets_digest: None,
            deployed: now(),
            supervisor: 1,
            port: 1,
            url: "http://127.0.0.1:1/mcp".to_owned(),
            server_port: None,
            phase,
            reason: Some("why".to_owned()),
            process: Some(2),
            started: None,
            restarts: 0,
            served: false,
            renewals: None,
        }
    }

    #[test]
    fn a_server_that_has_answered_is_kept_while_it_starts_again() {
        for (phase, fresh, served) in [
            (Phase::Starting, false, true),
            (Phase::Ready, true, true),
            (Phase::Refusing, false, false),
            (Phase::Restarting, false, false),
            (Phase::StandingAside, false, true),
            (Phase::Stopped, false, false),
        ] {
            let mut state = state(phase);
            assert_eq!(state.serves(), fresh, "{phase:?}");
            state.served = true;
            assert_eq!(state.serves(), served, "{phase:?}");
        }
    }

    #[test]
    fn only_a_held_lock_makes_it_live() {
        let root = tempfile::tempdir().unwrap();
        let folder =
            StateFolder::new(root.path().to_owned()).server(&ServerName::new("demo").unwrap());
        folder.create().unwrap();
        let run = folder.create_run().unwrap();
        for (phase, alive, dead) in [
            (Phase::Starting, ServerState::Pending, ServerState::Stopped),
            (Phase::Ready, ServerState::Running, ServerState::Stopped),
            (
                Phase::StandingAside,
                ServerState::Pending,
                ServerState::Stopped,
            ),
            (Phase::Refusing, ServerState::Failed, ServerState::Stopped),
            (Phase::Restarting, ServerState::Failed, ServerState::Stopped),
            (Phase::Stopped, ServerState::Stopped, ServerState::Stopped),
        ] {
            let written = state(phase);
            written.write(&run).unwrap();
            let read = RunState::read(&run).unwrap().unwrap();
            assert_eq!(read, written);
            assert_eq!(read.server(&run).state, dead, "{phase:?}");
            let lock = AliveLock::take(&run).unwrap();
            let server = read.server(&run);
            drop(lock);
            // What another test starts has a copy of the lock for a moment.
            lock::tests::awaited(wait_for_death(&run)).unwrap();
            assert_eq!(server.state, alive, "{phase:?}");
            assert_eq!(
                server.reason.is_none(),
                alive == ServerState::Running,
                "{phase:?}"
            );
        }
    }

    #[test]
    fn times_have_seconds() {
        assert_eq!(now().len(), "2026-01-01T00:00:00Z".len());
    }
}
