//! A machine of the cluster: network, mount and process namespaces of its own, held by one process.
//!
//! All that runs in a machine ends, and all that it mounted vanishes, when that process ends; so this
//! is all that has to be recorded and stopped. Inside, `/run` is empty, changes to `/var` are
//! discarded, and the machine's folder in the run folder is at `/run/node`.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::layout::{Layout, NODE_FOLDER};
use super::state::{Process, Record, State};
use super::wait;
use crate::command;

/// A running machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Its name.
    pub(crate) name: String,
    /// The first process inside, by its id outside.
    pub(crate) init: u32,
}

impl Machine {
    /// Starts a machine whose first process is `pause`, and records it in `state`.
    pub(crate) fn start(
        layout: &Layout,
        state: &mut State,
        name: &str,
        pause: &Path,
    ) -> anyhow::Result<Self> {
        let folder = layout.machine(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let log = log_file(layout, name)?;
        // The shell waits for a line before it makes anything: by then the process is recorded. When
        // this program is killed before that, the shell reads the end of its input and ends.
        let mut child = Command::new("setsid")
            .args(["sh", "-c", r#"read -r go && exec "$@""#, "sh"])
            .args(["unshare", "--net", "--pid", "--fork", "--kill-child"])
            .args(["--mount", "--mount-proc", "--propagation", "private"])
            .arg(pause)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run setsid")?;
        let process = Process::of(child.id())?;
        state.machines.push(Record {
            name: name.to_owned(),
            process,
        });
        state.write(&layout.state())?;
        child
            .stdin
            .take()
            .context("no pipe to the machine's shell")?
            .write_all(b"go\n")?;

        let mut init = None;
        wait::until(Duration::from_secs(10), || {
            init = process.child().filter(|pid| runs(*pid, pause));
            Ok(init.is_some())
        })
        .with_context(|| format!("cannot start the machine {name}: {}", tail(layout, name)))?;
        let machine = Self {
            name: name.to_owned(),
            init: init.context("no first process")?,
        };
        machine.mount(&folder)?;
        Ok(machine)
    }

    /// The recorded machine of that name.
    pub(crate) fn recorded(state: &State, name: &str) -> anyhow::Result<Self> {
        let init = state
            .machine(name)
            .filter(|process| process.is_alive())
            .and_then(Process::child);
        Ok(Self {
            name: name.to_owned(),
            init: init.with_context(|| format!("the machine {name} is not running"))?,
        })
    }

    fn mount(&self, folder: &Path) -> anyhow::Result<()> {
        let script = format!(
            r#"mount -t tmpfs -o mode=755 run /run
            mkdir -p {NODE_FOLDER} /run/var/upper /run/var/work
            mount --bind "$1" {NODE_FOLDER}
            mount -t overlay -o lowerdir=/var,upperdir=/run/var/upper,workdir=/run/var/work var /var
            mount --make-rshared /"#
        );
        let mut command = self.enter(&["--mount"]);
        command::output(command.args(["sh", "-ec", &script, "sh"]).arg(folder))
            .with_context(|| format!("cannot mount the file systems of {}", self.name))?;
        Ok(())
    }

    /// A command that will run in the given namespaces (options of nsenter) of the machine.
    pub(crate) fn enter(&self, namespaces: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init.to_string()])
            .args(namespaces)
            .arg("--");
        command
    }

    /// Starts a component in the machine, with its output in its log, and records it in `state`.
    pub(crate) fn spawn(
        &self,
        layout: &Layout,
        state: &mut State,
        component: &Component,
    ) -> anyhow::Result<()> {
        let log = log_file(layout, &component.name)?;
        let folder = component.program.parent().unwrap_or(Path::new("/"));
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("setsid")
            .args(["nsenter", "--target", &self.init.to_string()])
            .args(["--net", "--mount", "--pid", "--"])
            .arg(&component.program)
            .args(&component.arguments)
            // containerd looks for its shim beside itself, the bridge plugin for iptables.
            .env(
                "PATH",
                format!("{}:{path}:/usr/sbin:/sbin", folder.display()),
            )
            .env("HOME", "/root")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", component.name))?;
        let process = Process::of(child.id())?;
        state.components.push(Record {
            name: component.name.clone(),
            process,
        });
        state.write(&layout.state())
    }
}

/// A program of the cluster with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// Its name in records and of its log.
    pub(crate) name: String,
    /// The program.
    pub(crate) program: std::path::PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
}

/// The last lines of a component's log.
pub(crate) fn tail(layout: &Layout, component: &str) -> String {
    const LINES: usize = 15;
    let path = layout.log(component);
    let log = std::fs::read(&path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    format!("the last lines of {}:\n{last}", path.display())
}

fn log_file(layout: &Layout, name: &str) -> anyhow::Result<File> {
    let path = layout.log(name);
    let Some(folder) = path.parent() else {
        bail!("{} has no folder", path.display())
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))
}

/// Whether a process has already become `program`.
fn runs(pid: u32, program: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
}
