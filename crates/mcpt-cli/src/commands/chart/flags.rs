//! Flags that several of helm's commands share.

use std::{
    env,
    net::ToSocketAddrs as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use helm_chart::{Overrides, Values};
use helm_render::{Limits, Sources};
use kube_access::Overrides as ClusterOverrides;
use mcpt_core::Failure;
use secrecy::{ExposeSecret as _, SecretString};

use super::failed;
use crate::{args::Global, user_file};

/// The values of the user.
#[derive(Debug, Args)]
#[command(next_help_heading = "Values")]
pub(super) struct ValueFlags {
    /// A YAML file with values, - for standard input (several, also with commas between)
    #[arg(
        short = 'f',
        long = "values",
        value_name = "FILE",
        value_delimiter = ','
    )]
    files: Vec<String>,
    /// Values as key1=val1,key2=val2
    #[arg(long, value_name = "VALUES")]
    set: Vec<String>,
    /// Values from files: key1=path1,key2=path2
    #[arg(long, value_name = "FILES")]
    set_file: Vec<String>,
    /// JSON values: key1=json1, or one JSON object
    #[arg(long, value_name = "JSON")]
    set_json: Vec<String>,
    /// A value that is text to its end
    #[arg(long, value_name = "VALUE")]
    set_literal: Vec<String>,
    /// Values that are texts
    #[arg(long, value_name = "VALUES")]
    set_string: Vec<String>,
}

impl ValueFlags {
    /// All of them, merged as Helm does.
    pub(super) fn merged(&self) -> Result<Values, Failure> {
        let mut overrides = Overrides {
            set_json: self.set_json.clone(),
            set: self.set.clone(),
            set_string: self.set_string.clone(),
            set_literal: self.set_literal.clone(),
            ..Overrides::default()
        };
        for file in &self.files {
            if file.contains("://") {
                return Err(failed(format!("{file}: values are not fetched")));
            }
            overrides.files.push((file.clone(), read(file)?));
        }
        for line in &self.set_file {
            for pair in pairs(line) {
                let (key, path) = pair.split_once('=').unwrap_or((pair, ""));
                let text = read(path)
                    .map_err(|error| failed(format!("failed parsing --set-file data: {error}")))?;
                overrides.set_file.push((key.to_owned(), text));
            }
        }
        overrides.merge().map_err(|error| failed(error.to_string()))
    }
}

/// Flags of all of helm's commands, besides those that mcpt has for its own.
#[derive(Debug, Args)]
pub(super) struct HelmFlags {
    #[arg(long, global = true, hide = true)]
    debug: bool,
    // How fast it asks, and how it looks: requests are few, and colours are nowhere.
    #[arg(long, global = true, hide = true)]
    burst_limit: Option<i64>,
    #[arg(long, global = true, hide = true)]
    qps: Option<f32>,
    #[arg(long, alias = "colour", global = true, hide = true)]
    color: Option<String>,
    #[arg(long, global = true, hide = true)]
    content_cache: Option<String>,
    // How a cluster is reached, whatever the kubeconfig says.
    #[arg(long, global = true, hide = true)]
    kube_apiserver: Option<String>,
    #[arg(long, global = true, hide = true)]
    kube_as_group: Vec<String>,
    #[arg(long, global = true, hide = true)]
    kube_as_user: Option<String>,
    #[arg(long, global = true, hide = true)]
    kube_ca_file: Option<PathBuf>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    kube_insecure_skip_tls_verify: Option<bool>,
    #[arg(long, global = true, hide = true)]
    kube_tls_server_name: Option<String>,
    #[arg(long, global = true, hide = true)]
    kube_token: Option<SecretString>,
}

impl HelmFlags {
    /// What counts before the kubeconfig: flags, else helm's variables of the environment.
    fn overrides(&self) -> ClusterOverrides {
        let or_variable = |flag: &Option<String>, name: &str| {
            flag.clone()
                .or_else(|| env::var(name).ok())
                .filter(|said| !said.is_empty())
        };
        let of_flag = self.kube_ca_file.clone();
        let authority = of_flag.or_else(|| env::var_os("HELM_KUBECAFILE").map(PathBuf::from));
        let token = self.kube_token.clone();
        let token = token.or_else(|| env::var("HELM_KUBETOKEN").ok().map(SecretString::from));
        let groups = if self.kube_as_group.is_empty() {
            let said = or_variable(&None, "HELM_KUBEASGROUPS").unwrap_or_default();
            let each = said.split(',').filter(|group| !group.is_empty());
            each.map(str::to_owned).collect()
        } else {
            self.kube_as_group.clone()
        };
        let insecure = self.kube_insecure_skip_tls_verify.unwrap_or_else(|| {
            env::var("HELM_KUBEINSECURE_SKIP_TLS_VERIFY").is_ok_and(|set| is_true(&set))
        });
        ClusterOverrides {
            server: or_variable(&self.kube_apiserver, "HELM_KUBEAPISERVER"),
            authority: authority.filter(|file| !file.as_os_str().is_empty()),
            insecure,
            tls_server_name: or_variable(&self.kube_tls_server_name, "HELM_KUBETLS_SERVER_NAME"),
            token: token.filter(|token| !token.expose_secret().is_empty()),
            user: or_variable(&self.kube_as_user, "HELM_KUBEASUSER"),
            groups,
        }
    }

    /// The global options with what helm's flags and variables of the environment say.
    ///
    /// # Errors
    /// When `HELM_NAMESPACE` is no name of a namespace.
    pub(super) fn over(&self, global: &Global) -> Result<Global, Failure> {
        let mut global = global.clone();
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        if global.namespace.is_none()
            && let Some(name) = variable("HELM_NAMESPACE")
        {
            let namespace = name.parse();
            global.namespace =
                Some(namespace.map_err(|error| failed(format!("HELM_NAMESPACE: {error}")))?);
        }
        global.overrides = self.overrides();
        global.context = global.context.or_else(|| variable("HELM_KUBECONTEXT"));
        if self.debug || variable("HELM_DEBUG").is_some_and(|set| is_true(&set)) {
            global.verbose = global.verbose.max(1);
        }
        Ok(global)
    }
}

/// Whether a text is true to Go; one that is neither true nor false is not.
fn is_true(text: &str) -> bool {
    ["1", "t", "T", "TRUE", "true", "True"].contains(&text)
}

/// How many revisions are kept when no flag says so: `HELM_MAX_HISTORY`, or 10 when that is no number, as with helm.
pub(super) fn max_history() -> i64 {
    let set = env::var("HELM_MAX_HISTORY").ok();
    set.and_then(|set| set.parse().ok()).unwrap_or(10)
}

/// How many revisions are kept.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct HistoryFlag {
    #[arg(
        long,
        value_name = "NUMBER",
        allow_negative_numbers = true,
        help = "How many revisions are kept; 0 for all [default: HELM_MAX_HISTORY, or 10]"
    )]
    history_max: Option<i64>,
}

impl HistoryFlag {
    /// The most that are kept; 0, as for helm whatever is below it, for all.
    pub(super) fn most(self) -> usize {
        let most = self.history_max.unwrap_or_else(max_history);
        usize::try_from(most).unwrap_or(0)
    }
}

/// What the templates may take.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct RenderFlags {
    /// How long the templates may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    render_time: u64,
    /// How many MiB of text and lists the templates may make
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    render_memory: u64,
}

impl RenderFlags {
    pub(super) fn limits(self) -> Limits {
        Limits {
            time: Duration::from_secs(self.render_time),
            memory: self.render_memory.saturating_mul(1 << 20),
        }
    }
}

/// Whether templates may ask for the addresses of names.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct DnsFlag {
    /// Let the templates look up the addresses of hosts, by getHostByName
    #[arg(long)]
    enable_dns: bool,
}

impl DnsFlag {
    /// Who tells templates the address of a host, if they may ask for it.
    pub(super) fn resolver(self) -> Option<fn(&str) -> String> {
        self.enable_dns.then_some(address)
    }

    /// What is asked for by templates that see no cluster.
    pub(super) fn sources(self) -> Sources {
        match self.resolver() {
            Some(resolver) => Sources::system().asking(resolver),
            None => Sources::system(),
        }
    }
}

/// An address of a host by the system's resolver; nothing where none is known, as with helm.
fn address(host: &str) -> String {
    let found = (host, 0).to_socket_addrs();
    let first = found.ok().and_then(|mut all| all.next());
    first.map_or_else(String::new, |address| address.ip().to_string())
}

/// Flags of helm's installation that change nothing of what is rendered.
#[derive(Debug, Args)]
pub(super) struct WithoutEffect {
    #[arg(long, hide = true)]
    create_namespace: bool,
    #[arg(long, hide = true)]
    description: Option<String>,
    #[arg(long, hide = true)]
    disable_openapi_validation: bool,
    #[arg(
        long,
        hide = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "client",
        value_parser = ["client", "none", "true"]
    )]
    dry_run: Option<String>,
    #[arg(long, hide = true)]
    force_conflicts: bool,
    #[arg(long, alias = "force", hide = true)]
    force_replace: bool,
    #[arg(short = 'l', long, hide = true)]
    labels: Vec<String>,
    #[arg(long, hide = true)]
    replace: bool,
    #[arg(long, alias = "atomic", hide = true)]
    rollback_on_failure: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    server_side: Option<bool>,
    #[arg(long, hide = true)]
    skip_crds: bool,
    #[arg(long, hide = true)]
    take_ownership: bool,
    #[arg(long, hide = true)]
    timeout: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "")]
    wait: Option<String>,
    #[arg(long, hide = true)]
    wait_for_jobs: bool,
}

fn read(path: &str) -> Result<String, Failure> {
    user_file::read(Path::new(path)).map_err(|error| {
        // Helm's words for the usual case; for others the system's.
        failed(if error.is_missing() {
            format!("open {path}: no such file or directory")
        } else {
            format!("open {path}: {error}")
        })
    })
}

/// The parts of `key1=path1,key2=path2`: a comma begins a new one when a key follows.
fn pairs(line: &str) -> Vec<&str> {
    let mut pairs = Vec::new();
    let mut begin = 0;
    for (at, _) in line.match_indices(',') {
        let next = &line[at + 1..];
        if next
            .split(',')
            .next()
            .is_some_and(|part| part.contains('='))
        {
            pairs.push(&line[begin..at]);
            begin = at + 1;
        }
    }
    pairs.push(&line[begin..]);
    pairs
}

#[cfg(test)]
mod tests {
    use super::{address, pairs};

    #[test]
    fn commas_part_pairs() {
        assert_eq!(pairs("a=b"), ["a=b"]);
        assert_eq!(pairs("a=b,c=d"), ["a=b", "c=d"]);
        assert_eq!(pairs("a=b,c,d=e"), ["a=b,c", "d=e"]);
    }

    #[test]
    fn hosts_have_addresses() {
        assert!(address("localhost").parse::<std::net::IpAddr>().is_ok());
        assert_eq!(address("no such host"), "");
    }
}
