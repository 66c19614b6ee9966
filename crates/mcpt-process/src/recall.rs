//! What was deployed, as the supervisor of a run wrote it down, and its secrets, which are in the environment of its process alone.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use mcpt_core::{
    ARGUMENT_VARIABLE, Failure, FailureKind, Recalled, RecordedPlan, Secret, ServerName,
};
use mcpt_workload::own_files;
use nix::unistd::Pid;
use process_tree::variable_of;

use crate::{deploy::state_failure, folder::RunFolder, lock, marked, state::RunState};

/// Writes it down in the folder of a run.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn record(run: &RunFolder, plan: &RecordedPlan) -> io::Result<()> {
    let text = serde_json::to_vec(plan).map_err(io::Error::other)?;
    own_files::replace(&run.plan_file(), &text)
}

/// The server of a run as it was deployed.
///
/// # Errors
/// When it was not written down, or its process does not run or does not show its secrets.
pub(crate) fn recall(run: &RunFolder, name: &ServerName) -> Result<Recalled, Failure> {
    let what = format!("cannot tell what was deployed as {name}");
    let failed = |error: &io::Error| state_failure(&what, &run.server(), error);
    let text = match own_files::read(&run.plan_file()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::new(FailureKind::Failed, what)
                .because("the version of mcpt that deployed it did not write that down")
                .hint("deploy it again as before"));
        }
        text => text.map_err(|error| failed(&error))?,
    };
    let recorded: RecordedPlan =
        serde_json::from_slice(&text).map_err(|error| failed(&error.into()))?;
    let state = RunState::read(run).map_err(|error| failed(&error))?;
    // The process of a supervisor that was killed may be gone, and its number another one's.
    let process = state.and_then(|state| state.process);
    let process = process.filter(|_| lock::is_alive(run));
    let secrets = secrets(recorded.secrets(), run.path(), process).ok_or_else(|| {
        let is_argument = |name: &String| name.starts_with(ARGUMENT_VARIABLE);
        if process.is_some() && recorded.secrets().iter().any(is_argument) {
            // A server that listens itself has taken these out of its environment before it started.
            return Failure::new(FailureKind::Failed, &what)
                .because("a secret is in its arguments, from which it cannot be read back")
                .hint("deploy it anew where it is to run, and delete this one");
        }
        Failure::new(FailureKind::Failed, &what)
            .because("its secrets are in its process alone, and it does not show them now")
            .hint("see that it runs, or deploy it anew where it is to run")
    })?;
    Ok(Recalled {
        recorded,
        secrets,
        replicas: 1,
    })
}

/// The values of these variables of a process of this run; `None` when it is none, or lacks one of them.
fn secrets(names: &[String], run: &Path, process: Option<u32>) -> Option<BTreeMap<String, Secret>> {
    if names.is_empty() {
        return Some(BTreeMap::new());
    }
    let process = Pid::from_raw(process?.cast_signed());
    let secret = |name: &String| {
        let value = String::from_utf8(variable_of(process, name)?).ok()?;
        Some((name.clone(), Secret::new(value)))
    };
    let secrets = names.iter().map(secret).collect::<Option<_>>()?;
    // Looked at last: whatever has the number by now had none of these read before.
    is_of_run(process, run).then_some(secrets)
}

/// Whether a process was started for a run. The path to its folder may be written in several ways.
fn is_of_run(process: Pid, run: &Path) -> bool {
    let mark = variable_of(process, marked::MARK.0);
    let mark = mark.map(|mark| PathBuf::from(OsString::from_vec(mark)));
    let (Some(Ok(marked)), Ok(run)) = (mark.map(fs::canonicalize), fs::canonicalize(run)) else {
        return false;
    };
    marked == run
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::Read as _,
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn secrets_are_those_of_the_process() {
        let [run, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut process = Command::new("sh")
            .args(["-c", "echo; read forever"])
            .env("TOKEN", "a=b\nc")
            .env(marked::MARK.0, run.path())
            .env("TOKEN_2", "other")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // By its first word the system shows its environment.
        let mut said = process.stdout.take().unwrap();
        said.read_exact(&mut [0]).unwrap();
        let names = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let of = |run: &Path, wanted: &[&str]| secrets(&names(wanted), run, Some(process.id()));
        let found = of(run.path(), &["TOKEN", "TOKEN_2"]);
        // Whoever has the number of a process that is gone.
        let of_another = of(other.path(), &["TOKEN"]);
        let missing = of(run.path(), &["TOKEN", "NO_SUCH"]);
        process.kill().unwrap();
        process.wait().unwrap();
        let found = found.unwrap();
        assert_eq!(found["TOKEN"].expose(), "a=b\nc");
        assert_eq!(found["TOKEN_2"].expose(), "other");
        assert!(missing.is_none() && of_another.is_none());
        assert!(secrets(&names(&["TOKEN"]), run.path(), None).is_none());
        assert!(secrets(&[], run.path(), None).unwrap().is_empty());
    }
}
