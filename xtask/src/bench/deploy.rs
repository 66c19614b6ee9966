//! Command to ready: mcpt against `kubectl apply` and `kubectl wait` of the same manifests, in turns.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context, ensure};

use super::{median, start};
use crate::dist::{self, Profile};
use crate::{command, report};

const NAMESPACE: &str = "bench-deploy";
const REPLICAS: &str = "2";

/// Where `cluster exec` says that the API server writes its audit log.
const AUDIT_LOG: &str = "MCPT_CLUSTER_AUDIT_LOG";

/// Measures; starts itself once more in the cluster's network when it is not there yet.
pub(super) fn run(turns: usize) -> anyhow::Result<ExitCode> {
    let Some(audit_log) = std::env::var_os(AUDIT_LOG).map(PathBuf::from) else {
        start::run()?;
        let xtask = std::env::current_exe().context("path of xtask")?;
        let mut inside = Command::new(&xtask);
        inside.args(["cluster", "exec", "--"]).arg(&xtask);
        inside.args(["bench", "deploy", "--turns", &turns.to_string()]);
        let status = inside.status().with_context(|| command::shown(&inside))?;
        return Ok(if status.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    };
    kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found"])?;
    kubectl(&["create", "namespace", NAMESPACE])?;
    let outcome = measure(turns, &audit_log);
    kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    outcome
}

fn kubectl(arguments: &[&str]) -> anyhow::Result<String> {
    command::output(Command::new("kubectl").args(arguments))
}

fn mcpt(arguments: &[&str]) -> anyhow::Result<String> {
    let global = ["--backend", "kubernetes", "--namespace", NAMESPACE];
    let binary = dist::path(Profile::Dist)?;
    command::output(Command::new(binary).args(global).args(arguments))
}

fn measure(turns: usize, audit_log: &Path) -> anyhow::Result<ExitCode> {
    let deploy = ["deploy", "demo", "--replicas", REPLICAS];
    let manifest = mcpt(&[&deploy[..], &["--dry-run"]].concat())?;
    let objects = manifest
        .lines()
        .filter(|line| line.starts_with("kind: "))
        .count();
    let file = std::env::temp_dir().join(format!("mcpt-bench-{}.yaml", std::process::id()));
    std::fs::write(&file, &manifest).context("writing the manifests")?;
    let file = file.to_string_lossy().into_owned();

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut first, mut update) = (0, 0);
    for turn in 1..=turns {
        let seen = audit_end(audit_log)?;
        let began = Instant::now();
        mcpt(&deploy)?;
        ours.push(began.elapsed().as_secs_f64());
        first = first.max(count_requests(audit_log, seen)?);

        let seen = audit_end(audit_log)?;
        let changed = ["--set", "podAnnotations.changed=yes"];
        mcpt(&[&deploy[..], &changed].concat())?;
        update = update.max(count_requests(audit_log, seen)?);
        mcpt(&["delete", "demo"])?;

        let began = Instant::now();
        kubectl(&["apply", "-n", NAMESPACE, "-f", &file])?;
        kubectl(&[
            "wait",
            "-n",
            NAMESPACE,
            &format!("--for=jsonpath={{.status.readyReplicas}}={REPLICAS}"),
            "deployment/demo",
            "--timeout=120s",
        ])?;
        theirs.push(began.elapsed().as_secs_f64());
        kubectl(&["delete", "-n", NAMESPACE, "-f", &file, "--wait"])?;
        let pods = [
            "wait",
            "-n",
            NAMESPACE,
            "--for=delete",
            "pod",
            "--all",
            "--timeout=60s",
        ];
        kubectl(&pods)?;
        report::progress(format!(
            "turn {turn}: mcpt {:.2} s, kubectl {:.2} s",
            ours.last().unwrap_or(&f64::NAN),
            theirs.last().unwrap_or(&f64::NAN)
        ));
    }
    std::fs::remove_file(&file).context("removing the manifests")?;
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    report::result(format!(
        "command to ready, {REPLICAS} replicas, median of {turns}: mcpt {ours:.2} s, kubectl apply + wait {theirs:.2} s, ratio {:.2}",
        ours / theirs
    ));
    let bound = 2 * objects + 10;
    report::result(format!(
        "requests besides watches, for {objects} objects: first deploy at most {first}, update at most {update} (bound: {bound})"
    ));
    // A number and no time: the same on any machine.
    Ok(if first.max(update) <= bound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Length of the audit log now.
fn audit_end(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .len())
}

/// Requests by mcpt since then, watches left out.
fn count_requests(path: &Path, since: u64) -> anyhow::Result<usize> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(since))?;
    // One whose answer goes on, such as a port-forward, is told of when it begins and again when it ends.
    let mut requests = BTreeSet::new();
    for line in BufReader::new(file).lines() {
        let event: serde_json::Value = serde_json::from_str(&line?).context("the audit log")?;
        let agent = event["userAgent"].as_str().unwrap_or_default();
        if agent.starts_with("mcpt") && event["verb"] != "watch" {
            let id = event["auditID"].as_str();
            requests.insert(id.context("the audit log: no auditID")?.to_owned());
        }
    }
    ensure!(
        !requests.is_empty(),
        "the audit log has no request by mcpt: is its user agent `mcpt/VERSION`?"
    );
    Ok(requests.len())
}
