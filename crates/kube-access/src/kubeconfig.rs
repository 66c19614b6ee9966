//! Where the credentials come from: a named file, the `KUBECONFIG` list, `~/.kube/config`, or the account of the pod; read as
//! kubectl reads them.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use kube::{
    Config,
    config::{Context, Kubeconfig, KubeconfigError as ReadError, NamedAuthInfo, NamedCluster},
};

use crate::{
    ConnectOptions, ErrorKind, Overrides, chain,
    context::{self, Access},
    proxy::ProxyVariables,
    token::TokenFile,
};

/// What is wrong with a kubeconfig, or with the part of it that was chosen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// Nobody named one, none is in the usual place, and this is not a pod.
    #[error("there is no kubeconfig: {looked} and this is not a pod")]
    Absent {
        /// Where it was looked for.
        looked: String,
    },
    /// None of the named files is there.
    #[error("the kubeconfig {files} does not exist")]
    NamedAbsent {
        /// The files, as one text.
        files: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is none.
    #[error("{} is not a kubeconfig: {line}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said first; the rest shows the file, which has secrets.
        line: String,
    },
    /// Files do not fit together.
    #[error("{}: {}", path.display(), chain(source))]
    Merge {
        /// The file that does not fit to those before it.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// No context was named, and there is no current one.
    #[error("the kubeconfig has no current context")]
    NoCurrentContext {
        /// The contexts that there are.
        known: Vec<String>,
    },
    /// There is no such context.
    #[error("there is no context {name:?}")]
    UnknownContext {
        /// Its name.
        name: String,
        /// The contexts that there are.
        known: Vec<String>,
    },
    /// A context cannot be used.
    #[error("context {name:?}: {}", chain(source))]
    Context {
        /// Its name.
        name: String,
        /// Why.
        source: context::ContextError,
    },
    /// The account of the pod cannot be used.
    #[error("the pod's service account cannot be used: {0}")]
    ServiceAccount(String),
}

impl KubeconfigError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Absent { .. } | Self::NamedAbsent { .. } | Self::ServiceAccount(_) => {
                ErrorKind::Unreachable
            }
            _ => ErrorKind::Configuration,
        }
    }
}

/// What the environment says about clusters.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `KUBECONFIG`.
    pub kubeconfig: Option<OsString>,
    /// Home folder.
    pub home: Option<PathBuf>,
    /// Whether this process runs in a pod with a service account (`KUBERNETES_SERVICE_HOST`).
    pub in_cluster: bool,
    /// The proxies that it names.
    pub proxies: ProxyVariables,
}

impl Surroundings {
    /// Reads this process's environment.
    pub fn read() -> Self {
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()),
            home: std::env::var_os("HOME")
                .filter(|v| !v.is_empty())
                .map(PathBuf::from),
            in_cluster: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
            proxies: ProxyVariables::read(),
        }
    }
}

/// A client configuration and what the user said about the namespace.
#[derive(Debug)]
pub(crate) struct LoadedConfig {
    /// How to get in.
    pub(crate) access: Access,
    /// Namespace of the context or of the pod, if one is named there.
    pub(crate) namespace: Option<String>,
}

/// Finds the configuration as kubectl does: an explicit file, else the files of `KUBECONFIG`, else `~/.kube/config`, else
/// the account of the pod.
pub(crate) fn find(
    options: &ConnectOptions,
    surroundings: &Surroundings,
) -> Result<LoadedConfig, KubeconfigError> {
    let files = match (&options.kubeconfig, &surroundings.kubeconfig) {
        (Some(file), _) => Files::Named(vec![file.clone()]),
        (None, Some(list)) => Files::Named(
            std::env::split_paths(list)
                .filter(|path| !path.as_os_str().is_empty())
                .collect(),
        ),
        (None, None) => Files::Default(surroundings.home.as_ref().map(|h| h.join(".kube/config"))),
    };
    let kubeconfig = match files.read() {
        // What the environment names is not needed once a server is named, as with helm.
        Err(KubeconfigError::NamedAbsent { .. })
            if options.kubeconfig.is_none() && options.overrides.server.is_some() =>
        {
            None
        }
        kubeconfig => kubeconfig?,
    };
    match kubeconfig {
        Some(kubeconfig) => from_kubeconfig(&kubeconfig, options, &surroundings.proxies),
        None if options.overrides.server.is_some() => {
            from_kubeconfig(&Kubeconfig::default(), options, &surroundings.proxies)
        }
        None if surroundings.in_cluster => of_pod(&options.overrides, &surroundings.proxies),
        None => Err(KubeconfigError::Absent {
            looked: files.absent(),
        }),
    }
}

/// The account of the pod that this process runs in.
fn of_pod(
    overrides: &Overrides,
    proxies: &ProxyVariables,
) -> Result<LoadedConfig, KubeconfigError> {
    let unusable = |error: &dyn std::error::Error| KubeconfigError::ServiceAccount(chain(error));
    let mut config = Config::incluster().map_err(|error| unusable(&error))?;
    let namespace = Some(config.default_namespace.clone());
    let proxy = proxies.of(&config.cluster_url);
    config.proxy_url = proxy.map_err(|error| unusable(&error))?;
    let judged = context::judge_anew(&mut config, overrides);
    judged.map_err(|error| unusable(&error))?;
    overrides.over_user(&mut config.auth_info);
    let file = config.auth_info.token_file.take();
    let token = file.map(|file| TokenFile::open(file.into())).transpose();
    let token = token.map_err(|error| unusable(&error))?;
    let access = Access { config, token };
    Ok(LoadedConfig { access, namespace })
}

enum Files {
    /// The user named them; at least one must be there.
    Named(Vec<PathBuf>),
    /// Nobody named it, so it may be absent.
    Default(Option<PathBuf>),
}

impl Files {
    fn read(&self) -> Result<Option<Kubeconfig>, KubeconfigError> {
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
                    let files = names.join(", ");
                    return Err(KubeconfigError::NamedAbsent { files });
                }
                let mut merged = Kubeconfig::default();
                for path in present {
                    merged = merged.merge(read(path)?).map_err(|source| {
                        let path = path.clone();
                        KubeconfigError::Merge { path, source }
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

fn read(path: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let mut kubeconfig = Kubeconfig::read_from(path).map_err(|error| {
        let path = path.to_owned();
        match error {
            ReadError::ReadConfig(source, _) => KubeconfigError::Unreadable { path, source },
            ReadError::Parse(parse) => {
                // The parser shows a snippet of the file; only its first line is fit to be shown, since the file has secrets.
                let text = parse.to_string();
                let line = text.lines().find(|l| !l.trim().is_empty());
                let line = line.unwrap_or_default().to_owned();
                KubeconfigError::Malformed { path, line }
            }
            source => KubeconfigError::Merge { path, source },
        }
    })?;
    forget_empty(&mut kubeconfig, path);
    Ok(kubeconfig)
}

/// To kubectl an empty text says nothing: a later file may name the context, and no file is meant. Paths have been made absolute
/// by now, an empty one too.
fn forget_empty(kubeconfig: &mut Kubeconfig, path: &Path) {
    let nowhere = path.parent().map(|folder| folder.join(""));
    let nowhere = nowhere.map(|folder| folder.to_string_lossy().into_owned());
    let clear = |field: &mut Option<String>| {
        *field = field
            .take()
            .filter(|text| !text.is_empty() && Some(text) != nowhere.as_ref());
    };
    clear(&mut kubeconfig.current_context);
    let clusters = kubeconfig.clusters.iter_mut();
    for cluster in clusters.filter_map(|NamedCluster { cluster, .. }| cluster.as_mut()) {
        clear(&mut cluster.certificate_authority);
        clear(&mut cluster.certificate_authority_data);
        clear(&mut cluster.proxy_url);
        clear(&mut cluster.tls_server_name);
        clear(&mut cluster.server);
    }
    let users = kubeconfig.auth_infos.iter_mut();
    for user in users.filter_map(|NamedAuthInfo { auth_info, .. }| auth_info.as_mut()) {
        clear(&mut user.client_certificate);
        clear(&mut user.client_certificate_data);
        clear(&mut user.client_key);
        clear(&mut user.token_file);
        clear(&mut user.username);
        clear(&mut user.impersonate);
        clear(&mut user.impersonate_uid);
    }
}

fn from_kubeconfig(
    kubeconfig: &Kubeconfig,
    options: &ConnectOptions,
    proxies: &ProxyVariables,
) -> Result<LoadedConfig, KubeconfigError> {
    let known = || {
        let mut names: Vec<String> = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
        names.sort_unstable();
        names
    };
    let current = kubeconfig.current_context.as_deref();
    let name = options.context.as_deref().or(current);
    let named = kubeconfig.contexts.iter();
    let named = name.and_then(|name| named.clone().find(|c| c.name == name));
    let chosen = match (name, named) {
        (_, Some(named)) => named.context.clone().unwrap_or_default(),
        (Some(name), None) => {
            return Err(KubeconfigError::UnknownContext {
                name: name.to_owned(),
                known: known(),
            });
        }
        (None, None) if options.overrides.server.is_some() => Context::default(),
        (None, None) => return Err(KubeconfigError::NoCurrentContext { known: known() }),
    };
    let namespace = chosen.namespace.clone().filter(|n| !n.is_empty());
    let access = context::access(kubeconfig, &chosen, &options.overrides, proxies);
    let access = access.map_err(|source| KubeconfigError::Context {
        name: name.unwrap_or_default().to_owned(),
        source,
    })?;
    Ok(LoadedConfig { access, namespace })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

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
            ..Surroundings::default()
        }
    }

    fn options(kubeconfig: Option<&Path>, context: Option<&str>) -> ConnectOptions {
        ConnectOptions {
            kubeconfig: kubeconfig.map(Path::to_owned),
            context: context.map(str::to_owned),
            ..ConnectOptions::default()
        }
    }

    /// As kubectl lays its flags over a kubeconfig, which none is needed with a server.
    #[test]
    fn what_is_said_beside_a_kubeconfig_counts_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k");
        std::fs::write(&file, GOOD).unwrap();
        let nowhere = surroundings(folder.path(), None);
        let overrides = Overrides {
            server: Some("https://other:7".to_owned()),
            insecure: true,
            tls_server_name: Some("name".to_owned()),
            token: Some("of-the-flag".into()),
            user: Some("somebody".to_owned()),
            groups: vec!["some".to_owned(), "more".to_owned()],
            ..Overrides::default()
        };
        let lost = surroundings(folder.path(), Some("/nowhere"));
        let explicit = Some(file.as_path());
        for (kubeconfig, around) in [(None, &nowhere), (None, &lost), (explicit, &nowhere)] {
            let mut options = options(kubeconfig, None);
            options.overrides = overrides.clone();
            let config = find(&options, around).unwrap().access.config;
            assert_eq!(config.cluster_url, "https://other:7");
            assert!(config.accept_invalid_certs);
            assert_eq!(config.tls_server_name.as_deref(), Some("name"));
            let user = config.auth_info;
            assert_eq!(user.token.unwrap().expose_secret(), "of-the-flag");
            assert_eq!(user.impersonate.as_deref(), Some("somebody"));
            assert_eq!(user.impersonate_groups.unwrap(), ["some", "more"]);
        }
        let mut options = options(Some(&file), Some("two"));
        options.overrides.token = Some("of-the-flag".into());
        let config = find(&options, &nowhere).unwrap().access.config;
        assert_eq!(config.cluster_url, "https://127.0.0.1:1");
        assert!(!config.accept_invalid_certs);
        assert!(!format!("{options:?}").contains("of-the-flag"));
        options.overrides.authority = Some("/nowhere/ca".into());
        let error = find(&options, &nowhere).unwrap_err().to_string();
        assert!(error.contains("cannot read /nowhere/ca"), "{error}");
    }

    fn refused(
        explicit: Option<&Path>,
        context: Option<&str>,
        s: &Surroundings,
    ) -> (ErrorKind, String) {
        let error = find(&options(explicit, context), s).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn every_source_is_found() {
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
            let found = find(&options(explicit, context), &s).unwrap();
            assert_eq!(found.namespace.as_deref(), namespace);
            assert_eq!(found.access.config.cluster_url, "https://127.0.0.1:1");
        }
    }

    #[test]
    fn each_way_to_fail_is_told() {
        use ErrorKind::{Configuration, Unreachable};
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let good = file("good", GOOD);
        let empty = file("empty", "");
        let broken = "users:\n- {name: u, user: {token: hunter2}\n  x: [";
        let broken = file("broken", broken);
        let none = surroundings(folder.path(), None);
        for (path, context, kind, words) in [
            (None, None, Unreachable, ".kube/config does not exist"),
            (
                Some(Path::new("/nowhere/k")),
                None,
                Unreachable,
                "the kubeconfig /nowhere/k does not exist",
            ),
            (
                Some(&good),
                Some("three"),
                Configuration,
                r#"there is no context "three""#,
            ),
            (
                Some(&good),
                Some("lost"),
                Configuration,
                r#"there is no cluster "gone""#,
            ),
            (
                Some(&empty),
                None,
                Configuration,
                "the kubeconfig has no current context",
            ),
            (Some(&broken), None, Configuration, "is not a kubeconfig"),
        ] {
            let (found, told) = refused(path, context, &none);
            assert_eq!(found, kind, "{told}");
            assert!(told.contains(words), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    /// What `kubectl config unset` leaves, and what people write to say nothing.
    #[test]
    fn an_empty_text_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let unset = file(
            "unset",
            "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nusers: null\n",
        );
        let empties = file(
            "empties",
            "current-context: one
contexts: [{name: one, context: {cluster: c, user: u, namespace: ''}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority: '',
  certificate-authority-data: '', proxy-url: '', tls-server-name: ''}}]
users: [{name: u, user: {client-certificate: '', client-key: '', tokenFile: '', token: '', username: '',
  password: '', as: ''}}]
",
        );
        let list = format!("{}:{}", unset.display(), empties.display());
        let found = find(
            &options(None, None),
            &surroundings(folder.path(), Some(&list)),
        )
        .unwrap();
        assert_eq!(found.namespace, None);
        let config = found.access.config;
        assert_eq!(config.root_cert, None);
        assert_eq!(config.proxy_url, None);
        assert_eq!(config.tls_server_name, None);
        assert_eq!(config.auth_info.client_certificate, None);
        assert_eq!(config.auth_info.username, None);
        assert!(config.auth_info.token.is_none());
        assert!(found.access.token.is_none());
    }
}
