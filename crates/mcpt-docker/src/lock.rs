//! [`Lock`]: the right to change a server. It is a container that never runs: of two commands one can make it.
//!
//! An engine goes on with what it was asked for when the one who asked is dead: containers that a killed deletion told to end still
//! run for a while. So a lock says what it is for, and that of a dead command is not removed but renamed, until what it began is
//! finished or undone. Whoever has the lock finds it there, also when several died one after the other.

use std::{collections::HashMap, time::Duration};

use bollard::{
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptions, ListImagesOptions, RenameContainerOptions},
};
use mcpt_core::{Failure, FailureKind, Progress, ProgressEvent, ServerName};
use tokio::time::{Instant, sleep};

use crate::{
    engine::Engine,
    failure::{failure, is_missing, is_taken, status},
    holder,
    marks::{self, Role},
    own_image,
    unit::{Group, Unit},
};

/// How long a command that cleans up is waited for: it ends what is left of a server gracefully.
const CLEANED: Duration = Duration::from_mins(2);
/// Between two looks at whether it still lives.
const LOOK: Duration = Duration::from_secs(1);
/// How long a lock's name may be given away without a lock: an engine makes one, or removes it.
const UNSEEN: Duration = Duration::from_secs(2);
/// How long an engine may refuse to give a dead command's lock another name.
const REFUSED: Duration = Duration::from_secs(20);
/// Between two looks at that.
const PAUSE: Duration = Duration::from_millis(50);

/// What a command has a lock for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// To make the server, or to change it.
    Change,
    /// To end it.
    Delete,
    /// To take away what commands that died have left.
    Clean,
}

impl Intent {
    fn label(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Clean => "clean",
        }
    }

    /// What a lock says; those of versions before said nothing.
    pub(crate) fn of(lock: &Unit) -> Self {
        match lock.label(marks::INTENT) {
            Some("delete") => Self::Delete,
            Some("clean") => Self::Clean,
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
    /// That of a command that is dead.
    left: Option<Left>,
}

/// The lock of a command that died.
#[derive(Debug)]
struct Left {
    id: String,
    intent: Intent,
}

impl Lock {
    /// Takes it, also from a command that certainly is dead; one that cleans up is waited for. The image is any that the engine has.
    ///
    /// # Errors
    /// When another command has it.
    pub(crate) async fn take(
        engine: &Engine,
        server: &ServerName,
        intent: Intent,
        image: &str,
        what: &str,
        progress: &dyn Progress,
    ) -> Result<Self, Failure> {
        let taken = Self::try_take(engine, server, intent, image, what, progress).await?;
        if let Some(lock) = taken {
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
        progress: &dyn Progress,
    ) -> Result<Option<Self>, Failure> {
        let begun = Instant::now();
        let mut seen = begun;
        let mut refused = None;
        let mut told = false;
        loop {
            if let Some(id) = make(engine, server, intent, image, what).await? {
                // Under the lock: nobody else finishes now what it stands for.
                let group = engine.group(server, what).await?;
                let left = group.dead_lock.map(|dead| Left {
                    intent: Intent::of(&dead),
                    id: dead.id,
                });
                let engine = engine.clone();
                return Ok(Some(Self { engine, id, left }));
            }
            let group = engine.group(server, what).await?;
            match &group.lock {
                Some(lock) if !group.is_being_changed() => {
                    seen = Instant::now();
                    match set_aside(engine, &group, lock, what).await? {
                        SetAside::Done => refused = None,
                        // Others are at it, or the engine is; its own words once that lasts.
                        SetAside::Refused(error) => {
                            let since: &mut Instant = refused.get_or_insert_with(Instant::now);
                            if since.elapsed() > REFUSED {
                                return Err(failure(what, &error));
                            }
                            sleep(PAUSE).await;
                        }
                    }
                }
                Some(lock) if Intent::of(lock) == Intent::Clean && begun.elapsed() < CLEANED => {
                    seen = Instant::now();
                    if !told {
                        let why = "waiting for a command that cleans up what was left of it";
                        progress.event(ProgressEvent::Waiting(why.to_owned()));
                        told = true;
                    }
                    engine.removed(&lock.id, LOOK, what).await?;
                }
                None if seen.elapsed() < UNSEEN => sleep(PAUSE).await,
                _ => return Ok(None),
            }
        }
    }

    /// What the command wanted that died, if what it began has not been finished or undone since.
    pub(crate) fn left(&self) -> Option<Intent> {
        self.left.as_ref().map(|left| left.intent)
    }

    /// What it began is finished or undone.
    ///
    /// # Errors
    /// When the engine does not take its lock away.
    pub(crate) async fn settled(&self, what: &str) -> Result<(), Failure> {
        match &self.left {
            Some(left) => self.engine.remove(&[&left.id], what).await,
            None => Ok(()),
        }
    }

    /// A failure for want of the server, which is gone since this command has finished its deletion, if so.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        if self.left() == Some(Intent::Delete) {
            failure.because("a deletion of it that was cut off has been finished now")
        } else {
            failure
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

/// Makes the container, and gives its id; `None` when there is one of its name.
async fn make(
    engine: &Engine,
    server: &ServerName,
    intent: Intent,
    image: &str,
    what: &str,
) -> Result<Option<String>, Failure> {
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
        Ok(made) => Ok(Some(made.id)),
        Err(error) if is_taken(&error) => Ok(None),
        Err(error) => Err(failure(what, &error)),
    }
}

/// What came of [`set_aside`].
enum SetAside {
    /// It is out of the way.
    Done,
    /// The engine does not do it now.
    Refused(bollard::errors::Error),
}

/// Takes the lock of a dead command out of the way. It is kept by another name, unless it says no more than one that is kept
/// already. Others may do the same at that moment: by its id it is this one in any case, whatever it is called by now.
async fn set_aside(
    engine: &Engine,
    group: &Group,
    dead: &Unit,
    what: &str,
) -> Result<SetAside, Failure> {
    let kept = group.dead_lock.as_ref();
    let says_more = match Intent::of(dead) {
        // What it was to finish is said by the lock that it found.
        Intent::Clean => false,
        Intent::Change => kept.is_none(),
        Intent::Delete => kept.is_none_or(|kept| Intent::of(kept) != Intent::Delete),
    };
    if !says_more {
        engine.remove(&[&dead.id], what).await?;
        return Ok(SetAside::Done);
    }
    if let Some(kept) = kept {
        engine.remove(&[&kept.id], what).await?;
    }
    let name = Role::DeadLock.name(&group.name);
    let options = RenameContainerOptions { name };
    match engine.api.rename_container(&dead.id, options).await {
        Ok(()) => Ok(SetAside::Done),
        // Others were faster.
        Err(error) if is_missing(&error) => Ok(SetAside::Done),
        // It has that name, or another one has; it is being removed.
        Err(error) if is_taken(&error) || status(&error) == Some(400) => {
            Ok(SetAside::Refused(error))
        }
        Err(error) => Err(failure(what, &error)),
    }
}
