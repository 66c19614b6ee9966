//! All backends at once, for commands that name none. What does not answer is named, and keeps nobody waiting for long.

use std::time::Duration;

use futures_util::future::join_all;
use mcpt_backend::Driver;
use mcpt_core::{Backend, Capability, Failure, FailureKind, Server, ServerName};
use tokio::time::timeout;

use crate::{args::Global, place, user_config::UserConfig};

/// How long an engine of this machine may take to answer; one may have to be started for it.
const NEAR: Duration = Duration::from_secs(3);
/// How long one that is reached over a network may take.
const FAR: Duration = Duration::from_secs(5);

/// The servers of one backend, and where that is.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) servers: Vec<Server>,
    /// As [`Backend::place`] says it.
    pub(crate) place: String,
}

/// Whether somebody said which backend is meant: an option, the environment or the configuration file.
pub(crate) fn is_one_meant(global: &Global, config: &UserConfig) -> bool {
    global.backend.is_some() || config.backend.is_some()
}

/// The backends of which there is a sign on this machine, in the order of the program.
fn set_up(global: &Global, config: &UserConfig) -> Vec<&'static dyn Driver> {
    let all = global.backends.0.iter().copied();
    all.filter(|driver| driver.is_set_up(&place::place(global, config, *driver)))
        .collect()
}

/// The servers of all of them, and why some cannot be told.
pub(crate) async fn list(global: &Global, config: &UserConfig) -> (Vec<Listed>, Vec<Failure>) {
    let drivers = set_up(global, config);
    let asked = drivers.into_iter().map(|driver| async move {
        let what = format!("cannot list the servers of {}", driver.name());
        within(driver, what, async {
            let backend = place::open_quietly(global, config, driver).await?;
            Ok(Listed {
                servers: backend.list().await?,
                place: backend.place(),
            })
        })
        .await
    });
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for outcome in join_all(asked).await {
        match outcome {
            Ok(listed) => found.push(listed),
            Err(failure) => failures.push(failure),
        }
    }
    (found, failures)
}

/// The backends other than one that have a server of that name, and why some cannot be asked.
pub(crate) async fn that_have(
    global: &Global,
    config: &UserConfig,
    name: &ServerName,
    other_than: &dyn Driver,
) -> (Vec<Box<dyn Backend>>, Vec<Failure>) {
    let mut drivers = set_up(global, config);
    drivers.retain(|driver| driver.name() != other_than.name());
    let asked = drivers.into_iter().map(|driver| async move {
        let what = format!("cannot look for {name} in {}", driver.name());
        within(driver, what, async {
            let backend = place::open_quietly(global, config, driver).await?;
            Ok(backend.has(name).await?.then_some(backend))
        })
        .await
    });
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for outcome in join_all(asked).await {
        match outcome {
            Ok(backend) => found.extend(backend),
            Err(failure) => failures.push(failure),
        }
    }
    (found, failures)
}

/// Does it within the time that a backend of this kind has.
async fn within<T>(
    driver: &dyn Driver,
    what: String,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let far = driver.capabilities().has(Capability::Contexts);
    let patience = if far { FAR } else { NEAR };
    timeout(patience, work).await.unwrap_or_else(|_| {
        let seconds = patience.as_secs();
        Err(Failure::new(FailureKind::Unreachable, what)
            .because(format!("it has not answered within {seconds} s")))
    })
}
