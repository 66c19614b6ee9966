//! A new run on trial: the command's end of the pipes to a supervisor that has not committed yet.

use std::{collections::BTreeMap, io, process::Stdio, time::Duration};

use mcpt_core::{Failure, FailureKind, Progress, ProgressEvent};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    command,
    deploy::{END_OF_RUN, end_run},
    environment,
    folder::RunFolder,
    wire::{Event, Order, Spec},
};

/// Ends of the server before it has ever answered, after which waiting is given up.
const ENDS_BEFORE_GIVING_UP: u32 = 2;

/// How long a server may take to answer before anything is said about it.
const USUAL: Duration = Duration::from_secs(1);

/// A supervisor on trial. Dropping it lets the supervisor undo what it did.
pub(crate) struct Trial {
    supervisor: Child,
    orders: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    run: RunFolder,
    last_why: Option<String>,
}

impl Trial {
    /// Starts the supervisor and hands it the spec, through a pipe since it has secrets.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn begin(spec: &Spec, run: RunFolder) -> io::Result<Self> {
        // What is not Unicode is none of the variables that are handed on by their meaning.
        let unicode = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let environment: BTreeMap<_, _> = environment::inherited(unicode);
        let mut supervisor = Command::new(command::own_binary()?)
            .arg("supervise")
            .env_clear()
            .envs(environment)
            .current_dir(run.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(mut orders), Some(events)) = (supervisor.stdin.take(), supervisor.stdout.take())
        else {
            return Err(io::Error::other("the supervisor has no pipes"));
        };
        let mut line = serde_json::to_vec(spec).map_err(io::Error::other)?;
        line.push(b'\n');
        orders.write_all(&line).await?;
        Ok(Self {
            supervisor,
            orders,
            events: BufReader::new(events).lines(),
            run,
            last_why: None,
        })
    }

    /// The next event; the end of the supervisor is one.
    async fn event(&mut self) -> Event {
        match self.events.next_line().await.ok().flatten() {
            Some(line) => serde_json::from_str(&line).unwrap_or_else(|error| Event::Failed {
                why: format!("unknown event of the supervisor: {error}"),
            }),
            None => Event::Failed {
                why: "its supervisor ended".to_owned(),
            },
        }
    }

    /// What kept it from being ready, if anything was said.
    pub(crate) fn last_why(&self) -> Option<String> {
        self.last_why.clone()
    }

    /// Waits until the server's process runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn until_started(&mut self) -> Result<(), Failure> {
        loop {
            match self.event().await {
                Event::Started | Event::Ready | Event::Exited { .. } | Event::Refused { .. } => {
                    return Ok(());
                }
                Event::Failed { why } => return Err(failed(why)),
                Event::Waiting { .. } | Event::Committed => {}
            }
        }
    }

    /// Waits until the server has answered an MCP request.
    ///
    /// # Errors
    /// When it ends instead, again and again.
    pub(crate) async fn until_ready(&mut self, progress: &dyn Progress) -> Result<(), Failure> {
        let mut ends = 0;
        let mut patience = Instant::now() + USUAL;
        let mut unsaid = None;
        loop {
            let event = tokio::select! {
                event = self.event() => event,
                () = sleep_until(patience), if unsaid.is_some() => {
                    if let Some(why) = unsaid.take() {
                        progress.event(ProgressEvent::Waiting(format!("still waiting: {why}")));
                    }
                    continue;
                }
            };
            match event {
                Event::Ready => return Ok(()),
                Event::Started => {
                    patience = Instant::now() + USUAL;
                    progress.event(ProgressEvent::Waiting(
                        "waiting for its first answer".to_owned(),
                    ));
                }
                Event::Waiting { why } => {
                    unsaid = Some(why.clone());
                    self.last_why = Some(why);
                }
                Event::Exited { why } => {
                    ends += 1;
                    if ends >= ENDS_BEFORE_GIVING_UP {
                        return Err(failed(format!("it {why}, {ends} times before it answered")));
                    }
                    progress.event(ProgressEvent::Warning(format!(
                        "it {why}; starting it again"
                    )));
                    self.last_why = Some(format!("it {why}"));
                }
                Event::Refused { why } => return Err(failed(why)),
                Event::Failed { why } => return Err(failed(why)),
                Event::Committed => {}
            }
        }
    }

    /// Makes it the server.
    ///
    /// # Errors
    /// When the supervisor cannot take over.
    pub(crate) async fn commit(&mut self) -> Result<(), Failure> {
        let mut line =
            serde_json::to_vec(&Order::Commit).map_err(|error| failed(error.to_string()))?;
        line.push(b'\n');
        self.orders
            .write_all(&line)
            .await
            .map_err(|error| failed(error.to_string()))?;
        loop {
            match self.event().await {
                Event::Committed => return Ok(()),
                Event::Failed { why } => return Err(failed(why)),
                _ => {}
            }
        }
    }

    /// Lets it undo what it did, and waits for that.
    pub(crate) async fn undo(self) {
        let Self {
            mut supervisor,
            orders,
            run,
            ..
        } = self;
        drop(orders);
        drop(timeout(END_OF_RUN, supervisor.wait()).await);
        // Nothing is left to be done unless it was killed.
        drop(end_run(&run, Duration::ZERO).await);
    }
}

fn failed(why: String) -> Failure {
    Failure::new(FailureKind::Failed, "it failed").because(why)
}
