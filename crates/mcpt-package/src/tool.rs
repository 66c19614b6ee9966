//! The tools of the ecosystems: found on PATH, run to their end, and ended with all that they started when nobody waits any
//! more.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use process_tree::Mark;
use tokio::process::Command;

use crate::error::Cause;

/// What a tool and all that it starts bear: the folder that they work in. They outlive a command that is killed.
pub(crate) const MARK: Mark = Mark("MCPT_PACKAGE_FOLDER");

/// A program that does the work.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    path: PathBuf,
}

/// How it ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Tool {
    /// The first of that name on PATH.
    pub(crate) fn find(name: &'static str) -> Result<Self, Cause> {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|path| {
                path.metadata()
                    .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
            })
            .map(|path| Self { path })
            .ok_or(Cause::ToolMissing { tool: name })
    }

    /// Runs it in a folder, with the user's environment and these variables.
    pub(crate) async fn run<A: AsRef<OsStr>>(
        &self,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
        variables: &[(&str, OsString)],
    ) -> Result<Ran, Cause> {
        let failed = || Cause::io(format!("{} cannot be run", self.path.display()));
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env(MARK.0, folder)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(failed())?;
        let mut group = Group(child.id());
        let output = child.wait_with_output().await.map_err(failed())?;
        // It has ended; its number may be somebody else's soon.
        group.0 = None;
        Ok(Ran {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: without_credentials(&String::from_utf8_lossy(&output.stderr)),
        })
    }
}

/// The processes that a tool started: they end when nobody waits for the tool any more.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            // It may have ended by itself.
            let _ = killpg(Pid::from_raw(id.cast_signed()), Signal::SIGKILL);
        }
    }
}

/// A text without user and password of the URLs in it. The tools hide them too, but not everywhere.
pub(crate) fn without_credentials(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        let end = behind
            .find(|c: char| c.is_whitespace() || "/?#'\"`<>)".contains(c))
            .unwrap_or(behind.len());
        let (authority, next) = behind.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                clean.push_str("***@");
                clean.push_str(host);
            }
            None => clean.push_str(authority),
        }
        rest = next;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_credentials() {
        for (text, expected) in [
            (
                "at https://u:p@host:1/x and `http://t@h/`",
                "at https://***@host:1/x and `http://***@h/`",
            ),
            ("https://host/a@b user@host", "https://host/a@b user@host"),
            ("https://u:p@", "https://***@"),
            ("none", "none"),
        ] {
            assert_eq!(without_credentials(text), expected);
        }
    }

    #[tokio::test]
    async fn a_tool_that_is_dropped_ends_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let sh = Tool {
            path: "/bin/sh".into(),
        };
        // The grandchild has the pipe open as long as it lives.
        let fd = std::os::fd::AsRawFd::as_raw_fd(&writer);
        let pipe = [(
            "PIPE",
            OsString::from(format!("/proc/{}/fd/{fd}", std::process::id())),
        )];
        let ready = folder.path().join("ready");
        let script = "sleep 1000 > \"$PIPE\" & : > ready; wait";
        {
            let run = sh.run(folder.path(), ["-c", script], &pipe);
            let begun = async {
                while !ready.exists() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                ran = run => panic!("{ran:?}"),
                () = begun => {}
            }
        }
        drop(writer);
        let ended = tokio::task::spawn_blocking(move || {
            std::io::Read::read_to_end(&mut { reader }, &mut Vec::new()).unwrap()
        });
        assert_eq!(ended.await.unwrap(), 0);
    }
}
