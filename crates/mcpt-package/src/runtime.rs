//! Images that packages run in where servers are containers: an interpreter, and what installs packages for it.

use mcpt_core::{Ecosystem, Image, InvalidImage, Package};
use semver::Version;

use crate::{error::Cause, node_range, npm};

/// What stands for the version of Node.js or Python in the name of an image.
const VERSION: &str = "{version}";
/// Major versions of Node.js that are maintained, the preferred one first.
const NODES: [u64; 3] = [24, 22, 26];

/// The images, by name; `{version}` in one becomes the version that a package needs: `24`, `3.12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtimes {
    /// With Node.js and npm.
    pub node: String,
    /// With Python and uv.
    pub python: String,
}

impl Default for Runtimes {
    /// The public ones of Node.js and of uv.
    fn default() -> Self {
        Self {
            node: format!("docker.io/library/node:{VERSION}-bookworm-slim"),
            python: format!("ghcr.io/astral-sh/uv:python{VERSION}-bookworm-slim"),
        }
    }
}

/// Why there is no image for a package.
#[derive(Debug, thiserror::Error)]
pub enum NoRuntime {
    /// The name that was given is none.
    #[error(transparent)]
    Name(#[from] InvalidImage),
    /// The lock cannot be read.
    #[error(transparent)]
    Lock(#[from] Cause),
    /// The package wants a Node.js that is not maintained.
    #[error("{package} needs Node.js {needs}, and of those that are maintained none fits")]
    Node {
        /// The package with its version.
        package: String,
        /// The range, in npm's notation.
        needs: String,
    },
}

impl Runtimes {
    /// The image that this package is installed and run in.
    ///
    /// # Errors
    /// [`NoRuntime`] when the name is no image's, or no version that can be named fits.
    pub fn image(&self, package: &Package) -> Result<Image, NoRuntime> {
        let pattern = match package.ecosystem {
            Ecosystem::Npm => &self.node,
            Ecosystem::Pypi => &self.python,
        };
        if !pattern.contains(VERSION) {
            return Ok(Image::parse(pattern)?);
        }
        let version = match package.ecosystem {
            Ecosystem::Npm => node(package)?.to_string(),
            Ecosystem::Pypi => package.python.clone().unwrap_or_else(|| "3".to_owned()),
        };
        Ok(Image::parse(&pattern.replace(VERSION, &version))?)
    }
}

impl Runtimes {
    /// The version of Python that the image with it has, as its tag says: `3.12`. `None` when it is chosen by the package, or not
    /// said.
    #[must_use]
    pub fn python_version(&self) -> Option<String> {
        let image = Image::parse(&self.python).ok()?;
        let tag = image.tag?;
        let (_, rest) = tag.split_once("3.")?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!minor.is_empty()).then(|| format!("3.{minor}"))
    }
}

/// The major version of Node.js for a package.
fn node(package: &Package) -> Result<u64, NoRuntime> {
    let Some(needs) = npm::engine(package)? else {
        return Ok(NODES[0]);
    };
    // Images are called by their major version alone, and have its newest release.
    let fits =
        |major: &u64| node_range::contains(&needs, &Version::new(*major, 99, 0)).unwrap_or(true);
    NODES.into_iter().find(fits).ok_or_else(|| NoRuntime::Node {
        package: format!("{}@{}", package.name, package.version),
        needs,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mcpt_core::EntryPoint;
    use serde_json::json;

    use super::*;

    fn package(ecosystem: Ecosystem, node: Option<&str>) -> Package {
        let lock = json!({"lockfileVersion": 3, "packages": {
            "": {"dependencies": {"x": "1.0.0"}},
            "node_modules/x": {"version": "1.0.0", "integrity": "sha512-x", "engines": {"node": node}},
        }});
        Package {
            ecosystem,
            name: "x".to_owned(),
            version: "1.0.0".to_owned(),
            requested: "npm:x".to_owned(),
            entry_point: EntryPoint::Program("x".to_owned()),
            python: Some("3.12".to_owned()),
            packages: 1,
            install_scripts: Vec::new(),
            lock: BTreeMap::from([("package-lock.json".to_owned(), lock.to_string())]),
        }
    }

    #[test]
    fn the_version_is_one_that_fits() {
        let runtimes = Runtimes::default();
        for (needs, expected) in [
            (None, "24"),
            (Some(">=18"), "24"),
            (Some("^22.12.0"), "22"),
            (Some(">=25"), "26"),
            (Some("lts"), "24"),
        ] {
            let image = runtimes.image(&package(Ecosystem::Npm, needs)).unwrap();
            let expected = format!("docker.io/library/node:{expected}-bookworm-slim");
            assert_eq!(image.reference(), expected, "{needs:?}");
        }
        let old = runtimes.image(&package(Ecosystem::Npm, Some("^12")));
        assert!(matches!(old, Err(NoRuntime::Node { .. })), "{old:?}");
        let python = runtimes.image(&package(Ecosystem::Pypi, None)).unwrap();
        let expected = "ghcr.io/astral-sh/uv:python3.12-bookworm-slim";
        assert_eq!(python.reference(), expected);
        let digest = format!("r.example/node@sha256:{}", "0".repeat(64));
        let own = Runtimes {
            node: digest.clone(),
            python: "No Image".to_owned(),
        };
        let pinned = own.image(&package(Ecosystem::Npm, Some("^12"))).unwrap();
        assert_eq!(pinned.reference(), digest);
        assert!(own.image(&package(Ecosystem::Pypi, None)).is_err());
    }

    #[test]
    fn the_version_of_python_that_an_image_has() {
        assert_eq!(Runtimes::default().python_version(), None);
        for (python, expected) in [
            ("r.example/python:3.11", Some("3.11")),
            (
                "ghcr.io/astral-sh/uv:0.9-python3.13-trixie-slim",
                Some("3.13"),
            ),
            ("r.example:3.1/python:latest", None),
            ("r.example/python", None),
        ] {
            let python = python.to_owned();
            let runtimes = Runtimes {
                python,
                ..Runtimes::default()
            };
            assert_eq!(
                runtimes.python_version().as_deref(),
                expected,
                "{runtimes:?}"
            );
        }
    }
}
