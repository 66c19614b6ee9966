//! Where servers run: the backend that the options, the environment and the configuration file choose, and the place in it.

use mcpt_backend::{Driver, Place};
use mcpt_catalog::RegistryEntry;
use mcpt_core::{Backend, Capability, Failure, FailureKind, ServerName};

use crate::{
    args::Global,
    backends::{lacking, unsupported},
    everywhere, messages,
    user_config::UserConfig,
};

/// The backend that commands mean.
///
/// # Errors
/// When there is none of the name that somebody gave.
pub(crate) fn driver(global: &Global, config: &UserConfig) -> Result<&'static dyn Driver, Failure> {
    match &global.backend {
        Some(name) => global.backends.get(name, "--backend"),
        None => usual(global, config),
    }
}

/// The backend of commands that name none.
fn usual(global: &Global, config: &UserConfig) -> Result<&'static dyn Driver, Failure> {
    match &config.backend {
        Some(name) => global.backends.get(name, &config.backend_by),
        None => global.backends.usual(),
    }
}

/// The backend of an entry of a registry: what was asked for, else what the entry says, else the usual one.
///
/// # Errors
/// As [`driver`].
pub(crate) fn driver_for(
    global: &Global,
    config: &UserConfig,
    entry: &RegistryEntry,
) -> Result<&'static dyn Driver, Failure> {
    match (&global.backend, &entry.backend) {
        (None, Some(name)) => {
            let by = format!("entry {} of {}", entry.name, entry.file().display());
            global.backends.get(name, &by)
        }
        _ => driver(global, config),
    }
}

/// The place in a backend that options and configuration file name. What it does not have is left out.
pub(crate) fn place(global: &Global, config: &UserConfig, driver: &dyn Driver) -> Place {
    let can = driver.capabilities();
    let mut place = Place {
        rendering: config.rendering(),
        ..Place::default()
    };
    if can.has(Capability::Namespaces) {
        let namespace = global.namespace.as_ref().or(config.namespace.as_ref());
        place.namespace = namespace.cloned();
    }
    if can.has(Capability::Contexts) {
        place.kubeconfig.clone_from(&global.kubeconfig);
        place.context.clone_from(&global.context);
    }
    place
}

/// The place of an entry of a registry: its namespace counts unless another one was asked for.
pub(crate) fn place_for(
    global: &Global,
    config: &UserConfig,
    driver: &dyn Driver,
    entry: &RegistryEntry,
) -> Place {
    let mut place = place(global, config, driver);
    if driver.capabilities().has(Capability::Namespaces) && global.namespace.is_none() {
        place.namespace = entry.namespace.clone().or(place.namespace);
    }
    place
}

/// The backend, ready to be used.
pub(crate) async fn backend(
    global: &Global,
    config: &UserConfig,
) -> Result<Box<dyn Backend>, Failure> {
    let driver = driver(global, config)?;
    open(global, config, driver, &place(global, config, driver)).await
}

/// The backend, ready to be used, if it can do that; `what` is what fails otherwise.
pub(crate) async fn backend_that_can(
    global: &Global,
    config: &UserConfig,
    capability: Capability,
    what: String,
) -> Result<Box<dyn Backend>, Failure> {
    let driver = driver(global, config)?;
    if !driver.capabilities().has(capability) {
        return Err(unsupported(global.backends, driver, capability, what));
    }
    backend(global, config).await
}

/// The backend that a command about a server means: the one that somebody names, else the usual one, or the only other one that
/// has a server of that name when the usual one has none.
///
/// # Errors
/// [`FailureKind::Usage`] when several others have one.
pub(crate) async fn of_server(
    global: &Global,
    config: &UserConfig,
    name: &ServerName,
) -> Result<Box<dyn Backend>, Failure> {
    if everywhere::is_one_meant(global, config) {
        return backend(global, config).await;
    }
    let driver = driver(global, config)?;
    let usual = open_quietly(global, config, driver).await?;
    if usual.has(name).await? {
        warn_of_unused(global, driver);
        return Ok(usual);
    }
    let (mut found, failures) = everywhere::that_have(global, config, name, driver).await;
    match found.len() {
        1 => {}
        0 => {
            for failure in failures {
                messages::warning(global, &failure.to_string());
            }
            warn_of_unused(global, driver);
            return Ok(usual);
        }
        _ => {
            let names: Vec<_> = found.iter().map(|one| one.name().to_string()).collect();
            let failure = Failure::new(
                FailureKind::Usage,
                format!("it is not clear which {name} is meant"),
            );
            let failure = found.iter().fold(failure, |failure, one| {
                failure.because(format!("there is one {}", one.place()))
            });
            return Err(failure.hint(format!("add --backend {}", names.join(" or "))));
        }
    }
    let Some(only) = found.pop() else {
        return Ok(usual);
    };
    messages::hint(global, &format!("{name} is {}", only.place()));
    Ok(only)
}

/// As [`of_server`], if the backend can do that; `what` is what fails otherwise.
///
/// # Errors
/// Also [`FailureKind::Usage`] when it cannot.
pub(crate) async fn of_server_that_can(
    global: &Global,
    config: &UserConfig,
    name: &ServerName,
    capability: Capability,
    what: String,
) -> Result<Box<dyn Backend>, Failure> {
    let backend = if everywhere::is_one_meant(global, config) {
        // Before anybody is asked.
        backend_that_can(global, config, capability, what.clone()).await?
    } else {
        of_server(global, config, name).await?
    };
    if backend.capabilities().has(capability) {
        return Ok(backend);
    }
    let driver = global.backends.get(&backend.name(), "--backend")?;
    Err(unsupported(global.backends, driver, capability, what))
}

/// A place of a backend, ready to be used.
pub(crate) async fn open(
    global: &Global,
    config: &UserConfig,
    driver: &'static dyn Driver,
    place: &Place,
) -> Result<Box<dyn Backend>, Failure> {
    warn_of_unused(global, driver);
    driver
        .open(place, is_to_be_named(global, config, driver)?)
        .await
}

/// The place that options and configuration name, ready to be used. Nobody is told of options that mean nothing there.
pub(crate) async fn open_quietly(
    global: &Global,
    config: &UserConfig,
    driver: &'static dyn Driver,
) -> Result<Box<dyn Backend>, Failure> {
    let place = place(global, config, driver);
    driver
        .open(&place, is_to_be_named(global, config, driver)?)
        .await
}

/// Whether commands in hints must name the backend: where another one is the usual one, they would hit its server of that name.
/// Whether an option or the environment chose this one is all the same.
fn is_to_be_named(
    global: &Global,
    config: &UserConfig,
    driver: &dyn Driver,
) -> Result<bool, Failure> {
    let usual = usual(global, config)?.name() == driver.name();
    Ok(!usual || global.backend.is_some())
}

/// Options that name a place and mean nothing to the backend.
fn warn_of_unused(global: &Global, driver: &dyn Driver) {
    for (option, given, needed) in [
        (
            "--namespace",
            global.namespace.is_some(),
            Capability::Namespaces,
        ),
        ("--context", global.context.is_some(), Capability::Contexts),
        (
            "--kubeconfig",
            global.kubeconfig.is_some(),
            Capability::Contexts,
        ),
    ] {
        if given && !driver.capabilities().has(needed) {
            let why = lacking(driver, needed);
            messages::warning(global, &format!("{option} means nothing: {why}"));
        }
    }
}
