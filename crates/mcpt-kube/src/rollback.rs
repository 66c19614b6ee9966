//! Going back: an earlier revision runs again, as a new one.

use helm_release::Status;
use mcpt_core::{ChangeOptions, Failure, FailureKind, Progress, Revision, Server, ServerName};

use crate::{
    absent::last_of_server,
    change::{Change, ROLLBACK_REVISION},
    claim,
    cluster::Cluster,
    operation::{Conduct, Operation, Reached},
    records::Record,
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
        None => before(&history),
    };
    let target = target.ok_or_else(|| missing(name, to, &history, what))?;
    let change = Change::back_to(target, history.clone(), what)?;
    Box::pin(operation.perform(&change, &mut Reached::Nothing)).await
}

/// The newest revision before the current one that ran. A rollback that was interrupted is taken up again, so that the same
/// command finishes it.
fn before(history: &[Record]) -> Option<&Record> {
    let (last, earlier) = history.split_last()?;
    if claim::was_interrupted(&last.release, Status::PendingRollback) {
        let to = last.release.info.other.get(ROLLBACK_REVISION);
        let to = to.and_then(serde_json::Value::as_u64)?;
        return earlier
            .iter()
            .find(|record| u64::from(record.release.version) == to);
    }
    earlier.iter().rev().find(|record| {
        matches!(
            record.release.info.status,
            Status::Deployed | Status::Superseded
        )
    })
}

fn missing(name: &ServerName, to: Option<Revision>, history: &[Record], what: &str) -> Failure {
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
    failure.hint(format!("see what they are: mcpt history {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use helm_release::Release;
    use kube::core::ObjectMeta;
    use serde_json::json;

    #[test]
    fn the_one_before() {
        let record = |(index, text): (usize, &str)| {
            let mut release = Release {
                version: u32::try_from(index + 1).unwrap(),
                ..Release::default()
            };
            let (status, to) = text.split_once('>').unwrap_or((text, ""));
            release.info.status = serde_json::from_value(status.into()).unwrap();
            if let Ok(to) = to.parse::<u32>() {
                release.info.description = "pending-rollback was interrupted".into();
                release
                    .info
                    .other
                    .insert(ROLLBACK_REVISION.into(), json!(to));
            }
            Record {
                release,
                metadata: ObjectMeta::default(),
            }
        };
        for (history, expected) in [
            ("", None),
            ("deployed", None),
            ("failed deployed", None),
            ("superseded deployed", Some(1)),
            ("superseded failed deployed", Some(1)),
            // A failed update: back to what runs.
            ("superseded deployed failed", Some(2)),
            ("superseded deployed failed failed", Some(2)),
            ("superseded uninstalled", Some(1)),
            // Interrupted on the way to 1.
            ("superseded deployed failed>1", Some(1)),
        ] {
            let records: Vec<Record> = history.split_whitespace().enumerate().map(record).collect();
            let found = before(&records).map(|r| r.release.version);
            assert_eq!(found, expected, "{history}");
        }
    }
}
