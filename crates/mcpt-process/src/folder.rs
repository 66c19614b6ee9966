//! Where things lie on disk: one folder per server, and in it one folder per run of a supervisor.
//!
//! ```text
//! $MCPT_STATE_DIR | $XDG_STATE_HOME/mcpt | ~/.local/state/mcpt
//!   packages/                installed packages, shared by the servers that run from them
//!   bundles/                 unpacked bundles, likewise
//!   gateways/BACKEND/        the gateway for the servers of a backend: its session keys, and a `servers` like this one's
//!   servers/NAME/lock        held by the command that changes the server
//!   servers/NAME/current     number of the run that is the server; 0 where only its working data was kept
//!   servers/NAME/ending      there once a deletion was asked for, with whether the working data stays
//!   servers/NAME/events      what happened to its process, of which servers/NAME/events.1 has the older part
//!   servers/NAME/work/       the server's working directory
//!   servers/NAME/run-N/      alive (process id of the supervisor, which holds it as long as it lives), state.json, server.log, …
//! ```

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use mcpt_core::ServerName;
use mcpt_workload::own_files;

/// What the file that asks for a deletion says where the working data is to stay.
const KEEP: &[u8] = b"keep the working data\n";
/// The number that no run has.
const NO_RUN: &[u8] = b"0";

/// The state folder of this user.
#[derive(Debug, Clone)]
pub(crate) struct StateFolder {
    path: PathBuf,
}

impl StateFolder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The one that the environment names: `MCPT_STATE_DIR`, else the XDG one.
    ///
    /// # Errors
    /// When it names none.
    pub(crate) fn of_environment() -> io::Result<Self> {
        let variable = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let path = variable("MCPT_STATE_DIR")
            .or_else(|| variable("XDG_STATE_HOME").map(|path| path.join("mcpt")))
            .or_else(|| variable("HOME").map(|path| path.join(".local/state/mcpt")))
            .ok_or_else(|| {
                io::Error::other("none of MCPT_STATE_DIR, XDG_STATE_HOME and HOME is set")
            })?;
        Ok(Self::new(std::path::absolute(path)?))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of one server, whether it is there or not.
    pub(crate) fn server(&self, name: &ServerName) -> ServerFolder {
        ServerFolder {
            path: self.path.join("servers").join(name.as_str()),
        }
    }

    /// The state folders of gateways, one for each backend that has one.
    pub(crate) fn gateways(&self) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(self.path.join("gateways")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(Self::new(entry?.path()))).collect()
    }

    /// The names that have a folder, in order.
    pub(crate) fn names(&self) -> io::Result<Vec<ServerName>> {
        let entries = match fs::read_dir(self.path.join("servers")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // Whatever has no valid name was not made by mcpt.
            if let Some(name) = entry?
                .file_name()
                .to_str()
                .and_then(|n| ServerName::new(n).ok())
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The folder of one server.
#[derive(Debug, Clone)]
pub(crate) struct ServerFolder {
    path: PathBuf,
}

impl ServerFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The file whose presence says that the server is being deleted.
    pub(crate) fn ending_file(&self) -> PathBuf {
        self.path.join("ending")
    }

    /// What happened to the server's process, over all of its runs.
    pub(crate) fn events_file(&self) -> PathBuf {
        self.path.join("events")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    fn current_file(&self) -> PathBuf {
        self.path.join("current")
    }

    /// Makes it, readable for the user alone.
    pub(crate) fn create(&self) -> io::Result<()> {
        self.check()?;
        own_files::create_folder(&self.path)
    }

    /// That nobody else can have put anything into it: it, and what is above it, belong to this user alone.
    fn check(&self) -> io::Result<()> {
        if let Some(servers) = self.path.parent() {
            if let Some(state) = servers.parent() {
                own_files::check_named_folder(state)?;
            }
            own_files::check_folder(servers)?;
        }
        own_files::check_folder(&self.path)
    }

    /// Makes the server's working directory.
    pub(crate) fn create_work(&self) -> io::Result<()> {
        own_files::create_folder(&self.work())
    }

    /// Notes that a deletion was asked for, and whether the working data stays.
    pub(crate) fn note_ending(&self, keep_work: bool) -> io::Result<()> {
        own_files::replace(&self.ending_file(), if keep_work { KEEP } else { b"" })
    }

    /// Whether there is working data that the deletion which was asked for leaves.
    pub(crate) fn keeps_work(&self) -> io::Result<bool> {
        match own_files::read(&self.ending_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            text => Ok(text? == KEEP && self.has_work()),
        }
    }

    fn has_work(&self) -> bool {
        fs::read_dir(self.work()).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// All runs, oldest first.
    pub(crate) fn runs(&self) -> io::Result<Vec<RunFolder>> {
        self.check()?;
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix("run-")?.parse().ok());
            if let Some(number) = number {
                own_files::check_folder(&entry.path())?;
                runs.push(RunFolder {
                    path: entry.path(),
                    number,
                });
            }
        }
        runs.sort_by_key(|run| run.number);
        Ok(runs)
    }

    /// Makes the folder of the next run.
    pub(crate) fn create_run(&self) -> io::Result<RunFolder> {
        let number = self.runs()?.last().map_or(0, |run| run.number) + 1;
        let path = self.path.join(format!("run-{number}"));
        own_files::create_folder(&path)?;
        Ok(RunFolder { path, number })
    }

    /// The run that is the server: what `current` names, as long as it is there.
    pub(crate) fn current(&self) -> io::Result<Option<RunFolder>> {
        self.current_of(|| self.runs())
    }

    /// The same, of the runs that each look sees.
    fn current_of(
        &self,
        mut look: impl FnMut() -> io::Result<Vec<RunFolder>>,
    ) -> io::Result<Option<RunFolder>> {
        let mut number = self.current_number()?;
        loop {
            let run = look()?.into_iter().find(|r| Some(r.number) == number);
            let now = self.current_number()?;
            // An update may have put another run in its place and removed it, between the two looks.
            if run.is_some() || now == number {
                return Ok(run);
            }
            number = now;
        }
    }

    fn current_number(&self) -> io::Result<Option<u32>> {
        match own_files::read(&self.current_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => Ok(String::from_utf8_lossy(&text?).trim().parse().ok()),
        }
    }

    /// The current run, or the newest before the first deployment of the server has ended.
    pub(crate) fn current_or_newest(&self) -> io::Result<Option<RunFolder>> {
        match self.current()? {
            Some(run) => Ok(Some(run)),
            None => Ok(self.runs()?.pop()),
        }
    }

    /// Makes a run the server, in one step.
    pub(crate) fn set_current(&self, run: &RunFolder) -> io::Result<()> {
        own_files::replace(&self.current_file(), run.number.to_string().as_bytes())
    }

    /// Whether everything in it is of mcpt's making.
    pub(crate) fn is_ours(&self) -> io::Result<bool> {
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let known = name.to_str().is_some_and(|name| {
                matches!(
                    name,
                    "lock"
                        | "current"
                        | "current.partial"
                        | "ending"
                        | "ending.partial"
                        | "events"
                        | "events.1"
                        | "work"
                ) || name.starts_with("run-")
            });
            if !known {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether removing it would lose something: it was a server once, is not being deleted, and has working data.
    pub(crate) fn holds_data(&self) -> bool {
        self.current_file().exists() && !self.ending_file().exists() && self.has_work()
    }

    /// Ends a deletion of which the runs are gone: removes what outlives them, the working data unless that stays, and which
    /// run was the server.
    pub(crate) fn remove_data(&self) -> io::Result<()> {
        if self.keeps_work()? {
            // It still is the data of what was a server once.
            own_files::replace(&self.current_file(), NO_RUN)?;
        } else {
            remove_tree(&self.work())?;
            remove_file(&self.current_file())?;
        }
        remove_file(&self.ending_file())
    }

    /// Removes it with all that is in it, but for working data that stays after the deletion which was asked for.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if !self.keeps_work()? {
            return remove_tree(&self.path);
        }
        for run in self.runs()? {
            run.remove()?;
        }
        remove_file(&self.events_file())?;
        remove_file(&self.events_file().with_extension("1"))?;
        self.remove_data()
    }
}

/// The folder of one run of a supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunFolder {
    path: PathBuf,
    number: u32,
}

impl RunFolder {
    /// The folder at a path that [`RunFolder::path`] gave to another process.
    pub(crate) fn at(path: PathBuf) -> Option<Self> {
        let number = path
            .file_name()?
            .to_str()?
            .strip_prefix("run-")?
            .parse()
            .ok()?;
        Some(Self { path, number })
    }

    /// The folder of the server that it belongs to.
    pub(crate) fn server(&self) -> ServerFolder {
        let path = self.path.parent().unwrap_or(&self.path).to_owned();
        ServerFolder { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its number among the runs of its server.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn alive_file(&self) -> PathBuf {
        self.path.join("alive")
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// What the command that last ordered something of the supervisor by a signal has to say about it.
    pub(crate) fn order_file(&self) -> PathBuf {
        self.path.join("order.json")
    }

    /// What was deployed, without secrets.
    pub(crate) fn plan_file(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// Log of the server since its last start.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// Log of the server from its last start but one.
    pub(crate) fn previous_log_file(&self) -> PathBuf {
        self.path.join("previous.log")
    }

    /// Where a gateway notes the address of its own pages.
    pub(crate) fn pages_file(&self) -> PathBuf {
        self.path.join("pages")
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.path)
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(root: &Path) -> ServerFolder {
        StateFolder::new(root.to_owned()).server(&ServerName::new("demo").unwrap())
    }

    #[test]
    fn runs_are_counted_and_one_is_current() {
        let root = tempfile::tempdir().unwrap();
        let server = server(root.path());
        assert!(server.runs().unwrap().is_empty());
        assert!(server.current().unwrap().is_none());
        server.create().unwrap();
        let first = server.create_run().unwrap();
        let second = server.create_run().unwrap();
        assert_eq!(server.runs().unwrap(), [first.clone(), second.clone()]);
        server.set_current(&second).unwrap();
        assert_eq!(server.current().unwrap(), Some(second.clone()));
        assert_eq!(
            RunFolder::at(second.path().to_owned()),
            Some(second.clone())
        );
        second.remove().unwrap();
        assert_eq!(
            server.current().unwrap(),
            None,
            "a run that is gone is not current"
        );
        assert_eq!(second.server().path(), server.path());
        first.remove().unwrap();
        first.remove().unwrap();
    }

    #[test]
    fn an_update_between_two_looks_hides_no_run() {
        let root = tempfile::tempdir().unwrap();
        let server = server(root.path());
        server.create().unwrap();
        let mut run = server.create_run().unwrap();
        server.set_current(&run).unwrap();
        let mut updates = 0;
        let found = server.current_of(|| {
            if updates < 3 {
                updates += 1;
                let next = server.create_run()?;
                server.set_current(&next)?;
                std::mem::replace(&mut run, next).remove()?;
            }
            server.runs()
        });
        assert_eq!(found.unwrap(), Some(run));
        assert_eq!(updates, 3);
    }

    #[test]
    fn a_planted_folder_is_refused_and_no_link_is_written_through() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let root = tempfile::tempdir().unwrap();
        let server = server(root.path());
        server.create().unwrap();
        let run = server.create_run().unwrap();
        let victim = root.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        for planted in ["current.partial", "ending.partial", "ending"] {
            symlink(&victim, server.path().join(planted)).unwrap();
        }
        server.set_current(&run).unwrap();
        server.note_ending(false).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(server.current().unwrap(), Some(run));
        symlink(root.path(), server.path().join("run-7")).unwrap();
        assert!(server.runs().is_err(), "a run that is a link");
        fs::remove_file(server.path().join("run-7")).unwrap();
        symlink(root.path(), server.work()).unwrap();
        assert!(
            server.create_work().is_err(),
            "a working directory elsewhere"
        );
        for above in [server.path(), &root.path().join("servers"), root.path()] {
            fs::set_permissions(above, fs::Permissions::from_mode(0o777)).unwrap();
            let error = server.create().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            assert!(server.runs().is_err());
            fs::set_permissions(above, fs::Permissions::from_mode(0o700)).unwrap();
        }
        server.create().unwrap();
    }

    #[test]
    fn only_valid_names_count() {
        let root = tempfile::tempdir().unwrap();
        let state = StateFolder::new(root.path().to_owned());
        assert!(state.names().unwrap().is_empty());
        for name in ["b", "a", "Not_One"] {
            fs::create_dir_all(root.path().join("servers").join(name)).unwrap();
        }
        let names = state.names().unwrap();
        assert_eq!(
            names.iter().map(ServerName::as_str).collect::<Vec<_>>(),
            ["a", "b"]
        );
    }
}
