//! What keeps a container from running and being ready: image, configuration, crash, memory, probe.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Event, Pod};

use super::{Advice, Diagnosis, Gravity, LogSource, ProbeReader, ProbeVerdict};

/// Exit codes of a process that was ended by SIGKILL or SIGTERM, as the kubelet does to containers that fail a probe.
const KILLED: [i32; 2] = [137, 143];

/// The gravest finding about the pod's containers; init containers come first, since they run first.
pub(super) fn diagnose_all(
    pod: &Pod,
    events: &[&Event],
    reads_probe: ProbeReader,
) -> Option<Diagnosis> {
    let status = pod.status.as_ref()?;
    let init = status
        .init_container_statuses
        .iter()
        .flatten()
        .map(|c| (c, true));
    let main = status
        .container_statuses
        .iter()
        .flatten()
        .map(|c| (c, false));
    init.chain(main)
        .filter_map(|(container, init)| {
            Subject {
                pod,
                container,
                init,
                events,
                reads_probe,
            }
            .diagnose()
        })
        .reduce(|best, next| {
            if next.gravity > best.gravity {
                next
            } else {
                best
            }
        })
}

struct Subject<'a> {
    pod: &'a Pod,
    container: &'a ContainerStatus,
    init: bool,
    events: &'a [&'a Event],
    reads_probe: ProbeReader,
}

impl Subject<'_> {
    fn diagnose(&self) -> Option<Diagnosis> {
        let state = self.container.state.as_ref()?;
        if let Some(waiting) = &state.waiting {
            let reason = waiting.reason.as_deref().unwrap_or_default();
            let message = waiting.message.as_deref().unwrap_or_default();
            return self.waiting(reason, message);
        }
        if let Some(ended) = &state.terminated {
            if self.init && ended.exit_code == 0 {
                return None;
            }
            return Some(self.ended(ended, Gravity::Grave, false));
        }
        if self.init {
            return self.failed_before();
        }
        if self.container.ready {
            return None;
        }
        self.running()
    }

    fn waiting(&self, reason: &str, message: &str) -> Option<Diagnosis> {
        match reason {
            "ErrImagePull"
            | "ImagePullBackOff"
            | "RegistryUnavailable"
            | "ImageInspectError"
            | "SignatureValidationFailed" => Some(self.image(Gravity::Grave, message)),
            "InvalidImageName" | "ErrImageNeverPull" => Some(self.image(Gravity::Fatal, message)),
            "CreateContainerConfigError" => Some(Diagnosis::new(
                Gravity::Grave,
                format!("{} cannot be configured: {message}", self.name()),
            )),
            "CreateContainerError"
            | "RunContainerError"
            | "PreCreateHookError"
            | "PreStartHookError"
            | "PostStartHookError" => Some(Diagnosis::new(
                Gravity::Grave,
                format!(
                    "{} cannot be started: {}",
                    self.name(),
                    runtime_words(message)
                ),
            )),
            "CrashLoopBackOff" => {
                let last = self
                    .container
                    .last_state
                    .as_ref()
                    .and_then(|s| s.terminated.as_ref());
                Some(match last {
                    Some(ended) => self.ended(ended, Gravity::Fatal, false),
                    None => Diagnosis::new(
                        Gravity::Fatal,
                        format!("{} ends again and again: {message}", self.name()),
                    ),
                })
            }
            "ContainerCreating" | "PodInitializing" if self.init => self.failed_before(),
            "ContainerCreating" | "PodInitializing" => None,
            other => Some(Diagnosis::new(
                Gravity::Waiting,
                format!("{} waits: {other} {message}", self.name())
                    .trim_end()
                    .to_owned(),
            )),
        }
    }

    /// An init container that failed and runs again: it most likely does what it did.
    fn failed_before(&self) -> Option<Diagnosis> {
        let last = self.container.last_state.as_ref()?.terminated.as_ref()?;
        (last.exit_code != 0).then(|| self.ended(last, Gravity::Grave, true))
    }

    fn image(&self, gravity: Gravity, message: &str) -> Diagnosis {
        let image = &self.container.image;
        // While backing off, newer kubelets repeat the registry's words; older ones have them only in an event.
        let failed = self
            .events
            .iter()
            .rev()
            .filter(|e| e.reason.as_deref() == Some("Failed"))
            .filter_map(|e| e.message.as_deref())
            .find(|m| m.starts_with("Failed to pull image"));
        let words = match failed {
            Some(event) if !message.contains("rpc error") && !message.contains("failed to") => {
                event
            }
            _ => message,
        };
        let never = words.contains("policy of Never");
        let advice = if never {
            Advice::AllowPull
        } else {
            Advice::CheckImage
        };
        Diagnosis::new(
            gravity,
            format!(
                "image {image:?} cannot be pulled: {}",
                registry_words(words)
            ),
        )
        .advice(advice)
    }

    /// A container that ended, for good or to be started again.
    fn ended(
        &self,
        ended: &ContainerStateTerminated,
        gravity: Gravity,
        previous: bool,
    ) -> Diagnosis {
        let reason = ended.reason.as_deref().unwrap_or_default();
        let log = self.log(previous);
        if reason == "OOMKilled" {
            let limit = self.memory_limit().map_or_else(
                || "the node ran out of memory".to_owned(),
                |limit| format!("its limit is {limit}"),
            );
            return Diagnosis::new(
                gravity,
                format!("{} ran out of memory and was killed: {limit}", self.name()),
            )
            .log(log)
            .advice(Advice::RaiseMemory);
        }
        if matches!(reason, "StartError" | "ContainerCannotRun") {
            let words = runtime_words(ended.message.as_deref().unwrap_or_default());
            return Diagnosis::new(
                gravity,
                format!("{} cannot be started: {words}", self.name()),
            );
        }
        if let Some(found) = self.killed_by_probe(ended) {
            return found;
        }
        let restarts = match self.container.restart_count {
            0 => String::new(),
            1 => ", 1 restart".to_owned(),
            n => format!(", {n} restarts"),
        };
        let how = match (ended.signal, ended.exit_code) {
            (Some(signal), _) if signal > 0 => format!("by signal {signal}"),
            (_, 0) => "with exit code 0 though it should go on running".to_owned(),
            (_, code) => format!("with exit code {code}"),
        };
        Diagnosis::new(gravity, format!("{} ended {how}{restarts}", self.name())).log(log)
    }

    fn running(&self) -> Option<Diagnosis> {
        let last = self
            .container
            .last_state
            .as_ref()
            .and_then(|s| s.terminated.as_ref());
        if let Some(ended) = last {
            // It is running again: it may still come up, but not after a kill for want of memory or of an answer.
            let gravity = match ended.reason.as_deref() {
                Some("OOMKilled") => Gravity::Grave,
                _ => Gravity::Waiting,
            };
            return Some(self.ended(ended, gravity, true));
        }
        let (_, output) = self.failing_probe()?;
        Some(self.probe(&output, Gravity::Waiting, false))
    }

    /// The kubelet killed the container since a startup or liveness probe used up its allowance.
    fn killed_by_probe(&self, ended: &ContainerStateTerminated) -> Option<Diagnosis> {
        let (kind, output) = self.failing_probe()?;
        let killed = KILLED.contains(&ended.exit_code) || ended.exit_code == 0;
        (killed && kind != "Readiness").then(|| self.probe(&output, Gravity::Fatal, true))
    }

    fn probe(&self, output: &str, gravity: Gravity, previous: bool) -> Diagnosis {
        // Refused connections are a server that still starts. What answers in another way will hardly change.
        let (least, advice) = match (self.reads_probe)(output) {
            ProbeVerdict::MayStart => (gravity, None),
            ProbeVerdict::AnotherServer => (Gravity::Grave, Some(Advice::CheckServer)),
            ProbeVerdict::LoopbackOnly => (Gravity::Grave, Some(Advice::ListenOnAll)),
        };
        let found = Diagnosis::new(
            gravity.max(least),
            format!("{} does not answer its probe: {output}", self.name()),
        );
        Diagnosis {
            advice,
            ..found.log(self.log(previous))
        }
    }

    /// Kind and output of the newest failing probe: `Startup probe failed: OUTPUT`.
    fn failing_probe(&self) -> Option<(&str, String)> {
        let event = self
            .events
            .iter()
            .rev()
            .find(|e| e.reason.as_deref() == Some("Unhealthy"))?;
        // A probe that `errored` met no container to run in: what became of that says more.
        let (kind, output) = event.message.as_deref()?.split_once(" probe failed: ")?;
        Some((kind, probe_words(output)))
    }

    fn name(&self) -> String {
        let kind = if self.init {
            "init container"
        } else {
            "container"
        };
        format!("{kind} {:?}", self.container.name)
    }

    fn log(&self, previous: bool) -> LogSource {
        LogSource {
            pod: self.pod.metadata.name.clone().unwrap_or_default(),
            container: self.container.name.clone(),
            previous,
        }
    }

    fn memory_limit(&self) -> Option<String> {
        let spec = self.pod.spec.as_ref()?;
        let all = spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten());
        let limits = all
            .filter(|c| c.name == self.container.name)
            .find_map(|c| c.resources.as_ref()?.limits.clone())?;
        limits.get("memory").map(|quantity| quantity.0.clone())
    }
}

/// A probe's output on one line. Many programs print a headline and one line per cause; the causes are what matters.
fn probe_words(output: &str) -> String {
    let lines: Vec<&str> = output
        .lines()
        .map(|line| line.trim().trim_start_matches("- "))
        .filter(|l| !l.is_empty())
        .collect();
    match lines.as_slice() {
        [] => "no output".to_owned(),
        [headline, causes @ ..] if headline.starts_with("error: ") && !causes.is_empty() => {
            causes.join("; ")
        }
        lines => lines.join("; "),
    }
}

/// The registry's own words, without the layers of wrapping before them.
fn registry_words(message: &str) -> &str {
    let message = message.trim();
    if let Some((_, rest)) = message.rsplit_once("rpc error: code = ") {
        return rest.split_once(" desc = ").map_or(rest, |(_, desc)| desc);
    }
    message
        .split_once("ErrImagePull: ")
        .map_or(message, |(_, words)| words)
}

/// The container runtime's own words: what follows its layers of wrapping.
fn runtime_words(message: &str) -> &str {
    let message = message.trim();
    match message
        .rfind("runc create failed: ")
        .or_else(|| message.rfind("exec: "))
    {
        Some(at) => message[at..].trim_start_matches("runc create failed: "),
        None => message,
    }
}
