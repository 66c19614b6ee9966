//! Images that packages run in where servers are containers: an interpreter, and what installs packages for it.

use mcpt_core::{Ecosystem, Image, InvalidImage, Package};
use semver::Version;

use crate::{error::Cause, node_range, npm};

/// What stands for the version of Node.js or Python in the name of an image.
const VERSION: &str = "{version}";
/// Major versions of Node.js that are maintained, the preferred one first.
const NODES: [u64; 3] = [24, 22, 26];

/// The images, by name, of each kind the preferred one first; `{version}` in one becomes the version that a package needs: `24`,
/// `3.12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtimes {
    /// With Node.js and npm.
    pub node: Vec<String>,
    /// With Python and uv.
    pub python: Vec<String>,
}

impl Default for Runtimes {
    /// The public ones of Node.js and of uv.
    fn default() -> Self {
        Self {
            node: vec![format!("docker.io/library/node:{VERSION}-bookworm-slim")],
            python: vec![format!(
                "ghcr.io/astral-sh/uv:python{VERSION}-bookworm-slim"
            )],
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
    /// The package wants a Node.js that is not maintained, or that none of the images has.
    #[error("{package} needs Node.js {needs}, and {}", without(images))]
    Node {
        /// The package with its version.
        package: String,
        /// The range, in npm's notation.
        needs: String,
        /// The images; none when it is chosen among the versions that are maintained.
        images: Vec<String>,
    },
    /// None of the images has the Python that the package was resolved for.
    #[error("{package} was resolved for Python {needs}, and {}", without(images))]
    Python {
        /// The package with its version.
        package: String,
        /// The version.
        needs: String,
        /// The images.
        images: Vec<String>,
    },
}

fn without(images: &[String]) -> String {
    match images {
        [] => "of those that are maintained none fits".to_owned(),
        images => format!("none of the images has it: {}", images.join(", ")),
    }
}

impl Runtimes {
    /// The image that this package is installed and run in: the first with a version that fits, as far as its tag says one. If one
    /// image with Node.js is named alone, it is that one.
    ///
    /// # Errors
    /// [`NoRuntime`] when a name is no image's, or no version that can be named fits.
    pub fn image(&self, package: &Package) -> Result<Image, NoRuntime> {
        match package.ecosystem {
            Ecosystem::Npm => self.with_node(package),
            Ecosystem::Pypi => self.with_python(package),
        }
    }

    fn with_node(&self, package: &Package) -> Result<Image, NoRuntime> {
        let needs = npm::engine(package)?;
        let fits = |version: &Version| {
            let needs = needs.as_deref();
            needs.is_none_or(|needs| node_range::contains(needs, version).unwrap_or(true))
        };
        if let [only] = &*self.node
            && !only.contains(VERSION)
        {
            // Whoever names one image means it, whatever its tag counts.
            return Ok(Image::parse(only)?);
        }
        let mut open = false;
        for pattern in &self.node {
            if pattern.contains(VERSION) {
                open = true;
                // Images are called by their major version alone, and have its newest release.
                let newest = |major: &&u64| fits(&Version::new(**major, 99, 0));
                if let Some(major) = NODES.iter().find(newest) {
                    return Ok(Image::parse(&pattern.replace(VERSION, &major.to_string()))?);
                }
                continue;
            }
            let image = Image::parse(pattern)?;
            if node_of(&image).is_none_or(|version| fits(&version)) {
                return Ok(image);
            }
        }
        Err(NoRuntime::Node {
            package: format!("{}@{}", package.name, package.version),
            needs: needs.unwrap_or_default(),
            images: if open { Vec::new() } else { self.node.clone() },
        })
    }

    fn with_python(&self, package: &Package) -> Result<Image, NoRuntime> {
        let needs = package.python.as_deref().unwrap_or("3");
        for pattern in &self.python {
            let image = Image::parse(&pattern.replace(VERSION, needs))?;
            let has = python_of(&image);
            if package.python.is_none() || has.is_none_or(|has| has == needs) {
                return Ok(image);
            }
        }
        Err(NoRuntime::Python {
            package: format!("{}=={}", package.name, package.version),
            needs: needs.to_owned(),
            images: self.python.clone(),
        })
    }

    /// The versions of Python that the images with it have, as their tags say, the preferred one first: `3.12`. None when one is
    /// chosen by the package, or when an image does not say.
    #[must_use]
    pub fn pythons(&self) -> Vec<String> {
        let version = |pattern: &String| {
            if pattern.contains(VERSION) {
                return None;
            }
            python_of(&Image::parse(pattern).ok()?)
        };
        let all: Option<Vec<String>> = self.python.iter().map(version).collect();
        all.unwrap_or_default()
    }
}

/// The version of Python that the tag of an image names: `3.12` of `0.9-python3.12-slim`, or begins with. Other numbers are
/// versions of something else.
fn python_of(image: &Image) -> Option<String> {
    let tag = image.tag.as_deref()?;
    let named = tag.split_once("python3.").map(|(_, rest)| rest);
    let rest = named.or_else(|| tag.strip_prefix("3."))?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!minor.is_empty()).then(|| format!("3.{minor}"))
}

/// The version of Node.js that the tag of an image begins with: `24`, `v22-slim`, `22.13.0`. Of one that says a part of it the
/// newest.
fn node_of(image: &Image) -> Option<Version> {
    let tag = image.tag.as_deref()?;
    let end = |c: char| !c.is_ascii_digit() && c != '.';
    let mut numbers = tag
        .trim_start_matches('v')
        .split(end)
        .next()?
        .split('.')
        .map(str::parse);
    let major = numbers.next()?.ok()?;
    let minor = numbers.next().and_then(Result::ok).unwrap_or(99);
    let patch = numbers.next().and_then(Result::ok).unwrap_or(99);
    Some(Version::new(major, minor, patch))
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
            node: vec![digest.clone()],
            python: vec!["No Image".to_owned()],
        };
        let pinned = own.image(&package(Ecosystem::Npm, Some("^12"))).unwrap();
        assert_eq!(pinned.reference(), digest);
        assert!(own.image(&package(Ecosystem::Pypi, None)).is_err());
    }

    #[test]
    fn one_image_is_taken_whatever_its_tag_counts() {
        let runtimes = Runtimes {
            node: vec!["r.example/mcp-node:1.4.0".to_owned()],
            ..Runtimes::default()
        };
        let image = runtimes.image(&package(Ecosystem::Npm, Some(">=18")));
        assert_eq!(image.unwrap().reference(), "r.example/mcp-node:1.4.0");
    }

    #[test]
    fn of_several_images_the_first_that_fits() {
        let images = |tags: &[&str]| -> Vec<String> {
            let named = tags.iter().map(|tag| format!("r.example/runtime:{tag}"));
            named.collect()
        };
        let runtimes = Runtimes {
            node: images(&["20.10.0-slim", "v22", "24.1"]),
            python: images(&["3.11", "uv-python3.13-trixie"]),
        };
        for (needs, expected) in [
            (None, "20.10.0-slim"),
            (Some(">=18"), "20.10.0-slim"),
            (Some(">=20.18"), "v22"),
            (Some(">=22.13"), "v22"),
            (Some(">=24"), "24.1"),
        ] {
            let image = runtimes.image(&package(Ecosystem::Npm, needs)).unwrap();
            assert_eq!(image.tag.as_deref(), Some(expected), "{needs:?}");
        }
        let refused = runtimes.image(&package(Ecosystem::Npm, Some(">=25")));
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("none of the images has it: r.example/runtime:20"),
            "{refused}"
        );
        let mut python = package(Ecosystem::Pypi, None);
        let refused = runtimes.image(&python).unwrap_err();
        assert!(
            matches!(&refused, NoRuntime::Python { needs, .. } if needs == "3.12"),
            "{refused}"
        );
        python.python = Some("3.13".to_owned());
        let image = runtimes.image(&python).unwrap();
        assert_eq!(image.tag.as_deref(), Some("uv-python3.13-trixie"));
    }

    #[test]
    fn the_versions_of_python_that_images_have() {
        assert_eq!(Runtimes::default().pythons(), [""; 0]);
        for (python, expected) in [
            (&["r.example/python:3.11"][..], &["3.11"][..]),
            (
                &["ghcr.io/astral-sh/uv:0.9-python3.13-trixie-slim"],
                &["3.13"],
            ),
            (
                &["r.example/python:3.13", "r.example/python:3.11"],
                &["3.13", "3.11"],
            ),
            (&["r.example:3.1/python:latest"], &[]),
            (&["r.example/uv:0.3.5-python3.12-slim"], &["3.12"]),
            (&["r.example/mine:v3.1.0"], &[]),
            (&["r.example/python:3.11", "r.example/python"], &[]),
            (
                &["r.example/python:3.11", "r.example/python:{version}"],
                &[],
            ),
        ] {
            let python = python.iter().map(ToString::to_string).collect();
            let runtimes = Runtimes {
                python,
                ..Runtimes::default()
            };
            assert_eq!(runtimes.pythons(), expected, "{runtimes:?}");
        }
    }
}
