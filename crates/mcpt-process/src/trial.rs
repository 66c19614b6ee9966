//! A new run on trial: the command's end of the pipes to a supervisor that has not committed yet.

use std::{collections::BTreeMap, io, process::Stdio, time::Duration};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcpt_core::{Failure, FailureKind, Progress};
use mcpt_workload::{Event, Unready, until_ready, until_started};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    command,
    deploy::{END_OF_RUN, end_run},
    environment,
    folder::RunFolder,
    wire::{Order, Spec},
};

/// A supervisor on trial. Dropping it lets the supervisor undo what it did.
pub(crate) struct Trial {
    supervisor: Child,
    orders: ChildStdin,
    events: BoxStream<'static, Event>,
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
            events: told(BufReader::new(events).lines()),
            run,
            last_why: None,
        })
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
        until_started(&mut self.events).await.map_err(failed)
    }

    /// Waits until the server has answered an MCP request.
    ///
    /// # Errors
    /// When it ends instead, again and again.
    pub(crate) async fn until_ready(&mut self, progress: &dyn Progress) -> Result<(), Failure> {
        let ready = until_ready(&mut self.events, progress, &mut self.last_why);
        ready.await.map_err(failed)
    }

    /// Makes it the server.
    ///
    /// # Errors
    /// When the supervisor cannot take over.
    pub(crate) async fn commit(&mut self) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(&Order::Commit).map_err(failed)?;
        line.push(b'\n');
        self.orders.write_all(&line).await.map_err(failed)?;
        loop {
            match self.events.next().await {
                Some(Event::Committed) => return Ok(()),
                Some(Event::Failed { why }) => return Err(failed(Unready::Failed(why))),
                Some(_) => {}
                None => return Err(failed(Unready::Gone)),
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

/// What a supervisor says, until it ends.
fn told(lines: Lines<BufReader<ChildStdout>>) -> BoxStream<'static, Event> {
    let next = async |mut lines: Lines<_>| {
        let line: String = lines.next_line().await.ok().flatten()?;
        let event = serde_json::from_str(&line).unwrap_or_else(|error| Event::Failed {
            why: format!("unknown event of the supervisor: {error}"),
        });
        Some((event, lines))
    };
    stream::unfold(lines, next).boxed()
}

fn failed(error: impl std::error::Error + 'static) -> Failure {
    Failure::new(FailureKind::Failed, "it failed").caused_by(&error)
}
