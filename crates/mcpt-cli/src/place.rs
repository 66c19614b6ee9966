//! Where servers run: the backend that the options, the environment and the configuration file choose, and the place in it.

use mcpt_backend::{Driver, Place};
use mcpt_catalog::RegistryEntry;
use mcpt_core::{Backend, Capability, Failure};

use crate::{
    args::Global,
    backends::{lacking, unsupported},
    messages,
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

/// A place of a backend, ready to be used.
pub(crate) async fn open(
    global: &Global,
    config: &UserConfig,
    driver: &'static dyn Driver,
    place: &Place,
) -> Result<Box<dyn Backend>, Failure> {
    warn_of_unused(global, driver);
    // Where another backend is the usual one, a command from a hint would hit its server of that name. Whether an option
    // or the environment chose this one is all the same.
    let usual = match &config.backend {
        Some(_) => usual(global, config)?.name() == driver.name(),
        None => true,
    };
    driver
        .open(place, !(usual && global.backend.is_none()))
        .await
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
