//! Logs of replicas, as the engine keeps them, by lines.

use std::{collections::VecDeque, time::UNIX_EPOCH};

use bollard::{container::LogOutput, errors::Error, query_parameters::LogsOptions};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use mcpt_core::{Failure, LogLine, LogOptions, Logs, ServerName};

use crate::{
    engine::Engine,
    failure::failure,
    unit::{Group, Unit},
};

/// The log of a server: of the replicas that count, or of those of a first deployment that failed.
///
/// # Errors
/// When the engine cannot be asked.
pub(crate) async fn logs(
    engine: &Engine,
    group: &Group,
    options: &LogOptions,
) -> Result<Logs, Failure> {
    let name = &group.name;
    let what = format!("cannot read the log of {name}");
    let units = match group.current() {
        Some((_, units)) => units,
        None => &group.trial,
    };
    let mut streams = Vec::new();
    for unit in units {
        streams.push(of_unit(engine, name, unit, options, &what).await?);
    }
    Ok(Logs {
        several: units.len() > 1,
        lines: stream::select_all(streams).boxed(),
    })
}

/// The lines of one replica. The engine keeps those of all its runs as one; runs are told by when the last one began.
async fn of_unit(
    engine: &Engine,
    name: &ServerName,
    unit: &Unit,
    options: &LogOptions,
    what: &str,
) -> Result<BoxStream<'static, Result<LogLine, Failure>>, Failure> {
    let container = engine.inspect(&unit.id, what).await?;
    let state = container.and_then(|container| container.state);
    let started = state.and_then(|state| state.started_at);
    let started = started.and_then(|time| time.parse::<Timestamp>().ok());
    // The engine takes whole seconds here.
    let begin = started.map_or(0, |time| time.as_second().max(0) as i32);
    let mut wanted = LogsOptions {
        follow: options.follow && !options.previous,
        stdout: true,
        stderr: true,
        tail: options
            .tail
            .map_or_else(|| "all".to_owned(), |tail| tail.to_string()),
        ..LogsOptions::default()
    };
    if options.previous {
        wanted.until = begin;
    }
    if let Some(since) = options.since {
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        wanted.since = i32::try_from(since.as_secs()).unwrap_or(i32::MAX);
    }
    let api = engine.api.clone();
    let replica = unit.name.clone();
    let what = format!("cannot read the log of {name}");
    let lines = lines(api.logs(&unit.id, Some(wanted)).boxed());
    Ok(lines
        .map(move |line| match line {
            Ok(text) => Ok(LogLine {
                replica: replica.clone(),
                text,
            }),
            Err(error) => Err(failure(&what, &error)),
        })
        .boxed())
}

/// The last lines of a container; none when they cannot be had.
pub(crate) async fn tail(engine: &Engine, id: &str, lines_at_most: u32) -> Vec<String> {
    let wanted = LogsOptions {
        stdout: true,
        stderr: true,
        tail: lines_at_most.to_string(),
        ..LogsOptions::default()
    };
    let api = engine.api.clone();
    let all: Vec<_> = lines(api.logs(id, Some(wanted)).boxed()).collect().await;
    all.into_iter().filter_map(Result::ok).collect()
}

/// What was written and not yet given on, by stream.
#[derive(Debug, Default)]
struct Begun {
    output: Vec<u8>,
    error: Vec<u8>,
    whole: VecDeque<String>,
}

impl Begun {
    fn take(&mut self, part: &LogOutput) {
        let begun = match part {
            LogOutput::StdErr { .. } => &mut self.error,
            _ => &mut self.output,
        };
        begun.extend_from_slice(part.as_ref());
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = begun.drain(..=end).collect();
            self.whole.push_back(text(&line));
        }
    }

    /// Lines that never ended.
    fn finish(&mut self) {
        for begun in [&mut self.output, &mut self.error] {
            if !begun.is_empty() {
                self.whole.push_back(text(begun));
                begun.clear();
            }
        }
    }
}

fn text(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    line.trim_end_matches(['\r', '\n']).to_owned()
}

fn lines(
    parts: BoxStream<'static, Result<LogOutput, Error>>,
) -> impl futures_util::Stream<Item = Result<String, Error>> + Send + 'static {
    stream::unfold(
        (parts, Begun::default(), false),
        |(mut parts, mut begun, mut ended)| async move {
            loop {
                if let Some(line) = begun.whole.pop_front() {
                    return Some((Ok(line), (parts, begun, ended)));
                }
                if ended {
                    return None;
                }
                match parts.next().await {
                    Some(Ok(part)) => begun.take(&part),
                    Some(Err(error)) => return Some((Err(error), (parts, begun, true))),
                    None => {
                        ended = true;
                        begun.finish();
                    }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_put_together() {
        let part = |text: &'static str| LogOutput::StdOut {
            message: text.into(),
        };
        let error = |text: &'static str| LogOutput::StdErr {
            message: text.into(),
        };
        let parts = [part("one\ntw"), error("other\r\n"), part("o\nthree")];
        let parts = stream::iter(parts.map(Ok)).boxed();
        let lines: Vec<_> = lines(parts).map(|line| line.unwrap()).collect().await;
        assert_eq!(lines, ["one", "other", "two", "three"]);
    }
}
