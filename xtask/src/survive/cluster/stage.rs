//! The namespace in which it happens, by the commands that users have: mcpt and kubectl.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::Value;

use super::{GATEWAYS, SERVERS};
use crate::{cache, cluster::wait, command};

/// Selects the pods of the server, and those of the gateway.
pub(super) const SERVER: &str = "mcpt.io/server=demo";
pub(super) const GATEWAY: &str = "mcpt.io/gateway=mcpt-gateway";
/// How long what the cluster does by itself may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// How kubectl is called for the namespace.
#[derive(Debug, Clone)]
pub(super) struct Access {
    namespace: String,
}

impl Access {
    /// kubectl with these arguments.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(["--namespace", &self.namespace])
            .args(arguments);
        command
    }

    /// Names of the pods that are there, those on their way out included.
    pub(super) fn pods(&self, selector: &str) -> anyhow::Result<Vec<String>> {
        let listed = ["get", "pods", "--selector", selector, "--output=name"];
        let listed = command::output(&mut self.kubectl(&listed))?;
        let names = listed.lines().filter_map(|line| line.strip_prefix("pod/"));
        Ok(names.map(str::to_owned).collect())
    }
}

/// Gateway and server in a namespace of their own, which goes with it.
#[derive(Debug)]
pub(super) struct Stage {
    access: Access,
    mcpt: PathBuf,
    home: PathBuf,
    image: Vec<String>,
}

impl Stage {
    /// Deploys both.
    pub(super) fn set(mcpt: PathBuf, image_tag: Option<&str>) -> anyhow::Result<Self> {
        if std::env::var_os("KUBECONFIG").is_none() {
            bail!("no cluster: run this by `cargo xtask cluster exec --`");
        }
        let namespace = format!("survive-{}", std::process::id());
        let image = image_tag.map(|tag| vec!["--set".to_owned(), format!("image.tag={tag}")]);
        let stage = Self {
            home: cache::target().join("survive").join(&namespace),
            access: Access { namespace },
            mcpt,
            image: image.unwrap_or_default(),
        };
        std::fs::create_dir_all(&stage.home)?;
        let create = ["create", "namespace", &stage.access.namespace];
        command::output(Command::new("kubectl").args(create))?;
        stage.deploy(&["--replicas", SERVERS, "-c", "greeting=0"])?;
        stage.mcpt(&["gateway", "install", "--replicas", GATEWAYS])?;
        Ok(stage)
    }

    pub(super) fn access(&self) -> Access {
        self.access.clone()
    }

    /// Deploys the server with these flags.
    pub(super) fn deploy(&self, flags: &[&str]) -> anyhow::Result<()> {
        self.mcpt(&[&["deploy", "demo"], flags].concat())
    }

    /// Runs mcpt to its end.
    pub(super) fn mcpt(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut mcpt = Command::new(&self.mcpt);
        mcpt.args([
            "--backend",
            "kubernetes",
            "--namespace",
            &self.access.namespace,
        ])
        .args(arguments)
        .env("MCPT_STATE_DIR", self.home.join("state"))
        .env("XDG_CONFIG_HOME", self.home.join("config"));
        let takes_image = ["deploy", "gateway"];
        if arguments
            .first()
            .is_some_and(|first| takes_image.contains(first))
        {
            mcpt.args(&self.image);
        }
        command::output(&mut mcpt).map(drop)
    }

    /// Runs kubectl and gives what it prints.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        command::output(&mut self.access.kubectl(arguments))
    }

    /// One object.
    pub(super) fn get(&self, object: &str) -> anyhow::Result<Value> {
        let json = self.kubectl(&["get", object, "--output=json"])?;
        serde_json::from_str(&json).with_context(|| format!("{object} is no JSON"))
    }

    /// Where a Service is reached.
    pub(super) fn service_url(&self, name: &str) -> anyhow::Result<String> {
        let service = self.get(&format!("service/{name}"))?;
        let address = service["spec"]["clusterIP"].as_str();
        let address = address.with_context(|| format!("{name} has no address"))?;
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        };
        Ok(format!(
            "http://{host}:{}",
            service["spec"]["ports"][0]["port"]
        ))
    }

    pub(super) fn pods(&self, selector: &str) -> anyhow::Result<Vec<String>> {
        self.access.pods(selector)
    }

    /// Waits until both are as they are to be, and nothing of before is left.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        let begin = Instant::now();
        for deployment in ["deployment/demo", "deployment/mcpt-gateway"] {
            let timeout = format!("--timeout={}s", PATIENCE.as_secs());
            self.kubectl(&["rollout", "status", deployment, &timeout])?;
        }
        let leaving =
            "jsonpath={range .items[?(@.metadata.deletionTimestamp)]}pod/{.metadata.name} {end}";
        let get = ["get", "pods", "--output", leaving];
        let left = PATIENCE.saturating_sub(begin.elapsed());
        for pod in self.kubectl(&get)?.split_whitespace() {
            let timeout = format!("--timeout={}s", left.as_secs().max(1));
            self.kubectl(&["wait", "--for=delete", pod, &timeout])?;
        }
        Ok(())
    }

    /// Waits until a pod is ready, and since another start than that of `restarts`.
    pub(super) fn restarted(&self, pod: &str, restarts: u64) -> anyhow::Result<()> {
        let object = format!("pod/{pod}");
        wait::until(PATIENCE, || {
            let status = &self.get(&object)?["status"]["containerStatuses"][0];
            let again = status["restartCount"].as_u64() > Some(restarts);
            Ok(again && status["ready"] == true)
        })
        .with_context(|| format!("{pod} does not come back"))
    }

    /// Ends the processes of a pod's container at once, and says how often it had been started again before.
    pub(super) fn kill(&self, pod: &str) -> anyhow::Result<u64> {
        let status = self.get(&format!("pod/{pod}"))?["status"]["containerStatuses"][0].take();
        let id = status["containerID"]
            .as_str()
            .and_then(|id| id.split("://").nth(1));
        let id = id.with_context(|| format!("{pod} has no container"))?;
        let mut killed = Vec::new();
        for process in std::fs::read_dir("/proc")? {
            let process = process?;
            let Some(pid) = process
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            // Processes end while they are looked at.
            let group = std::fs::read_to_string(process.path().join("cgroup"));
            if group.is_ok_and(|group| group.contains(id)) && is_in_container(&process.path()) {
                let (pid, signal) = (nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
                nix::sys::signal::kill(pid, signal).with_context(|| format!("killing {pid}"))?;
                killed.push(process.path());
            }
        }
        if killed.is_empty() {
            bail!("no process of {pod} is to be seen from here");
        }
        // Where there is much to do a process goes on for a while to be there, and to take connections.
        let ended = || Ok(!killed.iter().any(|process| is_in_container(process)));
        wait::until(PATIENCE, ended).with_context(|| format!("{pod} does not end"))?;
        Ok(status["restartCount"].as_u64().unwrap_or_default())
    }
}

/// Whether a process is the container's own, not the runtime's that holds it.
fn is_in_container(process: &Path) -> bool {
    std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe.ends_with("mcpt"))
}

impl Drop for Stage {
    fn drop(&mut self) {
        let delete = [
            "delete",
            "namespace",
            &self.access.namespace,
            "--wait=false",
        ];
        if let Err(error) = command::output(Command::new("kubectl").args(delete)) {
            crate::report::progress(format_args!("{error:#}"));
        }
        // Nothing that anybody misses.
        let _ = std::fs::remove_dir_all(&self.home);
    }
}
