//! Reading one run of a container: once, or as long as it goes on, whatever becomes of the connection.

use std::time::Duration;

use futures_util::{AsyncBufReadExt, AsyncReadExt, TryFutureExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Error, api::LogParams};
use kube_access::Cluster;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep},
};

use super::{
    LogError, LogLine, LogOptions,
    container::{LogOf, Run},
    line::{LogPosition, text, timed},
};

/// Bytes of a line that are told at once: a line may be as long as a server likes.
const LONGEST_LINE: usize = 64 * 1024;

/// Pause before a stream is opened again that ended: a container that ended with it is known to have ended by then.
const REOPEN: Duration = Duration::from_secs(2);

/// Silence after which a log that is followed is opened again. A quiet server and a connection whose other end vanished look the
/// same, from the request on: nothing is answered before there is a line.
const QUIET: Duration = Duration::from_mins(2);

/// Reads one run of one container.
pub(super) struct Reader {
    pub(super) cluster: Cluster,
    pub(super) lines: mpsc::Sender<Result<LogLine, LogError>>,
    /// Name of the pod.
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) run: Run,
    pub(super) options: LogOptions,
    /// Ends with the reader of the run before this one, whose lines come first.
    pub(super) before: Option<oneshot::Receiver<()>>,
    /// Ends when there is a newer run.
    pub(super) newer: watch::Receiver<()>,
    /// Ends with this reader.
    pub(super) ended: oneshot::Sender<()>,
    /// Whether its log could be opened once.
    pub(super) opened: bool,
    /// When it was begun to be read.
    pub(super) begun: Instant,
}

impl Reader {
    /// Tells the lines, and what keeps them from being read. Of a pod that was gone before the only look at its log the
    /// error is returned: only who knows of the others can tell whether it matters.
    pub(super) async fn run(mut self) -> Option<LogError> {
        if let Some(before) = self.before.take() {
            // Its end is what is awaited, which is an error.
            let _ended = before.await;
        }
        let read = if self.options.follow {
            self.follow().await
        } else {
            let place = LogOf::Present { goes_on: false };
            match self.read(place, &mut LogPosition::default()).await {
                Err(trouble) if trouble.gone && matches!(self.place().await, Ok(LogOf::Gone)) => {
                    return Some(trouble.error);
                }
                read => read.map(drop).map_err(|trouble| trouble.error),
            }
        };
        if let Err(error) = read {
            let _reader_is_gone = self.lines.send(Err(error)).await;
        }
        drop(self.ended);
        None
    }

    /// Reads the run to its end, from wherever its lines are by then.
    async fn follow(&mut self) -> Result<(), LogError> {
        let mut place = LogOf::Present { goes_on: true };
        let mut told = LogPosition::default();
        let mut superseded = false;
        loop {
            match self.read(place, &mut told).await {
                Ok(Read::ToTheEnd) if place != (LogOf::Present { goes_on: true }) => return Ok(()),
                Ok(Read::ReaderGone) => return Ok(()),
                // The API server ends streams that are long open, whatever the container does.
                Ok(Read::ToTheEnd | Read::Moved) => {}
                Err(trouble) if trouble.may_pass(self.opened) => {
                    tracing::debug!(error = %trouble.error, "log interrupted");
                }
                Err(trouble) => return Err(trouble.error),
            }
            place = loop {
                tokio::select! {
                    () = sleep(REOPEN) => {}
                    // What has ended for certain need not be waited for.
                    _ended = self.newer.changed(), if !superseded => superseded = true,
                }
                match self.place().await {
                    Ok(LogOf::Overwritten | LogOf::Gone) => return Ok(()),
                    Ok(place) => break place,
                    Err(trouble) if trouble.may_pass(self.opened) => {
                        tracing::debug!(error = %trouble.error, "log interrupted");
                    }
                    Err(trouble) => return Err(trouble.error),
                }
            };
        }
    }

    /// Reads what was not told yet of the log in this place.
    async fn read(&mut self, place: LogOf, told: &mut LogPosition) -> Result<Read, Trouble> {
        let follow = self.options.follow && place == (LogOf::Present { goes_on: true });
        let api: Api<Pod> = self.cluster.api();
        let mut tail = self.options.tail.filter(|_| told.last.is_none());
        let mut since_seconds = None;
        // What was written while none of it could be read is new as well.
        let elapsed = self.begun.elapsed().as_secs();
        if tail == Some(0) && elapsed > 0 {
            tail = None;
            since_seconds = i64::try_from(elapsed).ok();
        }
        let params = LogParams {
            container: Some(self.container.clone()),
            follow,
            tail_lines: tail.map(i64::from),
            since_seconds,
            previous: self.options.previous || matches!(place, LogOf::Previous { .. }),
            // By these it is known where to go on.
            timestamps: self.options.follow,
            // Where it went on before, if it was read already. The API server takes one of the two.
            since_time: told
                .since()
                .or(self.options.since.filter(|_| since_seconds.is_none())),
            ..LogParams::default()
        };
        let pod = self.pod.clone();
        let Some(mut log) = self.heard(follow, api.log_stream(&pod, &params)).await? else {
            return Ok(Read::ToTheEnd);
        };
        self.opened = true;
        // Of which run the log was that has been opened is told by the pod before and after.
        if self.options.follow && !place.is_still(self.place().await?) {
            return Ok(Read::Moved);
        }
        let mut before = *told;
        let mut bytes = Vec::new();
        let mut line_begins = true;
        let mut time = None;
        loop {
            bytes.clear();
            let mut bounded = (&mut log).take(LONGEST_LINE as u64);
            let read = bounded.read_until(b'\n', &mut bytes);
            let Some(read) = self.heard(follow, read.map_err(Error::ReadEvents)).await? else {
                return Ok(Read::ToTheEnd);
            };
            let line_ends = bytes.ends_with(b"\n");
            // What is cut off in the middle of a line is read again.
            if read == 0 || (follow && !line_ends && read < LONGEST_LINE) {
                return Ok(Read::ToTheEnd);
            }
            let mut line = bytes.as_slice();
            if line_begins && params.timestamps {
                (time, line) = timed(line);
            }
            line_begins = line_ends;
            if !told.is_new(time, &mut before) {
                continue;
            }
            let line = LogLine {
                pod: self.pod.clone(),
                text: text(line),
            };
            if self.lines.send(Ok(line)).await.is_err() {
                return Ok(Read::ReaderGone);
            }
        }
    }

    /// Waits for a step of reading, but not forever; `None` when a log that is followed should be opened again.
    async fn heard<T>(
        &mut self,
        follow: bool,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, Trouble> {
        let heard = if follow {
            tokio::select! {
                heard = step => heard.map(Some),
                () = sleep(QUIET) => Ok(None),
                () = overdue(&mut self.newer) => Ok(None),
            }
        } else {
            self.cluster.answer(step).await.map(Some)
        };
        heard.map_err(|error| self.trouble(error))
    }

    /// Where the lines of the run are now.
    async fn place(&self) -> Result<LogOf, Trouble> {
        let api: Api<Pod> = self.cluster.api();
        let pod = self.cluster.answer(api.get_opt(&self.pod)).await;
        let pod = pod.map_err(|error| self.trouble(error))?;
        Ok(self.run.place(pod.as_ref(), &self.container))
    }

    fn trouble(&self, error: Error) -> Trouble {
        Trouble {
            passes: passes(&error),
            gone: matches!(&error, Error::Api(status) if matches!(status.code, 400 | 404)),
            error: LogError::Pod {
                pod: self.pod.clone(),
                source: self.cluster.error(error),
            },
        }
    }
}

/// Completes when there has been a newer run for a while.
async fn overdue(newer: &mut watch::Receiver<()>) {
    // It tells by its end.
    let _ended = newer.changed().await;
    sleep(REOPEN).await;
}

/// How the reading of a log ended.
enum Read {
    /// Its end was reached, or that of the connection.
    ToTheEnd,
    /// What was opened is the log of another run.
    Moved,
    /// Nobody reads the lines any more.
    ReaderGone,
}

/// What keeps a log from being read.
struct Trouble {
    error: LogError,
    /// Whether it may pass.
    passes: bool,
    /// Whether there is no such log, or no such pod, any more; the pod tells which.
    gone: bool,
}

impl Trouble {
    /// Whether a log is followed on after this. One that was readable before may be so again.
    fn may_pass(&self, opened: bool) -> bool {
        self.gone || (self.passes && opened)
    }
}

/// Whether an error may pass: a lost connection, a server that is not there for a while. What a server answers to this
/// request as such stays so.
fn passes(error: &Error) -> bool {
    match error {
        Error::Api(status) => status.code == 429 || status.code >= 500,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
