//! What commands and supervisors that were killed left in the state folder, and its removal.
//!
//! A server whose supervisor is gone is no garbage: after a restart of the machine that is every server. Of such a one only
//! processes that still run without it are ended.

use std::{fs, io, path::Path};

use mcpt_core::{Failure, FailureKind, Garbage, GcOptions, Progress, ProgressEvent, ServerName};
use nix::unistd::Pid;

use crate::{
    bundles,
    deploy::{END_OF_RUN, clear_leftovers, state_failure},
    folder::{ServerFolder, StateFolder},
    lock::{self, ChangeLock},
    marked, packages,
};

/// Removes what was left, or with a dry run only says what that is.
///
/// # Errors
/// When the state folder cannot be read or something in it cannot be removed.
pub(crate) async fn gc(
    state: &StateFolder,
    names: Vec<ServerName>,
    options: &GcOptions,
    progress: &dyn Progress,
) -> Result<Vec<Garbage>, Failure> {
    let mut garbage = Vec::new();
    for name in names {
        let folder = state.server(&name);
        let what = format!("cannot clean up what is left of {name}");
        let found = one(&folder, &name, options, progress).await;
        garbage.extend(found.map_err(|error| state_failure(&what, &folder, &error))?);
    }
    for (pid, run) in marked::below(state.path()) {
        if is_gone(state, &run) {
            if !options.dry_run {
                process_tree::end_processes(&[pid]);
            }
            garbage.push(found(
                processes(&[pid]),
                "the run that started it is gone".to_owned(),
            ));
        }
    }
    let cleared = packages::clear(state, options.dry_run).map_err(|error| {
        Failure::new(FailureKind::Failed, "cannot clear away installed packages")
            .because(format!("state folder {}: {error}", state.path().display()))
    })?;
    garbage.extend(cleared);
    let cleared = bundles::clear(state, options.dry_run).map_err(|error| {
        Failure::new(FailureKind::Failed, "cannot clear away unpacked bundles")
            .because(format!("state folder {}: {error}", state.path().display()))
    })?;
    garbage.extend(cleared);
    Ok(garbage)
}

/// Whether the folder of a run is gone for certain. It goes last: what runs without one has outlived its run. A folder that
/// only cannot be seen, as that of a state folder which is not mounted or may not be read, is not gone.
fn is_gone(state: &StateFolder, run: &Path) -> bool {
    // Through the folder of the servers, which outlives each of them: an empty mount point has none.
    let readable = fs::read_dir(state.path().join("servers")).is_ok();
    readable && run.try_exists().is_ok_and(|there| !there)
}

/// One server's folder.
async fn one(
    folder: &ServerFolder,
    name: &ServerName,
    options: &GcOptions,
    progress: &dyn Progress,
) -> io::Result<Vec<Garbage>> {
    if !folder.is_ours()? {
        return Ok(Vec::new());
    }
    if options.dry_run {
        return if lock::is_being_changed(folder) {
            Ok(Vec::new())
        } else {
            look(folder, name)
        };
    }
    // Whoever holds it is alive, and cleans up after itself.
    let Some(_lock) = ChangeLock::take_now(folder).await? else {
        return Ok(Vec::new());
    };
    let garbage = look(folder, name)?;
    if !garbage.is_empty() {
        progress.event(ProgressEvent::Step(format!(
            "removing what is left of {name}"
        )));
        clear_leftovers(folder, options.timeout.min(END_OF_RUN)).await?;
    }
    // An empty folder goes with the lock.
    Ok(garbage)
}

/// What of a folder nobody needs, when nobody works on it.
fn look(folder: &ServerFolder, name: &ServerName) -> io::Result<Vec<Garbage>> {
    if folder.ending_file().exists() {
        return Ok(vec![found(
            format!("server {name}"),
            "its deletion was interrupted".to_owned(),
        )]);
    }
    let runs = folder.runs()?;
    if runs.is_empty() {
        let empty = found(
            format!("folder {}", folder.path().display()),
            "there is no server in it".to_owned(),
        );
        return Ok(if folder.holds_data() {
            Vec::new()
        } else {
            vec![empty]
        });
    }
    let current = folder.current()?;
    let mut garbage = Vec::new();
    for run in runs {
        if Some(&run) != current.as_ref() {
            garbage.push(found(
                format!("run {} of {name}", run.number()),
                "the command that works on it died".to_owned(),
            ));
        } else if !lock::is_alive(&run) {
            let left = marked::processes_of(run.path());
            if !left.is_empty() {
                garbage.push(found(
                    format!("{} of {name}", processes(&left)),
                    "the supervisor was killed".to_owned(),
                ));
            }
        }
    }
    Ok(garbage)
}

fn found(object: String, reason: String) -> Garbage {
    Garbage {
        object,
        namespace: None,
        reason,
    }
}

fn processes(pids: &[Pid]) -> String {
    let numbers: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let word = if pids.len() == 1 {
        "process"
    } else {
        "processes"
    };
    format!("{word} {}", numbers.join(", "))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_run_is_gone_only_when_its_place_can_be_seen() {
        let root = tempfile::tempdir().unwrap();
        let state = StateFolder::new(root.path().join("state"));
        let servers = state.path().join("servers");
        let run = servers.join("demo/run-1");
        assert!(!is_gone(&state, &run), "there is no state folder");
        fs::create_dir(state.path()).unwrap();
        assert!(!is_gone(&state, &run), "an empty mount point");
        fs::create_dir(&servers).unwrap();
        assert!(is_gone(&state, &run));
        fs::create_dir_all(&run).unwrap();
        assert!(!is_gone(&state, &run));
        fs::remove_dir(&run).unwrap();
        assert!(is_gone(&state, &run));
        // Whatever cannot be answered: here it never ends, elsewhere it is a permission.
        symlink("loop", servers.join("loop")).unwrap();
        assert!(!is_gone(&state, &servers.join("loop/run-1")));
    }

    #[test]
    fn what_of_a_folder_nobody_needs() {
        let name = ServerName::new("demo").unwrap();
        let told = |folder: &ServerFolder| -> Vec<String> {
            let found = look(folder, &name).unwrap();
            found.into_iter().map(|one| one.object).collect()
        };
        let root = tempfile::tempdir().unwrap();
        let folder = StateFolder::new(root.path().to_owned()).server(&name);
        folder.create().unwrap();
        assert_eq!(
            told(&folder),
            [format!("folder {}", folder.path().display())]
        );

        assert!(folder.is_ours().unwrap());
        fs::write(folder.path().join("notes.txt"), "of somebody").unwrap();
        assert!(!folder.is_ours().unwrap());
        fs::remove_file(folder.path().join("notes.txt")).unwrap();

        let first = folder.create_run().unwrap();
        let second = folder.create_run().unwrap();
        folder.set_current(&first).unwrap();
        assert_eq!(told(&folder), ["run 2 of demo"]);
        second.remove().unwrap();
        // Its supervisor is gone, and that is all: it is a server still.
        assert!(told(&folder).is_empty());

        fs::create_dir(folder.work()).unwrap();
        fs::write(folder.work().join("data.db"), "precious").unwrap();
        first.remove().unwrap();
        assert!(told(&folder).is_empty(), "working data of a server");

        fs::write(folder.ending_file(), "").unwrap();
        assert_eq!(told(&folder), ["server demo"]);
    }
}
