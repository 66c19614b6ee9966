//! Which program of a Python package is run: what programs it has is known only to who has it.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use mcpt_source::PypiPackage;

use super::{Requirements, Uv, failure, requirements::Requirement, write};
use crate::{
    entry_points::{self, same_python_name},
    error::Cause,
};

/// The folder that gets the package alone, and the one that gets all that it needs too.
const OWN: &str = "own";
const ALL: &str = "all";

/// Where packages are looked into.
pub(super) struct Scripts<'a> {
    pub(super) uv: &'a Uv,
    pub(super) folder: &'a Path,
    /// Version of Python that they are for.
    pub(super) python: &'a str,
    /// One that is there to do it.
    pub(super) interpreter: Option<&'a Path>,
}

impl Scripts<'_> {
    /// The program that is meant, as `uvx` chooses it: one of the package's own, else one of this name of what it needs.
    pub(super) async fn program(
        &self,
        wanted: &PypiPackage,
        own: &Requirement,
        lock: &Requirements,
    ) -> Result<String, Cause> {
        let name = wanted.name.as_str();
        let named = wanted.script.as_deref();
        self.unpack(OWN, &own.text, name).await?;
        let known = self.programs(OWN)?;
        if let Some(found) = entry_points::choose(&known, named, name, same_python_name) {
            return Ok(found);
        }
        if lock.len() > 1 {
            self.unpack(ALL, &lock.text(), name).await?;
            let all = self.programs(ALL)?;
            let meant = named.unwrap_or(name);
            if let Some(found) = all.into_iter().find(|one| same_python_name(one, meant)) {
                return Ok(found);
            }
        }
        let modules = if known.is_empty() {
            self.modules()?
        } else {
            Vec::new()
        };
        let choose = match (known.first(), modules.first()) {
            (None, Some(module)) => format!("python -m {module}"),
            (program, _) => program.map_or("PROGRAM", String::as_str).to_owned(),
        };
        Err(Cause::NoProgram {
            package: format!("{name}=={}", own.version),
            choose: format!("mcpt deploy -- uvx --from {name} {choose}"),
            known,
            modules,
        })
    }

    /// Puts what these requirements name into a folder.
    async fn unpack(&self, target: &str, requirements: &str, name: &str) -> Result<(), Cause> {
        let file = format!("{target}.txt");
        write(self.folder, &file, requirements)?;
        let mut arguments = vec![
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--target",
            target,
            "--python-version",
            self.python,
            "-r",
            &file,
        ];
        let interpreter = self.interpreter.map(Path::to_string_lossy);
        if let Some(interpreter) = &interpreter {
            arguments.extend(["--python", interpreter]);
        }
        let ran = self.uv.run(self.folder, &arguments).await?;
        if ran.success {
            Ok(())
        } else {
            Err(failure::cause(&ran, name))
        }
    }

    /// The programs in a folder: those that packages declare, and those that they bring as files, as those of other languages do.
    fn programs(&self, target: &str) -> Result<Vec<String>, Cause> {
        let folder = self.folder.join(target);
        let mut names = Vec::new();
        for name in entries(&folder)? {
            if name.ends_with(".dist-info") {
                let text = fs::read_to_string(folder.join(name).join("entry_points.txt"));
                match text {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    text => names.extend(entry_points::console_scripts(&text.map_err(unread)?)),
                }
            }
        }
        for name in entries(&folder.join("bin"))? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// The modules of the package that can be run by themselves.
    fn modules(&self) -> Result<Vec<String>, Cause> {
        let folder = self.folder.join(OWN);
        let mut modules = entries(&folder)?;
        modules.retain(|name| folder.join(name).join("__main__.py").is_file());
        Ok(modules)
    }
}

/// The names in a folder, in order; none when it is not there.
fn entries(folder: &Path) -> Result<Vec<String>, Cause> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(unread)?,
    };
    let names: io::Result<Vec<_>> = listed.map(|entry| Ok(entry?.file_name())).collect();
    // Nothing that is not Unicode is a name of a program or a module.
    let names = names.map_err(unread)?.into_iter();
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn unread(error: io::Error) -> Cause {
    Cause::io("what uv installed cannot be read")(error)
}
