//! What commands see of it.

use std::{io, path::PathBuf, process::Stdio};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use mcpt_core::{
    Arg, Backend, BackendName, Capabilities, CommandOption, Connection, DeleteOptions, Deleted,
    DeployOptions, Deployed, Failure, FailureKind, Garbage, GcOptions, LogLine, LogOptions, Logs,
    Plan, Progress, Replica, Server, ServerName, ServerState, Transport, command_line,
};
use mcpt_workload::Endpoint;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use crate::{
    driver::{CAPABILITIES, NAME},
    host,
    wire::{self, Answer, Request, Running, Wanted},
};

pub(crate) struct Memory {
    pub(crate) folder: PathBuf,
}

impl Memory {
    async fn ask(&self, what: &str, request: &Request) -> Result<Answer, Failure> {
        let socket = self.folder.join("memory.sock");
        let failed = |error: io::Error| Failure::new(FailureKind::Failed, what).caused_by(&error);
        if let Some(answer) = wire::ask(&socket, request).await.map_err(failed)? {
            return Ok(answer);
        }
        if !matches!(request, Request::Deploy(_)) {
            return Ok(match request {
                Request::List => Answer::Servers(Vec::new()),
                _ => Answer::NotFound,
            });
        }
        self.start_host().await.map_err(failed)?;
        let answer = wire::ask(&socket, request).await.map_err(failed)?;
        answer.ok_or_else(|| failed(io::ErrorKind::NotConnected.into()))
    }

    async fn start_host(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut host = Command::new(std::env::current_exe()?)
            .arg(host::COMMAND)
            .arg(self.folder.join("memory.sock"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let output = host.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut lines = BufReader::new(output).lines();
        lines.next_line().await?.map_or_else(
            || Err(io::Error::other("the host did not start")),
            |_| Ok(()),
        )
    }

    async fn servers(&self, what: &str) -> Result<Vec<Server>, Failure> {
        match self.ask(what, &Request::List).await? {
            Answer::Servers(servers) => servers.into_iter().map(server).collect(),
            _ => Err(unexpected(what)),
        }
    }
}

fn unexpected(what: &str) -> Failure {
    Failure::new(FailureKind::Failed, what).because("the host answered something else")
}

fn not_found(name: &ServerName) -> Failure {
    Failure::new(FailureKind::NotFound, format!("there is no server {name}"))
}

/// A server of the host: it answers, or the host would not have it.
fn server(running: Running) -> Result<Server, Failure> {
    let name = ServerName::new(running.name)
        .map_err(|error| Failure::new(FailureKind::Failed, "no name").caused_by(&error))?;
    Ok(Server {
        name,
        backend: NAME.clone(),
        namespace: None,
        template: Some(running.template),
        transport: running.transport,
        state: ServerState::Running,
        reason: None,
        desired: 1,
        ready: 1,
        url: Some(running.url),
        revision: None,
        source: running.command.join(" "),
        updated: "2026-01-01T00:00:00Z".to_owned(),
        log: None,
        autoscaling: None,
        replicas: vec![Replica {
            name: running.process.to_string(),
            node: None,
            ready: true,
            state: "Running".to_owned(),
            restarts: 0,
            usage: None,
            started: None,
        }],
        env: std::collections::BTreeMap::new(),
        events: Vec::new(),
    })
}

fn wanted(plan: &Plan, options: &DeployOptions) -> Wanted {
    let mut command = plan.local_command.clone();
    command.extend(plan.args.iter().map(|arg| match arg {
        Arg::Text(text) => text.clone(),
        // Such a plan is refused before.
        Arg::Secret(_) => arg.reference(|_| String::new()),
        Arg::Mount(index) => {
            let host = plan
                .mounts
                .get(*index)
                .and_then(|mount| mount.host.as_ref());
            host.map_or_else(String::new, |host| host.display().to_string())
        }
    }));
    let mut env = plan.env.clone();
    let secrets = plan.secrets.iter();
    env.extend(secrets.map(|(name, value)| (name.clone(), value.expose().to_owned())));
    Wanted {
        name: plan.name.to_string(),
        template: plan.template.to_string(),
        command,
        env,
        endpoint: match &plan.transport {
            Transport::Stdio => Endpoint::Stdio,
            Transport::Http {
                port,
                path,
                port_env,
            } => Endpoint::Http {
                port: *port,
                path: path.clone(),
                port_env: port_env.clone(),
            },
        },
        timeout: options.timeout,
    }
}

#[async_trait]
impl Backend for Memory {
    fn name(&self) -> BackendName {
        NAME.clone()
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn place(&self) -> String {
        "in memory".to_owned()
    }

    fn command(&self, words: &str) -> String {
        command_line(&[(CommandOption::Backend, NAME.as_str())], words)
    }

    async fn check(&self, plan: &Plan, options: &DeployOptions) -> Result<(), Failure> {
        let what = format!("cannot deploy {}", plan.name);
        if plan.has_secret_arguments() {
            return Err(Failure::new(FailureKind::Usage, what)
                .because("an argument holds a secret, and nothing here fills it in"));
        }
        options.platform.refuse(&what)
    }

    async fn deploy(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        _progress: &dyn Progress,
    ) -> Result<Deployed, Failure> {
        self.check(plan, options).await?;
        let what = format!("cannot deploy {}", plan.name);
        let request = Request::Deploy(wanted(plan, options));
        match self.ask(&what, &request).await? {
            Answer::Servers(servers) => Ok(Deployed {
                server: servers.into_iter().next().map(server).transpose()?,
                revision: None,
                manifest: None,
            }),
            Answer::Failed { why, log } => {
                let mut failure = Failure::new(FailureKind::Failed, what).because(why);
                failure.log_tail = log;
                Err(failure)
            }
            _ => Err(unexpected(&what)),
        }
    }

    async fn list(&self) -> Result<Vec<Server>, Failure> {
        self.servers("cannot list the servers").await
    }

    async fn status(&self, name: &ServerName) -> Result<Server, Failure> {
        let servers = self.servers(&format!("cannot look at {name}")).await?;
        let mut named = servers.into_iter().filter(|server| server.name == *name);
        named.next().ok_or_else(|| not_found(name))
    }

    async fn logs(&self, name: &ServerName, _options: &LogOptions) -> Result<Logs, Failure> {
        let what = format!("cannot read the log of {name}");
        let lines = match self.ask(&what, &Request::Log(name.to_string())).await? {
            Answer::Lines(lines) => lines,
            Answer::NotFound => return Err(not_found(name)),
            _ => return Err(unexpected(&what)),
        };
        let replica = name.to_string();
        let lines = lines.into_iter().map(move |text| {
            Ok(LogLine {
                replica: replica.clone(),
                text,
            })
        });
        Ok(Logs {
            several: false,
            lines: stream::iter(lines).boxed(),
        })
    }

    async fn delete(
        &self,
        name: &ServerName,
        _options: &DeleteOptions,
        _progress: &dyn Progress,
    ) -> Result<Deleted, Failure> {
        let what = format!("cannot delete {name}");
        match self.ask(&what, &Request::Delete(name.to_string())).await? {
            Answer::Deleted => Ok(Deleted::default()),
            Answer::NotFound => Err(not_found(name)),
            _ => Err(unexpected(&what)),
        }
    }

    async fn gc(
        &self,
        _options: &GcOptions,
        _progress: &dyn Progress,
    ) -> Result<Vec<Garbage>, Failure> {
        Ok(Vec::new())
    }

    async fn connect(&self, name: &ServerName) -> Result<Connection, Failure> {
        let url = self
            .status(name)
            .await?
            .url
            .ok_or_else(|| not_found(name))?;
        Ok(Connection {
            url,
            host: None,
            tunnel: None,
        })
    }
}
