//! [`Lock`]: the right to change a server. It is a container that never runs: of two commands one can make it.

use std::collections::HashMap;

use bollard::{models::ContainerCreateBody, query_parameters::CreateContainerOptions};
use mcpt_core::{Failure, FailureKind, ServerName};

use crate::{
    engine::Engine,
    failure::{failure, is_taken},
    holder,
    marks::{self, Role},
};

/// A lock that this command has.
#[derive(Debug)]
pub(crate) struct Lock {
    engine: Engine,
    id: String,
}

impl Lock {
    /// Takes it, also from a command that certainly is dead. The image is any that the engine has.
    ///
    /// # Errors
    /// When another command has it.
    pub(crate) async fn take(
        engine: &Engine,
        server: &ServerName,
        image: &str,
        what: &str,
    ) -> Result<Self, Failure> {
        if let Some(lock) = Self::try_take(engine, server, image, what).await? {
            return Ok(lock);
        }
        let group = engine.group(server, what).await?;
        if let Some(held) = group.lock.as_ref().filter(|_| !group.is_being_changed()) {
            engine.remove(&[&held.id], what).await?;
        }
        if let Some(lock) = Self::try_take(engine, server, image, what).await? {
            return Ok(lock);
        }
        let name = Role::Lock.name(server);
        Err(Failure::new(FailureKind::Failed, what)
            .because(format!("another operation on {server} is in progress"))
            .hint(format!(
                "wait until that command has ended, then run this one again; if it ran on another machine and is dead: \
                 {} rm {name}",
                engine.kind.backend()
            )))
    }

    async fn try_take(
        engine: &Engine,
        server: &ServerName,
        image: &str,
        what: &str,
    ) -> Result<Option<Self>, Failure> {
        let labels = [
            (marks::SERVER, server.to_string()),
            (marks::ROLE, Role::Lock.label().to_owned()),
            (marks::HOLDER, holder::own()),
        ];
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: Some(vec!["lock".to_owned()]),
            labels: Some(HashMap::from(
                labels.map(|(key, value)| (key.to_owned(), value)),
            )),
            network_disabled: Some(true),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions {
            name: Some(Role::Lock.name(server)),
            ..CreateContainerOptions::default()
        };
        match engine.api.create_container(Some(options), body).await {
            Ok(made) => Ok(Some(Self {
                engine: engine.clone(),
                id: made.id,
            })),
            Err(error) if is_taken(&error) => Ok(None),
            Err(error) => Err(failure(what, &error)),
        }
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When the engine does not do it; the next command takes it from this one, which is dead by then.
    pub(crate) async fn release(self, what: &str) -> Result<(), Failure> {
        self.engine.remove(&[&self.id], what).await
    }
}
