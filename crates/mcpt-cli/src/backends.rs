//! The backends of this program, and how one of them is chosen. A further backend is one more line here.

use std::fmt;

use mcpt_backend::Driver;
use mcpt_core::{BackendName, Capability, Failure, FailureKind};
use mcpt_docker::{DockerDriver, PodmanDriver};
use mcpt_kube::KubernetesDriver;
use mcpt_process::ProcessDriver;

/// All of them; the first is meant where nobody names one.
pub static BACKENDS: &[&dyn Driver] = &[
    &ProcessDriver,
    &DockerDriver,
    &PodmanDriver,
    &KubernetesDriver,
];

/// The backends that a command knows.
#[derive(Clone, Copy)]
pub(crate) struct Backends(pub(crate) &'static [&'static dyn Driver]);

impl Default for Backends {
    fn default() -> Self {
        Self(BACKENDS)
    }
}

impl fmt::Debug for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|driver| driver.name()))
            .finish()
    }
}

impl Backends {
    /// The one that is meant where nobody names one.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] in a program that has none.
    pub(crate) fn usual(self) -> Result<&'static dyn Driver, Failure> {
        self.0
            .first()
            .copied()
            .ok_or_else(|| Failure::new(FailureKind::Usage, "this program has no backend"))
    }

    /// Their names, as a sentence has them.
    pub(crate) fn names(self) -> String {
        names(self.0.iter().copied())
    }

    /// The one of that name; `by` is who gave it, for a failure: `--backend`.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] when there is none.
    pub(crate) fn get(self, name: &BackendName, by: &str) -> Result<&'static dyn Driver, Failure> {
        let found = self.0.iter().find(|driver| driver.name() == *name);
        found.copied().ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("cannot use {by}")).because(format!(
                "unknown backend {:?}: there is {}",
                name.as_str(),
                self.names()
            ))
        })
    }

    /// How to get to those that can what another cannot, for a hint.
    pub(crate) fn that_can(self, capability: Capability) -> Option<String> {
        let can = |driver: &&'static dyn Driver| driver.capabilities().has(capability);
        let able: Vec<_> = self.0.iter().copied().filter(can).collect();
        (!able.is_empty()).then(|| format!("add --backend {}", names(able)))
    }
}

fn names(drivers: impl IntoIterator<Item = &'static dyn Driver>) -> String {
    let names: Vec<_> = drivers
        .into_iter()
        .map(|driver| driver.name().to_string())
        .collect();
    match &names[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// The refusal of what a backend cannot do.
pub(crate) fn unsupported(
    backends: Backends,
    driver: &dyn Driver,
    capability: Capability,
    what: String,
) -> Failure {
    let mut failure = Failure::new(FailureKind::Usage, what).because(lacking(driver, capability));
    failure.hint = backends.that_can(capability);
    failure
}

/// What a backend lacks, as a cause.
pub(crate) fn lacking(driver: &dyn Driver, capability: Capability) -> String {
    format!("the {} backend {}", driver.name(), capability.lacking())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mcpt_catalog::Registry;

    use super::*;

    #[test]
    fn registries_may_name_each() {
        for driver in BACKENDS {
            let name = driver.name();
            let text = format!(r#"{{"a": {{"type": "{name}", "template": "demo"}}}}"#);
            let registry = Registry::parse(Path::new("r.json"), &text).unwrap();
            let named = registry.get("a").unwrap().backend.as_ref();
            assert_eq!(named, Some(&name), "schema/registry.schema.json");
        }
    }

    #[test]
    fn the_one_that_is_named() {
        let backends = Backends::default();
        assert_eq!(backends.usual().unwrap().name().as_str(), "process");
        let kubernetes = backends.get(&BackendName::new("kubernetes"), "--backend");
        assert_eq!(kubernetes.unwrap().name().as_str(), "kubernetes");
        let unknown = backends.get(&BackendName::new("mainframe"), "--backend");
        let failure = unknown.map(Driver::name).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "cannot use --backend: unknown backend \"mainframe\": there is process, docker, podman or kubernetes"
        );
    }

    #[test]
    fn the_refusal_names_who_can() {
        let backends = Backends::default();
        let usual = backends.usual().unwrap();
        let failure = unsupported(backends, usual, Capability::History, "cannot x".to_owned());
        assert_eq!(failure.why, ["the process backend keeps no revisions"]);
        let hint = "add --backend docker, podman or kubernetes";
        assert_eq!(failure.hint.as_deref(), Some(hint));
        assert_eq!(Backends(&[]).that_can(Capability::History), None);
    }
}
