//! Starting a server anew as it is configured: its supervisor does it, which alone has its secrets; this waits for it.

use mcpt_core::{
    ChangeOptions, CommandOption, Failure, FailureKind, Progress, ProgressEvent, ServerName,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    deploy::{END_OF_RUN, change_lock, clear_leftovers, retire, state_failure},
    folder::{RunFolder, StateFolder},
    lock,
    logs::Changes,
    state::RunState,
    supervisor::{self, RenewalOrder},
};

/// Starts a server anew, and gives its new run; `None` when there is no such server.
///
/// # Errors
/// Why it was not started, with its last log lines; the one that ran goes on then.
pub(crate) async fn restart(
    state: &StateFolder,
    name: &ServerName,
    options: &ChangeOptions,
    progress: &dyn Progress,
) -> Result<Option<RunFolder>, Failure> {
    let what = format!("cannot restart {name}");
    let folder = state.server(name);
    let io_failure = |error: std::io::Error| state_failure(&what, &folder, &error);
    if folder.current_or_newest().map_err(io_failure)?.is_none() {
        return Ok(None);
    }
    let deadline = Instant::now() + options.timeout;
    let _lock = change_lock(&folder, &what, name).await?;
    let current = clear_leftovers(&folder, END_OF_RUN.min(options.timeout))
        .await
        .map_err(io_failure)?;
    let Some(run) = current else {
        return Ok(None);
    };
    let before = RunState::read(&run).map_err(io_failure)?;
    let orders = before
        .and_then(|state| state.renewals)
        .map(|renewals| renewals.orders);
    let cause = match orders {
        _ if !lock::is_alive(&run) => {
            Some("its supervisor is gone, and nobody else has its settings")
        }
        None => Some("the version of mcpt that deployed it starts no server anew"),
        Some(_) => None,
    };
    if let Some(cause) = cause {
        return Err(Failure::new(FailureKind::Failed, what)
            .because(cause)
            .hint("deploy it again as before"));
    }
    let orders = orders.unwrap_or_default();
    // Watched before it is ordered, so that no change is missed.
    let mut changes = Changes::of(&run).map_err(io_failure)?;
    let wait = options.wait;
    RenewalOrder { wait }.write(&run).map_err(io_failure)?;
    supervisor::renew(&run).map_err(io_failure)?;
    progress.event(ProgressEvent::Step(format!("starting {name} anew")));
    let outcome = timeout_at(deadline, async {
        loop {
            let look = look(&run, orders).map_err(io_failure)?;
            match look {
                Look::Renewed(new) => return Ok(new),
                Look::Failed(failure) => return Err(*failure),
                Look::UnderWay(Some(why)) => progress.event(ProgressEvent::Waiting(why)),
                Look::UnderWay(None) => {}
            }
            if changes.next().await.is_none() {
                return Err(Failure::new(FailureKind::Failed, &what)
                    .because("its folder cannot be watched any more"));
            }
        }
    });
    let new = match outcome.await {
        Ok(outcome) => outcome.map_err(|mut failure| {
            failure.what.clone_from(&what);
            failure.hint(format!("{name} goes on as it was before"))
        })?,
        Err(_) => {
            return Err(Failure::new(FailureKind::TimedOut, &what)
                .because(format!("not ready within {} s", options.timeout.as_secs()))
                .hint(format!(
                    "{name} goes on as it was before; give it more time with {}",
                    CommandOption::Timeout
                )));
        }
    };
    drop(timeout_at(deadline, retire(run, progress)).await);
    Ok(Some(new))
}

/// What has become of an order.
enum Look {
    Renewed(RunFolder),
    Failed(Box<Failure>),
    /// Why the new one is not ready yet, if it has said so.
    UnderWay(Option<String>),
}

/// Looks at what became of the order after so many others.
fn look(run: &RunFolder, orders: u32) -> std::io::Result<Look> {
    let folder = run.server();
    // Asked before the rest: one that has just been replaced is gone, too.
    let alive = lock::is_alive(run);
    match folder.current()? {
        Some(new) if new != *run => return Ok(Look::Renewed(new)),
        _ => {}
    }
    let failed = |why: Vec<String>, log_tail| {
        let mut failure = Failure::new(FailureKind::Failed, String::new());
        failure.why = why;
        failure.log_tail = log_tail;
        Look::Failed(Box::new(failure))
    };
    if !alive {
        return Ok(failed(
            vec!["its supervisor has ended".to_owned()],
            Vec::new(),
        ));
    }
    let state = RunState::read(run)?;
    let renewals = state.and_then(|state| state.renewals);
    if let Some(renewals) = renewals.filter(|renewals| renewals.orders > orders)
        && let Some(not) = renewals.failed
    {
        return Ok(failed(not.why, not.log_tail));
    }
    let tried = folder.runs()?.into_iter().find(|tried| tried != run);
    // What cannot be read now is read at the next change.
    let state = tried.and_then(|tried| RunState::read(&tried).ok().flatten());
    Ok(Look::UnderWay(state.and_then(|state| state.reason)))
}
