//! The server's process: started, waited for, ended with everything that it started.

use std::{
    ffi::OsString,
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use mcpt_core::{Sessions, before_server};
use mcpt_workload::{Endpoint, LogFile, free_port, is_free};
use process_tree::ExitWords;

use crate::{
    command::{self, SELF},
    folder::RunFolder,
    marked,
    wire::Spec,
};

/// How long the server may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);
/// How long to wait for the last output after the end; only something outside of our reach can hold it open.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pid: u32,
    port: u16,
    run: PathBuf,
    log: Arc<Mutex<LogFile>>,
    output: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts it on a port of its own.
    pub(crate) fn start(spec: &Spec, run: &RunFolder) -> io::Result<Self> {
        let start_timeout = spec.start_timeout;
        let spec = &spec.server;
        let port = match &spec.endpoint {
            Endpoint::Http {
                port,
                port_env: None,
                ..
            } => {
                if !is_free(*port) {
                    return Err(io::Error::new(
                        io::ErrorKind::AddrInUse,
                        format!(
                            "port {port} is taken by another program, and the server listens on no other"
                        ),
                    ));
                }
                *port
            }
            _ => free_port()?,
        };
        let own = command::own_binary()?;
        let mut words: Vec<OsString> = Vec::new();
        // What the server's own environment says counts more.
        let mut settings = Vec::new();
        if spec.endpoint == Endpoint::Stdio {
            words.push(own.clone().into());
            let listen = format!("127.0.0.1:{port}");
            words.extend(before_server::bridge(&listen).map(OsString::from));
            settings.push(("MCPT_BRIDGE_START_TIMEOUT", format!("{start_timeout}s")));
            if spec.sessions == Sessions::Single {
                settings.push(("MCPT_BRIDGE_MAX_SESSIONS", "1".to_owned()));
            }
        }
        if spec.refers {
            words.push(own.clone().into());
            words.extend(before_server::FILL.map(OsString::from));
        }
        let program = spec.command.first().map(String::as_str);
        words.push(match program.unwrap_or_default() {
            SELF => own.clone().into(),
            other => other.into(),
        });
        words.extend(spec.command.iter().skip(1).map(OsString::from));

        let (reader, writer) = io::pipe()?;
        // Through `mcpt supervise -- …`, which arranges for the server's end should this supervisor be killed, and then
        // becomes the server.
        let mut command = Command::new(&own);
        command
            .args([
                "supervise",
                "--parent",
                &std::process::id().to_string(),
                "--",
            ])
            .args(words)
            .envs(settings)
            .envs(spec.search_path().map(|path| ("PATH", path)))
            .envs(&spec.env)
            .envs(&spec.secrets)
            .env(marked::MARK.0, run.path())
            .current_dir(run.server().work())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        if let Some(variable) = spec.endpoint.port_variable() {
            command.env(variable, port.to_string());
        }

        let mut log = LogFile::begin(&run.log_file(), &run.previous_log_file())?;
        log.note(&format!("starting {}", spec.shown()))?;
        let log = Arc::new(Mutex::new(log));
        let child = command.spawn()?;
        let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        Ok(Self {
            pid: child.id().unwrap_or_default(),
            child,
            port,
            run: run.path().to_owned(),
            output: Some(tokio::spawn(keep_output(reader, Arc::clone(&log)))),
            log,
        })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits for its end, and gives it in words. Can be dropped and asked again.
    pub(crate) async fn ended(&mut self) -> String {
        let how = match self.child.wait().await {
            Ok(status) => describe(status),
            Err(error) => format!("was lost: {error}"),
        };
        self.sweep().await;
        how
    }

    /// Ends it: SIGTERM to its group, and after the grace SIGKILL to all that is left.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        if timeout(GRACE, self.child.wait()).await.is_err() {
            self.note("it did not end in time: killed");
        }
        self.sweep().await;
    }

    /// Adds a line of the supervisor's own to its log.
    pub(crate) fn note(&self, text: &str) {
        // A full disk must not end the server.
        drop(
            self.log
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .note(text),
        );
    }

    /// Ends what the server left behind, and takes in its last words.
    async fn sweep(&mut self) {
        self.signal(Signal::SIGKILL);
        marked::kill_all(&self.run);
        // Reaps it if it was killed just now.
        drop(self.child.wait().await);
        if let Some(output) = self.output.take() {
            drop(timeout(LAST_OUTPUT, output).await);
        }
    }

    fn signal(&self, signal: Signal) {
        if self.pid > 0 {
            // The group may be gone already.
            let _ = killpg(Pid::from_raw(self.pid.cast_signed()), signal);
        }
    }
}

/// Writes a server's output to its log. A full disk loses output but does not stop the server.
async fn keep_output(mut reader: pipe::Receiver, log: Arc<Mutex<LogFile>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        drop(log.write(buffer.get(..length).unwrap_or_default()));
    }
}

fn describe(status: ExitStatus) -> String {
    let serves = if status.success() {
        ": it ends instead of serving"
    } else {
        ""
    };
    format!("ended with {}{serves}", ExitWords(status))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn ends_in_words() {
        for (raw, expected) in [
            (0, "ended with exit code 0: it ends instead of serving"),
            (3 << 8, "ended with exit code 3"),
            (9, "ended with signal 9 (SIGKILL)"),
        ] {
            assert_eq!(describe(ExitStatus::from_raw(raw)), expected);
        }
    }
}
