//! From a plan to a command line on this machine, and whether its program is there.

use std::{
    env,
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use mcpt_core::{Arg, CommandOption, Failure, FailureKind, Mount, Plan, reference, shell_word};

/// The word in a plan's command that stands for the running binary.
pub(crate) const SELF: &str = "mcpt";

/// The server's program and arguments, which refer to variables where the plan's do. `installed` is the command of its package, if it is one that is installed already.
///
/// # Errors
/// When the plan cannot run as a local process.
pub(crate) fn command_line(
    plan: &Plan,
    installed: Option<&[String]>,
) -> Result<Vec<String>, Failure> {
    let cannot = || {
        Failure::new(
            FailureKind::Usage,
            format!("cannot run {} as a process on this machine", plan.name),
        )
    };
    let mut command = match (installed, &plan.package) {
        (Some(command), _) => command.to_owned(),
        (None, Some(package)) => vec![package.source()],
        (None, None) => plan.local_command.clone(),
    };
    if command.is_empty() {
        return Err(cannot()
            .because(format!(
                "template {} names no local command, only an image",
                plan.template
            ))
            .hint(format!(
                "deploy it to Kubernetes: {} kubernetes",
                CommandOption::Backend
            )));
    }
    let refers = plan.has_secret_arguments();
    if refers {
        // All words do then, but the program.
        for word in command.iter_mut().skip(1) {
            *word = reference(word);
        }
    }
    for arg in &plan.args {
        let word = match arg {
            Arg::Text(text) => text.clone(),
            Arg::Secret(_) => arg.reference(|_| String::new()),
            Arg::Mount(index) => {
                let mount = plan.mounts.get(*index).ok_or_else(|| {
                    cannot().because("one of its arguments is a folder that nothing names")
                })?;
                host_folder(mount)
                    .map_err(|(why, hint)| cannot().because(why).hint(hint))?
                    .display()
                    .to_string()
            }
        };
        let plain = refers && !matches!(arg, Arg::Secret(_));
        command.push(if plain { reference(&word) } else { word });
    }
    Ok(command)
}

/// The folder of a mount on this machine, or why there is none and what mends it.
fn host_folder(mount: &Mount) -> Result<&Path, (String, String)> {
    let setting = &mount.setting;
    match &mount.host {
        None => Err((
            format!("{setting}: it names no folder of this machine"),
            format!("add -c {setting}=/path/of/a/folder"),
        )),
        Some(host) if !host.is_dir() => Err((
            format!("{setting}: {} is not a folder", host.display()),
            format!("mkdir -p {}", host.display()),
        )),
        Some(host) => Ok(host),
    }
}

/// Checks that the program of a command can be started.
///
/// # Errors
/// A failure that says what is missing and how to get it.
pub(crate) fn check_program(command: &[String], what: &str) -> Result<(), Failure> {
    let program = command.first().map_or("", String::as_str);
    if program == SELF || find(program, env::var_os("PATH")).is_some() {
        return Ok(());
    }
    let failure = Failure::new(FailureKind::Failed, what);
    if program.contains('/') {
        return Err(failure
            .because(format!("{program} is not there or is not executable"))
            .hint("check the path in the template"));
    }
    let failure = failure.because(format!(
        "the program {program:?} is not installed: not found on PATH"
    ));
    Err(match program {
        "npx" | "node" | "npm" => failure.hint("install Node.js: https://nodejs.org/en/download"),
        "uvx" | "uv" => {
            failure.hint("install uv: https://docs.astral.sh/uv/getting-started/installation/")
        }
        "python" | "python3" => failure.hint("install Python: https://www.python.org/downloads/"),
        "docker" | "podman" => {
            failure.hint(format!("install {program}, or choose another template"))
        }
        _ => failure.hint(format!("install {program}, or add its folder to PATH")),
    })
}

/// Where a program is, searched as `execvp` does.
fn find(program: &str, path: Option<OsString>) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| is_executable(path));
    }
    env::split_paths(&path?)
        .map(|folder| folder.join(program))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The running binary. An installation of a new version may have replaced its file; the system still has the old one.
///
/// # Errors
/// When the system does not tell.
pub(crate) fn own_binary() -> std::io::Result<PathBuf> {
    let path = env::current_exe()?;
    let by_process = Path::new("/proc/self/exe");
    Ok(if !path.exists() && by_process.exists() {
        by_process.to_owned()
    } else {
        path
    })
}

/// A command line as one text, quoted where a shell would need it. Of words that refer to variables the references stay, and each
/// `$$` is the `$` that it stands for.
pub(crate) fn display(command: &[String], refers: bool) -> String {
    let words = command.iter().map(|word| {
        if refers {
            shell_word(&word.replace("$$", "$")).into_owned()
        } else {
            shell_word(word).into_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("tool");
        std::fs::write(&program, "").unwrap();
        let path = Some(env::join_paths(["/nonexistent".as_ref(), folder.path()]).unwrap());
        assert_eq!(find("tool", path.clone()), None, "not executable");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("tool", path.clone()), Some(program.clone()));
        assert_eq!(find("other", path), None);
        assert_eq!(find(program.to_str().unwrap(), None), Some(program));
    }

    #[test]
    fn a_missing_program_comes_with_advice() {
        let failure =
            check_program(&["no-such-program-here".to_owned()], "cannot start x").unwrap_err();
        assert!(
            failure.to_string().contains("no-such-program-here"),
            "{failure}"
        );
        assert!(failure.hint.is_some());
        assert!(check_program(&[SELF.to_owned()], "x").is_ok());
    }

    #[test]
    fn shown_as_a_shell_takes_it() {
        let command = ["npx", "-y", "a b"].map(str::to_owned);
        assert_eq!(display(&command, false), "npx -y 'a b'");
        let command = ["npx", "$$HOME", "$(KEY)", "$$$$"].map(str::to_owned);
        assert_eq!(display(&command, true), "npx '$HOME' '$(KEY)' '$$'");
    }
}
