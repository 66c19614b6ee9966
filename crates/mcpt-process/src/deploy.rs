//! Deploying: start a new run beside the old one, wait until it answers, then let it take over.

use std::{io, time::Duration};

use mcpt_core::{
    CommandOption, DeployOptions, Failure, FailureKind, Plan, Progress, ProgressEvent,
    RecordedPlan, START_TIMEOUT, Secret, ServerName, redact,
};
use mcpt_workload::{Endpoint, own_files};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    command,
    configuration::{digest_matches, salted_digest},
    environment,
    folder::{RunFolder, ServerFolder, StateFolder},
    lock::{self, ChangeLock},
    logs::Changes,
    marked,
    state::{Phase, RunState, now},
    supervisor::{self, kill_supervisor, terminate},
    trial::Trial,
    wire::{ServerSpec, Spec},
};

/// Longest time for a supervisor to end its server and itself; longer than it gives the server.
pub(crate) const END_OF_RUN: Duration = Duration::from_secs(45);

/// Takes the right to change a server.
///
/// # Errors
/// When another command has it.
pub(crate) async fn change_lock(
    folder: &ServerFolder,
    what: &str,
    name: &ServerName,
) -> Result<ChangeLock, Failure> {
    ChangeLock::take(folder)
        .await
        .map_err(|error| state_failure(what, folder, &error))?
        .ok_or_else(|| {
            Failure::new(FailureKind::Failed, what)
                .because(format!("another operation on {name} is in progress"))
                .hint("wait until that command has ended, then run this one again")
        })
}

/// A failure of reading or writing the state folder.
pub(crate) fn state_failure(what: &str, folder: &ServerFolder, error: &io::Error) -> Failure {
    Failure::new(FailureKind::Failed, what)
        .because(format!("state folder {}: {error}", folder.path().display()))
        .hint("check its permissions and free space, or choose another one with MCPT_STATE_DIR")
}

/// Makes the server or updates it; with `port` clients are to find it there, else where they do now.
///
/// # Errors
/// A failure that names the cause, with the last log lines.
pub(crate) async fn deploy(
    state: &StateFolder,
    plan: &Plan,
    server: ServerSpec,
    port: Option<u16>,
    options: &DeployOptions,
    progress: &dyn Progress,
) -> Result<RunFolder, Failure> {
    let what = format!("cannot deploy {}", plan.name);
    if server.package.is_none() {
        command::check_program(&server.command, &what)?;
    }
    let deadline = Instant::now() + options.timeout;
    let folder = state.server(&plan.name);
    let io_failure = |error: io::Error| state_failure(&what, &folder, &error);

    let _lock = change_lock(&folder, &what, &plan.name).await?;
    let current = clear_leftovers(&folder, END_OF_RUN.min(options.timeout))
        .await
        .map_err(io_failure)?;
    let old = current.as_ref().and_then(|run| {
        RunState::read(run).unwrap_or_else(|error| {
            // A deployment is what repairs this; only the port cannot be kept.
            progress.event(ProgressEvent::Warning(format!(
                "{} cannot be read ({error}): replacing what it describes",
                run.state_file().display()
            )));
            None
        })
    });
    let serving = current
        .clone()
        .filter(|run| lock::is_alive(run) && old.as_ref().is_some_and(RunState::serves));
    if let (Some(run), Some(old)) = (&serving, &old)
        && old.phase == Phase::Ready
        && digest_matches(&old.digest, &server)
        && port.is_none_or(|port| port == old.port)
    {
        progress.event(ProgressEvent::Step(format!(
            "{} already runs with this configuration",
            plan.name
        )));
        return Ok(run.clone());
    }
    let mut stood_aside = false;
    let (current, serving) = match (&server.endpoint, current) {
        (
            Endpoint::Http {
                port,
                port_env: None,
                ..
            },
            Some(run),
        ) if lock::is_alive(&run) => {
            let room = make_room(*port, &run, serving.is_some(), options, &what, progress);
            let in_time = timeout_at(deadline, room).await;
            in_time.unwrap_or_else(|_| {
                // It goes on to end, and is started again since nobody takes its place.
                Err(Failure::new(FailureKind::TimedOut, &what)
                    .because(format!(
                        "the old one, which has port {port}, has not ended within {} s",
                        options.timeout.as_secs()
                    ))
                    .hint(format!("give it more time with {}", CommandOption::Timeout)))
            })?;
            // It stays the server until the new one takes over; one that has answered is started again if that does not happen.
            stood_aside = serving.is_some();
            (Some(run), serving.filter(lock::is_alive))
        }
        (_, current) => (current, serving),
    };

    if let Some(new) = &server.package
        && let Some(before) = old.as_ref().and_then(|old| old.package.as_ref())
        && before.source != new.source
    {
        progress.event(ProgressEvent::Step(format!(
            "{} is to replace {}",
            new.source, before.source
        )));
    }
    progress.event(ProgressEvent::Step(format!("starting {}", server.shown())));
    folder.create_work().map_err(io_failure)?;
    let run = folder.create_run().map_err(io_failure)?;
    let spec = Spec {
        run: run.path().to_owned(),
        predecessor: current.as_ref().map(|run| run.path().to_owned()),
        keep_port: port.or(old.map(|old| old.port)),
        digest: salted_digest(&format!("{}@{}", run.path().display(), now()), &server),
        start_timeout: options.timeout.max(START_TIMEOUT).as_secs(),
        plan: Some(Box::new(RecordedPlan::of(plan))),
        server,
    };
    let mut trial = Trial::begin(&spec, run.clone()).await.map_err(io_failure)?;

    let outcome = if options.wait {
        timeout_at(deadline, trial.until_ready(progress))
            .await
            .unwrap_or_else(|_| {
                let last = trial
                    .last_why()
                    .unwrap_or_else(|| "it has not answered yet".to_owned());
                Err(Failure::new(FailureKind::TimedOut, &what)
                    .because(format!("not ready within {} s", options.timeout.as_secs()))
                    .because(last)
                    .hint(format!(
                        "give it more time with {}, or look at its log",
                        CommandOption::Timeout
                    )))
            })
    } else {
        trial.until_started().await
    };
    match outcome {
        Ok(()) => {
            trial
                .commit()
                .await
                .map_err(|failure| shown(failure, &what, &run, plan))?;
            if let Some(old) = current {
                // The new one serves already, and the old one ends by itself.
                drop(timeout_at(deadline, retire(old, progress)).await);
            }
            Ok(run)
        }
        Err(failure) => {
            let mut failure = shown(failure, &what, &run, plan);
            // A first deployment that fails is left there to be looked at and repaired. One that would replace a server which
            // answers is not: that server goes on.
            if options.atomic || serving.is_some() {
                trial.undo().await;
                if serving.is_some() {
                    let goes_on = if stood_aside {
                        "is started again"
                    } else {
                        "goes on"
                    };
                    failure.hint = Some(format!("{} {goes_on} as it was before", plan.name));
                }
            } else if trial.commit().await.is_ok() {
                if let Some(old) = current {
                    drop(timeout_at(deadline, retire(old, progress)).await);
                }
                failure.hint.get_or_insert_with(|| {
                    format!(
                        "it is left for inspection: mcpt logs {0}; mcpt delete {0} removes it",
                        plan.name
                    )
                });
            } else {
                // Nothing is there to be inspected: its supervisor could not begin.
                trial.undo().await;
            }
            Err(failure)
        }
    }
}

/// Ends the running server first, where the new one cannot be tried beside it.
async fn make_room(
    port: u16,
    run: &RunFolder,
    serves: bool,
    options: &DeployOptions,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    if options.atomic {
        return Err(Failure::new(FailureKind::Usage, what)
            .because(format!("the server listens on port {port} and no other, so the new one cannot be tried beside the old one"))
            .hint(format!(
                "leave {} out: the old one is then ended first; or give the template a port_env",
                CommandOption::Atomic
            )));
    }
    progress.event(ProgressEvent::Step(format!(
        "ending the old one, which has port {port}"
    )));
    let stopped = if serves {
        stand_aside(run).await
    } else {
        stop_run(run, END_OF_RUN).await
    };
    stopped.map_err(|error| state_failure(what, &run.server(), &error))
}

/// Lets a run's supervisor end its server and wait; ends both by force when that takes too long.
async fn stand_aside(run: &RunFolder) -> io::Result<()> {
    let mut changes = Changes::of(run)?;
    supervisor::stand_aside(run)?;
    let stopped = async {
        while lock::is_alive(run)
            && RunState::read(run)?.is_none_or(|state| !stands_aside(state.phase))
            && changes.next().await.is_some()
        {}
        Ok(())
    };
    let stopped = match timeout(END_OF_RUN, stopped).await {
        Ok(stopped) => stopped,
        Err(_) => stop_run(run, Duration::ZERO).await,
    };
    if !lock::is_alive(run) {
        // Its supervisor was killed; what is left of its server may have the port.
        marked::kill_all(run.path());
    }
    stopped
}

/// Whether the server was ended for an update. Supervisors of older versions say that it was ended on order.
fn stands_aside(phase: Phase) -> bool {
    matches!(phase, Phase::StandingAside | Phase::Stopped)
}

/// Completes the failure of a trial: what was tried, and the server's last words.
fn shown(mut failure: Failure, what: &str, run: &RunFolder, plan: &Plan) -> Failure {
    what.clone_into(&mut failure.what);
    let secrets: Vec<Secret> = plan.secrets.values().cloned().collect();
    let given = |name: &str| plan.env.contains_key(name) || plan.secrets.contains_key(name);
    let mut failure = failure.with_log(&own_log(run, &secrets), &secrets, given);
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let missed = environment::missed(&failure.log_tail, given, is_set);
    if !missed.is_empty() {
        failure.hint = Some(format!(
            "of your environment the server did not get {}: -e {} hands it on",
            missed.join(", "),
            missed.join(" -e ")
        ));
    }
    failure
}

/// What a server itself wrote in a run, without its secrets.
pub(crate) fn own_log(run: &RunFolder, secrets: &[Secret]) -> String {
    let text = own_files::read(&run.log_file()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let own: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("[mcpt] "))
        .collect();
    // Before anything is cut off: of a secret of several lines, all must be seen to be known.
    redact(&own.join("\n"), secrets)
}

/// Ends and removes every run but the current one, and a server whose deletion was begun; each run by force when it takes
/// longer than `patience`. Gives the current run.
///
/// # Errors
/// When the folder cannot be read or a run cannot be removed.
pub(crate) async fn clear_leftovers(
    folder: &ServerFolder,
    patience: Duration,
) -> io::Result<Option<RunFolder>> {
    let doomed = folder.ending_file().exists();
    let current = folder.current()?.filter(|_| !doomed);
    for run in folder.runs()? {
        if Some(&run) != current.as_ref() {
            end_run(&run, patience).await?;
        } else if !lock::is_alive(&run) {
            // Its supervisor was killed; what is left of its server must not stand in the new one's way.
            marked::kill_all(run.path());
        }
    }
    if doomed {
        folder.remove_data()?;
    }
    Ok(current)
}

/// Ends a run, by force when it takes longer than `patience`, and removes it.
///
/// # Errors
/// When it cannot be ended or its folder cannot be removed.
pub(crate) async fn end_run(run: &RunFolder, patience: Duration) -> io::Result<()> {
    stop_run(run, patience).await?;
    run.remove()
}

/// Ends a run, by force when it takes longer than `patience`. Its folder stays.
async fn stop_run(run: &RunFolder, patience: Duration) -> io::Result<()> {
    terminate(run)?;
    if let Ok(died) = timeout(patience, lock::wait_for_death(run)).await {
        died?;
    } else {
        kill_supervisor(run)?;
        lock::wait_for_death(run).await?;
    }
    marked::kill_all(run.path());
    Ok(())
}

/// Waits for the end of the run that was replaced: it lets calls in progress finish.
pub(crate) async fn retire(old: RunFolder, progress: &dyn Progress) {
    if lock::is_alive(&old) {
        progress.event(ProgressEvent::Step("ending the old one".to_owned()));
    }
    // The new one serves already; a rest that cannot be removed is removed by the next command.
    drop(end_run(&old, END_OF_RUN).await);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::Read as _,
        os::unix::process::ExitStatusExt as _,
        process::{Command, Stdio},
    };

    use super::*;

    #[tokio::test]
    async fn nothing_of_a_run_without_a_supervisor_stands_in_the_way_of_the_next() {
        let root = tempfile::tempdir().unwrap();
        let name = ServerName::new("demo").unwrap();
        let folder = StateFolder::new(root.path().to_owned()).server(&name);
        folder.create().unwrap();
        let run = folder.create_run().unwrap();
        let mut server = Command::new("sh")
            .args(["-c", "echo; read forever"])
            .env(marked::MARK.0, run.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // By its first word the system shows its environment.
        let mut word = [0];
        let output = server.stdout.as_mut().unwrap();
        output.read_exact(&mut word).unwrap();
        stand_aside(&run).await.unwrap();
        let ended = server.try_wait().unwrap();
        drop(server.kill());
        assert_eq!(ended.and_then(|status| status.signal()), Some(9));
    }
}
