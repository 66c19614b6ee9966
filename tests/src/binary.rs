//! The mcpt binary under test, run as a user runs it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test: `MCPT_BIN`, else the debug build beside this test.
///
/// # Panics
/// When there is none.
pub fn mcpt_binary() -> PathBuf {
    let path = std::env::var_os("MCPT_BIN").map_or_else(
        || {
            let test = std::env::current_exe().expect("path of this test");
            test.ancestors().nth(2).expect("target folder").join("mcpt")
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "{} is not there: run `cargo build -p mcpt` first",
        path.display()
    );
    path
}

/// mcpt with a home of its own: state, configuration and caches of the user stay untouched.
#[derive(Debug)]
pub struct Mcpt {
    home: TempDir,
    globals: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Default for Mcpt {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Mcpt {
    /// With arguments that go before those of every call: `["--backend", "kubernetes"]`.
    pub fn new(globals: &[&str]) -> Self {
        Self {
            home: TempDir::with_prefix("mcpt-test-").expect("temporary folder"),
            globals: globals.iter().map(|s| (*s).to_owned()).collect(),
            environment: Vec::new(),
        }
    }

    /// With a variable in the environment of every call.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Folder that belongs to this instance alone.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The command, ready to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(mcpt_binary());
        command
            .args(&self.globals)
            .args(arguments)
            .env_remove("MCPT_BACKEND")
            .env("MCPT_STATE_DIR", self.home.path().join("state"))
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().expect("starting mcpt");
        Outcome {
            command: arguments.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }

    /// Runs it and gives its JSON.
    ///
    /// # Panics
    /// When it fails or prints anything else than one JSON document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.extend(["-o", "json"]);
        self.run(&arguments).ok().json()
    }

    /// Starts it and leaves it running.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting mcpt")
    }

    /// Starts it, reads its progress until a line has `mark`, and kills it there.
    ///
    /// # Panics
    /// When it ends before.
    pub fn kill_at(&self, arguments: &[&str], mark: &str) {
        let mut child = self.spawn(arguments);
        let mut seen = String::new();
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let reached = stderr.lines().any(|line| {
            let line = line.expect("a line of progress");
            seen.push_str(&line);
            seen.push('\n');
            line.contains(mark)
        });
        child.kill().expect("killing the command");
        child.wait().expect("waiting for the command");
        assert!(reached, "no progress line with {mark:?} in\n{seen}");
    }

    /// Writes a file into the instance's own folder and gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::File::create(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("writing a test file");
        path.to_str().expect("UTF-8 path").to_owned()
    }
}

/// Servers of the process backend outlive the command; a test that fails half-way must not leave any.
impl Drop for Mcpt {
    fn drop(&mut self) {
        let mut words = self.globals.iter();
        let named = words.any(|word| word == "--backend" || word == "-b");
        // Of other backends what is there is not all this test's.
        let own = ["process", "memory"];
        if named && words.next().is_none_or(|word| !own.contains(&&**word)) {
            return;
        }
        if self.home.path().join("state/gateways").exists() {
            drop(self.command(&["gateway", "uninstall"]).output());
        }
        // Where no backend is named, all of them would be listed.
        let here: &[&str] = if named {
            &[]
        } else {
            &["--backend", "process"]
        };
        let listed = self
            .command(&[here, &["list", "-o", "name"]].concat())
            .output();
        let Ok(listed) = listed else { return };
        for name in String::from_utf8_lossy(&listed.stdout).lines() {
            let name = name.rsplit('/').next().unwrap_or(name);
            // Best effort: the test has already said what failed.
            drop(self.command(&[here, &["delete", name]].concat()).output());
        }
    }
}

/// How a call of mcpt ended.
#[derive(Debug)]
pub struct Outcome {
    command: String,
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Outcome {
    /// Asserts that it succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts its exit code.
    ///
    /// # Panics
    /// When it is another one.
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "`mcpt {}` should exit with {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts that standard error has all of these texts.
    ///
    /// # Panics
    /// When one is missing.
    #[must_use]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "`mcpt {}` should say {text:?}\n--- stderr\n{}\n--- stdout\n{}",
                self.command,
                self.stderr,
                self.stdout
            );
        }
        self
    }

    /// Standard output as one JSON document.
    ///
    /// # Panics
    /// When it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "`mcpt {}` did not print one JSON document: {error}\n{}",
                self.command, self.stdout
            )
        })
    }
}
