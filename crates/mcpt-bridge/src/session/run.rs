//! The life of a session beside its child: pumping lines both ways until one of them ends.

use std::{io::ErrorKind, time::Duration};

use tokio::{io::AsyncWriteExt as _, sync::mpsc};

use super::{Over, Running, Session, outgoing::Queued};
use crate::{
    child::{Input, Output, Started},
    lines::Line,
};

/// How long output may still come from a child that has ended: its own last words, or those of what it left behind.
const LAST_WORDS: Duration = Duration::from_millis(200);

impl Session {
    /// Runs the session until its end is asked for or its child ends. `closing` is called before waiting clients get
    /// their errors. Returns once the child and what it left behind are gone.
    pub(crate) async fn run(&self, running: Running, closing: impl FnOnce()) {
        let Running { started, lines } = running;
        let Started {
            mut process,
            input,
            stdout,
        } = started;
        let writer = tokio::spawn(write(input, lines));
        let over = {
            let mut reading = std::pin::pin!(self.read(stdout));
            tokio::select! {
                () = self.end.cancelled() => Over::new("the session was ended"),
                () = &mut reading => process.how_it_ended().await.into(),
                () = process.wait() => {
                    // What is still in the pipe is read; what others hold open is not awaited.
                    drop(tokio::time::timeout(LAST_WORDS, reading).await);
                    process.how_it_ended().await.into()
                }
            }
        };
        closing();
        self.finish(&over);
        // With the writer goes the input, which asks the child to leave.
        writer.abort();
        drop(writer.await);
        process.end().await;
    }

    async fn read(&self, mut stdout: Output) {
        let max = self.max_message;
        let mut partial = None;
        loop {
            let lost = match stdout.next().await {
                Ok(Line::Complete) => {
                    self.receive(&mut stdout, &mut partial).await;
                    continue;
                }
                Ok(Line::TooLong) => {
                    format!("the server wrote a message longer than {max} bytes")
                }
                Ok(Line::NoRoom) => {
                    "there is no room for the server's message: too much is held for clients".into()
                }
                Ok(Line::End) => return,
                Err(error) => {
                    tracing::warn!(%error, "cannot read from the server process");
                    return;
                }
            };
            self.lose(stdout.line(), stdout.skipped(), &lost);
        }
    }
}

async fn write(mut input: Input, mut lines: mpsc::Receiver<Queued>) {
    while let Some(line) = lines.recv().await {
        let written = match &mut input {
            Input::Lines(stdin) => stdin.write_all(line.bytes()).await,
            Input::Posts(posts) => {
                let sent = posts.send(line.into_said()).await;
                sent.map_err(|_| ErrorKind::BrokenPipe.into())
            }
        };
        if let Err(error) = written {
            tracing::debug!(%error, "cannot write to the server process");
            return;
        }
    }
}
