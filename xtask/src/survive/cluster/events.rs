//! What happens to gateway and server, one after the other.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{
    SERVERS,
    stage::{GATEWAY, SERVER, Stage},
};
use crate::command;

/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(30);
/// How long nothing happens, to compare with.
const QUIET: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Event {
    Nothing,
    Update,
    Rollback,
    ScaleDown,
    ScaleUp,
    Autoscale,
    DrainNode,
    KillGateway,
    KillServer,
    RestartGateways,
    ApiServerAway,
}

/// A pod whose processes were killed, from when to when.
#[derive(Debug)]
pub(super) struct Killed {
    pub(super) pod: String,
    pub(super) from: Instant,
    pub(super) to: Instant,
}

impl Event {
    pub(super) const ALL: [Self; 11] = [
        Self::Nothing,
        Self::Update,
        Self::Rollback,
        Self::ScaleDown,
        Self::ScaleUp,
        Self::Autoscale,
        Self::DrainNode,
        Self::KillGateway,
        Self::KillServer,
        Self::RestartGateways,
        Self::ApiServerAway,
    ];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Update => "rolling update",
            Self::Rollback => "rollback",
            Self::ScaleDown => "scale down",
            Self::ScaleUp => "scale up",
            Self::Autoscale => "autoscaling",
            Self::DrainNode => "a node drained",
            Self::KillGateway => "a gateway killed",
            Self::KillServer => "a server pod killed",
            Self::RestartGateways => "all gateways restarted in turn",
            Self::ApiServerAway => "API server away",
        }
    }

    /// Lets it happen, and says what it killed.
    pub(super) fn happen(self, stage: &Stage) -> anyhow::Result<Option<Killed>> {
        match self {
            Self::Nothing => thread::sleep(QUIET),
            Self::Update => update(stage)?,
            Self::Rollback => stage.mcpt(&["rollback", "demo"])?,
            Self::ScaleDown => stage.mcpt(&["scale", "demo", "--replicas", "2"])?,
            Self::ScaleUp => stage.mcpt(&["scale", "demo", "--replicas", SERVERS])?,
            Self::Autoscale => autoscale(stage)?,
            Self::DrainNode => drain(stage)?,
            Self::KillGateway => return kill(stage, GATEWAY).map(Some),
            Self::KillServer => return kill(stage, SERVER).map(Some),
            Self::RestartGateways => {
                let restart = ["rollout", "restart", "deployment/mcpt-gateway"];
                stage.kubectl(&restart)?;
            }
            Self::ApiServerAway => {
                fault("kill")?;
                thread::sleep(AWAY);
                fault("start")?;
                let ready = ["get", "--raw", "/readyz"];
                let asks = || Ok(stage.kubectl(&ready).is_ok());
                crate::cluster::wait::until(Duration::from_mins(1), asks)?;
            }
        }
        Ok(None)
    }
}

/// Another greeting than the one that is there, which no call sees, since it stands before what is looked for.
fn update(stage: &Stage) -> anyhow::Result<()> {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    stage.deploy(&["-c", &format!("greeting={}", time.as_millis())])
}

/// Up by a target that is always exceeded, and down again by one that never is.
fn autoscale(stage: &Stage) -> anyhow::Result<()> {
    let quickly = "autoscaling.behavior.scaleDown.stabilizationWindowSeconds=0";
    let set = |target: &str| {
        let target = format!("autoscaling.targetCPUUtilizationPercentage={target}");
        let flags = [
            ["--set", "autoscaling.enabled=true"],
            ["--set", "autoscaling.minReplicas=3"],
            ["--set", "autoscaling.maxReplicas=6"],
            ["--set", quickly],
            ["--set", &target],
        ];
        stage.deploy(flags.as_flattened())
    };
    let becomes = |wanted: u64| {
        let wanted = Some(wanted);
        let is = || {
            let status = &stage.get("deployment/demo")?["status"];
            let (all, ready) = (&status["replicas"], &status["readyReplicas"]);
            Ok(all.as_u64() == wanted && ready.as_u64() == wanted)
        };
        let within = Duration::from_mins(3);
        crate::cluster::wait::until(within, is).with_context(|| format!("no {wanted:?} pods"))
    };
    set("1")?;
    becomes(6)?;
    set("900")?;
    becomes(3)?;
    stage.deploy(&["--set", "autoscaling.enabled=false", "--replicas", SERVERS])
}

/// The node that the first gateway is on.
fn drain(stage: &Stage) -> anyhow::Result<()> {
    let pods = stage.pods(GATEWAY)?;
    let pod = pods.first().context("no gateway")?;
    let pod = stage.get(&format!("pod/{pod}"))?;
    let node = pod["spec"]["nodeName"].as_str().context("no node")?;
    let flags = [
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        "--force",
        "--timeout=180s",
    ];
    let drained = stage.kubectl(&[&["drain", node], &flags[..]].concat());
    let settled = drained.and_then(|_| stage.settle());
    stage.kubectl(&["uncordon", node])?;
    settled
}

/// One pod of them, with SIGKILL; it is ready again afterwards.
fn kill(stage: &Stage, selector: &str) -> anyhow::Result<Killed> {
    let pods = stage.pods(selector)?;
    let pod = pods.into_iter().next().context("no pods")?;
    let from = Instant::now();
    let restarts = stage.kill(&pod)?;
    let to = Instant::now();
    stage.restarted(&pod, restarts)?;
    Ok(Killed { pod, from, to })
}

fn fault(what: &str) -> anyhow::Result<()> {
    let xtask = std::env::var_os("MCPT_XTASK");
    let xtask = xtask.context("no MCPT_XTASK, which `cargo xtask cluster exec` sets")?;
    let arguments = ["cluster", "fault", what, "kube-apiserver"];
    command::output(Command::new(xtask).args(arguments)).map(drop)
}
