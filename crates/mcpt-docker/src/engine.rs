//! [`Engine`]: a connected Docker or Podman, and what is ours on it.

use std::{collections::HashMap, fmt, time::Duration};

use bollard::{
    Docker, body_full,
    errors::Error,
    models::ContainerInspectResponse,
    query_parameters::{
        InspectContainerOptions, ListContainersOptions, RemoveContainerOptions,
        RenameContainerOptions, StopContainerOptions, UploadToContainerOptions,
        WaitContainerOptions,
    },
};
use bytes::Bytes;
use futures_util::{StreamExt as _, future::try_join_all};
use mcpt_core::{BackendName, Failure, ServerName};
use tokio::time::timeout;

use crate::{
    failure::{failure, is_being_removed, is_missing},
    marks, states,
    unit::{Group, Unit, groups},
};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Docker,
    Podman,
}

impl Kind {
    /// The name of its backend.
    pub(crate) fn backend(self) -> BackendName {
        BackendName::new(match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "Docker",
            Self::Podman => "Podman",
        })
    }
}

/// How often a container is removed whose removal by others fails.
const REMOVALS: usize = 5;

/// How long a removal by others is waited for before the next attempt.
const REMOVAL: Duration = Duration::from_mins(1);

/// A connected engine.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(crate) api: Docker,
    pub(crate) kind: Kind,
    /// Whether commands in hints name the backend.
    pub(crate) named: bool,
}

impl Engine {
    /// All that is ours, by server.
    pub(crate) async fn groups(&self, what: &str) -> Result<Vec<Group>, Failure> {
        Ok(groups(self.units(marks::SERVER.to_owned(), what).await?))
    }

    /// What is ours of one server.
    pub(crate) async fn group(&self, name: &ServerName, what: &str) -> Result<Group, Failure> {
        let units = self
            .units(format!("{}={name}", marks::SERVER), what)
            .await?;
        let found = groups(units).into_iter().find(|group| group.name == *name);
        Ok(found.unwrap_or_else(|| Group::empty(name.clone())))
    }

    async fn units(&self, label: String, what: &str) -> Result<Vec<Unit>, Failure> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), vec![label])])),
            ..ListContainersOptions::default()
        };
        let containers = self.api.list_containers(Some(options)).await;
        let containers = states::read(containers).map_err(|error| failure(what, &error))?;
        Ok(containers.iter().filter_map(Unit::read).collect())
    }

    /// What the engine knows of a container; `None` when it is gone.
    pub(crate) async fn inspect(
        &self,
        id: &str,
        what: &str,
    ) -> Result<Option<ContainerInspectResponse>, Failure> {
        let inspected = self
            .api
            .inspect_container(id, None::<InspectContainerOptions>)
            .await;
        match states::read(inspected) {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failure(what, &error)),
        }
    }

    /// Unpacks an archive at the root of a container.
    pub(crate) async fn upload(
        &self,
        id: &str,
        archive: Vec<u8>,
        what: &str,
    ) -> Result<(), Failure> {
        let options = UploadToContainerOptions {
            path: "/".to_owned(),
            ..UploadToContainerOptions::default()
        };
        let body = body_full(Bytes::from(archive));
        let uploaded = self.api.upload_to_container(id, Some(options), body).await;
        uploaded.map_err(|error| failure(what, &error))
    }

    /// Ends containers gracefully, each within so many seconds, else within the time that it was made with, and leaves them
    /// there.
    pub(crate) async fn stop(
        &self,
        ids: &[&str],
        within: Option<i32>,
        what: &str,
    ) -> Result<(), Failure> {
        let stops = ids.iter().map(|id| async move {
            let options = StopContainerOptions {
                t: within,
                ..StopContainerOptions::default()
            };
            let stopped = self.api.stop_container(id, Some(options)).await;
            done_or_gone(stopped, what)
        });
        try_join_all(stops).await.map(drop)
    }

    /// Gives a container another name, unless it is gone.
    pub(crate) async fn rename(&self, id: &str, name: &str, what: &str) -> Result<(), Failure> {
        let options = RenameContainerOptions {
            name: name.to_owned(),
        };
        done_or_gone(self.api.rename_container(id, options).await, what)
    }

    /// Removes containers with the volumes that have no name, running ones by force. They are gone when this returns, whoever
    /// removed them.
    pub(crate) async fn remove(&self, ids: &[&str], what: &str) -> Result<(), Failure> {
        let removals = ids.iter().map(|id| self.remove_one(id, what));
        try_join_all(removals).await.map(drop)
    }

    async fn remove_one(&self, id: &str, what: &str) -> Result<(), Failure> {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            ..RemoveContainerOptions::default()
        };
        for _ in 1..REMOVALS {
            let removed = self.api.remove_container(id, Some(options.clone())).await;
            match removed {
                Err(error) if is_being_removed(&error) => self.removed(id, REMOVAL, what).await?,
                removed => return done_or_gone(removed, what),
            }
        }
        done_or_gone(self.api.remove_container(id, Some(options)).await, what)
    }

    /// Waits so long at most until a container is removed by others. Docker goes on with a removal when the command that asked for
    /// it is dead, and refuses a second one.
    pub(crate) async fn removed(
        &self,
        id: &str,
        within: Duration,
        what: &str,
    ) -> Result<(), Failure> {
        let options = WaitContainerOptions {
            condition: "removed".to_owned(),
        };
        let ended = self.api.wait_container(id, Some(options)).collect();
        let ended: Result<Vec<_>, _> = timeout(within, ended).await;
        // Of one that takes longer the next look tells.
        for end in ended.unwrap_or_default() {
            match end {
                // The code that it ended with, or the words of a removal that failed: the next one tells.
                Ok(_) | Err(Error::DockerContainerWaitError { .. }) => {}
                Err(error) => done_or_gone(Err(error), what)?,
            }
        }
        Ok(())
    }
}

/// A container that is gone needs nothing done to it.
fn done_or_gone(outcome: Result<(), Error>, what: &str) -> Result<(), Failure> {
    match outcome {
        Err(error) if !is_missing(&error) => Err(failure(what, &error)),
        _ => Ok(()),
    }
}
