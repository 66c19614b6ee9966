//! Where the credentials come from: `--kubeconfig`, the `KUBECONFIG` list, `~/.kube/config`, or the account of the pod.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use mcpt_core::{Failure, FailureKind};

use crate::failure::chain;

const CANNOT_CONNECT: &str = "cannot connect to Kubernetes";

/// What the environment says about clusters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// `KUBECONFIG`.
    pub(crate) kubeconfig: Option<OsString>,
    /// Home folder.
    pub(crate) home: Option<PathBuf>,
    /// Whether this process runs in a pod with a service account (`KUBERNETES_SERVICE_HOST`).
    pub(crate) in_cluster: bool,
}

impl Surroundings {
    /// Reads this process's environment.
    pub(crate) fn read() -> Self {
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()),
            home: std::env::var_os("HOME")
                .filter(|v| !v.is_empty())
                .map(PathBuf::from),
            in_cluster: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }
}

/// A client configuration and what the user said about the namespace.
#[derive(Debug)]
pub(crate) struct Found {
    /// For the client.
    pub(crate) config: Config,
    /// Namespace of the context or of the pod, if one is named there.
    pub(crate) namespace: Option<String>,
}

/// Finds the configuration as kubectl does: an explicit file, else the files of `KUBECONFIG`, else `~/.kube/config`, else
/// the account of the pod.
pub(crate) async fn find(
    explicit: Option<&Path>,
    context: Option<&str>,
    surroundings: &Surroundings,
) -> Result<Found, Failure> {
    let files = match (explicit, &surroundings.kubeconfig) {
        (Some(file), _) => Files::Named(vec![file.to_owned()]),
        (None, Some(list)) => Files::Named(
            std::env::split_paths(list)
                .filter(|path| !path.as_os_str().is_empty())
                .collect(),
        ),
        (None, None) => Files::Default(surroundings.home.as_ref().map(|h| h.join(".kube/config"))),
    };
    match files.read()? {
        Some(kubeconfig) => from_kubeconfig(kubeconfig, context).await,
        None if surroundings.in_cluster => {
            let config = Config::incluster().map_err(|error| {
                Failure::new(FailureKind::Unreachable, CANNOT_CONNECT)
                    .because(format!(
                        "the pod's service account cannot be used: {}",
                        chain(&error)
                    ))
                    .hint("mount a service account token into this pod, or give --kubeconfig")
            })?;
            let namespace = Some(config.default_namespace.clone());
            Ok(Found { config, namespace })
        }
        None => Err(Failure::new(FailureKind::Unreachable, CANNOT_CONNECT)
            .because(format!(
                "there is no kubeconfig: {} and this is not a pod",
                files.absent()
            ))
            .hint("give --kubeconfig FILE or set KUBECONFIG")),
    }
}

enum Files {
    /// The user named them; at least one must be there.
    Named(Vec<PathBuf>),
    /// Nobody named it, so it may be absent.
    Default(Option<PathBuf>),
}

impl Files {
    fn read(&self) -> Result<Option<Kubeconfig>, Failure> {
        match self {
            Self::Default(path) => match path {
                Some(path) if path.exists() => read(path).map(Some),
                _ => Ok(None),
            },
            Self::Named(paths) => {
                // As with kubectl, absent files of the list are no error as long as one is there.
                let present: Vec<_> = paths.iter().filter(|path| path.exists()).collect();
                if present.is_empty() {
                    let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
                    return Err(Failure::new(FailureKind::Unreachable, CANNOT_CONNECT)
                        .because(format!(
                            "the kubeconfig {} does not exist",
                            names.join(", ")
                        ))
                        .hint("check --kubeconfig and KUBECONFIG"));
                }
                let mut merged = Kubeconfig::default();
                for path in present {
                    merged = merged.merge(read(path)?).map_err(|error| {
                        Failure::new(FailureKind::Usage, CANNOT_CONNECT).because(format!(
                            "{}: {}",
                            path.display(),
                            chain(&error)
                        ))
                    })?;
                }
                Ok(Some(merged))
            }
        }
    }

    fn absent(&self) -> String {
        match self {
            Self::Default(Some(path)) => {
                format!("KUBECONFIG is not set, {} does not exist,", path.display())
            }
            Self::Default(None) | Self::Named(_) => "KUBECONFIG and HOME are not set,".to_owned(),
        }
    }
}

fn read(path: &Path) -> Result<Kubeconfig, Failure> {
    Kubeconfig::read_from(path).map_err(|error| {
        let why = match &error {
            KubeconfigError::ReadConfig(io, _) => format!("cannot read {}: {io}", path.display()),
            KubeconfigError::Parse(parse) => {
                // The parser shows a snippet of the file; only its first line is fit to be shown, since the file has secrets.
                let text = parse.to_string();
                let line = text
                    .lines()
                    .find(|l| !l.trim().is_empty())
                    .unwrap_or_default();
                format!("{} is not a kubeconfig: {line}", path.display())
            }
            other => format!("{}: {}", path.display(), chain(other)),
        };
        Failure::new(FailureKind::Usage, CANNOT_CONNECT).because(why)
    })
}

async fn from_kubeconfig(kubeconfig: Kubeconfig, context: Option<&str>) -> Result<Found, Failure> {
    let mut names: Vec<String> = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
    names.sort_unstable();
    let known = || {
        if names.is_empty() {
            "the kubeconfig has no contexts".to_owned()
        } else {
            format!("contexts of the kubeconfig: {}", names.join(", "))
        }
    };
    let current = kubeconfig
        .current_context
        .clone()
        .filter(|name| !name.is_empty());
    let Some(name) = context.map(str::to_owned).or(current) else {
        return Err(Failure::new(FailureKind::Usage, CANNOT_CONNECT)
            .because("the kubeconfig has no current context")
            .hint(format!("give --context; {}", known())));
    };
    let Some(chosen) = kubeconfig.contexts.iter().find(|c| c.name == name) else {
        return Err(Failure::new(FailureKind::Usage, CANNOT_CONNECT)
            .because(format!("there is no context {name:?}"))
            .hint(known()));
    };
    let namespace = chosen
        .context
        .as_ref()
        .and_then(|c| c.namespace.clone())
        .filter(|n| !n.is_empty());
    let options = KubeConfigOptions {
        context: Some(name.clone()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| {
            Failure::new(FailureKind::Usage, CANNOT_CONNECT)
                .because(format!("context {name:?}: {}", chain(&error)))
        })?;
    Ok(Found { config, namespace })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: c, user: u, namespace: teams}}
- {name: two, context: {cluster: c, user: u}}
- {name: lost, context: {cluster: gone, user: u}}
clusters:
- {name: c, cluster: {server: 'https://127.0.0.1:1'}}
users:
- {name: u, user: {token: hunter2}}
";

    fn surroundings(folder: &Path, kubeconfig: Option<&str>) -> Surroundings {
        Surroundings {
            kubeconfig: kubeconfig.map(OsString::from),
            home: Some(folder.to_owned()),
            in_cluster: false,
        }
    }

    async fn refused(explicit: Option<&Path>, context: Option<&str>, s: &Surroundings) -> Failure {
        find(explicit, context, s).await.unwrap_err()
    }

    #[tokio::test]
    async fn every_source_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k");
        std::fs::write(&file, GOOD).unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir_all(home.join(".kube")).unwrap();
        std::fs::write(home.join(".kube/config"), GOOD).unwrap();

        let list = format!("/nowhere:{}", file.display());
        for (explicit, context, s, namespace) in [
            (
                Some(file.as_path()),
                None,
                surroundings(folder.path(), None),
                Some("teams"),
            ),
            (
                Some(file.as_path()),
                Some("two"),
                surroundings(folder.path(), None),
                None,
            ),
            (
                None,
                None,
                surroundings(folder.path(), Some(&list)),
                Some("teams"),
            ),
            (None, None, surroundings(&home, None), Some("teams")),
        ] {
            let found = find(explicit, context, &s).await.unwrap();
            assert_eq!(found.namespace.as_deref(), namespace);
            assert_eq!(found.config.cluster_url, "https://127.0.0.1:1");
        }
    }

    #[tokio::test]
    async fn each_way_to_fail_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let good = file("good", GOOD);
        let none = surroundings(folder.path(), None);

        let failure = refused(None, None, &none).await;
        assert_eq!(failure.kind, FailureKind::Unreachable);
        assert!(
            failure.why[0].contains(".kube/config does not exist"),
            "{failure}"
        );

        let failure = refused(Some(Path::new("/nowhere/k")), None, &none).await;
        assert_eq!(failure.why, ["the kubeconfig /nowhere/k does not exist"]);

        let failure = refused(Some(&good), Some("three"), &none).await;
        assert_eq!(failure.kind, FailureKind::Usage);
        assert_eq!(failure.why, [r#"there is no context "three""#]);
        assert_eq!(
            failure.hint.as_deref(),
            Some("contexts of the kubeconfig: lost, one, two")
        );

        let failure = refused(Some(&good), Some("lost"), &none).await;
        assert!(failure.why[0].contains("cluster of context"), "{failure}");

        let failure = refused(Some(&file("empty", "")), None, &none).await;
        assert_eq!(failure.why, ["the kubeconfig has no current context"]);

        let broken = file(
            "broken",
            "users:\n- {name: u, user: {token: hunter2}\n  x: [",
        );
        let failure = refused(Some(&broken), None, &none).await;
        assert_eq!(failure.kind, FailureKind::Usage);
        assert!(failure.why[0].contains("is not a kubeconfig"), "{failure}");
        assert!(!failure.to_string().contains("hunter2"), "{failure}");
    }
}
