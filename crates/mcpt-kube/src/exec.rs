//! Running a command in the container of a pod, by the API server.

use futures_util::{SinkExt as _, StreamExt as _, stream};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use kube::{
    Api, ResourceExt as _,
    api::{AttachParams, ListParams, TerminalSize},
};
use kube_access::is_ready;
use kube_observe::container;
use mcpt_core::{Exec, ExecEvent, ExecStream, Failure, FailureKind, ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
};

use crate::cluster::Cluster;

/// Bytes that are read, or held, at once.
const PART: usize = 16 * 1024;

/// Runs it in the pod of that name, else in the first ready one of those that match `selector`; in the container whose log is
/// shown.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is no such pod, or none is ready; what the API server refuses with.
pub(crate) async fn run(
    cluster: &Cluster,
    name: &ServerName,
    selector: &str,
    exec: Exec,
    what: String,
) -> Result<ExecStream, Failure> {
    let pod = chosen(cluster, name, selector, exec.instance.as_deref(), &what).await?;
    let has_terminal = exec.terminal.is_some();
    let params = AttachParams {
        container: container(&pod),
        stdin: exec.input.is_some(),
        stdout: true,
        // A terminal has one way out.
        stderr: !has_terminal,
        tty: has_terminal,
        max_stdin_buf_size: Some(PART),
        max_stdout_buf_size: Some(PART),
        max_stderr_buf_size: Some(PART),
    };
    let api: Api<Pod> = cluster.api();
    let pod = pod.name_any();
    let begun = cluster.answer(api.exec(&pod, exec.command, &params));
    let mut running = begun.await.map_err(|error| cluster.failure(&what, error))?;
    // What feeds the command goes on beside what reads it, and ends with it.
    let mut feeders = JoinSet::new();
    if let (Some(mut given), Some(mut input)) = (exec.input, running.stdin()) {
        feeders.spawn(async move {
            while let Some(part) = given.next().await {
                // A command that reads no more has ended, or will say why.
                if input.write_all(&part).await.is_err() {
                    return;
                }
            }
            let _gone = input.shutdown().await;
        });
    }
    if let (Some(mut sizes), Some(mut terminal)) = (exec.terminal, running.terminal_size()) {
        feeders.spawn(async move {
            while let Some(size) = sizes.next().await {
                let size = TerminalSize {
                    width: size.width,
                    height: size.height,
                };
                if terminal.send(size).await.is_err() {
                    return;
                }
            }
        });
    }
    let output = running.stdout().map(|from| parts(from, ExecEvent::Output));
    let error = running.stderr().map(|from| parts(from, ExecEvent::Error));
    let both = stream::select_all(output.into_iter().chain(error)).map(Ok);
    let status = running.take_status();
    let end = stream::once(async move {
        let status = match status {
            Some(status) => status.await,
            None => None,
        };
        drop(feeders);
        let Some(status) = status else {
            let broken = Failure::new(FailureKind::Failed, what)
                .because("the connection broke before the API server told how it ended");
            return Err(match running.join().await {
                Ok(()) => broken,
                Err(error) => broken.because(error.to_string()),
            });
        };
        let code = exit_code(&status);
        code.map(ExecEvent::Ended)
            .ok_or_else(|| Failure::new(FailureKind::Failed, what).because(words(status)))
    });
    Ok(both.chain(end).boxed())
}

/// The pod that is meant.
async fn chosen(
    cluster: &Cluster,
    name: &ServerName,
    selector: &str,
    instance: Option<&str>,
    what: &str,
) -> Result<Pod, Failure> {
    let labelled = ListParams::default().labels(selector);
    let pods: Vec<Pod> = cluster.list(labelled, what).await?;
    let wanted = |pod: &Pod| match instance {
        Some(instance) => pod.name_any() == instance,
        None => is_ready(pod),
    };
    pods.into_iter().find(wanted).ok_or_else(|| {
        let failure = Failure::new(FailureKind::NotFound, what).because(match instance {
            Some(instance) => format!("it has no pod {instance}"),
            None => "none of its pods is ready".to_owned(),
        });
        let status = cluster.command(&format!("status {name}"));
        failure.hint(format!("{status} shows its pods"))
    })
}

/// What is written, until it ends; a stream that breaks ends.
fn parts(
    from: impl AsyncRead + Send + Unpin + 'static,
    event: fn(Vec<u8>) -> ExecEvent,
) -> stream::BoxStream<'static, ExecEvent> {
    stream::unfold(from, move |mut from| async move {
        let mut part = vec![0; PART];
        let read = from.read(&mut part).await.ok().filter(|read| *read > 0)?;
        part.truncate(read);
        Some((event(part), from))
    })
    .boxed()
}

/// The exit code in what ends an exec, as the API has it: success, or `NonZeroExitCode` with the code among its causes. `None`
/// for a command that could not be run.
fn exit_code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let code = causes
        .iter()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    code.message.as_ref()?.parse().ok()
}

/// Why it could not be run.
fn words(status: Status) -> String {
    let told = [status.message, status.reason];
    let told = told.into_iter().flatten().find(|text| !text.is_empty());
    told.unwrap_or_else(|| "the API server does not say why".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ends_of_commands() {
        let code = |status| exit_code(&serde_json::from_value(status).unwrap());
        assert_eq!(code(json!({"status": "Success"})), Some(0));
        let ended = json!({
            "status": "Failure", "reason": "NonZeroExitCode",
            "message": "command terminated with non-zero exit code",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
        });
        assert_eq!(code(ended), Some(3));
        let not_run =
            json!({"status": "Failure", "reason": "InternalError", "message": "no such file"});
        assert_eq!(code(not_run.clone()), None);
        assert_eq!(
            words(serde_json::from_value(not_run).unwrap()),
            "no such file"
        );
        assert_eq!(
            code(json!({"status": "Failure", "details": {"causes": []}})),
            None
        );
    }
}
