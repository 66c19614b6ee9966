//! Builds tools from pinned Go modules: one folder with go.mod and go.sum per module in `xtask/go`.
//!
//! Each module's binaries are kept in the cache under a key of everything they depend on, and
//! reachable under `bin` in the cache folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::cache::{self, Key};
use crate::lock::Lock;
use crate::{command, report, tools};

/// A Go module with the binaries that are built from it.
#[derive(Debug)]
struct Module {
    /// The folder in `xtask/go`.
    name: &'static str,
    /// Names of the binaries and the packages that they are built from.
    binaries: &'static [(&'static str, &'static str)],
    /// Variables that the project's own release build sets, by what they are set to.
    stamps: &'static [(Stamp, &'static [&'static str])],
}

/// What a version variable is set to; versions are read from go.mod, the one place that has them.
#[derive(Clone, Copy, Debug)]
enum Stamp {
    /// The version of the named module, `v1.2.3`.
    Version(&'static str),
    /// The minor number of the named module's version.
    Minor(&'static str),
    /// A fixed text.
    Text(&'static str),
}

const MODULES: &[Module] = &[
    Module {
        name: "kubernetes",
        binaries: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            (
                "kube-controller-manager",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
            ),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
            ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ],
        // Without these the components believe that they are v0.0.0.
        stamps: &[
            (
                Stamp::Version("k8s.io/kubernetes"),
                &[
                    "k8s.io/component-base/version.gitVersion",
                    "k8s.io/client-go/pkg/version.gitVersion",
                ],
            ),
            (
                Stamp::Text("1"),
                &[
                    "k8s.io/component-base/version.gitMajor",
                    "k8s.io/client-go/pkg/version.gitMajor",
                ],
            ),
            (
                Stamp::Minor("k8s.io/kubernetes"),
                &[
                    "k8s.io/component-base/version.gitMinor",
                    "k8s.io/client-go/pkg/version.gitMinor",
                ],
            ),
        ],
    },
    Module {
        name: "containerd",
        binaries: &[
            (
                "containerd",
                "github.com/containerd/containerd/v2/cmd/containerd",
            ),
            (
                "containerd-shim-runc-v2",
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            ),
            ("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
        ],
        stamps: &[],
    },
    Module {
        name: "etcd",
        binaries: &[("etcd", "go.etcd.io/etcd/server/v3")],
        stamps: &[],
    },
    Module {
        name: "coredns",
        binaries: &[("coredns", "github.com/coredns/coredns")],
        stamps: &[],
    },
    Module {
        name: "metrics-server",
        binaries: &[(
            "metrics-server",
            "sigs.k8s.io/metrics-server/cmd/metrics-server",
        )],
        stamps: &[],
    },
    Module {
        name: "local-path-provisioner",
        binaries: &[(
            "local-path-provisioner",
            "github.com/rancher/local-path-provisioner",
        )],
        stamps: &[],
    },
    Module {
        name: "registry",
        binaries: &[(
            "registry",
            "github.com/distribution/distribution/v3/cmd/registry",
        )],
        stamps: &[],
    },
    Module {
        name: "conformance",
        binaries: &[
            (
                "everything-server",
                "github.com/modelcontextprotocol/go-sdk/conformance/everything-server",
            ),
            (
                "everything-client",
                "github.com/modelcontextprotocol/go-sdk/conformance/everything-client",
            ),
        ],
        stamps: &[],
    },
    Module {
        name: "clients",
        binaries: &[("all-as-one", "mcpt.test/tools/clients")],
        stamps: &[],
    },
    Module {
        name: "mcp-registry",
        binaries: &[(
            "mcp-registry",
            "github.com/modelcontextprotocol/registry/handlers",
        )],
        stamps: &[],
    },
    Module {
        name: "helm3",
        binaries: &[("helm3", "helm.sh/helm/v3/cmd/helm")],
        stamps: &[
            (
                Stamp::Version("helm.sh/helm/v3"),
                &["helm.sh/helm/v3/internal/version.version"],
            ),
            (
                Stamp::Text("1"),
                &[
                    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor",
                    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor",
                ],
            ),
            (
                Stamp::Minor("k8s.io/client-go"),
                &[
                    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor",
                    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor",
                ],
            ),
        ],
    },
    Module {
        name: "helm4",
        binaries: &[("helm4", "helm.sh/helm/v4/cmd/helm")],
        stamps: &[(
            Stamp::Version("helm.sh/helm/v4"),
            &["helm.sh/helm/v4/internal/version.version"],
        )],
    },
];

/// The names of all modules.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|module| module.name)
}

/// Builds the programs of a module unless the cache has them, and returns their folder.
pub(crate) fn build(name: &str) -> anyhow::Result<PathBuf> {
    find(name)?.build()
}

/// Builds the programs of a module unless the cache has them, and returns their paths.
pub(crate) fn build_programs(name: &str) -> anyhow::Result<Vec<PathBuf>> {
    let module = find(name)?;
    let folder = module.build()?;
    Ok(module
        .binaries
        .iter()
        .map(|(binary, _)| folder.join(binary))
        .collect())
}

fn find(name: &str) -> anyhow::Result<&'static Module> {
    let module = MODULES.iter().find(|module| module.name == name);
    module.with_context(|| format!("no Go module is named {name}"))
}

impl Module {
    fn build(&self) -> anyhow::Result<PathBuf> {
        let source = cache::repository().join("xtask/go").join(self.name);
        let go_mod = std::fs::read_to_string(source.join("go.mod"))
            .with_context(|| format!("cannot read the go.mod of {}", self.name))?;
        let go_version = command::output(Command::new("go").arg("version").current_dir(&source))
            .context("Go is needed to build the tools of the test cluster")?;
        let ldflags = self.ldflags(&go_mod)?;
        let mut key = Key::new().with(&go_mod).with_file(&source.join("go.sum"))?;
        let own = source.join("main.go");
        if own.is_file() {
            key = key.with_file(&own)?;
        }
        let key = key.with(go_version.trim()).with(&ldflags).finish();

        let tools = cache::folder()?.join("tools");
        let folder = tools.join(format!("{}-{key}", self.name));
        let _lock = Lock::take(&tools.join(format!("{}.lock", self.name)), self.name)?;
        if !self
            .binaries
            .iter()
            .all(|(binary, _)| folder.join(binary).is_file())
        {
            self.compile(&source, &ldflags, &folder)?;
        }
        for (binary, _) in self.binaries {
            tools::link(binary, &folder.join(binary))?;
        }
        Ok(folder)
    }

    fn compile(&self, source: &Path, ldflags: &str, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        for (binary, package) in self.binaries {
            let target = folder.join(binary);
            if target.is_file() {
                continue;
            }
            report::progress(format_args!("building {binary} of {}", self.name));
            let begin = Instant::now();
            let partial = folder.join(format!(".{binary}"));
            command::show(
                Command::new("nice")
                    .args([
                        "go",
                        "build",
                        "-mod=readonly",
                        "-trimpath",
                        "-buildvcs=false",
                    ])
                    .arg("-ldflags")
                    .arg(ldflags)
                    .arg("-o")
                    .arg(&partial)
                    .arg(package)
                    .env("CGO_ENABLED", "0")
                    .env("GOFLAGS", "")
                    .env("GOWORK", "off")
                    .current_dir(source),
            )?;
            std::fs::rename(&partial, &target)
                .with_context(|| format!("cannot write {}", target.display()))?;
            report::progress(format_args!(
                "built {binary} in {}",
                report::seconds(begin.elapsed())
            ));
        }
        Ok(())
    }

    fn ldflags(&self, go_mod: &str) -> anyhow::Result<String> {
        let mut flags = "-s -w".to_owned();
        for (stamp, variables) in self.stamps {
            let value = match stamp {
                Stamp::Version(module) => required_version(go_mod, module)?,
                Stamp::Minor(module) => minor(required_version(go_mod, module)?)?,
                Stamp::Text(text) => text,
            };
            for variable in *variables {
                let _ = write!(flags, " -X {variable}={value}");
            }
        }
        Ok(flags)
    }
}

/// The version of `module` in the require lines of a go.mod.
fn required_version<'a>(go_mod: &'a str, module: &str) -> anyhow::Result<&'a str> {
    for line in go_mod.lines() {
        let line = line.trim_start().trim_start_matches("require").trim_start();
        if let Some(rest) = line.strip_prefix(module)
            && let Some(version) = rest.split_whitespace().next()
            && rest.starts_with(' ')
            && version.starts_with('v')
        {
            return Ok(version);
        }
    }
    bail!("go.mod requires no version of {module}")
}

fn minor(version: &str) -> anyhow::Result<&str> {
    version
        .split('.')
        .nth(1)
        .with_context(|| format!("{version} has no minor number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO_MOD: &str = "module mcpt.test/tools/example\n\ngo 1.26.0\n\ntool example.test/a/cmd/a\n\n\
        require example.test/b v0.3.1\n\nrequire (\n\texample.test/a v1.37.2 // indirect\n\
        \texample.test/a/api v0.9.0 // indirect\n)\n\n\
        replace (\n\texample.test/c => example.test/c v0.1.0\n)\n";

    #[test]
    fn versions_are_read_from_go_mod() {
        assert_eq!(
            required_version(GO_MOD, "example.test/a").unwrap(),
            "v1.37.2"
        );
        assert_eq!(
            required_version(GO_MOD, "example.test/a/api").unwrap(),
            "v0.9.0"
        );
        assert_eq!(
            required_version(GO_MOD, "example.test/b").unwrap(),
            "v0.3.1"
        );
        assert!(required_version(GO_MOD, "example.test/c").is_err());
        assert_eq!(minor("v1.37.2").unwrap(), "37");
    }

    #[test]
    fn every_module_is_committed_and_stamped_with_its_own_versions() {
        for module in MODULES {
            let folder = cache::repository().join("xtask/go").join(module.name);
            let go_mod = std::fs::read_to_string(folder.join("go.mod")).unwrap();
            assert!(folder.join("go.sum").is_file(), "{}", module.name);
            for (_, package) in module.binaries {
                assert!(
                    go_mod.contains(package),
                    "{package} is no tool of {}",
                    module.name
                );
            }
            module.ldflags(&go_mod).unwrap();
        }
    }
}
