//! The process in whose memory the servers are. It begins with the first deployment and ends with the last server.

use std::{
    collections::BTreeMap,
    io, iter,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use mcpt_core::before_server;
use mcpt_workload::{Endpoint, News, Readiness, free_port};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    net::UnixListener,
    process::{Child, Command},
    time::timeout,
};

use crate::wire::{self, Answer, Request, Running, Wanted};

/// The first argument of a host; the second is its socket.
pub(crate) const COMMAND: &str = "memory-host";

type Log = Arc<Mutex<Vec<String>>>;

struct Server {
    known: Running,
    child: Child,
    log: Log,
}

/// Serves requests until the last server is deleted. Says a line once it can be asked.
pub(crate) fn run(socket: &Path) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(socket))
}

async fn serve(socket: &Path) -> io::Result<()> {
    drop(std::fs::remove_file(socket));
    let listener = UnixListener::bind(socket)?;
    io::Write::write_all(&mut io::stdout(), b"ready\n")?;
    let mut servers = BTreeMap::new();
    loop {
        let (mut stream, _) = listener.accept().await?;
        let Ok(request) = wire::read(&mut stream).await else {
            continue;
        };
        let answer = answer(&mut servers, request).await;
        if servers.is_empty() {
            // Before it answers: whoever has the answer finds no host.
            std::fs::remove_file(socket)?;
        }
        // A command that is gone needs no answer.
        drop(wire::write(&mut stream, &answer).await);
        if servers.is_empty() {
            return Ok(());
        }
    }
}

async fn answer(servers: &mut BTreeMap<String, Server>, request: Request) -> Answer {
    match request {
        Request::List => Answer::Servers(servers.values().map(|s| s.known.clone()).collect()),
        Request::Log(name) => servers
            .get(&name)
            .map_or(Answer::NotFound, |server| Answer::Lines(lines(&server.log))),
        Request::Delete(name) => match servers.remove(&name) {
            Some(server) => {
                end(server).await;
                Answer::Deleted
            }
            None => Answer::NotFound,
        },
        Request::Deploy(wanted) => {
            let log = Log::default();
            match start(&wanted, &log).await {
                Ok(server) => {
                    let known = server.known.clone();
                    if let Some(old) = servers.insert(wanted.name, server) {
                        end(old).await;
                    }
                    Answer::Servers(vec![known])
                }
                Err(why) => Answer::Failed {
                    why: why.to_string(),
                    log: lines(&log),
                },
            }
        }
    }
}

/// Starts a server beside the one that it replaces, and gives it once it answers.
async fn start(wanted: &Wanted, log: &Log) -> io::Result<Server> {
    let own = std::env::current_exe()?;
    let port = match &wanted.endpoint {
        Endpoint::Http {
            port,
            port_env: None,
            ..
        } => *port,
        _ => free_port()?,
    };
    let mut words = wanted.command.clone();
    if wanted.endpoint == Endpoint::Stdio {
        let listen = format!("127.0.0.1:{port}");
        let bridge = iter::once("mcpt").chain(before_server::bridge(&listen));
        words.splice(0..0, bridge.map(str::to_owned));
    }
    let mut words = words.iter().map(|word| match word.as_str() {
        "mcpt" => own.as_os_str(),
        other => other.as_ref(),
    });
    let mut command = Command::new(words.next().unwrap_or_default());
    command
        .args(words)
        .envs(&wanted.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Endpoint::Http {
        port_env: Some(variable),
        ..
    } = &wanted.endpoint
    {
        command.env(variable, port.to_string());
    }
    let mut child = command.spawn()?;
    keep(child.stdout.take(), log);
    keep(child.stderr.take(), log);
    let mut readiness = Readiness::new(wanted.endpoint.clone(), port);
    let ready = async {
        loop {
            tokio::select! {
                ended = child.wait() => return Err(io::Error::other(format!("it ended: {}", ended?))),
                news = readiness.next() => match news {
                    News::Ready => return Ok(()),
                    News::Waiting(_) => {}
                    News::Refusing(why) => return Err(io::Error::other(why)),
                },
            }
        }
    };
    timeout(wanted.timeout, ready).await??;
    let address = readiness.address().ok_or(io::ErrorKind::NotConnected)?;
    Ok(Server {
        known: Running {
            name: wanted.name.clone(),
            template: wanted.template.clone(),
            command: wanted.command.clone(),
            transport: wanted.endpoint.transport().to_owned(),
            url: wanted.endpoint.url(address),
            process: child.id().unwrap_or_default(),
        },
        child,
        log: Arc::clone(log),
    })
}

/// Ends a server and what it started.
async fn end(mut server: Server) {
    let group = Pid::from_raw(server.known.process.cast_signed());
    // It may have ended by itself.
    let _ = killpg(group, Signal::SIGTERM);
    drop(server.child.wait().await);
    let _ = killpg(group, Signal::SIGKILL);
}

fn keep(output: Option<impl AsyncRead + Unpin + Send + 'static>, log: &Log) {
    let Some(output) = output else { return };
    let log = Arc::clone(log);
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    });
}

fn lines(log: &Log) -> Vec<String> {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
