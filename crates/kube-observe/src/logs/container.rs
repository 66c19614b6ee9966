//! Runs of a pod's container: which there are, and as which log one can be read. Pure.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

/// Annotation that names the container whose log is meant when none is named, as kubectl reads it.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The container that is meant when none is named.
pub fn container(pod: &Pod) -> Option<String> {
    let named = pod
        .metadata
        .annotations
        .as_ref()
        .and_then(|a| a.get(DEFAULT_CONTAINER))
        .cloned();
    named.or_else(|| {
        pod.spec
            .as_ref()?
            .containers
            .first()
            .map(|c| c.name.clone())
    })
}

/// One run of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// The pod's uid.
    pub(super) pod: String,
    /// How often the container was restarted before.
    pub(super) restarts: i32,
}

impl Run {
    /// The container's present run, once it began; that of which `previous` is meant when it was restarted.
    pub(super) fn of(pod: &Pod, container: &str, previous: bool) -> Option<Self> {
        let status = status(pod, container)?;
        let state = status.state.as_ref()?;
        let begun = state.running.is_some() || state.terminated.is_some();
        let restarted = status.restart_count > 0;
        (restarted || (begun && !previous)).then(|| Self {
            pod: pod.metadata.uid.clone().unwrap_or_default(),
            restarts: status.restart_count,
        })
    }

    /// Where its lines are now.
    pub(super) fn place(&self, pod: Option<&Pod>, container: &str) -> LogOf {
        let Some(pod) = pod.filter(|pod| pod.metadata.uid.as_ref() == Some(&self.pod)) else {
            return LogOf::Gone;
        };
        let Some(status) = status(pod, container) else {
            return LogOf::Gone;
        };
        let state = status.state.clone().unwrap_or_default();
        if status.restart_count == self.restarts {
            return LogOf::Present {
                goes_on: state.running.is_some(),
            };
        }
        match state {
            // Then there is one log, that of the last run.
            ContainerState {
                running: None,
                terminated: None,
                ..
            } => LogOf::Overwritten,
            _ => LogOf::Previous {
                restarts: status.restart_count,
            },
        }
    }
}

/// As which log of its pod the lines of a run can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogOf {
    /// The present one.
    Present {
        /// Whether more may come.
        goes_on: bool,
    },
    /// That of the run before the present one, of a container that was restarted this often. If there was more than one run since,
    /// it is that of a later run, which nobody has read.
    Previous { restarts: i32 },
    /// None any more: the container was restarted, and waits for the next restart.
    Overwritten,
    /// None: the pod is gone.
    Gone,
}

impl LogOf {
    /// Whether what was opened when they were here is theirs, as they are there now.
    pub(super) fn is_still(self, now: Self) -> bool {
        match (self, now) {
            // What is open may be read to its end.
            (_, Self::Gone) | (Self::Present { .. }, Self::Present { .. }) => true,
            _ => self == now,
        }
    }
}

fn status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == container)
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "json! literals read best as arguments"
)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(crate) fn pod(state: Value, restarts: u32) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "uid": "u", "annotations": {DEFAULT_CONTAINER: "server"}},
            "spec": {"containers": [{"name": "side"}, {"name": "server"}]},
            "status": {"containerStatuses": [{"name": "server", "image": "", "imageID": "", "ready": false,
                "restartCount": restarts, "state": state}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_run_is_read_once_it_began() {
        let run = |state: Value, restarts, previous| {
            let run = Run::of(&pod(state, restarts), "server", previous);
            run.map(|run| (run.pod, run.restarts))
        };
        let (running, waiting) = (json!({"running": {}}), json!({"waiting": {}}));
        let of = |restarts| Some(("u".to_owned(), restarts));
        assert_eq!(
            container(&pod(running.clone(), 0)).as_deref(),
            Some("server")
        );
        assert_eq!(run(running.clone(), 0, false), of(0));
        assert_eq!(run(waiting.clone(), 0, false), None);
        assert_eq!(run(waiting, 2, false), of(2));
        assert_eq!(run(running.clone(), 0, true), None);
        assert_eq!(run(running.clone(), 1, true), of(1));
        assert_eq!(Run::of(&pod(running, 0), "side", false), None);
    }

    #[test]
    fn where_the_lines_of_a_run_are() {
        let ended = json!({"terminated": {"exitCode": 0}});
        let present = |goes_on| LogOf::Present { goes_on };
        let previous = |restarts| LogOf::Previous { restarts };
        let run = Run {
            pod: "u".to_owned(),
            restarts: 1,
        };
        for (state, restarts, place) in [
            (json!({"running": {}}), 1, present(true)),
            (ended.clone(), 1, present(false)),
            (json!({"waiting": {}}), 1, present(false)),
            (json!({"running": {}}), 2, previous(2)),
            (ended, 2, previous(2)),
            (json!({"waiting": {}}), 2, LogOf::Overwritten),
            (json!({"running": {}}), 3, previous(3)),
        ] {
            let now = run.place(Some(&pod(state.clone(), restarts)), "server");
            assert_eq!(now, place, "{state} {restarts}");
        }
        assert_eq!(run.place(None, "server"), LogOf::Gone);
        let mut other = pod(json!({"running": {}}), 1);
        other.metadata.uid = Some("other".to_owned());
        assert_eq!(run.place(Some(&other), "server"), LogOf::Gone);
    }

    #[test]
    fn what_was_opened_is_theirs_only_while_nothing_took_its_place() {
        let present = |goes_on| LogOf::Present { goes_on };
        let previous = |restarts| LogOf::Previous { restarts };
        for (opened, now, theirs) in [
            (present(true), present(true), true),
            (present(true), present(false), true),
            (present(true), previous(1), false),
            (present(false), LogOf::Overwritten, false),
            (present(true), LogOf::Gone, true),
            (previous(1), previous(1), true),
            (previous(1), previous(2), false),
            (previous(1), LogOf::Overwritten, false),
        ] {
            assert_eq!(opened.is_still(now), theirs, "{opened:?} {now:?}");
        }
    }
}
