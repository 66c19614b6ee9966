//! The gateway of this machine: `mcpt gateway run`, kept running by a supervisor as a server is, but outside of the list of servers
//! that it serves. There is one for each backend whose servers one can want at one address.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use mcpt_core::{
    Backend as _, BackendName, DeleteOptions, DeployOptions, Failure, FailureKind, Plan,
    PlatformOptions, Progress, Server, ServerName, ServerState, TemplateId, Transport,
};
use mcpt_workload::{Endpoint, own_files};

use crate::{
    Processes, command,
    configuration::{manifest, server_spec},
    deploy::{self, state_failure},
    folder::{RunFolder, StateFolder},
    lock, marked,
    state::RunState,
    wire::ServerSpec,
};

/// What it is called, in lists and in its folder.
const NAME: &str = "mcpt-gateway";
/// Longest time for it to say whether it is ready.
const ANSWER: Duration = Duration::from_secs(3);
/// Bytes of chance in a session key.
const KEY: usize = 32;
/// Variables of the user that say where the servers of a backend are.
const WHERE_SERVERS_ARE: [&str; 6] = [
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "CONTAINER_HOST",
];

/// The gateway of this machine for the servers of one backend.
#[derive(Debug)]
pub struct LocalGateway {
    servers: StateFolder,
    backend: BackendName,
    processes: Processes,
    name: ServerName,
}

/// How it is to run.
#[derive(Debug, Clone, Default)]
pub struct LocalGatewayOptions {
    /// The port that clients use. Without one the present one stays, and a first gateway gets the usual one if that is free.
    pub port: Option<u16>,
    /// The words after `mcpt` that make it serve: the port they are told by `PORT`, their session keys are in
    /// [`LocalGateway::keys_file`], and files in them are named by absolute paths.
    pub arguments: Vec<String>,
}

impl LocalGateway {
    /// The port of a first gateway, if it is free.
    const USUAL_PORT: u16 = 8080;

    /// That of a backend, whether it is there or not.
    ///
    /// # Errors
    /// When there is no state folder.
    pub fn of(backend: &BackendName) -> Result<Self, Failure> {
        let servers = Processes::new()?.state().clone();
        let folder = servers.path().join("gateways").join(backend.as_str());
        let processes = Processes::in_folder(StateFolder::new(folder));
        let name = ServerName::new(NAME).map_err(|error| {
            Failure::new(FailureKind::Usage, "the gateway's name cannot be used").caused_by(&error)
        })?;
        Ok(Self {
            servers,
            backend: backend.clone(),
            processes,
            name,
        })
    }

    /// Starts it, or replaces it without a gap when it is to run in another way; returns when it knows the servers that are there.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] for a port that somebody else has; else why it does not run, with the last lines of its log.
    pub async fn install(
        &self,
        wanted: &LocalGatewayOptions,
        options: &DeployOptions,
        progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        let what = "cannot install the gateway";
        let here = self.processes.find(&self.name)?.map(|(run, _)| run);
        let before = here.as_ref().and_then(|run| RunState::read(run).ok()?);
        let taken = |port: u16| before.as_ref().is_none_or(|old| old.port != port);
        if let Some(port) = wanted.port
            && taken(port)
            && !mcpt_workload::is_free(port)
        {
            return Err(Failure::new(FailureKind::Usage, what)
                .because(format!("another program has port {port}"))
                .hint("choose another port, or none to get a free one"));
        }
        let folder = self.processes.state().server(&self.name);
        let failed = |error: io::Error| state_failure(what, &folder, &error);
        self.make_session_keys().map_err(failed)?;
        let plan = self.plan(&wanted.arguments)?;
        let server = spec(&plan)?;
        let first = before.is_none().then_some(Self::USUAL_PORT);
        // One that fails is of no use to anybody, and its log is in the failure.
        let options = DeployOptions {
            atomic: true,
            platform: PlatformOptions::none(),
            ..options.clone()
        };
        let state = self.processes.state();
        let port = wanted.port.or(first);
        let deployed = deploy::deploy(state, &plan, server, port, &options, progress);
        let run = deployed.await.map_err(|mut failure| {
            what.clone_into(&mut failure.what);
            failure
        })?;
        let read = RunState::read(&run).map_err(failed)?;
        read.map(|state| described(state.server(&run)))
            .ok_or_else(|| self.missing())
    }

    /// What an installation would start, and nothing else.
    ///
    /// # Errors
    /// As for its name.
    pub fn manifest(&self, wanted: &LocalGatewayOptions) -> Result<String, Failure> {
        let plan = self.plan(&wanted.arguments)?;
        let server = spec(&plan)?;
        Ok(manifest(&plan, &server))
    }

    /// As it is now; `None` when it was never installed.
    ///
    /// # Errors
    /// When the state folder cannot be read.
    pub async fn status(&self) -> Result<Option<Server>, Failure> {
        let Some((_, mut server)) = self.processes.find(&self.name)? else {
            return Ok(None);
        };
        if let (ServerState::Running, Some(base)) = (server.state, self.pages()?) {
            let asked = mcpt_client::http_get(&format!("{base}/readyz"), ANSWER).await;
            if let Err(error) = asked {
                server.state = ServerState::Failed;
                server.ready = 0;
                server.reason = Some(format!("it runs, but is not ready: {error}"));
            }
        }
        Ok(Some(described(server)))
    }

    /// The address of its own pages, `http://IP:PORT`; `None` while it does not run.
    ///
    /// # Errors
    /// When the state folder cannot be read.
    pub fn pages(&self) -> Result<Option<String>, Failure> {
        let Some((run, _)) = self.processes.find(&self.name)? else {
            return Ok(None);
        };
        if !lock::is_alive(&run) {
            return Ok(None);
        }
        match own_files::read(&run.pages_file()) {
            Ok(text) => Ok(Some(String::from_utf8_lossy(&text).trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(state_failure(
                "cannot ask the gateway",
                &run.server(),
                &error,
            )),
        }
    }

    /// Ends it and removes what it has left; its session keys too, so no session goes on.
    ///
    /// # Errors
    /// [`FailureKind::NotFound`] when there is none, and when it cannot be ended.
    pub async fn uninstall(
        &self,
        options: &DeleteOptions,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        if self.processes.find(&self.name)?.is_none() {
            return Err(self.missing());
        }
        self.processes.delete(&self.name, options, progress).await?;
        if options.wait.is_none() {
            // It may still use them; the next one makes none if they are there.
            return Ok(());
        }
        let keys = self.keys_file();
        match fs::remove_file(&keys) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let what = "cannot remove the gateway's session keys";
                Err(Failure::new(FailureKind::Failed, what)
                    .because(format!("{}: {error}", keys.display())))
            }
            _ => {
                // From the inside out, as far as nothing else is in them.
                let own = self.processes.state().path();
                let folders = [
                    Some(own.join("servers")),
                    Some(own.to_owned()),
                    own.parent().map(Path::to_owned),
                ];
                for folder in folders.iter().flatten() {
                    drop(fs::remove_dir(folder));
                }
                Ok(())
            }
        }
    }

    /// That there is none.
    pub fn missing(&self) -> Failure {
        let backend = &self.backend;
        Failure::new(
            FailureKind::NotFound,
            format!("there is no gateway for the {backend} backend on this machine"),
        )
        .hint("mcpt gateway install makes one; mcpt gateway run serves until it is interrupted")
    }

    fn plan(&self, arguments: &[String]) -> Result<Plan, Failure> {
        let template = TemplateId::new(NAME).map_err(|error| {
            Failure::new(FailureKind::Usage, "the gateway's name cannot be used").caused_by(&error)
        })?;
        let mut command = vec![command::SELF.to_owned()];
        command.extend(arguments.iter().cloned());
        let set = |name: &str| Some((name.to_owned(), env::var(name).ok()?));
        let mut environment: BTreeMap<_, _> =
            WHERE_SERVERS_ARE.into_iter().filter_map(set).collect();
        let state = self.servers.path().display().to_string();
        environment.insert("MCPT_STATE_DIR".to_owned(), state);
        Ok(Plan {
            local_command: command,
            env: environment,
            ..Plan::bare(self.name.clone(), template, Transport::Stdio)
        })
    }

    /// Where its session keys are; made by [`Self::install`].
    #[must_use]
    pub fn keys_file(&self) -> PathBuf {
        self.processes.state().path().join("session-keys")
    }

    /// Makes the file of its session keys if it is not there: a gateway that is replaced or started again goes on with the
    /// sessions.
    fn make_session_keys(&self) -> io::Result<()> {
        let file = self.keys_file();
        own_files::create_folder(self.processes.state().path())?;
        match own_files::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = [0; KEY];
                getrandom::fill(&mut bytes).map_err(io::Error::other)?;
                let mut text = String::new();
                for byte in bytes {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{byte:02x}");
                }
                text.push('\n');
                own_files::replace(&file, text.as_bytes())
            }
            read => read.map(drop),
        }
    }
}

/// The plan has no word for a gateway.
fn spec(plan: &Plan) -> Result<ServerSpec, Failure> {
    Ok(ServerSpec {
        endpoint: Endpoint::Gateway,
        ..server_spec(plan, None)?
    })
}

/// It has no template.
fn described(server: Server) -> Server {
    Server {
        template: None,
        ..server
    }
}

/// Where the own pages are of the gateway whose place one takes that a supervisor runs: `IP:PORT`. `None` when there is none that
/// lives, and for one that somebody runs by hand.
///
/// # Errors
/// When the state folder cannot be read.
pub fn pages_of_gateway_before() -> io::Result<Option<SocketAddr>> {
    let Some(run) = own_run() else {
        return Ok(None);
    };
    let before = run.server().current()?;
    let before = before.filter(|before| before.path() != run.path() && lock::is_alive(before));
    let Some(before) = before else {
        return Ok(None);
    };
    match own_files::read(&before.pages_file()) {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            let address = text.trim().strip_prefix("http://");
            Ok(address.and_then(|address| address.parse().ok()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The run of a gateway that this process is, if it is one.
fn own_run() -> Option<RunFolder> {
    let run = RunFolder::at(env::var_os(marked::MARK.0).map(PathBuf::from)?)?;
    run.server().path().ends_with(NAME).then_some(run)
}

/// Notes where the own pages of a gateway are that a supervisor runs, for the commands that ask it. Does nothing for one that
/// somebody runs by hand.
///
/// # Errors
/// When the note cannot be written.
pub fn note_gateway_pages(address: SocketAddr) -> io::Result<()> {
    match own_run() {
        Some(run) => {
            own_files::replace(&run.pages_file(), format!("http://{address}\n").as_bytes())
        }
        None => Ok(()),
    }
}
