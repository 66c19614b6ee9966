//! [`Lock`]: the right to change a server. It is a container that never runs: of two commands one can make it.
//!
//! An engine goes on with what it was asked for when the one who asked is dead: containers that a killed deletion told to end still
//! run for a while. So a lock says what it is for, and whoever takes it from the dead learns it.

use std::collections::HashMap;

use bollard::{
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptions, ListImagesOptions},
};
use mcpt_core::{Failure, FailureKind, ServerName};

use crate::{
    engine::Engine,
    failure::{failure, is_missing, is_taken},
    holder,
    marks::{self, Role},
    own_image,
    unit::Unit,
};

/// What a command has a lock for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// To make the server, or to change it.
    Change,
    /// To end it.
    Delete,
}

impl Intent {
    fn label(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Delete => "delete",
        }
    }

    /// What a lock says; those of versions before said nothing.
    pub(crate) fn of(lock: &Unit) -> Self {
        match lock.label(marks::INTENT) {
            Some("delete") => Self::Delete,
            _ => Self::Change,
        }
    }
}

/// An image that a lock can be made of where nothing of its server is there: mcpt's own, else any. `None` when the engine has none
/// at all, and so no lock.
///
/// # Errors
/// When the engine cannot be asked.
pub(crate) async fn image(engine: &Engine, what: &str) -> Result<Option<String>, Failure> {
    let own = own_image::reference();
    match engine.api.inspect_image(&own).await {
        Ok(_) => return Ok(Some(own)),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(failure(what, &error)),
    }
    let all = engine.api.list_images(None::<ListImagesOptions>).await;
    let all = all.map_err(|error| failure(what, &error))?;
    Ok(all.into_iter().next().map(|image| image.id))
}

/// A lock that this command has.
#[derive(Debug)]
pub(crate) struct Lock {
    engine: Engine,
    id: String,
    /// What the command wanted that had it before and is dead.
    left: Option<Intent>,
}

impl Lock {
    /// Takes it, also from a command that certainly is dead. The image is any that the engine has.
    ///
    /// # Errors
    /// When another command has it.
    pub(crate) async fn take(
        engine: &Engine,
        server: &ServerName,
        intent: Intent,
        image: &str,
        what: &str,
    ) -> Result<Self, Failure> {
        if let Some(lock) = Self::try_take(engine, server, intent, image, what).await? {
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

    /// The same; `None` when another command has it.
    ///
    /// # Errors
    /// When the engine cannot be asked or refuses.
    pub(crate) async fn try_take(
        engine: &Engine,
        server: &ServerName,
        intent: Intent,
        image: &str,
        what: &str,
    ) -> Result<Option<Self>, Failure> {
        if let Some(lock) = Self::make(engine, server, intent, image, what).await? {
            return Ok(Some(lock));
        }
        let group = engine.group(server, what).await?;
        let dead = group.lock.as_ref().filter(|_| !group.is_being_changed());
        if let Some(dead) = dead {
            engine.remove(&[&dead.id], what).await?;
        }
        let lock = Self::make(engine, server, intent, image, what).await?;
        Ok(lock.map(|lock| Self {
            left: dead.map(Intent::of),
            ..lock
        }))
    }

    async fn make(
        engine: &Engine,
        server: &ServerName,
        intent: Intent,
        image: &str,
        what: &str,
    ) -> Result<Option<Self>, Failure> {
        let labels = [
            (marks::SERVER, server.to_string()),
            (marks::ROLE, Role::Lock.label().to_owned()),
            (marks::INTENT, intent.label().to_owned()),
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
                left: None,
            })),
            Err(error) if is_taken(&error) => Ok(None),
            Err(error) => Err(failure(what, &error)),
        }
    }

    /// What the command wanted that had it before and is dead, if there was one.
    pub(crate) fn left(&self) -> Option<Intent> {
        self.left
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When the engine does not do it; the next command takes it from this one, which is dead by then.
    pub(crate) async fn release(self, what: &str) -> Result<(), Failure> {
        self.engine.remove(&[&self.id], what).await
    }
}
