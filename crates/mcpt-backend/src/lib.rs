//! The way to a backend: its name, what it can do, how it is opened and how a gateway learns of its servers.
//!
//! A backend's crate has one [`Driver`], and the command line one list of them. Whoever adds a backend writes a crate with
//! both traits, [`Driver`] and [`mcpt_core::Backend`], and puts the driver into that list.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use mcpt_core::{
    Backend, BackendName, Capabilities, DeployOptions, Deployed, Failure, Namespace, Plan, Progress,
};
use mcpt_routing::Discovery;

/// Which of the places of a backend is meant. What a backend does not have is not set for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Namespace; `None` means the backend's own choice.
    pub namespace: Option<Namespace>,
    /// Context of the kubeconfig; `None` means its current one.
    pub context: Option<String>,
    /// Kubeconfig file; `None` means the usual ones.
    pub kubeconfig: Option<PathBuf>,
    /// What the templates of a chart may use there.
    pub rendering: Rendering,
}

/// What the templates of a chart may use. What is not set is the engine's own bound, which no real chart meets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rendering {
    /// How long they may take.
    pub time: Option<Duration>,
    /// How many bytes of text and lists they may make.
    pub memory: Option<u64>,
}

/// The servers of a backend for a gateway.
#[derive(Debug)]
pub struct Discovered {
    /// Tells of them as they come and go.
    pub source: Box<dyn Discovery>,
    /// Namespace of servers that are named without one, where the backend has a say in it.
    pub namespace: Option<Namespace>,
    /// Why endpoints may not be reachable from here.
    pub unreachable_hint: Option<&'static str>,
}

/// A kind of backend, before any place of it was looked at.
#[async_trait]
pub trait Driver: Send + Sync {
    /// What it is called.
    fn name(&self) -> BackendName;

    /// What its backends can do.
    fn capabilities(&self) -> Capabilities;

    /// Whether there is a sign of such a place on this machine, as a socket or a configuration. Where there is none, commands
    /// that name no backend do not look for one. Nobody is asked.
    fn is_set_up(&self, _place: &Place) -> bool {
        true
    }

    /// The folder for unpacked bundles, where servers are processes of this machine that can run from one; `None` elsewhere.
    ///
    /// # Errors
    /// Within: when there is no such folder.
    fn bundles(&self) -> Option<Result<PathBuf, Failure>> {
        None
    }

    /// A backend that is ready to be used. With `named` the commands in its hints say which backend they are for, since it
    /// is not the one that commands mean which name none.
    ///
    /// # Errors
    /// [`mcpt_core::FailureKind::Usage`] for a place that cannot be, [`mcpt_core::FailureKind::Unreachable`] for one that does not answer.
    async fn open(&self, place: &Place, named: bool) -> Result<Box<dyn Backend>, Failure>;

    /// A dry run on this machine, for backends that can tell what would be deployed without the place. `None`: it must be opened.
    ///
    /// # Errors
    /// Within: what is wrong with the plan and its options.
    fn dry_run(
        &self,
        _plan: &Plan,
        _options: &DeployOptions,
        _place: &Place,
        _progress: &dyn Progress,
    ) -> Option<Result<Deployed, Failure>> {
        None
    }

    /// The servers there, for a gateway: those of the place's namespace, or with `all_namespaces` of all. Where there are no
    /// namespaces all servers are in `default`.
    ///
    /// # Errors
    /// As [`Self::open`].
    async fn discover(
        &self,
        place: &Place,
        default: &Namespace,
        all_namespaces: bool,
    ) -> Result<Discovered, Failure>;
}
