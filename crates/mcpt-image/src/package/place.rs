//! What a base has for a package: its interpreter, its C library, a home.

use mcpt_core::{Ecosystem, Package};
use mcpt_package::ImageTarget;
use oci_image::{Base, Files};

use super::{BuildError, HOME, interpreter};

/// The search path of an image that says nothing else.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a package will be.
#[derive(Debug, Clone)]
pub(super) struct PackageDestination {
    pub(super) target: ImageTarget,
    /// The search path.
    pub(super) path: String,
    pub(super) has_home: bool,
}

impl PackageDestination {
    pub(super) fn of(
        package: &Package,
        base: &mut Base,
        architecture: &str,
    ) -> Result<Self, BuildError> {
        let files = base.files()?;
        let path = base.variable("PATH").unwrap_or(PATH).to_owned();
        let wanted = package.python.as_deref();
        let found = match package.ecosystem {
            Ecosystem::Npm => node(&files, &path).map(|node| {
                let version = base.variable("NODE_VERSION");
                let version = version.map(|text| text.trim_start_matches('v').to_owned());
                (node, version)
            }),
            Ecosystem::Pypi => python(&files, &path, wanted),
        };
        let (interpreter, version) = found.ok_or_else(|| BuildError::NoInterpreter {
            base: base.name().to_owned(),
            wanted: interpreter(package.ecosystem, wanted),
            package: package.source(),
        })?;
        let musl = has_musl(&files);
        Ok(Self {
            target: ImageTarget {
                architecture: architecture.to_owned(),
                musl,
                interpreter,
                version,
            },
            path,
            has_home: files.has_folder(HOME),
        })
    }
}

/// Whether programs run with musl: a system of glibc may have musl beside it.
fn has_musl(files: &Files) -> bool {
    let is_there =
        |folder: &str, known: fn(&str) -> bool| files.names(folder).into_iter().any(known);
    let loader = |name: &str| name.starts_with("ld-musl-");
    let glibc = |name: &str| name == "libc.so.6";
    ["/lib", "/usr/lib"]
        .iter()
        .any(|folder| is_there(folder, loader))
        && ![
            "/lib64",
            "/usr/lib64",
            "/lib/x86_64-linux-gnu",
            "/lib/aarch64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
        ]
        .iter()
        .any(|folder| is_there(folder, glibc))
}

/// The version of Python that a base has: `3.12`, of several the one that its search path finds first.
pub(super) fn python_version(base: &mut Base) -> Result<Option<String>, oci_image::Error> {
    let files = base.files()?;
    let path = base.variable("PATH").unwrap_or(PATH);
    Ok(python(&files, path, None).and_then(|(_, version)| version))
}

fn node(files: &Files, path: &str) -> Option<String> {
    let folders = path.split(':').filter(|folder| folder.starts_with('/'));
    let mut programs =
        folders.flat_map(|folder| ["node", "nodejs"].map(|name| format!("{folder}/{name}")));
    programs.find(|program| files.has_program(program))
}

/// A Python, and its version by its name.
fn python(files: &Files, path: &str, wanted: Option<&str>) -> Option<(String, Option<String>)> {
    let folders = path.split(':').filter(|folder| folder.starts_with('/'));
    for folder in folders {
        let mut versions: Vec<(u32, &str)> = files
            .names(folder)
            .into_iter()
            .filter_map(|name| {
                let version = name.strip_prefix("python")?;
                let minor = version.strip_prefix("3.")?.parse().ok()?;
                Some((minor, version))
            })
            .filter(|(_, version)| wanted.is_none_or(|wanted| wanted == *version || wanted == "3"))
            .collect();
        versions.sort_unstable();
        for (_, version) in versions.into_iter().rev() {
            let program = format!("{folder}/python{version}");
            if files.has_program(&program) {
                return Some((program, Some(version.to_owned())));
            }
        }
    }
    None
}
