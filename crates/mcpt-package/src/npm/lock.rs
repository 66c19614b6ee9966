//! `package-lock.json` of version 3, as far as it is read here.

use std::cmp::Reverse;

use semver::Version;
use serde_json::{Map, Value, json};

use crate::error::Cause;

/// The lock of a package and all that it needs.
#[derive(Debug)]
pub(super) struct Lock(Value);

/// What a lock says of a package that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Locked {
    pub(super) version: String,
    /// Versions of Node.js that it says it runs on.
    pub(super) node: Option<String>,
}

impl Lock {
    pub(super) fn read(text: &str) -> Result<Self, Cause> {
        let bad = |why: String| Cause::BadOutput { tool: "npm", why };
        let value: Value = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        match &value["packages"] {
            Value::Object(packages) if packages.contains_key("") => Ok(Self(value)),
            _ => Err(bad("its lock names no packages".to_owned())),
        }
    }

    /// Packages by their folders, but for the wish itself.
    fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        let packages = self.0["packages"].as_object();
        let entries = packages.into_iter().flatten();
        entries.filter_map(|(path, entry)| (!path.is_empty()).then_some((path.as_str(), entry)))
    }

    /// How many packages there are.
    pub(super) fn len(&self) -> usize {
        self.entries().count()
    }

    /// The packages that were asked for.
    fn roots(&self) -> Vec<String> {
        let wanted = self.0["packages"][""]["dependencies"].as_object();
        wanted
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn entry(&self, name: &str) -> &Value {
        &self.0["packages"][format!("node_modules/{name}")]
    }

    /// A package that was asked for.
    pub(super) fn package(&self, name: &str) -> Result<Locked, Cause> {
        let entry = self.entry(name);
        let version = entry["version"].as_str().ok_or_else(|| Cause::BadOutput {
            tool: "npm",
            why: format!("its lock says no version of {name}"),
        })?;
        Ok(Locked {
            version: version.to_owned(),
            node: entry["engines"]["node"].as_str().map(str::to_owned),
        })
    }

    /// The programs of the packages that were asked for.
    pub(super) fn programs(&self) -> Vec<String> {
        let roots = self.roots();
        let all = roots.iter().flat_map(|name| programs(self.entry(name)));
        all.map(|(program, _)| program.clone()).collect()
    }

    /// The first program of a package of which all are the same file: they are names of one.
    pub(super) fn only_program(&self, name: &str) -> Option<String> {
        let mut all = programs(self.entry(name));
        let (first, file) = all.next()?;
        all.all(|(_, other)| other == file).then(|| first.clone())
    }

    /// Whether any package whose programs are beside those that were asked for has this one.
    pub(super) fn has_program(&self, name: &str) -> bool {
        let beside = self
            .entries()
            .filter(|(path, _)| path.matches("node_modules/").count() == 1);
        let mut all = beside.flat_map(|(_, entry)| programs(entry));
        all.any(|(program, _)| program == name)
    }

    /// Why the authors of a package advise against this version of it.
    pub(super) fn deprecated(&self, name: &str) -> Option<String> {
        let why = self.entry(name)["deprecated"].as_str()?.trim();
        Some(why.to_owned())
    }

    /// Names and versions of packages that have programs run when they are installed.
    pub(super) fn install_scripts(&self) -> Vec<String> {
        let with = self
            .entries()
            .filter(|(_, entry)| entry["hasInstallScript"] == true);
        with.map(|(path, entry)| named(path, entry)).collect()
    }

    /// Refuses a lock that leaves open what some package is. One of a Git repository is fixed by its commit.
    pub(super) fn refuse_what_is_not_fixed(&self) -> Result<(), Cause> {
        let open: Vec<String> = self
            .entries()
            .filter(|(_, entry)| {
                let commit = entry["resolved"].as_str();
                entry["integrity"].as_str().is_none()
                    && entry["inBundle"] != true
                    && !commit.is_some_and(|url| url.starts_with("git") && url.contains('#'))
            })
            .map(|(path, entry)| named(path, entry))
            .collect();
        if open.is_empty() {
            Ok(())
        } else {
            Err(Cause::NoChecksum { packages: open })
        }
    }

    /// Whether some package wants an optional one that nobody has published: `npm ci` refuses such a lock.
    pub(super) fn has_holes(&self) -> bool {
        let mut wishes = self.entries().flat_map(|(path, entry)| {
            let optional = entry["optionalDependencies"].as_object();
            let names = optional.into_iter().flatten().map(|(name, _)| name);
            names.map(move |name| (path, name))
        });
        wishes.any(|(path, name)| !self.finds(path, name))
    }

    /// Whether a package in this folder finds another one, as Node.js looks for it: beside itself and in all folders above.
    fn finds(&self, path: &str, name: &str) -> bool {
        let mut folder = path;
        loop {
            let there = match folder {
                "" => format!("node_modules/{name}"),
                folder => format!("{folder}/node_modules/{name}"),
            };
            if self.0["packages"].get(there).is_some() {
                return true;
            }
            let Some((above, _)) = folder.rsplit_once("node_modules/") else {
                return false;
            };
            folder = above.trim_end_matches('/');
        }
    }

    /// Refuses what was installed, as npm itself wrote it down, when anything of it is not what this lock says.
    pub(super) fn check_installed(&self, text: &str) -> Result<(), Cause> {
        let installed: Value = serde_json::from_str(text).map_err(|error| Cause::BadOutput {
            tool: "npm",
            why: error.to_string(),
        })?;
        let packages = installed["packages"].as_object();
        for (path, entry) in packages.into_iter().flatten() {
            let locked = &self.0["packages"][path];
            if locked.is_null() || locked["integrity"] != entry["integrity"] {
                return Err(Cause::Integrity {
                    detail: format!("{} is not in the lock", named(path, entry)),
                });
            }
        }
        Ok(())
    }

    /// Has the wish name the versions that were found, so that `npm ci` asks nobody what is newest.
    pub(super) fn pin(&mut self) {
        for name in self.roots() {
            if let Some(version) = self.entry(&name)["version"].as_str().map(str::to_owned) {
                self.0["packages"][""]["dependencies"][&name] = json!(version);
            }
        }
    }

    /// The wish as a `package.json`.
    pub(super) fn manifest(&self) -> Value {
        let root = &self.0["packages"][""];
        let mut manifest = Map::new();
        manifest.insert("name".to_owned(), root["name"].clone());
        manifest.insert("private".to_owned(), json!(true));
        manifest.insert("dependencies".to_owned(), root["dependencies"].clone());
        Value::Object(manifest)
    }

    /// The lock as a file.
    pub(super) fn text(&self) -> String {
        format!("{:#}\n", self.0)
    }
}

/// The programs of a package and their files.
fn programs(entry: &Value) -> impl Iterator<Item = (&String, &Value)> {
    entry["bin"].as_object().into_iter().flatten()
}

/// A package of a lock as people write it. The last folder of its path is its name.
fn named(path: &str, entry: &Value) -> String {
    let name = path
        .rsplit_once("node_modules/")
        .map_or(path, |(_, name)| name);
    match entry["version"].as_str() {
        Some(version) => format!("{name}@{version}"),
        None => name.to_owned(),
    }
}

/// The three of these versions that have most in common with the wanted one, from its beginning on; of several the newest.
pub(super) fn nearest(wanted: &str, versions: &[&str]) -> Vec<String> {
    let parts = |text: &str| -> Vec<String> {
        text.trim_start_matches(|c: char| !c.is_ascii_digit())
            .split(['.', '-', '+'])
            .map(str::to_owned)
            .collect()
    };
    let wanted = parts(wanted);
    let mut known: Vec<(usize, Version)> = versions
        .iter()
        .filter_map(|text| {
            let version = Version::parse(text).ok()?;
            let same = parts(text)
                .into_iter()
                .zip(&wanted)
                .take_while(|(a, b)| a == *b);
            Some((same.count(), version))
        })
        .collect();
    known.sort_by_key(|(same, version)| Reverse((*same, version.pre.is_empty(), version.clone())));
    let nearest = known.into_iter().take(3);
    nearest.map(|(_, version)| version.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        Lock::read(
            r#"{"lockfileVersion": 3, "packages": {
                "": {"name": "mcpt-package", "dependencies": {"@a/b": "latest"}},
                "node_modules/@a/b": {"version": "1.2.3", "integrity": "sha512-x",
                    "bin": {"b": "b.js", "c": "c.js"}, "engines": {"node": ">=20"}},
                "node_modules/@a/b/node_modules/native": {"version": "2.0.0", "integrity": "sha512-y",
                    "hasInstallScript": true},
                "node_modules/bundled": {"version": "1.0.0", "inBundle": true},
                "node_modules/of-git": {"version": "1.0.0", "resolved": "git+ssh://git@host/x.git#0123"}
            }}"#,
        )
        .unwrap()
    }

    #[test]
    fn what_a_lock_says() {
        let mut lock = lock();
        assert_eq!(lock.len(), 4);
        assert_eq!(lock.programs(), ["b", "c"]);
        assert_eq!(lock.install_scripts(), ["native@2.0.0"]);
        let locked = lock.package("@a/b").unwrap();
        assert_eq!(
            (&*locked.version, locked.node.as_deref()),
            ("1.2.3", Some(">=20"))
        );
        assert!(lock.package("other").is_err());
        assert_eq!(lock.only_program("@a/b"), None);
        lock.0["packages"]["node_modules/@a/b"]["bin"]["c"] = json!("b.js");
        assert_eq!(lock.only_program("@a/b").as_deref(), Some("b"));
        lock.0["packages"]["node_modules/bundled"]["bin"] = json!({"beside": "x.js"});
        lock.0["packages"]["node_modules/@a/b/node_modules/native"]["bin"] = json!({"below": "y"});
        assert!(lock.has_program("b") && lock.has_program("beside") && !lock.has_program("below"));
        assert_eq!(lock.deprecated("@a/b"), None);
        lock.0["packages"]["node_modules/@a/b"]["deprecated"] = json!("use c\n");
        assert_eq!(lock.deprecated("@a/b").as_deref(), Some("use c"));
        lock.refuse_what_is_not_fixed().unwrap();
        lock.pin();
        assert_eq!(lock.manifest()["dependencies"], json!({"@a/b": "1.2.3"}));
        assert!(lock.text().contains(r#""@a/b": "1.2.3""#));
    }

    #[test]
    fn what_is_wished_for_and_was_never_published() {
        let mut lock = lock();
        assert!(!lock.has_holes());
        let native = "node_modules/@a/b/node_modules/native";
        lock.0["packages"][native]["optionalDependencies"] = json!({"bundled": "1", "@a/b": "1"});
        assert!(!lock.has_holes());
        lock.0["packages"][native]["optionalDependencies"]["native-aix"] = json!("1");
        assert!(lock.has_holes());

        let installed = |integrity: &str| json!({"packages": {"node_modules/@a/b": {"version": "1.2.3", "integrity": integrity}}});
        lock.check_installed(&installed("sha512-x").to_string())
            .unwrap();
        assert!(
            lock.check_installed(&installed("sha512-z").to_string())
                .is_err()
        );
        let other = json!({"packages": {"node_modules/more": {"version": "1.0.0"}}});
        let refused = lock.check_installed(&other.to_string()).unwrap_err();
        assert!(
            refused
                .to_string()
                .ends_with("more@1.0.0 is not in the lock"),
            "{refused}"
        );
        assert!(lock.check_installed("").is_err());
    }

    #[test]
    fn what_has_no_checksum_is_refused() {
        let mut lock = lock();
        lock.0["packages"]["node_modules/@a/b"]["integrity"] = Value::Null;
        lock.0["packages"]["node_modules/of-git"]["resolved"] = json!("https://host/x.tgz");
        let refused = lock.refuse_what_is_not_fixed().unwrap_err().to_string();
        assert!(refused.ends_with("@a/b@1.2.3, of-git@1.0.0"), "{refused}");
        assert!(Lock::read("{}").is_err() && Lock::read("").is_err());
    }

    #[test]
    fn versions_that_are_near() {
        let known = ["1.0.0", "1.1.0", "1.1.1", "1.1.2-rc.1", "2.0.0"];
        assert_eq!(nearest("1.1.9", &known), ["1.1.1", "1.1.0", "1.1.2-rc.1"]);
        assert_eq!(nearest("^9", &known), ["2.0.0", "1.1.1", "1.1.0"]);
        assert!(nearest("1", &[]).is_empty());
    }
}
