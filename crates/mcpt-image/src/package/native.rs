//! Whether what was built on this machine runs where the tree is made for: what came built was chosen for it.

use std::{
    fmt,
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use mcpt_package::{ImageTarget, ImageTree};

use crate::elf::{self, Platform, ReadAt};

/// What an addon has that runs on one version of Node.js only; those for all have another one.
const OF_ONE_NODE: &[u8] = b"node_register_module_v";
/// What the name of a module has that is for one version of Python only.
const OF_ONE_PYTHON: &str = ".cpython-3";
/// The end of the name of a module for several of them.
const OF_SEVERAL: &str = ".abi3.so";
/// How many bytes are looked through at a time.
const PIECE: usize = 64 * 1024;

/// What of a tree does not fit its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// It is for another processor, or another system.
    Processor {
        /// The file.
        file: String,
        /// The one that it is for.
        has: String,
        /// The one that it should be for.
        wanted: String,
    },
    /// It is for another C library.
    Library {
        /// The file.
        file: String,
        /// The one that it is for: `glibc`, `musl`.
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
            Self::Processor { file, has, wanted } | Self::Library { file, has, wanted } => {
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

/// Looks at all that was built, with install scripts that ran on this version of Node.js.
pub(super) fn check(tree: &Path, node: Option<&str>, target: &ImageTarget) -> Result<(), Unfit> {
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        let unread = |error| Unfit::Unread(folder.clone(), error);
        for entry in fs::read_dir(&folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(unread)?;
            let name = path.strip_prefix(tree).unwrap_or(&path);
            let name = name.to_string_lossy();
            if kind.is_dir() && !ImageTree::is_trace(&name) {
                folders.push(path);
            } else if kind.is_file() && was_built(Path::new(&*name)) {
                let unread = |error| Unfit::Unread(path.clone(), error);
                let program = File::open(&path).map_err(unread)?;
                let read = |at: u64, length: usize| {
                    let mut bytes = vec![0; length];
                    let read = program.read_exact_at(&mut bytes, at);
                    read.is_ok().then_some(bytes)
                };
                let of_one = has_mark(&program).map_err(unread)?;
                let node = node.filter(|_| of_one);
                fits(&name, &read, node, target).map_err(Unfit::Misfit)?;
            }
        }
    }
    Ok(())
}

/// Whether a file is where install scripts put what they build, or a module for one Python. Packages also carry what is for other
/// machines, which they do not load. The path is that within the tree.
fn was_built(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let is = |end: &str| path.extension().is_some_and(|extension| extension == end);
    (is("node") && text.contains("/build/"))
        || (is("so") && (text.contains(OF_ONE_PYTHON) || text.ends_with(OF_SEVERAL)))
}

/// Whether an addon runs on one version of Node.js only. It may be of any size.
fn has_mark(program: &File) -> io::Result<bool> {
    let mut piece = vec![0; PIECE + OF_ONE_NODE.len()];
    let mut at = 0;
    loop {
        let read = match program.read_at(&mut piece, at) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut places = piece[..read].windows(OF_ONE_NODE.len());
        if places.any(|part| part == OF_ONE_NODE) {
            return Ok(true);
        }
        // It may begin at the end of this piece.
        at += (read + 1).saturating_sub(OF_ONE_NODE.len()).max(1) as u64;
    }
}

/// The C library that a module is for, as far as it says so.
fn c_library(read: ReadAt<'_>) -> Option<&'static str> {
    let libraries = elf::libraries(read);
    let is = |known: fn(&str) -> bool| libraries.iter().any(|name| known(name));
    if is(|name| name.starts_with("libc.musl-") || name == "libc.so") {
        Some("musl")
    } else if is(|name| name == "libc.so.6" || name.starts_with("ld-linux-")) {
        Some("glibc")
    } else {
        None
    }
}

/// `node` is the version that an addon for one of them was built for.
fn fits(
    file: &str,
    read: ReadAt<'_>,
    node: Option<&str>,
    target: &ImageTarget,
) -> Result<(), Misfit> {
    let foreign = |has: String, wanted: &str| Misfit::Processor {
        file: file.to_owned(),
        has,
        wanted: wanted.to_owned(),
    };
    match elf::platform(read) {
        Some(Platform::Linux(has)) if has != target.architecture => {
            return Err(foreign(has, &target.architecture));
        }
        Some(Platform::Other(system)) => return Err(foreign(system.to_owned(), "Linux")),
        Some(Platform::Linux(_)) | None => {}
    }
    let wanted = if target.musl { "musl" } else { "glibc" };
    if let Some(has) = c_library(read).filter(|has| *has != wanted) {
        return Err(Misfit::Library {
            file: file.to_owned(),
            has: has.to_owned(),
            wanted: wanted.to_owned(),
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
    if let Some(node) = node {
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
    use crate::elf::tests::{at, module};

    fn target(version: Option<&str>) -> ImageTarget {
        ImageTarget {
            architecture: "amd64".to_owned(),
            musl: false,
            interpreter: "/usr/bin/x".to_owned(),
            version: version.map(str::to_owned),
        }
    }

    fn found(
        file: &str,
        module: &[u8],
        node: Option<&str>,
        target: &ImageTarget,
    ) -> Result<(), String> {
        fits(file, &at(module), node, target).map_err(|misfit| misfit.to_string())
    }

    #[test]
    fn what_was_built_must_fit() {
        let addon = module(62, &["libc.so.6"]);
        let other = module(183, &["libc.so.6"]);
        let file = "node_modules/a/build/Release/a.node";
        let one = Some("v24.1.0");
        assert_eq!(found(file, &addon, one, &target(Some("24.11.1"))), Ok(()));
        assert_eq!(found(file, &addon, None, &target(None)), Ok(()));
        let refused = found(file, &addon, one, &target(Some("22.0.0"))).unwrap_err();
        assert!(
            refused.ends_with("built for Node.js v24.1.0 and not for 22.0.0"),
            "{refused}"
        );
        let refused = found(file, &addon, one, &target(None)).unwrap_err();
        assert!(refused.contains("NODE_VERSION"), "{refused}");
        let refused = found(file, &other, None, &target(None)).unwrap_err();
        assert!(refused.contains("for arm64 and not for amd64"), "{refused}");
        let foreign = b"\xcf\xfa\xed\xfe\x07\0\0\x01 and so on, for another system";
        let refused = found(file, foreign, None, &target(None)).unwrap_err();
        assert!(
            refused.ends_with("for macOS and not for Linux"),
            "{refused}"
        );
        let python = "venv/lib/python3.11/site-packages/a.cpython-312-x86_64-linux-gnu.so";
        assert!(found(python, &addon, None, &target(Some("3.12"))).is_ok());
        assert!(found(python, &addon, None, &target(Some("3.1"))).is_err());
    }

    #[test]
    fn what_was_built_needs_the_c_library_that_is_there() {
        let file = "node_modules/a/build/Release/a.node";
        let musl = ImageTarget {
            musl: true,
            ..target(None)
        };
        for (needed, on_glibc, on_musl) in [
            (&["libstdc++.so.6", "libc.so.6"][..], "", "glibc"),
            (&["libc.musl-x86_64.so.1"], "musl", ""),
            (&["libc.so"], "musl", ""),
            (&["libstdc++.so.6"], "", ""),
            (&[], "", ""),
        ] {
            for (target, wanted, refused) in
                [(&target(None), "glibc", on_glibc), (&musl, "musl", on_musl)]
            {
                let told = match refused {
                    "" => Ok(()),
                    has => Err(format!("{file} was built for {has} and not for {wanted}")),
                };
                assert_eq!(found(file, &module(62, needed), None, target), told);
            }
        }
    }

    #[test]
    fn the_mark_of_an_addon_is_found_wherever_it_is() {
        for (before, has) in [(0, true), (PIECE - 3, true), (PIECE + 17, true), (5, false)] {
            let mut addon = vec![0; before];
            addon.extend(if has {
                OF_ONE_NODE
            } else {
                &b"node_register_mod"[..]
            });
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, &addon).unwrap();
            assert_eq!(has_mark(&file).unwrap(), has, "{before}");
        }
    }

    #[test]
    fn what_only_lies_there_is_not_looked_at() {
        for (path, built) in [
            ("node_modules/a/build/Release/a.node", true),
            ("node_modules/a/prebuilds/darwin-x64/a.node", false),
            (
                "venv/lib/python3.11/site-packages/a.cpython-311-x86_64-linux-gnu.so",
                true,
            ),
            ("venv/lib/python3.11/site-packages/a.abi3.so", true),
            ("venv/lib/python3.11/site-packages/a.libs/libz.so", false),
        ] {
            assert_eq!(was_built(Path::new(path)), built, "{path}");
        }
    }

    #[test]
    fn where_the_tree_is_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("build/tree");
        let prebuilt = tree.join("node_modules/a/prebuilds/darwin-x64");
        fs::create_dir_all(&prebuilt).unwrap();
        let foreign = b"\xcf\xfa\xed\xfe\x07\0\0\x01 and so on, for another system";
        fs::write(prebuilt.join("a.node"), foreign).unwrap();
        assert!(check(&tree, None, &target(None)).is_ok());
    }
}
