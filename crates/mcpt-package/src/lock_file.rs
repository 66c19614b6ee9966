//! [`read_lock`]: a lock out of a file, which somebody else may have written. What it names becomes names of files and arguments of
//! the ecosystem's tools, so that nothing of it is taken as it stands.

use mcpt_core::{Ecosystem, EntryPoint, Package};
use mcpt_source::Source;

use crate::{PackageSource, error::Cause, npm, pypi};

/// Why a file is no lock that may be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockFault {
    /// It is not of the form.
    #[error(transparent)]
    Form(#[from] serde_json::Error),
    /// What it says is no such thing.
    #[error("its {what} {found:?} is none")]
    Value {
        /// What it should be.
        what: &'static str,
        /// What is there.
        found: String,
    },
    /// Other files than the ecosystem's tools read.
    #[error("it holds the files {found:?}, where {expected:?} are expected")]
    Files {
        /// What it holds.
        found: Vec<String>,
        /// What it should hold.
        expected: &'static [&'static str],
    },
    /// What it fixes is not fixed.
    #[error(transparent)]
    Open(Cause),
}

/// Reads a lock as [`Package`] is written, in JSON.
///
/// # Errors
/// [`LockFault`] when it is none, when it names files, programs or versions that are none, or leaves open what a package of it is.
pub fn read_lock(text: &[u8]) -> Result<Package, LockFault> {
    let package: Package = serde_json::from_slice(text)?;
    let value = |what, found: &str| LockFault::Value {
        what,
        found: found.to_owned(),
    };
    let source = package.source();
    let parsed: Option<Source> = source.parse().ok();
    let known = parsed.as_ref().and_then(PackageSource::of);
    let name = format!("{}:{}", package.ecosystem, package.name);
    if known.is_none_or(|known| known.name() != name) {
        return Err(value("package", &source));
    }
    let plain = |part: &str, also: &str| {
        let first = part.chars().next();
        first.is_some_and(char::is_alphanumeric)
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || also.contains(c))
    };
    if !plain(&package.version, "._+!-") {
        return Err(value("version", &package.version));
    }
    let python = package.python.as_deref();
    if let Some(python) =
        python.filter(|python| !python.chars().all(|c| c.is_ascii_digit() || c == '.'))
    {
        return Err(value("version of Python", python));
    }
    let (EntryPoint::Program(run) | EntryPoint::Module(run)) = &package.entry_point;
    if run.is_empty() || run.starts_with(['-', '.']) || run.contains(['/', '\\', '\0']) {
        return Err(value("program", run));
    }
    let expected = match package.ecosystem {
        Ecosystem::Npm => &npm::FILES[..],
        Ecosystem::Pypi => &pypi::FILES[..],
    };
    if !package
        .lock
        .keys()
        .map(String::as_str)
        .eq(expected.iter().copied())
    {
        let found = package.lock.keys().cloned().collect();
        return Err(LockFault::Files { found, expected });
    }
    if package.ecosystem == Ecosystem::Npm {
        npm::check_fixed(&package).map_err(LockFault::Open)?;
    }
    // Whoever installs packages of PyPI refuses what has no hash.
    Ok(package)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lock(change: impl Fn(&mut Value)) -> Result<Package, LockFault> {
        let entry = json!({"version": "1.2.3", "integrity": "sha512-x"});
        let npm = json!({"lockfileVersion": 3, "packages": {"": {}, "node_modules/@a/b": entry}});
        let mut value = json!({
            "ecosystem": "npm", "name": "@a/b", "version": "1.2.3", "requested": "npm:@a/b",
            "entryPoint": {"program": "b"}, "packages": 1, "installScripts": [],
            "lock": {"package.json": "{}", "package-lock.json": npm.to_string()},
        });
        change(&mut value);
        read_lock(value.to_string().as_bytes())
    }

    #[test]
    fn a_lock_of_somebody_else_names_what_it_may() {
        assert_eq!(lock(|_| ()).unwrap().version, "1.2.3");
        let open =
            json!({"packages": {"": {}, "node_modules/x": {"version": "1.0.0"}}}).to_string();
        for (pointer, to, why) in [
            ("/name", json!("../b"), "package"),
            ("/name", json!("-g"), "package"),
            ("/version", json!("../1"), "none"),
            ("/version", json!("1 || 2"), "none"),
            ("/python", json!("/usr/bin/python"), "version of Python"),
            ("/entryPoint/program", json!("../b"), "program"),
            ("/entryPoint/program", json!("--eval"), "program"),
            ("/entryPoint/program", json!(""), "program"),
            (
                "/lock",
                json!({"../../x": "", "package.json": "{}"}),
                "files",
            ),
            ("/lock", json!({}), "files"),
            ("/lock/package-lock.json", json!(open), "x@1.0.0"),
            ("/lock/package-lock.json", json!("[]"), "names no packages"),
        ] {
            let error = lock(|value| match value.pointer_mut(pointer) {
                Some(place) => *place = to.clone(),
                None => value["python"] = to.clone(),
            });
            let error = error.unwrap_err().to_string();
            assert!(error.contains(why), "{pointer} {to}: {error}");
        }
    }
}
