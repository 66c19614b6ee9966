//! The cgroups below which the nodes' pods live: one per node, in whichever layout the machine has.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

const ROOT: &str = "/sys/fs/cgroup";

/// The hierarchies of the machine's cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    layout: Layout,
    /// A version 2 hierarchy without controllers beside those of version 1 (hybrid): the container
    /// runtime makes cgroups there too.
    beside: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Layout {
    /// Version 2: one hierarchy for all controllers.
    Unified(PathBuf),
    /// Version 1: one hierarchy per controller.
    PerController(Vec<PathBuf>),
}

impl Hierarchies {
    /// Those of this machine.
    pub(crate) fn detect() -> anyhow::Result<Self> {
        let mounts =
            std::fs::read_to_string("/proc/self/mounts").context("cannot read the mounts")?;
        Self::parse(&mounts)
    }

    fn parse(mounts: &str) -> anyhow::Result<Self> {
        let mut controllers = Vec::new();
        let mut beside = None;
        for line in mounts.lines() {
            let fields: Vec<_> = line.split(' ').collect();
            let [_, point, kind, ..] = fields[..] else {
                continue;
            };
            match kind {
                "cgroup2" if point == ROOT => {
                    return Ok(Self {
                        layout: Layout::Unified(point.into()),
                        beside: None,
                    });
                }
                "cgroup2" => beside = Some(PathBuf::from(point)),
                "cgroup" => controllers.push(PathBuf::from(point)),
                _ => {}
            }
        }
        for needed in ["cpu", "cpuset", "memory", "pids", "devices", "freezer"] {
            let is_mounted = controllers.iter().any(|point| {
                let name = point.file_name().unwrap_or_default().to_string_lossy();
                name.split(',').any(|controller| controller == needed)
            });
            if !is_mounted {
                bail!(
                    "the cluster needs cgroups, version 2 at {ROOT} or version 1 with the \
                     controller {needed}, and this machine has neither mounted"
                );
            }
        }
        Ok(Self {
            layout: Layout::PerController(controllers),
            beside,
        })
    }

    fn roots(&self) -> &[PathBuf] {
        match &self.layout {
            Layout::Unified(root) => std::slice::from_ref(root),
            Layout::PerController(roots) => roots,
        }
    }

    /// Makes the cgroup `name` in each hierarchy, ready to hold pods.
    pub(crate) fn create(&self, name: &str) -> anyhow::Result<()> {
        for root in self.roots() {
            let group = root.join(name);
            std::fs::create_dir_all(&group)
                .with_context(|| format!("cannot create {}", group.display()))?;
            // A version 1 cpuset accepts no process until it is told its processors and memory.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if matches!(self.layout, Layout::PerController(_)) && group.join(file).exists() {
                    copy(&root.join(file), &group.join(file))?;
                }
            }
        }
        if let Layout::Unified(root) = &self.layout {
            let controllers = std::fs::read_to_string(root.join("cgroup.controllers"))?;
            let enabled: Vec<_> = controllers
                .split_whitespace()
                .map(|name| format!("+{name}"))
                .collect();
            for group in [root.clone(), root.join(name)] {
                let file = group.join("cgroup.subtree_control");
                std::fs::write(&file, enabled.join(" ")).with_context(|| {
                    format!(
                        "cannot hand controllers down: cannot write {}",
                        file.display()
                    )
                })?;
            }
        }
        Ok(())
    }

    /// Removes the cgroup `name` with all below it from each hierarchy. Its processes have been
    /// ended; the kernel may need a moment to let go of them.
    pub(crate) fn remove(&self, name: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        for root in self.roots().iter().chain(&self.beside) {
            let group = root.join(name);
            while let Err(error) = remove_below(&group) {
                if Instant::now() > deadline {
                    return Err(error)
                        .with_context(|| format!("cannot remove {}", group.display()));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let value =
        std::fs::read_to_string(from).with_context(|| format!("cannot read {}", from.display()))?;
    std::fs::write(to, value.trim()).with_context(|| format!("cannot write {}", to.display()))
}

/// Only folders can be removed in a cgroup file system, and only from the leaves.
fn remove_below(group: &Path) -> std::io::Result<()> {
    let listing = match std::fs::read_dir(group) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in listing {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_below(&entry.path())?;
        }
    }
    std::fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version_one(controllers: &[&str]) -> String {
        controllers.iter().fold(String::new(), |mounts, name| {
            mounts + &format!("cgroup /sys/fs/cgroup/{name} cgroup rw,relatime 0 0\n")
        })
    }

    #[test]
    fn each_layout_is_recognised() {
        let unified = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let unified = Hierarchies::parse(unified).unwrap();
        assert_eq!(unified.layout, Layout::Unified("/sys/fs/cgroup".into()));
        let version_one = version_one(&[
            "cpu,cpuacct",
            "cpuset",
            "memory",
            "pids",
            "devices",
            "freezer",
        ]);
        let pure = Hierarchies::parse(&version_one).unwrap();
        assert_eq!((pure.roots().len(), &pure.beside), (6, &None));
        let hybrid = version_one + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let hybrid = Hierarchies::parse(&hybrid).unwrap();
        assert_eq!(hybrid.layout, pure.layout);
        assert_eq!(hybrid.beside, Some("/sys/fs/cgroup/unified".into()));
    }

    #[test]
    fn a_missing_controller_is_named() {
        let error = Hierarchies::parse(&version_one(&["cpu", "cpuset"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("controller memory"), "{error}");
        assert!(Hierarchies::parse("").is_err());
    }
}
