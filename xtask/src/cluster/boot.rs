//! Boots a cluster: from nothing, or from whatever an earlier run has left.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};

use super::cgroups::Hierarchies;
use super::layout::{CONTROL_PLANE, Layout, Node};
use super::machine::{self, Component, Machine};
use super::state::{State, current_boot};
use super::{addons, control_plane, images, kubectl, network, node, pki, teardown, wait};
use crate::cache::Key;
use crate::image::{self, machine::pause_program};
use crate::lock::Lock;
use crate::{command, go_tools, packages, report};

/// How long any one step of the boot may take. It is bounded for the sake of an answer; on a machine
/// that does nothing else, each takes a few seconds.
const STEP: Duration = Duration::from_mins(2);

/// Boots the cluster unless it runs already.
pub(crate) fn up(layout: &Layout, nodes: u8) -> anyhow::Result<()> {
    packages::require("cluster")?;
    network::require_bridge_filter()?;
    let hierarchies = Hierarchies::detect()?;
    let parts = Parts::build()?;
    let _lock = Lock::take(&layout.lock(), "the cluster")?;
    let begin = Instant::now();
    let fingerprint = parts.fingerprint()?;
    match State::read(&layout.state())? {
        Some(state) if is_whole(layout, &state, &fingerprint, nodes) => {
            report::progress(format_args!("the cluster with {nodes} nodes runs already"));
            return Ok(());
        }
        _ => teardown::down(layout)?,
    }
    Boot::new(layout, &parts, nodes)?.run(&hierarchies)?;
    report::progress(format_args!(
        "the cluster with {nodes} nodes is up after {}",
        report::seconds(begin.elapsed())
    ));
    Ok(())
}

fn is_whole(layout: &Layout, state: &State, fingerprint: &str, nodes: u8) -> bool {
    state.ready
        && state.nodes == nodes
        && state.fingerprint == fingerprint
        && state.dead().is_empty()
        && Machine::recorded(state, CONTROL_PLANE)
            .and_then(|machine| is_ready(layout, &machine))
            .unwrap_or(false)
}

fn is_ready(layout: &Layout, control_plane: &Machine) -> anyhow::Result<bool> {
    let mut command = kubectl(layout, control_plane)?;
    Ok(command::output(command.args(["get", "--raw=/readyz", "--request-timeout=5s"])).is_ok())
}

/// The programs and images that the cluster is made of.
#[derive(Debug)]
struct Parts {
    pause: PathBuf,
    kubernetes: PathBuf,
    containerd: PathBuf,
    etcd: PathBuf,
    metrics_server: PathBuf,
    local_path_provisioner: PathBuf,
    images: Vec<PathBuf>,
}

impl Parts {
    fn build() -> anyhow::Result<Self> {
        Ok(Self {
            kubernetes: go_tools::build("kubernetes")?,
            containerd: go_tools::build("containerd")?,
            etcd: go_tools::build("etcd")?,
            metrics_server: go_tools::build("metrics-server")?,
            local_path_provisioner: go_tools::build("local-path-provisioner")?,
            pause: pause_program()?,
            images: [
                image::Name::Pause,
                image::Name::Coredns,
                image::Name::Busybox,
            ]
            .into_iter()
            .map(image::archive)
            .collect::<anyhow::Result<_>>()?,
        })
    }

    /// The paths of programs have the keys of what these were built from; images have digests.
    fn fingerprint(&self) -> anyhow::Result<String> {
        let programs = [
            &self.pause,
            &self.kubernetes,
            &self.containerd,
            &self.etcd,
            &self.metrics_server,
            &self.local_path_provisioner,
        ];
        let key = programs.into_iter().fold(Key::new(), |key, program| {
            key.with(program.as_os_str().as_encoded_bytes())
        });
        let key = self.images.iter().try_fold(key, |key, archive| {
            let images = image::oci::references(archive)?;
            anyhow::Ok(
                images
                    .into_iter()
                    .fold(key, |key, image| key.with(image.digest)),
            )
        })?;
        Ok(key.finish())
    }
}

/// A boot under way.
struct Boot<'a> {
    layout: &'a Layout,
    parts: &'a Parts,
    state: State,
}

impl<'a> Boot<'a> {
    fn new(layout: &'a Layout, parts: &'a Parts, nodes: u8) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&layout.run)
            .with_context(|| format!("cannot create {}", layout.run.display()))?;
        let state = State {
            boot: current_boot()?,
            fingerprint: parts.fingerprint()?,
            nodes,
            ..State::default()
        };
        state.write(&layout.state())?;
        Ok(Self {
            layout,
            parts,
            state,
        })
    }

    fn run(&mut self, hierarchies: &Hierarchies) -> anyhow::Result<()> {
        let layout = self.layout;
        pki::write_all(layout, self.state.nodes)?;
        let control_plane = self.machine(CONTROL_PLANE)?;
        let nodes = Node::all(self.state.nodes)
            .map(|node| Ok((node, self.machine(&node.name())?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        network::connect(&control_plane, &nodes)?;

        self.start(
            &control_plane,
            &control_plane::etcd(&self.parts.etcd.join("etcd")),
        )?;
        let api_server = control_plane::api_server(layout, &self.parts.kubernetes)?;
        self.start(&control_plane, &api_server)?;
        for (node, machine) in &nodes {
            hierarchies.create(&layout.cgroup(*node))?;
            node::configure(layout, *node)?;
            self.start(machine, &node::containerd(*node, &self.parts.containerd))?;
        }
        self.import_images(&nodes)?;
        self.wait("the API server", "kube-apiserver", || {
            is_ready(layout, &control_plane)
        })?;

        let kubernetes = &self.parts.kubernetes;
        self.start(
            &control_plane,
            &control_plane::controller_manager(layout, kubernetes),
        )?;
        self.start(
            &control_plane,
            &control_plane::scheduler(layout, kubernetes),
        )?;
        for (node, machine) in &nodes {
            self.start(machine, &node::kubelet(layout, *node, kubernetes))?;
            self.start(machine, &node::kube_proxy(layout, *node, kubernetes))?;
        }
        let mut apply = kubectl(layout, &control_plane)?;
        let manifests = addons::MANIFESTS.join("---\n");
        command::output_with_input(apply.args(["apply", "--filename=-"]), manifests.as_bytes())?;
        self.start(
            &control_plane,
            &addons::metrics_server(layout, &self.parts.metrics_server),
        )?;
        self.start(
            &control_plane,
            &addons::local_path_provisioner(layout, &self.parts.local_path_provisioner),
        )?;
        self.wait_for_objects(&control_plane, &nodes)?;
        self.state.ready = true;
        self.state.write(&layout.state())
    }

    fn machine(&mut self, name: &str) -> anyhow::Result<Machine> {
        Machine::start(self.layout, &mut self.state, name, &self.parts.pause)
    }

    fn start(&mut self, machine: &Machine, component: &Component) -> anyhow::Result<()> {
        machine.spawn(self.layout, &mut self.state, component)
    }

    fn import_images(&self, nodes: &[(Node, Machine)]) -> anyhow::Result<()> {
        for (node, machine) in nodes {
            let socket = format!("/proc/{}/root/run/containerd/containerd.sock", machine.init);
            let component = format!("containerd-{}", node.0);
            self.wait(&component, &component, || Ok(std::fs::exists(&socket)?))?;
        }
        let machines: Vec<_> = nodes.iter().map(|(_, machine)| machine.clone()).collect();
        images::import(&machines, &self.parts.images)
    }

    fn wait_for_objects(
        &self,
        control_plane: &Machine,
        nodes: &[(Node, Machine)],
    ) -> anyhow::Result<()> {
        let timeout = format!("--timeout={}s", STEP.as_secs());
        for (node, _) in nodes {
            let name = node.name();
            let kubelet = format!("kubelet-{}", node.0);
            for (condition, what) in [("create", "registered"), ("condition=Ready", "ready")] {
                let mut command = kubectl(self.layout, control_plane)?;
                command.args([
                    "wait",
                    "--for",
                    condition,
                    &format!("node/{name}"),
                    &timeout,
                ]);
                self.wait_for_command(&format!("{name} to be {what}"), &kubelet, command)?;
            }
        }
        let mut rollout = kubectl(self.layout, control_plane)?;
        rollout.args([
            "--namespace=kube-system",
            "rollout",
            "status",
            "deployment/coredns",
        ]);
        rollout.arg(&timeout);
        self.wait_for_command("DNS", "kubelet-1", rollout)?;
        let mut metrics = kubectl(self.layout, control_plane)?;
        metrics.args([
            "wait",
            "--for=condition=Available",
            "apiservice/v1beta1.metrics.k8s.io",
        ]);
        metrics.arg(&timeout);
        self.wait_for_command("the metrics API", "metrics-server", metrics)
    }

    /// Waits for what `component` is to bring about, or until a component ends, which none should.
    fn wait(
        &self,
        what: &str,
        component: &str,
        mut check: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        report::progress(format_args!("waiting for {what}"));
        let mut culprit = component;
        wait::until(STEP, || {
            if let [dead, ..] = self.state.dead()[..] {
                culprit = dead;
                bail!("{dead} has ended");
            }
            check()
        })
        .map_err(|error| {
            let log = machine::tail(self.layout, culprit);
            anyhow!("no sign of {what}: {error:#}; {log}")
        })
    }

    /// Waits for a command that itself waits.
    fn wait_for_command(
        &self,
        what: &str,
        component: &str,
        mut command: Command,
    ) -> anyhow::Result<()> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("cannot run {}", command::shown(&command)))?;
        let result = self.wait(what, component, || match child.try_wait()? {
            Some(status) if status.success() => Ok(true),
            Some(status) => bail!("{} failed ({status})", command::shown(&command)),
            None => Ok(false),
        });
        if result.is_err() {
            // It may have ended by itself.
            let _ = child.kill();
            child.wait()?;
        }
        result
    }
}
