//! Locks of the system on files: held as long as the holder lives, also when it is killed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::unistd::Pid;

use crate::folder::{RunFolder, ServerFolder};

/// How long those who only look may keep a command from its lock.
const LOOK: Duration = Duration::from_secs(5);
/// How long a command waits for another one: a supervisor that ends has the lock for a moment, to remove an empty folder.
const MOMENT: Duration = Duration::from_secs(1);
/// How soon it tries again.
const PAUSE: Duration = Duration::from_millis(1);

/// The right to change a server. One command has it at a time.
#[derive(Debug)]
pub(crate) struct ChangeLock {
    _file: File,
    folder: ServerFolder,
}

impl ChangeLock {
    /// Takes it, making the server's folder; `None` when another command has it and keeps it for longer than a moment.
    pub(crate) fn take(folder: &ServerFolder) -> io::Result<Option<Self>> {
        Self::take_within(folder, MOMENT)
    }

    /// Takes it, making the server's folder; `None` when another command has it now. Waits only for those who look.
    pub(crate) fn take_now(folder: &ServerFolder) -> io::Result<Option<Self>> {
        Self::take_within(folder, Duration::ZERO)
    }

    fn take_within(folder: &ServerFolder, patience: Duration) -> io::Result<Option<Self>> {
        let began = Instant::now();
        loop {
            folder.create()?;
            let path = folder.lock_file();
            let file = match open(&path) {
                // A deletion ended between the two lines.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    // Unless it is being changed, somebody only looks, or sees that the last change is over.
                    let changed = is_being_changed(folder);
                    if began.elapsed() >= if changed { patience } else { LOOK } {
                        return Ok(None);
                    }
                    thread::sleep(PAUSE);
                    continue;
                }
                Err(TryLockError::Error(error)) => return Err(error),
                Ok(()) => {}
            }
            // The holder before us may have deleted the folder: then this lock is on a file that nobody will see again.
            if is_at(&file, &path) {
                return Ok(Some(Self {
                    _file: file,
                    folder: folder.clone(),
                }));
            }
        }
    }
}

/// Whether a command changes the server now.
pub(crate) fn is_being_changed(folder: &ServerFolder) -> bool {
    // Opened for reading only: a look must not bring the file into being.
    let Ok(file) = File::open(folder.lock_file()) else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Waits until no command changes the server; none begins to while the result is held. Blocks the thread.
pub(crate) fn wait_for_change(folder: &ServerFolder) -> io::Result<File> {
    let file = File::open(folder.lock_file())?;
    file.lock_shared()?;
    Ok(file)
}

/// A server without a run is no server: its folder goes with the last command that looked at it, unless a server left
/// working data there that nobody asked to delete.
impl Drop for ChangeLock {
    fn drop(&mut self) {
        if self.folder.runs().is_ok_and(|runs| runs.is_empty()) && !self.folder.holds_data() {
            // What cannot be removed now is removed by the next command.
            drop(self.folder.remove());
        }
    }
}

/// What a supervisor holds as long as it lives.
#[derive(Debug)]
pub(crate) struct AliveLock {
    _file: File,
}

impl AliveLock {
    /// Takes it; waits for those who only look.
    pub(crate) fn take(run: &RunFolder) -> io::Result<Self> {
        let mut file = open(&run.alive_file())?;
        file.lock()?;
        file.set_len(0)?;
        // The line's end says that the number is whole.
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

/// Whether the supervisor of a run lives.
pub(crate) fn is_alive(run: &RunFolder) -> bool {
    // Opened for reading only: a look must not bring the file into being.
    let Ok(file) = File::open(run.alive_file()) else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Process id of the supervisor of a run, if it lives and has written it down.
pub(crate) fn supervisor(run: &RunFolder) -> Option<Pid> {
    if !is_alive(run) {
        return None;
    }
    let text = fs::read_to_string(run.alive_file()).ok()?;
    text.strip_suffix('\n')?.parse().ok().map(Pid::from_raw)
}

/// Waits until the supervisor of a run is gone. Blocks the thread.
pub(crate) fn wait_for_death(run: &RunFolder) -> io::Result<()> {
    match File::open(run.alive_file()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        file => file?.lock_shared(),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
pub(crate) mod tests {
    use mcpt_core::ServerName;

    use super::*;
    use crate::folder::StateFolder;

    fn server(root: &Path) -> ServerFolder {
        StateFolder::new(root.to_owned()).server(&ServerName::new("demo").unwrap())
    }

    #[test]
    fn one_changes_at_a_time_and_leaves_no_empty_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        assert!(!is_being_changed(&folder));
        let first = ChangeLock::take(&folder).unwrap().unwrap();
        assert!(is_being_changed(&folder));
        assert!(ChangeLock::take(&folder).unwrap().is_none());
        assert!(ChangeLock::take_now(&folder).unwrap().is_none());
        drop(first);
        assert!(!is_being_changed(&folder));
        assert!(!folder.path().exists());
        let again = ChangeLock::take(&folder).unwrap().unwrap();
        folder.create_run().unwrap();
        drop(again);
        assert!(folder.path().exists());
    }

    /// How often this process has opened the lock of a server.
    #[cfg(target_os = "linux")]
    pub(crate) fn opened(folder: &ServerFolder) -> usize {
        let descriptors = fs::read_dir("/proc/self/fd").unwrap();
        let files = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        files.filter(|file| *file == folder.lock_file()).count()
    }

    /// Takes it while `held` stands in the way, which is let go once somebody waits for it.
    #[cfg(target_os = "linux")]
    fn take_after<T>(folder: &ServerFolder, held: T) -> Option<ChangeLock> {
        let before = opened(folder);
        thread::scope(|scope| {
            let command = scope.spawn(|| ChangeLock::take(folder).unwrap());
            while opened(folder) == before && !command.is_finished() {}
            drop(held);
            command.join().unwrap()
        })
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn who_looks_or_tidies_up_stops_no_command() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        let tidies = ChangeLock::take_now(&folder).unwrap().unwrap();
        let first = take_after(&folder, tidies);
        assert!(first.is_some());
        folder.create_run().unwrap();
        drop(first);
        let look = wait_for_change(&folder).unwrap();
        assert!(take_after(&folder, look).is_some());
    }

    #[test]
    fn working_data_of_a_server_goes_only_with_a_deletion() {
        for (was_server, to_be_deleted, kept) in [
            (false, false, false),
            (true, false, true),
            (true, true, false),
        ] {
            let root = tempfile::tempdir().unwrap();
            let folder = server(root.path());
            let lock = ChangeLock::take(&folder).unwrap().unwrap();
            fs::create_dir_all(folder.work()).unwrap();
            fs::write(folder.work().join("data.db"), "precious").unwrap();
            if was_server {
                let run = folder.create_run().unwrap();
                folder.set_current(&run).unwrap();
                run.remove().unwrap();
            }
            if to_be_deleted {
                fs::write(folder.ending_file(), "").unwrap();
            }
            drop(lock);
            let data = folder.work().join("data.db");
            assert_eq!(data.exists(), kept, "{was_server} {to_be_deleted}");
            assert_eq!(folder.path().exists(), kept);
        }
    }

    #[test]
    fn a_lock_on_a_removed_folder_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        let first = ChangeLock::take(&folder).unwrap().unwrap();
        folder.remove().unwrap();
        let second = ChangeLock::take(&folder).unwrap();
        assert!(second.is_some(), "the new folder has a lock of its own");
        drop(first);
    }

    #[test]
    fn life_is_seen_by_the_lock() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        folder.create().unwrap();
        let run = folder.create_run().unwrap();
        assert!(!is_alive(&run));
        let alive = AliveLock::take(&run).unwrap();
        assert!(is_alive(&run));
        assert_eq!(supervisor(&run), Some(Pid::this()));
        drop(alive);
        // What another test starts has a copy of the lock, for as long as it is not yet the program that it becomes.
        wait_for_death(&run).unwrap();
        assert!(!is_alive(&run));
        assert_eq!(supervisor(&run), None);
    }
}
