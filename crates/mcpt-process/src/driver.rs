//! [`ProcessDriver`]: the process backend before it is opened.

use std::path::PathBuf;

use async_trait::async_trait;
use mcpt_backend::{Discovered, Driver, Place};
use mcpt_core::{Backend, BackendName, Capabilities, Capability, Failure, FailureKind, Namespace};

use crate::{Processes, bundles, folder::StateFolder};

/// Its name.
pub(crate) static NAME: BackendName = BackendName::new("process");

/// It runs one local command for each server, which may be that of a package.
pub(crate) const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Packages,
    Capability::Restart,
    Capability::Comparison,
    Capability::Usage,
    Capability::Recall,
    Capability::Events,
]);

/// Servers as processes of this user.
#[derive(Debug, Clone, Copy)]
pub struct ProcessDriver;

#[async_trait]
impl Driver for ProcessDriver {
    fn name(&self) -> BackendName {
        NAME.clone()
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn bundles(&self) -> Option<Result<PathBuf, Failure>> {
        let state = StateFolder::of_environment().map_err(|error| {
            Failure::new(FailureKind::Failed, "cannot find a place for bundles").caused_by(&error)
        });
        Some(state.map(|state| bundles::folder(&state)))
    }

    async fn open(&self, _place: &Place, named: bool) -> Result<Box<dyn Backend>, Failure> {
        let processes = Processes::new()?;
        Ok(Box::new(if named { processes.named() } else { processes }))
    }

    async fn discover(
        &self,
        _place: &Place,
        default: &Namespace,
        _all_namespaces: bool,
    ) -> Result<Discovered, Failure> {
        Ok(Discovered {
            source: Box::new(Processes::new()?.discovery(default)),
            namespace: None,
            unreachable_hint: None,
        })
    }
}
