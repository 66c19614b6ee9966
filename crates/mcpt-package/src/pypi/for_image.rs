//! A package's tree for the Python of an image: a virtual environment around an interpreter that is not here.

use std::{fs, os::unix::fs::symlink, path::Path};

use mcpt_core::Package;

use super::{LOCK, PROGRAMS, Uv, failure, pythons::Pythons, write};
use crate::{error::Cause, for_image::ImageTarget};

/// What uv's list of installed files calls the programs, from the packages on.
const LISTED_PROGRAMS: &str = "../../../bin/";
/// The beginning and the end of a script for an interpreter that has no place in a first line.
const LONG_BEGIN: &str = "#!/bin/sh\n'''exec' ";
const LONG_END: &str = "\n' '''\n";

/// Installs a lock into a folder that has its file; the tree will be at `place`.
pub(crate) async fn install(
    package: &Package,
    target: &ImageTarget,
    folder: &Path,
    place: &Path,
) -> Result<(), Cause> {
    let uv = Uv::find()?;
    let wanted = package.python.as_deref().unwrap_or("3");
    let version = target.version.as_deref().unwrap_or(wanted);
    if package.python.is_some() && !is_version(version, wanted) {
        return Err(Cause::NeedsPython {
            tried: vec![version.to_owned()],
            detail: format!("the lock is for Python {wanted}"),
            of_images: true,
        });
    }
    let pythons = Pythons::installed(&uv, folder, &[]).await?;
    let same = pythons.all().iter().find(|one| one.version == version);
    let python = same.and_then(|one| one.path.as_deref()).or(pythons.any());
    let platform = target.uv_platform();
    let mut arguments = vec![
        "pip",
        "sync",
        "--quiet",
        "--require-hashes",
        "--link-mode=copy",
        "--no-compile-bytecode",
        "--prefix=venv",
        "--python-version",
        version,
        "--python-platform",
        &platform,
        LOCK,
    ];
    let python = python.map(|path| path.to_string_lossy().into_owned());
    if let Some(python) = &python {
        arguments.extend(["--python", python]);
    }
    let ran = uv.run(folder, &arguments).await?;
    if !ran.success {
        return Err(failure::cause(&ran, &package.name));
    }
    environment(target, version, folder, place)
}

/// Whether `3.12.4` is a `3.12`.
fn is_version(version: &str, wanted: &str) -> bool {
    let rest = version.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Makes a virtual environment of what uv has put there: around the image's interpreter, and at its place in the image.
fn environment(
    target: &ImageTarget,
    version: &str,
    folder: &Path,
    place: &Path,
) -> Result<(), Cause> {
    let venv = folder.join("venv");
    let failed = || Cause::io(format!("{} cannot be finished", venv.display()));
    let lib = venv.join("lib");
    let minor: String = version.split('.').take(2).collect::<Vec<_>>().join(".");
    let packages = lib.join(format!("python{minor}"));
    let mut found = Vec::new();
    for entry in fs::read_dir(&lib).map_err(failed())? {
        found.push(entry.map_err(failed())?.path());
    }
    let [made] = &found[..] else {
        return Err(Cause::BadOutput {
            tool: "uv",
            why: format!("there are {} folders in {}", found.len(), lib.display()),
        });
    };
    // uv calls it after the interpreter that it runs with.
    fs::rename(made, &packages).map_err(failed())?;
    let programs = folder.join(PROGRAMS);
    fs::create_dir_all(&programs).map_err(failed())?;
    let python = place.join(PROGRAMS).join("python").display().to_string();
    for entry in fs::read_dir(&programs).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        // What is no text is a program, which needs no interpreter.
        if let Ok(text) = fs::read_to_string(&path)
            && let Some(text) = with_interpreter(&text, &python)
        {
            fs::write(&path, text).map_err(failed())?;
        }
    }
    for entry in fs::read_dir(packages.join("site-packages")).map_err(failed())? {
        let list = entry.map_err(failed())?.path().join("RECORD");
        if list.is_file() {
            let text = fs::read_to_string(&list).map_err(failed())?;
            fs::write(&list, without_programs_digests(&text)).map_err(failed())?;
        }
    }
    symlink(&target.interpreter, programs.join("python")).map_err(failed())?;
    symlink("python", programs.join("python3")).map_err(failed())?;
    let home = Path::new(&target.interpreter).parent();
    let home = home.map_or("/usr/bin".into(), Path::to_string_lossy);
    let text =
        format!("home = {home}\ninclude-system-site-packages = false\nversion_info = {version}\n");
    write(&venv, "pyvenv.cfg", &text)
}

/// A script with another interpreter; `None` when it is none of Python's.
fn with_interpreter(text: &str, python: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix(LONG_BEGIN) {
        let (line, rest) = rest.split_once(LONG_END)?;
        return line
            .contains("python")
            .then(|| format!("#!{python}\n{rest}"));
    }
    let (line, rest) = text.split_once('\n')?;
    (line.starts_with("#!") && line.contains("python")).then(|| format!("#!{python}\n{rest}"))
}

/// A list of installed files that does not say what is in the programs, which have another interpreter now.
fn without_programs_digests(list: &str) -> String {
    let line = |line: &str| match line.split_once(',') {
        Some((path, _)) if path.starts_with(LISTED_PROGRAMS) => format!("{path},,\n"),
        _ => format!("{line}\n"),
    };
    list.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_get_the_interpreter_of_the_image() {
        let python = "/t/venv/bin/python";
        for (text, expected) in [
            (
                "#!/home/me/x/python3.12\nimport a\n",
                Some("#!/t/venv/bin/python\nimport a\n"),
            ),
            (
                "#!/bin/sh\n'''exec' '/a b/python' \"$0\" \"$@\"\n' '''\nimport a\n",
                Some("#!/t/venv/bin/python\nimport a\n"),
            ),
            ("#!/bin/sh\necho\n", None),
            ("import a\n", None),
        ] {
            let found = with_interpreter(text, python);
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
        let list = "a/b.py,sha256=x,1\n../../../bin/run,sha256=y,2\n";
        assert_eq!(
            without_programs_digests(list),
            "a/b.py,sha256=x,1\n../../../bin/run,,\n"
        );
        assert!(is_version("3.12.4", "3.12") && is_version("3.12", "3.12"));
        assert!(!is_version("3.1", "3.12") && !is_version("3.120", "3.12"));
    }
}
