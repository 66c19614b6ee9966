//! Going back: an earlier revision runs again, as a new one.

use helm_install::{Record, revisions};
use mcpt_core::{ChangeOptions, Failure, FailureKind, Progress, Revision, Server, ServerName};

use crate::{
    absent::last_of_server,
    change::Change,
    cluster::Cluster,
    operation::{Conduct, Operation, Reached},
};

/// Rolls a server back to a revision, or to the one before.
pub(crate) async fn rollback(
    cluster: &Cluster,
    name: &ServerName,
    to: Option<Revision>,
    options: ChangeOptions,
    progress: &dyn Progress,
) -> Result<Server, Failure> {
    let what = format!("cannot roll {name} back");
    let operation = Operation::new(cluster, name, Conduct::from(options), progress, what);
    let what = &operation.what;
    let history = operation.settled().await?;
    last_of_server(cluster, name, &history, "helm rollback", what).await?;
    let target = match to {
        Some(Revision(number)) => history.iter().find(|r| r.release.version == number),
        None => revisions::previous(&history),
    };
    let target = target.ok_or_else(|| missing(cluster, name, to, &history, what))?;
    let change = Change::back_to(target, history.clone(), what)?;
    Box::pin(operation.perform(&change, &mut Reached::Nothing)).await
}

fn missing(
    cluster: &Cluster,
    name: &ServerName,
    to: Option<Revision>,
    history: &[Record],
    what: &str,
) -> Failure {
    let there: Vec<String> = history
        .iter()
        .map(|record| record.release.version.to_string())
        .collect();
    let there = there.join(", ");
    let failure = Failure::new(FailureKind::NotFound, what);
    let failure = match to {
        Some(number) => failure.because(format!(
            "it has no revision {number}; there are these: {there}"
        )),
        None => failure.because(format!(
            "no revision before the current one ran; there are these: {there}"
        )),
    };
    failure.hint(format!(
        "see what they are: {}",
        cluster.command(&format!("history {name}"))
    ))
}
