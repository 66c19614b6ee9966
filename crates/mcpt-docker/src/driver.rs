//! [`DockerDriver`] and [`PodmanDriver`]: the engines before one was looked for.

use async_trait::async_trait;
use mcpt_backend::{Discovered, Driver, Place};
use mcpt_core::{Backend, BackendName, Capabilities, Capability, Failure, Namespace};

use crate::{
    connect::{connect, is_set_up},
    discovery::EngineDiscovery,
    engine::Kind,
};

/// No charts, no namespaces, nothing that follows the load, and no server that checks without making.
pub(crate) const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Images,
    Capability::Instances,
    Capability::Restart,
    Capability::Comparison,
    Capability::Usage,
    Capability::Exec,
    Capability::Recall,
    Capability::History,
    Capability::Events,
    Capability::Volumes,
    Capability::Packages,
]);

/// Servers as containers of Docker.
#[derive(Debug, Clone, Copy)]
pub struct DockerDriver;

/// Servers as containers of Podman.
#[derive(Debug, Clone, Copy)]
pub struct PodmanDriver;

macro_rules! driver {
    ($driver:ident, $kind:expr) => {
        #[async_trait]
        impl Driver for $driver {
            fn name(&self) -> BackendName {
                $kind.backend()
            }

            fn capabilities(&self) -> Capabilities {
                CAPABILITIES
            }

            fn is_set_up(&self, _place: &Place) -> bool {
                is_set_up($kind)
            }

            async fn open(&self, _place: &Place, named: bool) -> Result<Box<dyn Backend>, Failure> {
                Ok(Box::new(connect($kind, named).await?))
            }

            async fn discover(
                &self,
                _place: &Place,
                default: &Namespace,
                _all_namespaces: bool,
            ) -> Result<Discovered, Failure> {
                let engine = connect($kind, true).await?;
                Ok(Discovered {
                    source: Box::new(EngineDiscovery::new(engine, default.clone())),
                    namespace: None,
                    unreachable_hint: None,
                })
            }
        }
    };
}

driver!(DockerDriver, Kind::Docker);
driver!(PodmanDriver, Kind::Podman);
