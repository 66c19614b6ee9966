//! Whether what was built on this machine runs where the tree is made for: what came built was chosen for it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use mcpt_package::{ImageTree, Target};

use crate::elf;

/// What an addon has that runs on one version of Node.js only; those for all have another one.
const OF_ONE_NODE: &[u8] = b"node_register_module_v";
/// What the name of a module has that is for one version of Python only.
const OF_ONE_PYTHON: &str = ".cpython-3";

/// What of a tree does not fit its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// It is for another processor.
    Processor {
        /// The file.
        file: String,
        /// The one that it is for.
        has: String,
        /// The one that it should be for.
        wanted: String,
    },
    /// It is for another version of the interpreter.
    Version {
        /// The file.
        file: String,
        /// The interpreter and the version that it is for.
        has: String,
        /// The version that it should be for; `None` when the base does not say its own.
        wanted: Option<String>,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processor { file, has, wanted } => {
                write!(f, "{file} was built for {has} and not for {wanted}")
            }
            Self::Version {
                file,
                has,
                wanted: Some(wanted),
            } => write!(f, "{file} was built for {has} and not for {wanted}"),
            Self::Version {
                file,
                has,
                wanted: None,
            } => write!(
                f,
                "{file} was built for {has}, and the base does not say its version (NODE_VERSION)"
            ),
        }
    }
}

/// Why a tree is not taken.
#[derive(Debug)]
pub(super) enum Unfit {
    Misfit(Misfit),
    Unread(PathBuf, io::Error),
}

/// Looks at all that was built.
pub(super) fn check(tree: &ImageTree, target: &Target) -> Result<(), Unfit> {
    let mut folders = vec![tree.path().to_owned()];
    while let Some(folder) = folders.pop() {
        let unread = |error| Unfit::Unread(folder.clone(), error);
        for entry in fs::read_dir(&folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(unread)?;
            let name = path.strip_prefix(tree.path()).unwrap_or(&path);
            let name = name.to_string_lossy();
            if kind.is_dir() && !ImageTree::is_trace(&name) {
                folders.push(path);
            } else if kind.is_file() && was_built(&path) {
                let program = fs::read(&path).map_err(unread)?;
                fits(&name, &program, tree.node.as_deref(), target).map_err(Unfit::Misfit)?;
            }
        }
    }
    Ok(())
}

/// Whether a file is where install scripts put what they build, or a module for one Python. Packages also carry what is for other
/// machines, which they do not load.
fn was_built(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let is = |end: &str| path.extension().is_some_and(|extension| extension == end);
    (is("node") && text.contains("/build/")) || (is("so") && text.contains(OF_ONE_PYTHON))
}

fn fits(file: &str, program: &[u8], node: Option<&str>, target: &Target) -> Result<(), Misfit> {
    if let Some(has) = elf::architecture(program)
        && has != target.architecture
    {
        return Err(Misfit::Processor {
            file: file.to_owned(),
            has: has.to_owned(),
            wanted: target.architecture.clone(),
        });
    }
    let wrong = |has: String| Misfit::Version {
        file: file.to_owned(),
        has,
        wanted: target.version.clone(),
    };
    if let Some((_, rest)) = file.split_once(OF_ONE_PYTHON) {
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let has = format!("3.{minor}");
        let wanted = target.version.as_deref();
        return match wanted {
            Some(wanted) if wanted == has || wanted.starts_with(&format!("{has}.")) => Ok(()),
            _ => Err(wrong(format!("Python {has}"))),
        };
    }
    let of_one = program
        .windows(OF_ONE_NODE.len())
        .any(|part| part == OF_ONE_NODE);
    if let Some(node) = node.filter(|_| of_one) {
        let major = |text: &str| {
            let number = text.trim_start_matches('v').split('.').next();
            number.map(str::to_owned)
        };
        if target.version.as_deref().and_then(major) != major(node) {
            return Err(wrong(format!("Node.js {node}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(version: Option<&str>) -> Target {
        Target {
            architecture: "amd64".to_owned(),
            musl: false,
            interpreter: "/usr/bin/x".to_owned(),
            version: version.map(str::to_owned),
        }
    }

    fn program(machine: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18] = machine;
        bytes.extend(text.bytes());
        bytes
    }

    #[test]
    fn what_was_built_must_fit() {
        let one = program(62, "\0node_register_module_v137\0");
        let all = program(62, "\0napi_register_module_v1\0");
        let other = program(183, "\0napi_register_module_v1\0");
        let file = "node_modules/a/build/Release/a.node";
        let text = |program: &[u8], version: Option<&str>| {
            let found = fits(file, program, Some("v24.1.0"), &target(version));
            found.map_err(|misfit| misfit.to_string())
        };
        assert_eq!(text(&one, Some("24.11.1")), Ok(()));
        assert_eq!(text(&all, None), Ok(()));
        let refused = text(&one, Some("22.0.0")).unwrap_err();
        assert!(
            refused.ends_with("built for Node.js v24.1.0 and not for 22.0.0"),
            "{refused}"
        );
        assert!(text(&one, None).unwrap_err().contains("NODE_VERSION"));
        assert!(
            text(&other, None)
                .unwrap_err()
                .contains("for arm64 and not for amd64")
        );
        let module = "venv/lib/python3.11/site-packages/a.cpython-312-x86_64-linux-gnu.so";
        assert!(fits(module, &program(62, ""), None, &target(Some("3.12"))).is_ok());
        assert!(fits(module, &program(62, ""), None, &target(Some("3.1"))).is_err());
    }

    #[test]
    fn what_only_lies_there_is_not_looked_at() {
        for (path, built) in [
            ("/t/node_modules/a/build/Release/a.node", true),
            ("/t/node_modules/a/prebuilds/darwin-x64/a.node", false),
            (
                "/t/venv/lib/python3.11/site-packages/a.cpython-311-x86_64-linux-gnu.so",
                true,
            ),
            ("/t/venv/lib/python3.11/site-packages/a.abi3.so", false),
        ] {
            assert_eq!(was_built(Path::new(path)), built, "{path}");
        }
    }
}
