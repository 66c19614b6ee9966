//! `cargo xtask engines`: a real Docker and a real Podman of the tests' own.
//!
//! Both run in one machine as those of the test cluster are: with network, mounts and processes of its own, and nothing of it
//! elsewhere but files in the cache folder and cgroups, which `down` removes. Published ports are in its network.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sched::{CloneFlags, setns};

use crate::cluster::cgroups::Hierarchies;
use crate::cluster::layout::{Layout, NODE_FOLDER, text};
use crate::cluster::machine::{Component, Machine, tail};
use crate::cluster::state::{State, current_boot};
use crate::cluster::{teardown, wait};
use crate::dist::{self, Profile};
use crate::image::machine::pause_program;
use crate::lock::Lock;
use crate::{cache, command, report, tools};

/// The one machine.
const MACHINE: &str = "machine";
/// How long an engine may take to answer.
const START: Duration = Duration::from_mins(1);

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Start both engines, empty, or leave them as they are when they already run
    Up,
    /// Stop both and remove everything of them
    Down,
    /// Run a command where published ports can be reached, and mcpt finds the engines
    Exec {
        /// The command with its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Load image archives into both
    Load {
        /// OCI archives
        #[arg(required = true, value_name = "IMAGE.tar")]
        archives: Vec<PathBuf>,
    },
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Docker,
    Podman,
}

impl Engine {
    const ALL: [Self; 2] = [Self::Docker, Self::Podman];

    /// Its name, which is that of mcpt's backend and of its command.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    fn socket(self, folder: &str) -> String {
        format!("unix://{folder}/{}.sock", self.name())
    }

    /// The service, as it is started in the machine.
    fn component(self, layout: &Layout) -> Component {
        let folder = |name: &str| format!("{NODE_FOLDER}/{name}");
        let (program, arguments) = match self {
            Self::Docker => (
                "dockerd",
                vec![
                    format!("--host={}", self.socket(NODE_FOLDER)),
                    format!("--data-root={}", folder("docker")),
                    format!("--exec-root={}", folder("docker-run")),
                    format!("--pidfile={}", folder("docker.pid")),
                    format!("--cgroup-parent=/{}", cgroup(layout)),
                ],
            ),
            Self::Podman => (
                "podman",
                vec![
                    format!("--tmpdir={}", folder("podman-tmp")),
                    "system".to_owned(),
                    "service".to_owned(),
                    "--time=0".to_owned(),
                    self.socket(NODE_FOLDER),
                ],
            ),
        };
        let mut all = vec![
            format!("CONTAINERS_CONF={}", folder("containers.conf")),
            format!("CONTAINERS_STORAGE_CONF={}", folder("storage.conf")),
            format!("CONTAINERS_REGISTRIES_CONF={}", folder("registries.conf")),
            program.to_owned(),
        ];
        all.extend(arguments);
        Component {
            name: self.name().to_owned(),
            program: "/usr/bin/env".into(),
            arguments: all,
        }
    }

    /// Its own command, which speaks to it from outside of the machine.
    fn client(self, layout: &Layout) -> Command {
        let socket = self.socket(&text(&layout.machine(MACHINE)));
        let mut client = Command::new(format!("/usr/bin/{}", self.name()));
        match self {
            Self::Docker => client
                .env("DOCKER_HOST", socket)
                .env_remove("DOCKER_CONTEXT"),
            Self::Podman => client.args(["--remote", "--url", &socket]),
        };
        client
    }
}

pub(crate) fn run(action: Action) -> anyhow::Result<ExitCode> {
    let layout = Layout::named("engines")?;
    if !nix::unistd::geteuid().is_root() {
        bail!("the engines need root: they make namespaces and mounts");
    }
    match action {
        Action::Up => {
            let _lock = Lock::take(&layout.lock(), "the engines")?;
            up(&layout)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Down => {
            let _lock = Lock::take(&layout.lock(), "the engines")?;
            down(&layout)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Load { archives } => {
            running(&layout)?;
            load(&layout, &archives)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Exec { command } => exec(&layout, &command),
    }
}

/// Loads each archive into both engines, at the same time.
fn load(layout: &Layout, archives: &[PathBuf]) -> anyhow::Result<()> {
    let into = |engine: Engine| {
        for archive in archives {
            let mut load = engine.client(layout);
            command::output(load.arg("load").arg("--input").arg(archive))?;
        }
        anyhow::Ok(())
    };
    std::thread::scope(|scope| {
        let loads = Engine::ALL.map(|engine| scope.spawn(move || into(engine)));
        for load in loads {
            match load.join() {
                Ok(loaded) => loaded?,
                Err(_) => bail!("the thread that loads images panicked"),
            }
        }
        Ok(())
    })
}

fn up(layout: &Layout) -> anyhow::Result<()> {
    if running(layout).is_ok() {
        report::progress("the engines run");
        return Ok(());
    }
    down(layout)?;
    let mut state = State {
        boot: current_boot()?,
        ..State::default()
    };
    Hierarchies::detect()?.create(&cgroup(layout))?;
    let machine = Machine::start(layout, &mut state, MACHINE, &pause_program()?)?;
    command::output(
        machine
            .enter(&["--net"])
            .args(["ip", "link", "set", "lo", "up"]),
    )?;
    configure(layout)?;
    for engine in Engine::ALL {
        machine.spawn(layout, &mut state, &engine.component(layout))?;
    }
    for engine in Engine::ALL {
        wait::until(START, || {
            let dead = state.dead();
            if dead.contains(&engine.name()) {
                bail!("it has ended");
            }
            let mut asked = engine.client(layout);
            asked
                .arg("info")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            Ok(asked.status().is_ok_and(|status| status.success()))
        })
        .with_context(|| {
            format!(
                "cannot start {}: {}",
                engine.name(),
                tail(layout, engine.name())
            )
        })?;
    }
    state.ready = true;
    state.write(&layout.state())
}

/// Podman's configuration. Its own choice of a runtime refuses cgroups of both versions side by side, its limits exceed what
/// may be set in a container, and it looks for a system that has a journal.
fn configure(layout: &Layout) -> anyhow::Result<()> {
    let containers = format!(
        "[containers]
default_ulimits = [\"nofile=16384:16384\", \"nproc=32768:32768\"]
cgroups = \"enabled\"
log_driver = \"k8s-file\"
[engine]
runtime = \"runc\"
cgroup_manager = \"cgroupfs\"
events_logger = \"file\"
[network]
network_backend = \"netavark\"
network_config_dir = \"{NODE_FOLDER}/networks\"
"
    );
    let storage = format!(
        "[storage]
driver = \"overlay\"
graphroot = \"{NODE_FOLDER}/podman\"
runroot = \"{NODE_FOLDER}/podman-run\"
"
    );
    let files = [
        ("containers.conf", containers.as_str()),
        ("storage.conf", storage.as_str()),
        // As with Docker, a registry of this machine needs no TLS.
        (
            "registries.conf",
            "unqualified-search-registries = []\n[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n",
        ),
    ];
    for (name, contents) in files {
        let path = layout.machine(MACHINE).join(name);
        std::fs::write(&path, contents)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn down(layout: &Layout) -> anyhow::Result<()> {
    if let Some(state) = State::read(&layout.state())? {
        report::progress("stopping the engines");
        teardown::stop(&state)?;
    }
    Hierarchies::detect()?.remove(&cgroup(layout))?;
    cache::remove(&layout.run)
}

/// The cgroup below which all containers of Docker are.
fn cgroup(layout: &Layout) -> String {
    format!("mcpt-{}-engines", layout.id)
}

fn running(layout: &Layout) -> anyhow::Result<State> {
    let hint = "start them with: cargo xtask engines up";
    let state = State::read(&layout.state())?;
    let state = state.with_context(|| format!("there are no engines; {hint}"))?;
    let dead = state.dead();
    if !dead.is_empty() || !state.ready {
        bail!("the engines are broken ({} ended); {hint}", dead.join(", "));
    }
    Ok(state)
}

/// Becomes the command, inside the engines' network namespace: signals and the exit code are its own.
fn exec(layout: &Layout, words: &[String]) -> anyhow::Result<ExitCode> {
    let state = running(layout)?;
    let [program, arguments @ ..] = words else {
        bail!("no command is given")
    };
    let machine = Machine::recorded(&state, MACHINE)?;
    // Made here: from that network nothing can be fetched.
    let runners = tools::package_runners()?;
    let network = format!("/proc/{}/ns/net", machine.init);
    let file = std::fs::File::open(&network).with_context(|| format!("cannot open {network}"))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {network}"))?;
    let folder = text(&layout.machine(MACHINE));
    let path = std::env::var("PATH").unwrap_or_default();
    let error = Command::new(program)
        .args(arguments)
        .env("CARGO_NET_OFFLINE", "true")
        .env("UV_OFFLINE", "1")
        .env("npm_config_offline", "true")
        .env("DOCKER_HOST", Engine::Docker.socket(&folder))
        .env("CONTAINER_HOST", Engine::Podman.socket(&folder))
        .env("MCPT_BIN", dist::path(Profile::Image)?)
        .env("PATH", format!("{}:{path}", runners.display()))
        .exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}
