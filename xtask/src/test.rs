//! `cargo xtask test`: all tests in one go, and one line for each part that this machine cannot do.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context, bail};

use crate::dist::{self, Profile};
use crate::{cache, command, go_tools, packages, python_sdk, report, tools};

/// Suites that need the cluster; each is one file in tests/tests.
const CLUSTER_SUITES: &[&str] = &[
    "documents",
    "ip_families",
    "kubernetes_helm",
    "kubernetes_images",
    "kubernetes_lifecycle",
    "kubernetes_registry",
    "kubernetes_releases",
    "kubernetes_chart",
    "kubernetes_secrets",
    "kubernetes_status",
    "kubernetes_cleaning",
    "kubernetes_packages",
    "kubernetes_volumes",
    "kubernetes_interrupted",
    "kubernetes_discovery",
    "kubernetes_access",
    "kubernetes_rights",
    "kubernetes_charts",
    "kubernetes_conflicts",
    "kubernetes_failures",
    "kubernetes_gateway_install",
    "kubernetes_gateway_sessions",
    "kubernetes_gateway_bridge",
    "kubernetes_zero_loss",
    // The last, since it hurts the cluster itself.
    "kubernetes_faults",
];

/// Those of them that need the real helm programs too.
const HELM_SUITES: &[&str] = &[
    "kubernetes_charts",
    "kubernetes_helm",
    "kubernetes_lifecycle",
    "kubernetes_registry",
    "kubernetes_releases",
    "kubernetes_chart",
    "kubernetes_cleaning",
    "kubernetes_volumes",
];

/// Suites that run on each engine; each is one file in tests/tests.
const ENGINE_SUITES: &[&str] = &["end_to_end", "engines", "packages_on_engines"];

/// What a part of the tests needs from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Need {
    /// The real helm programs, built by Go
    Helm,
    /// MCP servers that others wrote, run by Node and uv from Python wheels
    Servers,
    /// Chromium, for what web pages may do
    Browser,
    /// Docker and Podman of our own: root and some Debian packages
    Engines,
    /// A Kubernetes cluster of our own: root, Go and some Debian packages
    Cluster,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Fail when the machine cannot do these parts, instead of skipping them
    #[arg(long, value_enum, value_delimiter = ',')]
    require: Vec<Need>,
    /// Leave the cluster running afterwards
    #[arg(long)]
    keep_cluster: bool,
}

/// Runs the parts, goes on after a failed one, and says at the end what failed and what was skipped.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut missing = Vec::new();
    for need in [
        Need::Helm,
        Need::Servers,
        Need::Browser,
        Need::Engines,
        Need::Cluster,
    ] {
        if let Err(why) = need.check() {
            missing.push((need, why));
        }
    }
    if let Some((need, why)) = missing
        .iter()
        .find(|(need, _)| arguments.require.contains(need))
    {
        bail!("{} is required, but {why:#}", need.name());
    }
    let can = |need| !missing.iter().any(|(lacking, _)| *lacking == need);

    let mut run = Run::default();
    let programs = ["--package", "mcpt", "--package", "mcpt-with-memory"];
    let build = [&["build", "--quiet"], &programs[..]].concat();
    run.step("mcpt", &mut cargo(&build));
    run.step("workspace", &mut workspace(&can)?);
    if can(Need::Servers) {
        let mut further = workspace(&can)?;
        further
            .args(["--test", "end_to_end"])
            .env("MCPT_TEST_BACKEND", "memory")
            .env("MCPT_BIN", cache::target().join("debug/mcpt-with-memory"));
        run.step("the same suite on a further backend", &mut further);
    }
    if can(Need::Helm) {
        run.step("goldens", &mut xtask(&["goldens", "--check"])?);
    }
    if can(Need::Cluster) || can(Need::Engines) {
        run.images()?;
    }
    // The suites on engines and those on the cluster wait most of their time, and have nothing in common.
    std::thread::scope(|scope| {
        let engines = can(Need::Engines).then(|| {
            let mut beside = run.beside();
            scope.spawn(move || {
                let outcome = beside.engines();
                (beside, outcome)
            })
        });
        let cluster = if can(Need::Cluster) {
            run.cluster(&can, arguments.keep_cluster)
        } else {
            Ok(())
        };
        if let Some(engines) = engines {
            match engines.join() {
                Ok((beside, outcome)) => {
                    run.failed.extend(beside.failed);
                    run.broken("engines", outcome);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        run.broken("cluster", cluster);
    });
    for (need, why) in &missing {
        report::result(format!("skipped {}: {why:#}", need.name()));
    }
    run.finish()
}

impl Need {
    fn name(self) -> &'static str {
        match self {
            Self::Helm => "helm",
            Self::Servers => "servers",
            Self::Browser => "browser",
            Self::Engines => "engines",
            Self::Cluster => "cluster",
        }
    }

    /// Why this machine cannot do it.
    fn check(self) -> anyhow::Result<()> {
        match self {
            Self::Helm => needs_program("go", "Go 1.26 or newer"),
            Self::Servers => packages::require("image"),
            Self::Browser => packages::require("browser"),
            Self::Engines => {
                needs_program("go", "Go 1.26 or newer")?;
                if !nix::unistd::geteuid().is_root() {
                    bail!("it needs root");
                }
                packages::require("engines")?;
                packages::require("image")
            }
            Self::Cluster => {
                needs_program("go", "Go 1.26 or newer")?;
                if !nix::unistd::geteuid().is_root() {
                    bail!("it needs root");
                }
                packages::require("cluster")?;
                packages::require("image")
            }
        }
    }
}

/// Where the images are put.
fn images() -> PathBuf {
    cache::repository().join("target/images")
}

fn needs_program(name: &str, what: &str) -> anyhow::Result<()> {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    if !found {
        bail!("it needs {what} (no `{name}` on the PATH)");
    }
    Ok(())
}

/// `cargo` in the repository.
fn cargo<T: AsRef<OsStr>>(arguments: &[T]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(cache::repository());
    command
}

/// This program itself, with other arguments.
fn xtask(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("path of xtask")?);
    command.args(arguments);
    Ok(command)
}

/// What runs suites with these features. Of the whole workspace, so that what they are built of is the same as for everything else.
fn suites(features: &[&str]) -> Vec<String> {
    let features: Vec<_> = features
        .iter()
        .map(|name| format!("mcpt-tests/{name}"))
        .collect();
    let features = features.join(",");
    [
        "test",
        "--workspace",
        "--no-fail-fast",
        "--features",
        &features,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Everything that needs no cluster.
fn workspace(can: &dyn Fn(Need) -> bool) -> anyhow::Result<Command> {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    let mut features = Vec::new();
    if can(Need::Helm) {
        features.push("mcpt-tests/helm");
        helm(&mut command)?;
    }
    if can(Need::Servers) {
        features.push("mcpt-tests/servers");
        with_package_runners(&mut command)?;
        command.env("MCPT_PYTHON_SDK", python_sdk::install()?);
        let registry = go_tools::build("mcp-registry")?;
        command.env("MCPT_MCP_REGISTRY", registry.join("mcp-registry"));
    }
    if can(Need::Browser) {
        features.push("mcpt-tests/browser");
    }
    if !features.is_empty() {
        command.args(["--features", &features.join(",")]);
    }
    Ok(command)
}

/// Where the suites find the real helm, and a registry for charts.
fn helm(command: &mut Command) -> anyhow::Result<()> {
    for (variable, name) in [
        ("MCPT_HELM3", "helm3"),
        ("MCPT_HELM4", "helm4"),
        ("MCPT_REGISTRY", "registry"),
    ] {
        command.env(variable, go_tools::build(name)?.join(name));
    }
    Ok(())
}

/// Puts npx and uvx first on the command's PATH.
fn with_package_runners(command: &mut Command) -> anyhow::Result<()> {
    let mut path: Vec<PathBuf> = vec![tools::package_runners()?];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    command.env("PATH", std::env::join_paths(path)?);
    Ok(())
}

#[derive(Default)]
struct Run {
    failed: BTreeSet<String>,
    /// Whether another one shows its output meanwhile: then that of a step comes at its end, in one piece.
    beside: bool,
}

impl Run {
    fn step(&mut self, name: &str, command: &mut Command) {
        let began = Instant::now();
        report::progress(format!("== {name}: {}", command::shown(command)));
        let outcome = if self.beside {
            command.output().map(|output| {
                report::pieces(&[&output.stdout, &output.stderr]);
                output.status
            })
        } else {
            command.status()
        };
        let seconds = began.elapsed().as_secs();
        match outcome {
            Ok(status) if status.success() => report::progress(format!("== {name}: {seconds} s")),
            Ok(status) => self.fail(name, &format!("{status} after {seconds} s")),
            Err(error) => self.fail(name, &error.to_string()),
        }
    }

    fn fail(&mut self, name: &str, why: &str) {
        report::progress(format!("== {name}: FAILED, {why}"));
        self.failed.insert(name.to_owned());
    }

    /// What kept steps from being begun is one of the failures.
    fn broken(&mut self, name: &str, outcome: anyhow::Result<()>) {
        if let Err(error) = outcome {
            self.fail(name, &format!("{error:#}"));
        }
    }

    /// One that goes on while this does.
    fn beside(&self) -> Self {
        Self {
            failed: self.failed.clone(),
            beside: true,
        }
    }

    /// Images of what the suites on engines and the cluster deploy.
    fn images(&mut self) -> anyhow::Result<()> {
        let images = images();
        // All that is in it is loaded: what an earlier run left there would come beside the new.
        cache::remove(&images)?;
        let images = images.to_str().context("a repository path that is UTF-8")?;
        self.step("images", &mut xtask(&["image", "--out", images])?);
        Ok(())
    }

    /// The same end-to-end file as for processes, on Docker and on Podman, and what only engines can show.
    fn engines(&mut self) -> anyhow::Result<()> {
        self.step("engines up", &mut xtask(&["engines", "up"])?);
        let outcome = self.engine_suites();
        self.step("engines down", &mut xtask(&["engines", "down"])?);
        outcome
    }

    fn engine_suites(&mut self) -> anyhow::Result<()> {
        let mut load = xtask(&["engines", "load"])?;
        // mcpt's own image it makes by itself, of the running binary.
        for server in [
            "everything",
            "filesystem",
            "time",
            "runtime-node",
            "runtime-python",
        ] {
            load.arg(images().join(format!("{server}.tar")));
        }
        self.step("engines load", &mut load);
        let test = suites(&["servers", "engines"]);
        self.step("engine suites", cargo(&test).arg("--no-run"));
        let broken = |name: &String| name.starts_with("engine") || name == "images";
        if !self.failed.iter().any(broken) {
            let engines = ["docker", "podman"].into_iter();
            let on_both =
                engines.flat_map(|engine| ENGINE_SUITES.iter().map(move |suite| (*suite, engine)));
            for (suite, engine) in on_both.chain([("documents", "docker")]) {
                let mut command = xtask(&["engines", "exec", "--"])?;
                command
                    .arg(cargo::<&str>(&[]).get_program())
                    .args(&test)
                    .args(["--test", suite])
                    .current_dir(cache::repository())
                    .env("MCPT_TEST_BACKEND", engine)
                    .env(
                        "MCPT_REGISTRY",
                        go_tools::build("registry")?.join("registry"),
                    );
                with_package_runners(&mut command)?;
                self.step(&format!("{suite} on {engine}"), &mut command);
            }
        }
        Ok(())
    }

    /// The same end-to-end file as for processes, and what only a cluster can show.
    fn cluster(&mut self, can: &dyn Fn(Need) -> bool, keep: bool) -> anyhow::Result<()> {
        // Tests compile here, since in the cluster's network there is no registry.
        self.step("cluster up", &mut xtask(&["cluster", "up"])?);
        let outcome = self.cluster_suites(can);
        if !keep {
            self.step("cluster down", &mut xtask(&["cluster", "down"])?);
        }
        outcome
    }

    fn cluster_suites(&mut self, can: &dyn Fn(Need) -> bool) -> anyhow::Result<()> {
        let test = suites(if can(Need::Helm) {
            &["cluster", "servers", "helm"]
        } else {
            &["cluster", "servers"]
        });
        let mut load = xtask(&["cluster", "load"])?;
        for archive in std::fs::read_dir(images()).context("reading the images")? {
            load.arg(archive?.path());
        }
        self.step("cluster load", &mut load);
        self.step("cluster suites", cargo(&test).arg("--no-run"));
        if !self
            .failed
            .iter()
            .any(|name| name.starts_with("cluster") || name == "images")
        {
            for suite in [&["end_to_end"], CLUSTER_SUITES].concat() {
                if HELM_SUITES.contains(&suite) && !can(Need::Helm) {
                    continue;
                }
                let mut command = xtask(&["cluster", "exec", "--"])?;
                command
                    .arg(cargo::<&str>(&[]).get_program())
                    .args(&test)
                    .args(["--test", suite])
                    .current_dir(cache::repository())
                    .env("CARGO_NET_OFFLINE", "true")
                    .env("MCPT_TEST_BACKEND", "kubernetes");
                if suite == "kubernetes_lifecycle" {
                    // Its tests wait for the cluster most of the time.
                    command.env("RUST_TEST_THREADS", "4");
                }
                if suite == "kubernetes_images" {
                    // The image is made of the binary that runs.
                    command.env("MCPT_BIN", dist::path(Profile::Image)?);
                }
                helm(&mut command)?;
                with_package_runners(&mut command)?;
                command.env("MCPT_PYTHON_SDK", python_sdk::install()?);
                self.step(&format!("{suite} on the cluster"), &mut command);
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<ExitCode> {
        if self.failed.is_empty() {
            report::result("all parts passed");
            return Ok(ExitCode::SUCCESS);
        }
        bail!(
            "failed: {}",
            self.failed.into_iter().collect::<Vec<_>>().join(", ")
        );
    }
}
