//! The logs of a server's pods, in the words of all backends.

use futures_util::StreamExt;
use jiff::Timestamp;
use kube_observe::LogError;
use mcpt_core::{Failure, FailureKind, LogLine, LogOptions, Logs, ServerName};

use crate::{cluster::Cluster, failure::failure};

/// Opens the stream for the pods of a server, which match `selector`.
pub(crate) async fn open(
    cluster: &Cluster,
    server: &ServerName,
    selector: &str,
    options: &LogOptions,
    what: &str,
) -> Result<Logs, Failure> {
    let since = options.since.map(Timestamp::try_from).transpose();
    let since = since.map_err(|error| Failure::new(FailureKind::Usage, what).caused_by(&error))?;
    let options = kube_observe::LogOptions {
        since,
        follow: options.follow,
        tail: options.tail,
        previous: options.previous,
    };
    let logs = kube_observe::logs(cluster, selector, &options).await;
    let logs = logs.map_err(|error| match error {
        LogError::NoPods | LogError::NeverRestarted | LogError::NotStarted => {
            let status = cluster.command(&format!("status {server}"));
            Failure::new(FailureKind::NotFound, what)
                .because(error.to_string())
                .hint(format!("{status} shows what its pods do"))
        }
        other => unread(&other, what),
    })?;
    let of_server = what.to_owned();
    let lines = logs.lines.map(move |line| match line {
        Ok(line) => Ok(LogLine {
            replica: line.pod,
            text: line.text,
        }),
        Err(error) => Err(unread(&error, &of_server)),
    });
    Ok(Logs {
        several: logs.several,
        lines: lines.boxed(),
    })
}

fn unread(error: &LogError, what: &str) -> Failure {
    match error {
        LogError::List(error) => failure(what, error),
        LogError::Pod { pod, source } => {
            failure(format!("cannot read the log of pod {pod}"), source)
        }
        LogError::Watch(error) => failure("cannot watch for new pods", error),
        other => Failure::new(FailureKind::Failed, what).because(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted;

    #[tokio::test]
    async fn an_empty_answer_says_where_to_look() {
        let cluster = scripted::cluster(|_, _| {
            let list = serde_json::json!({"metadata": {}, "items": []});
            (200, list.to_string())
        });
        let server = ServerName::new("demo").unwrap();
        let options = LogOptions::default();
        let failure = open(&cluster, &server, "a=b", &options, "x").await;
        let failure = failure.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert_eq!(failure.why, ["the server has no pods"]);
        assert_eq!(
            failure.hint.as_deref(),
            Some("mcpt -b kubernetes -n ns status demo shows what its pods do")
        );
    }
}
