//! [`KubernetesDriver`]: the Kubernetes backend before a cluster was looked for.

use async_trait::async_trait;
use helm_render::Limits;
use mcpt_backend::{Discovered, Driver, Place};
use mcpt_core::{
    Backend, BackendName, Capabilities, Capability, DeployOptions, Deployed, DryRun, Failure,
    Namespace, Plan, Progress,
};

use crate::{ConnectOptions, Kubernetes, connect, deploy, options};

/// Its name.
pub(crate) static NAME: BackendName = BackendName::new("kubernetes");

/// Everything.
pub(crate) const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Images,
    Capability::Packages,
    Capability::Chart,
    Capability::Instances,
    Capability::Autoscaling,
    Capability::Idling,
    Capability::Restart,
    Capability::Comparison,
    Capability::Forwarding,
    Capability::Usage,
    Capability::Exec,
    Capability::Recall,
    Capability::History,
    Capability::Events,
    Capability::Volumes,
    Capability::Namespaces,
    Capability::Contexts,
    Capability::RemoteDryRun,
    Capability::InstalledGateway,
]);

/// Servers as Helm releases in a cluster.
#[derive(Debug, Clone, Copy)]
pub struct KubernetesDriver;

#[async_trait]
impl Driver for KubernetesDriver {
    fn name(&self) -> BackendName {
        NAME.clone()
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn is_set_up(&self, place: &Place) -> bool {
        connect::is_configured(&connect_options(place))
    }

    async fn open(&self, place: &Place, _named: bool) -> Result<Box<dyn Backend>, Failure> {
        Ok(Box::new(
            Kubernetes::connect(&connect_options(place)).await?,
        ))
    }

    fn dry_run(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        place: &Place,
        progress: &dyn Progress,
    ) -> Option<Result<Deployed, Failure>> {
        (options.dry_run == Some(DryRun::Client)).then(|| {
            let options = options::DeployOptions::of(options, &deploy::cannot(plan))?;
            let limits = limits(place);
            deploy::dry_run(plan, &options, place.namespace.as_ref(), limits, progress)
        })
    }

    async fn discover(
        &self,
        place: &Place,
        _default: &Namespace,
        all_namespaces: bool,
    ) -> Result<Discovered, Failure> {
        let source = connect::discover(&connect_options(place), all_namespaces).await?;
        Ok(Discovered {
            namespace: Some(source.namespace().clone()),
            unreachable_hint: source.unreachable_hint(),
            source: Box::new(source),
        })
    }
}

fn connect_options(place: &Place) -> ConnectOptions {
    ConnectOptions {
        kubeconfig: place.kubeconfig.clone(),
        context: place.context.clone(),
        namespace: place.namespace.clone(),
        limits: limits(place),
    }
}

/// What the templates of charts may use.
fn limits(place: &Place) -> Limits {
    let usual = Limits::default();
    Limits {
        time: place.rendering.time.unwrap_or(usual.time),
        memory: place.rendering.memory.unwrap_or(usual.memory),
    }
}
