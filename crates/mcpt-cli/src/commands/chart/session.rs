//! The cluster that a command on releases works on, and what is told while it works.

use std::io::{self, IsTerminal as _};

use helm_install::action::{Action, ActionError, Cancellation, Conduct, Listener};
use http::HeaderValue;
use kube_access::{Cluster, ClusterTarget, ConnectOptions, Error, Progress, chain};
use mcpt_core::{Failure, FailureKind, Progress as Display, ProgressEvent};
use mcpt_kube::TOOL;

use super::failed;
use crate::{args::Global, ending::Ending, messages, output, progress, runtime};

/// How mcpt calls itself towards the API server.
const USER_AGENT: &str = concat!("mcpt/", env!("CARGO_PKG_VERSION"));

/// The cluster, with the namespace to work in: the context's or `default` when nobody says.
pub(super) async fn connect(global: &Global) -> Result<Cluster, Ending> {
    let target = ClusterTarget::find(&options(global)).await;
    let target = target.map_err(|error| unreachable(&error))?;
    let of_context = target.namespace.clone();
    let namespace = global.namespace.as_ref().map(ToString::to_string);
    let namespace = namespace.or(of_context);
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    let cluster = target.connect(&namespace).await;
    Ok(cluster.map_err(|error| unreachable(&error))?)
}

/// The namespace that [`connect`] takes; without a kubeconfig that can be used `default`, as with helm. Nobody is asked.
pub(super) fn namespace(global: &Global) -> Result<String, Ending> {
    if let Some(namespace) = &global.namespace {
        return Ok(namespace.to_string());
    }
    let namespace = match kube_access::namespace_of_context(&options(global)) {
        Ok(namespace) => namespace,
        Err(Error::Kubeconfig(_)) => None,
        Err(error) => return Err(unreachable(&error).into()),
    };
    Ok(namespace.unwrap_or_else(|| "default".to_owned()))
}

fn options(global: &Global) -> ConnectOptions {
    ConnectOptions {
        kubeconfig: global.kubeconfig.clone(),
        context: global.context.clone(),
        user_agent: Some(HeaderValue::from_static(USER_AGENT)),
        overrides: global.overrides.clone(),
    }
}

fn unreachable(error: &dyn std::error::Error) -> Failure {
    failed(format!("kubernetes cluster unreachable: {}", chain(error)))
}

/// A failure of work on a release.
pub(super) fn refused(error: &ActionError) -> Ending {
    if error.is_cancelled() {
        // Helm lets the signal end it, which a shell tells as this code.
        return Failure::new(FailureKind::Interrupted, "interrupted").into();
    }
    failed(error.to_string()).into()
}

/// The same, with what helm says before it.
pub(super) fn refused_as(prefix: &str) -> impl Fn(ActionError) -> Ending {
    move |error| failed(format!("{prefix}{error}")).into()
}

/// What tells of the work: a spinner on a terminal, and else, as with helm, what the user should know alone.
pub(super) struct Teller<'a> {
    global: &'a Global,
    display: Option<Box<dyn Display>>,
    cancellation: Cancellation,
}

impl<'a> Teller<'a> {
    /// As the options and the terminal want it.
    pub(super) fn new(global: &'a Global) -> Self {
        let shows = io::stderr().is_terminal() || global.verbose > 0;
        Self {
            global,
            display: shows.then(|| progress::display(global)),
            cancellation: Cancellation::default(),
        }
    }

    /// Work on a release.
    pub(super) fn action<'w>(
        &'w self,
        cluster: &'w Cluster,
        name: &'w str,
        conduct: &'w Conduct,
    ) -> Action<'w> {
        let told = Listener {
            progress: self,
            logs: &messages::line,
        };
        Action::new(cluster, TOOL, name, conduct, told).ended_by(&self.cancellation)
    }

    /// Runs work on a release that a signal ends as a failure, which its record tells. As helm does, that of an installation or
    /// an upgrade is told; then `cancelled` is the release's name.
    pub(super) fn run<T>(
        &self,
        cancelled: Option<&str>,
        work: impl Future<Output = Result<T, Ending>>,
    ) -> Result<T, Ending> {
        runtime::run_to_an_end(work, || {
            let ends = self.cancellation.order();
            if let Some(name) = cancelled.filter(|_| ends) {
                // That nobody reads it must not keep the work from its end.
                drop(output::line(&format!("Release {name} has been cancelled.")));
            }
            ends
        })
    }

    fn event(&self, event: ProgressEvent) {
        if let Some(display) = &self.display {
            display.event(event);
        }
    }
}

impl Progress for Teller<'_> {
    fn step(&self, text: String) {
        self.event(ProgressEvent::Step(text));
    }

    fn waiting(&self, text: String) {
        self.event(ProgressEvent::Waiting(text));
    }

    fn warning(&self, text: String) {
        match &self.display {
            Some(display) => display.event(ProgressEvent::Warning(text)),
            None => messages::warning(self.global, &text),
        }
    }
}
