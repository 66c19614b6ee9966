//! [`Renewal`]: a start anew on order. Only a supervisor has its server's secrets, so it is the one that starts another supervisor
//! with the same spec, on trial beside itself; when that one has answered, it takes this one's place, as with an update.

use std::{io, pin::Pin};

use mcpt_core::{Failure, FailureKind, Secret, Silent};
use mcpt_workload::own_files;
use serde::{Deserialize, Serialize};

use crate::{
    configuration::salted_digest, deploy::own_log, folder::RunFolder, lock, state::now,
    trial::Trial, wire::Spec,
};

/// What a command asks for, in the order file of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RenewalOrder {
    /// Whether the new server must have answered before it takes over.
    pub(crate) wait: bool,
}

impl RenewalOrder {
    /// Writes it down for the supervisor of a run.
    pub(crate) fn write(self, run: &RunFolder) -> io::Result<()> {
        let text = serde_json::to_vec(&self).map_err(io::Error::other)?;
        own_files::replace(&run.order_file(), &text)
    }

    fn read(run: &RunFolder) -> io::Result<Self> {
        serde_json::from_slice(&own_files::read(&run.order_file())?).map_err(io::Error::other)
    }
}

/// Why a server was not started anew, as its state tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotRenewed {
    pub(crate) why: Vec<String>,
    /// The last words of what was tried, without secrets.
    pub(crate) log_tail: Vec<String>,
}

/// One that is under way. Dropping it undoes it.
pub(crate) struct Renewal(Pin<Box<dyn Future<Output = NotRenewed>>>);

impl Renewal {
    /// Begins it.
    pub(crate) fn begin(spec: &Spec, run: &RunFolder, port: u16) -> Self {
        Self(Box::pin(renew(spec.clone(), run.clone(), port)))
    }
}

/// Waits until one that is under way has failed. One that succeeds ends this supervisor. Can be dropped and asked again.
pub(crate) async fn failed(renewal: &mut Option<Renewal>) -> NotRenewed {
    match renewal {
        Some(Renewal(under_way)) => under_way.await,
        None => std::future::pending().await,
    }
}

async fn renew(spec: Spec, run: RunFolder, port: u16) -> NotRenewed {
    let tried = try_out(spec, &run, port).await;
    tried.unwrap_or_else(|error| NotRenewed {
        why: vec![error.to_string()],
        log_tail: Vec::new(),
    })
}

/// Tries another supervisor out, and hands over to it: then it does not come back, since that one ends this one.
async fn try_out(mut spec: Spec, run: &RunFolder, port: u16) -> io::Result<NotRenewed> {
    let order = RenewalOrder::read(run)?;
    let folder = run.server();
    let new = folder.create_run()?;
    let secrets: Vec<Secret> = spec
        .server
        .secrets
        .values()
        .map(|secret| Secret::new(secret.as_str()))
        .collect();
    spec.predecessor = Some(run.path().to_owned());
    spec.keep_port = Some(port);
    spec.run = new.path().to_owned();
    spec.digest = salted_digest(&format!("{}@{}", new.path().display(), now()), &spec.server);
    let mut trial = Trial::begin(&spec, new.clone()).await?;
    // What it holds is let go at the end of this: the next command must not meet what is being undone.
    let mut over = None;
    let passed = async {
        if order.wait {
            trial.until_ready(&Silent).await
        } else {
            trial.until_started().await
        }
    };
    let outcome = tokio::select! {
        passed = passed => passed,
        unchanged = lock::wait_for_change(&folder) => {
            over = unchanged.ok();
            let failure = Failure::new(FailureKind::Failed, "it is not started anew");
            Err(failure.because("the command that asked for it has ended"))
        }
    };
    let outcome = match outcome {
        Ok(()) => trial.commit().await,
        failed => failed,
    };
    let Err(failure) = outcome else {
        return std::future::pending().await;
    };
    // What it was given has started it before.
    let failure = failure.with_log(&own_log(&new, &secrets), &secrets, |_| true);
    trial.undo().await;
    drop(over);
    Ok(NotRenewed {
        why: failure.why,
        log_tail: failure.log_tail,
    })
}
