//! `mcpt install DIR`: copies the running binary into a folder. It is what the init container of a pod runs, in an image
//! that has no shell and no `cp`.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use mcpt_core::{Failure, FailureKind};

use crate::ending::Ending;

/// Arguments of `mcpt install`.
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// Folder that gets the binary, as DIR/mcpt; it must exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Install {
    /// Copies the binary.
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let target = self.folder.join("mcpt");
        copy_self(&target).map_err(|error| {
            Failure::new(
                FailureKind::Failed,
                format!("cannot install {}", target.display()),
            )
            .caused_by(&error)
        })?;
        Ok(())
    }
}

/// Copies under another name first: whoever sees the target sees all of it, and a running copy is not written to.
fn copy_self(target: &Path) -> io::Result<()> {
    let partial = target.with_extension(format!("{}.partial", std::process::id()));
    let copied = fs::copy(std::env::current_exe()?, &partial)
        .and_then(|_| fs::set_permissions(&partial, fs::Permissions::from_mode(0o755)))
        .and_then(|()| fs::rename(&partial, target));
    if copied.is_err() {
        // The error that counts is the first one.
        drop(fs::remove_file(&partial));
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_whole_and_executable_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let install = Install {
            folder: folder.path().to_owned(),
        };
        for _ in 0..2 {
            install.run().unwrap();
        }
        let copy = fs::metadata(folder.path().join("mcpt")).unwrap();
        assert_eq!(copy.permissions().mode() & 0o777, 0o755);
        assert_eq!(
            copy.len(),
            fs::metadata(std::env::current_exe().unwrap())
                .unwrap()
                .len()
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let install = Install {
            folder: PathBuf::from("/nonexistent/folder"),
        };
        let Err(Ending::Failure(failure)) = install.run() else {
            panic!("it must fail")
        };
        assert!(
            failure.to_string().contains("/nonexistent/folder/mcpt"),
            "{failure}"
        );
    }
}
