//! The cache folder: where it is, and the keys under which built things are kept in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

/// The cache folder: `MCPT_CACHE`, else `mcpt` in `XDG_CACHE_HOME`, else `~/.cache/mcpt`.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    folder_from(&|name| std::env::var_os(name).map(PathBuf::from))
}

fn folder_from(variable: &dyn Fn(&str) -> Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.as_os_str().is_empty());
    let folder = if let Some(folder) = set("MCPT_CACHE") {
        folder
    } else if let Some(folder) = set("XDG_CACHE_HOME") {
        folder.join("mcpt")
    } else if let Some(home) = set("HOME") {
        home.join(".cache/mcpt")
    } else {
        bail!("no cache folder: set MCPT_CACHE or HOME");
    };
    if !folder.is_absolute() {
        bail!(
            "the cache folder must be an absolute path, not {}",
            folder.display()
        );
    }
    Ok(folder)
}

/// The root of the repository that this task was built from.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// Where cargo puts what it builds of this repository.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// A key made of everything that a cached thing depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Key(Sha256);

impl Key {
    /// A key with no inputs yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds an input. Each is prefixed with its length, so that `ab`+`c` differs from `a`+`bc`.
    #[must_use]
    pub(crate) fn with(mut self, input: impl AsRef<[u8]>) -> Self {
        let input = input.as_ref();
        self.0.update((input.len() as u64).to_le_bytes());
        self.0.update(input);
        self
    }

    /// Adds the contents of a file.
    pub(crate) fn with_file(self, path: &Path) -> anyhow::Result<Self> {
        let contents =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.with(contents))
    }

    /// The key as sixteen hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        let mut hex = hex(&self.0.finalize());
        hex.truncate(16);
        hex
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Removes a file or a folder with all in it; nothing to remove is fine.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(variables: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
        let variables: Vec<_> = variables.to_vec();
        folder_from(&|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn the_most_specific_variable_names_the_folder() {
        let home = ("HOME", "/home/a");
        let xdg = ("XDG_CACHE_HOME", "/x");
        assert_eq!(
            folder_with(&[home]).unwrap(),
            Path::new("/home/a/.cache/mcpt")
        );
        assert_eq!(folder_with(&[home, xdg]).unwrap(), Path::new("/x/mcpt"));
        assert_eq!(
            folder_with(&[home, xdg, ("MCPT_CACHE", "/m")]).unwrap(),
            Path::new("/m")
        );
        assert_eq!(
            folder_with(&[home, ("MCPT_CACHE", "")])
                .unwrap()
                .file_name()
                .unwrap(),
            "mcpt"
        );
        assert!(folder_with(&[]).is_err());
        assert!(folder_with(&[("MCPT_CACHE", "relative")]).is_err());
    }

    #[test]
    fn a_key_tells_inputs_apart() {
        let key = |inputs: &[&str]| inputs.iter().fold(Key::new(), Key::with).finish();
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a"]).len(), 16);
    }
}
