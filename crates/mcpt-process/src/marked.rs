//! The mark of a run: all that a run has started carries it in its environment, whatever became of their parents.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use nix::unistd::Pid;
use process_tree::Mark;

/// What a supervisor sets for its server, and what the server's own children inherit: the folder of the run.
pub(crate) const MARK: Mark = Mark("MCPT_RUN");

/// Ends at once whatever still runs of a run, and waits for that. Only where the system shows environments (Linux);
/// elsewhere the end of the server's process group is all that can be had.
pub(crate) fn kill_all(run: &Path) {
    MARK.end(run.as_os_str().as_bytes());
}

/// The processes of this run.
pub(crate) fn processes_of(run: &Path) -> Vec<Pid> {
    MARK.with(run.as_os_str().as_bytes())
}

/// The processes of any run in this state folder, and that run.
pub(crate) fn below(state: &Path) -> Vec<(Pid, PathBuf)> {
    let marked = MARK.all().into_iter();
    marked
        .map(|(pid, run)| (pid, PathBuf::from(OsString::from_vec(run))))
        .filter(|(_, run)| run.starts_with(state))
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::Read as _,
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn runs_are_found_below_their_folder_and_no_others() {
        let state = tempfile::tempdir().unwrap();
        let run = state.path().join("run-1");
        let mut process = Command::new("sh")
            .args(["-c", "echo; read forever"])
            .env(MARK.0, &run)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The system shows an environment only a moment after the start; by its first word it does.
        let mut said = process.stdout.take().unwrap();
        said.read_exact(&mut [0]).unwrap();
        let pid = Pid::from_raw(process.id().cast_signed());
        assert_eq!(processes_of(&run), [pid]);
        assert_eq!(below(state.path()), [(pid, run.clone())]);
        // A folder whose name only begins so is another one.
        assert!(processes_of(&state.path().join("run-12")).is_empty());
        assert!(below(&state.path().join("run")).is_empty());
        kill_all(&run);
        assert!(below(state.path()).is_empty());
        process.wait().unwrap();
    }
}
