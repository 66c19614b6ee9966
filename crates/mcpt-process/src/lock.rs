//! Locks of the system on files: held as long as the holder lives, also when it is killed.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use mcpt_workload::own_files;
use nix::unistd::Pid;
use tokio::{sync::oneshot, time::timeout};

use crate::folder::{RunFolder, ServerFolder};

/// How long those who only look may keep a command from its lock.
const LOOK: Duration = Duration::from_secs(5);
/// How long a command waits for another one: a supervisor that ends has the lock for a moment, to remove an empty folder.
const MOMENT: Duration = Duration::from_secs(1);

/// The right to change a server. One command has it at a time.
#[derive(Debug)]
pub(crate) struct ChangeLock {
    _file: File,
    folder: ServerFolder,
}

impl ChangeLock {
    /// Takes it, making the server's folder; `None` when another command has it and keeps it for longer than a moment.
    pub(crate) async fn take(folder: &ServerFolder) -> io::Result<Option<Self>> {
        Self::take_within(folder, MOMENT).await
    }

    /// Takes it, making the server's folder; `None` when another command has it now. Waits only for those who look.
    pub(crate) async fn take_now(folder: &ServerFolder) -> io::Result<Option<Self>> {
        Self::take_within(folder, Duration::ZERO).await
    }

    async fn take_within(folder: &ServerFolder, patience: Duration) -> io::Result<Option<Self>> {
        let began = Instant::now();
        loop {
            folder.create()?;
            let path = folder.lock_file();
            let file = match own_files::open_to_write(&path) {
                // A deletion ended between the two lines.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            let file = match file.try_lock() {
                Ok(()) => file,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {
                    // Unless it is being changed, somebody only looks, or sees that the last change is over.
                    let changed = is_being_changed(folder);
                    let patience = if changed { patience } else { LOOK };
                    let locked = on_a_thread(move || file.lock().map(|()| file));
                    match timeout(patience.saturating_sub(began.elapsed()), locked).await {
                        Ok(file) => file?,
                        Err(_) => return Ok(None),
                    }
                }
            };
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

/// Does what blocks on a thread of its own. One that is not awaited to its end is left behind: a runtime would wait for a
/// thread of its own.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || drop(tell.send(work())));
    told.await
        .map_err(|_| io::Error::other("a thread that waited for a lock was lost"))?
}

/// Whether a command changes the server now.
pub(crate) fn is_being_changed(folder: &ServerFolder) -> bool {
    // Opened for reading only: a look must not bring the file into being.
    let Ok(file) = own_files::open(&folder.lock_file()) else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Waits until no command changes the server; none begins to while the result is held.
pub(crate) async fn wait_for_change(folder: &ServerFolder) -> io::Result<File> {
    let file = own_files::open(&folder.lock_file())?;
    on_a_thread(move || file.lock_shared().map(|()| file)).await
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

/// Removes the folder of a server that has no run, unless a command has the lock, which does it then. Nothing is waited for while
/// there is a run: the one who waits for the caller's end may hold the lock.
pub(crate) async fn remove_empty(folder: &ServerFolder) {
    if folder.runs().is_ok_and(|runs| runs.is_empty()) {
        // Taken and let go, the lock does it.
        drop(ChangeLock::take_now(folder).await);
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
        let mut file = own_files::open_to_write(&run.alive_file())?;
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
    let Ok(file) = own_files::open(&run.alive_file()) else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Process id of the supervisor of a run, if it lives and has written it down.
pub(crate) fn supervisor(run: &RunFolder) -> Option<Pid> {
    if !is_alive(run) {
        return None;
    }
    let text = String::from_utf8(own_files::read(&run.alive_file()).ok()?).ok()?;
    text.strip_suffix('\n')?.parse().ok().map(Pid::from_raw)
}

/// Waits until the supervisor of a run is gone.
pub(crate) async fn wait_for_death(run: &RunFolder) -> io::Result<()> {
    match own_files::open(&run.alive_file()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        file => {
            let file = file?;
            on_a_thread(move || file.lock_shared()).await
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
pub(crate) mod tests {
    use futures_util::FutureExt as _;
    use mcpt_core::ServerName;

    use super::*;
    use crate::folder::StateFolder;

    fn server(root: &Path) -> ServerFolder {
        StateFolder::new(root.to_owned()).server(&ServerName::new("demo").unwrap())
    }

    /// What a command awaits, on a runtime of its own.
    pub(crate) fn awaited<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(future)
    }

    fn take(folder: &ServerFolder) -> Option<ChangeLock> {
        awaited(ChangeLock::take(folder)).unwrap()
    }

    pub(crate) fn take_now(folder: &ServerFolder) -> Option<ChangeLock> {
        awaited(ChangeLock::take_now(folder)).unwrap()
    }

    #[test]
    fn one_changes_at_a_time_and_leaves_no_empty_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        assert!(!is_being_changed(&folder));
        let first = take(&folder).unwrap();
        assert!(is_being_changed(&folder));
        assert!(take(&folder).is_none());
        assert!(take_now(&folder).is_none());
        drop(first);
        assert!(!is_being_changed(&folder));
        assert!(!folder.path().exists());
        let again = take(&folder).unwrap();
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
            let command = scope.spawn(|| take(folder));
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
        let tidies = take_now(&folder).unwrap();
        let first = take_after(&folder, tidies);
        assert!(first.is_some());
        folder.create_run().unwrap();
        drop(first);
        let look = awaited(wait_for_change(&folder)).unwrap();
        assert!(take_after(&folder, look).is_some());
    }

    /// The one who looks may wait for the end of the one who tidies up.
    #[test]
    fn who_tidies_up_waits_for_nobody_while_there_is_a_run() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        let first = take(&folder).unwrap();
        let run = folder.create_run().unwrap();
        drop(first);
        let look = awaited(wait_for_change(&folder)).unwrap();
        let at_once = awaited(async { remove_empty(&folder).now_or_never() });
        assert!(at_once.is_some());
        drop(look);
        run.remove().unwrap();
        awaited(remove_empty(&folder));
        assert!(!folder.path().exists());
    }

    #[test]
    fn working_data_of_a_server_goes_only_with_a_deletion() {
        for (was_server, ending, kept) in [
            (false, None, false),
            (true, None, true),
            (true, Some(false), false),
            // Who asked for the deletion died; the server goes on elsewhere.
            (true, Some(true), true),
        ] {
            let root = tempfile::tempdir().unwrap();
            let folder = server(root.path());
            let lock = take(&folder).unwrap();
            fs::create_dir_all(folder.work()).unwrap();
            fs::write(folder.work().join("data.db"), "precious").unwrap();
            if was_server {
                let run = folder.create_run().unwrap();
                folder.set_current(&run).unwrap();
                run.remove().unwrap();
            }
            if let Some(keep_work) = ending {
                folder.note_ending(keep_work).unwrap();
            }
            drop(lock);
            let data = folder.work().join("data.db");
            assert_eq!(data.exists(), kept, "{was_server} {ending:?}");
            assert_eq!(folder.path().exists(), kept);
        }
    }

    #[test]
    fn a_lock_on_a_removed_folder_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let folder = server(root.path());
        let first = take(&folder).unwrap();
        folder.remove().unwrap();
        let second = take(&folder);
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
        awaited(wait_for_death(&run)).unwrap();
        assert!(!is_alive(&run));
        assert_eq!(supervisor(&run), None);
    }
}
