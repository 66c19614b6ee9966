//! The backend before it is opened.

use std::path::PathBuf;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcpt_backend::{Discovered, Driver, Place};
use mcpt_core::{Backend, BackendName, Capabilities, Failure, Namespace};
use mcpt_routing::{Change, Discovery};

use crate::backend::Memory;

/// Servers in the memory of one process.
pub(crate) struct MemoryDriver;

/// Its name.
pub(crate) static NAME: BackendName = BackendName::new("memory");
/// What every backend can is all.
pub(crate) const CAPABILITIES: Capabilities = Capabilities::new(&[]);

#[async_trait]
impl Driver for MemoryDriver {
    fn name(&self) -> BackendName {
        NAME.clone()
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn open(&self, _place: &Place, _named: bool) -> Result<Box<dyn Backend>, Failure> {
        let folder =
            std::env::var_os("MCPT_STATE_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        Ok(Box::new(Memory { folder }))
    }

    async fn discover(
        &self,
        _place: &Place,
        _default: &Namespace,
        _all_namespaces: bool,
    ) -> Result<Discovered, Failure> {
        Ok(Discovered {
            source: Box::new(Nothing),
            namespace: None,
            unreachable_hint: None,
        })
    }
}

/// A gateway knows none of its servers: the suite asks for none.
#[derive(Debug)]
struct Nothing;

impl Discovery for Nothing {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn watch(self: Box<Self>) -> BoxStream<'static, Change> {
        stream::iter([Change::Snapshot(Vec::new())]).boxed()
    }
}
