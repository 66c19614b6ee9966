//! `mcpt gateway key`: keys that let clients in.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use mcpt_access::{ApiKey, Keys};
use mcpt_core::{Failure, FailureKind};
use serde_json::json;

use crate::{
    args::{Format, Global},
    ending::Ending,
    messages, output, user_file,
};

/// Arguments of `mcpt gateway key`.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key for somebody and show it, this once
    New(New),
}

/// Arguments of `mcpt gateway key new`.
#[derive(Debug, Args)]
#[command(
    after_help = "The key goes to standard output. The file gets a line with its owner and its SHA-256, from which nobody \
        finds the key; a gateway that runs with that file takes it at once. All keys of one NAME are of one user: to \
        change a key, make another one, and remove the old line when nobody uses it any more.

Examples:
  mcpt gateway key new alice --keys keys.txt
  mcpt gateway key new ci --group robots --keys keys.txt"
)]
struct New {
    /// Whose key it is: letters, digits and . _ @ + : / -
    name: String,
    /// A group that its owner is in; can be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// File of keys that gets the new one; made if it is not there. Without one the line for it goes to standard error
    #[arg(long, value_name = "FILE", env = "MCPT_GATEWAY_KEYS")]
    keys: Option<PathBuf>,
}

impl Key {
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        match &self.action {
            Action::New(new) => new.run(global),
        }
    }
}

impl New {
    fn run(&self, global: &Global) -> Result<(), Ending> {
        let key = ApiKey::draw(&self.name, &self.groups).map_err(|error| {
            Failure::new(FailureKind::Usage, "cannot make a key").caused_by(&error)
        })?;
        match &self.keys {
            Some(file) => append(file, key.line())?,
            None => messages::line(&format!("line for the file of keys: {}", key.line())),
        }
        let shown = key.key().expose();
        let document = json!({"name": self.name, "key": shown, "line": key.line()});
        match global.output {
            Format::Json => output::json(&document),
            Format::Yaml => output::yaml(&document),
            Format::Table | Format::Wide | Format::Name => output::line(shown),
        }
    }
}

/// Adds a line to a file of keys, in one write: whoever reads it sees it whole or not at all.
fn append(file: &Path, line: &str) -> Result<(), Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let what = format!("cannot add a key to {}", file.display());
        Failure::new(FailureKind::Usage, what).caused_by(error)
    };
    let former = match user_file::read(file) {
        Err(error) if error.is_missing() => String::new(),
        former => former.map_err(|error| failed(&error))?,
    };
    Keys::parse(&former).map_err(|error| failed(&error))?;
    let begin = if former.is_empty() || former.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let add = || -> io::Result<()> {
        let mut opened = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(file)?;
        opened.write_all(format!("{begin}{line}\n").as_bytes())?;
        opened.sync_all()
    };
    add().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_added_and_none_is_spoilt() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        let line = |name| ApiKey::draw(name, &[]).unwrap().line().to_owned();
        append(&file, &line("a")).unwrap();
        let whole = fs::read_to_string(&file).unwrap();
        fs::write(&file, whole.trim_end()).unwrap();
        append(&file, &line("b")).unwrap();
        assert_eq!(
            Keys::parse(&fs::read_to_string(&file).unwrap())
                .unwrap()
                .len(),
            2
        );

        fs::write(&file, "alice hunter2\n").unwrap();
        let failure = append(&file, &line("c")).unwrap_err().to_string();
        assert!(
            failure.contains("line 1") && !failure.contains("hunter2"),
            "{failure}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), "alice hunter2\n");
    }
}
