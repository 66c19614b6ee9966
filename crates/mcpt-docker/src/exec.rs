//! Running a command in the container of a replica.

use std::time::Duration;

use bollard::{
    container::LogOutput,
    errors::Error,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
    query_parameters::ResizeExecOptionsBuilder,
};
use futures_util::{StreamExt as _, stream};
use mcpt_core::{Backend as _, Exec, ExecEvent, ExecStream, Failure, FailureKind, TerminalSize};
use tokio::{
    io::AsyncWriteExt as _,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    engine::Engine,
    failure::failure,
    unit::{Group, Unit},
};

/// How long an engine may take to know the exit code of what wrote its last byte.
const END_KNOWN: Duration = Duration::from_secs(10);

/// Between two questions for it.
const PAUSE: Duration = Duration::from_millis(20);

/// How often the first size is told to an engine that refuses it: none takes one before the command runs, and it answers that
/// the command is started a moment before that.
const FIRST_SIZES: usize = 500;

/// Runs it in the replica of that name, else in the first that is ready.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is no such replica, or none runs; what the engine refuses with.
pub(crate) async fn run(
    engine: &Engine,
    group: &Group,
    exec: Exec,
    what: String,
) -> Result<ExecStream, Failure> {
    let unit = chosen(engine, group, exec.instance.as_deref(), &what)?;
    let mut terminal = exec.terminal;
    let has_terminal = terminal.is_some();
    // Set before its first byte, where the engine knows how; where not, this one is told as soon as the command runs, and later
    // ones as they come.
    let first = match &mut terminal {
        Some(sizes) => sizes.next().await,
        None => None,
    };
    let config = ExecConfig {
        attach_stdin: Some(exec.input.is_some()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(has_terminal),
        console_size: first.map(|size| vec![size.height.into(), size.width.into()]),
        cmd: Some(exec.command),
        ..ExecConfig::default()
    };
    let refused = |error: Error| failure(&what, &error);
    let made = engine.api.create_exec(&unit.id, config).await;
    let id = made.map_err(refused)?.id;
    let options = StartExecOptions {
        tty: has_terminal,
        ..StartExecOptions::default()
    };
    let started = engine.api.start_exec(&id, Some(options)).await;
    let StartExecResults::Attached { output, mut input } = started.map_err(refused)? else {
        return Err(Failure::new(FailureKind::Failed, what).because("the engine gives no output"));
    };
    // What feeds the command goes on beside what reads it, and ends with it.
    let mut feeders = JoinSet::new();
    if let Some(mut given) = exec.input {
        feeders.spawn(async move {
            while let Some(part) = given.next().await {
                // A command that reads no more has ended, or will say why.
                if input.write_all(&part).await.is_err() || input.flush().await.is_err() {
                    return;
                }
            }
            let _gone = input.shutdown().await;
        });
    }
    if let Some(mut sizes) = terminal {
        let (engine, id) = (engine.clone(), id.clone());
        feeders.spawn(async move {
            if let Some(first) = first {
                for _ in 0..FIRST_SIZES {
                    if resized(&engine, &id, first).await {
                        break;
                    }
                    sleep(PAUSE).await;
                }
            }
            while let Some(size) = sizes.next().await {
                resized(&engine, &id, size).await;
            }
        });
    }
    let failed = what.clone();
    let output = output.map(move |part| match part {
        Ok(LogOutput::StdErr { message }) => Ok(ExecEvent::Error(message.to_vec())),
        Ok(part) => Ok(ExecEvent::Output(part.into_bytes().to_vec())),
        Err(error) => Err(failure(&failed, &error)),
    });
    let engine = engine.clone();
    let end = stream::once(async move {
        drop(feeders);
        ended(&engine, &id, &what).await
    });
    Ok(output.chain(end).boxed())
}

/// Gives its terminal a size. Whether the engine did: it refuses when the command does not run yet, or not any more.
async fn resized(engine: &Engine, id: &str, size: TerminalSize) -> bool {
    let options = ResizeExecOptionsBuilder::default()
        .w(size.width.into())
        .h(size.height.into());
    let resized = engine.api.resize_exec(id, options.build()).await;
    if let Err(error) = &resized {
        tracing::debug!(%error, "the terminal keeps its size");
    }
    resized.is_ok()
}

/// The replica that is meant.
fn chosen<'a>(
    engine: &Engine,
    group: &'a Group,
    instance: Option<&str>,
    what: &str,
) -> Result<&'a Unit, Failure> {
    let units = group.current().map_or(&[][..], |(_, units)| units);
    let running = || units.iter().filter(|unit| unit.runs());
    let found = match instance {
        Some(name) => running().find(|unit| unit.name == name),
        None => running().max_by_key(|unit| (unit.is_ready(), u32::MAX - unit.number())),
    };
    found.ok_or_else(|| {
        let failure = Failure::new(FailureKind::NotFound, what);
        let names: Vec<_> = running().map(|unit| unit.name.as_str()).collect();
        let failure = failure.because(match instance {
            _ if names.is_empty() => "none of its instances runs".to_owned(),
            Some(name) => format!("no instance {name} runs; there is {}", names.join(", ")),
            None => "none of its instances can be chosen".to_owned(),
        });
        let status = engine.command(&format!("status {}", group.name));
        failure.hint(format!("{status} shows its instances"))
    })
}

/// How it ended. An engine may close the output a moment before it knows.
async fn ended(engine: &Engine, id: &str, what: &str) -> Result<ExecEvent, Failure> {
    let begun = Instant::now();
    loop {
        let seen = engine.api.inspect_exec(id).await;
        let seen = seen.map_err(|error| failure(what, &error))?;
        let code = seen.exit_code.filter(|_| seen.running != Some(true));
        if let Some(code) = code.and_then(|code| i32::try_from(code).ok()) {
            return Ok(ExecEvent::Ended(code));
        }
        if begun.elapsed() >= END_KNOWN {
            let failure = Failure::new(FailureKind::Failed, what);
            return Err(failure.because("the engine does not tell how it ended"));
        }
        sleep(PAUSE).await;
    }
}
