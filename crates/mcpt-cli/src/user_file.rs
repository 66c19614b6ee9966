//! Files that the user names: values, settings, keys, the configuration.

use std::{io, path::Path, string::FromUtf8Error};

use crate::stdin;

/// The most bytes that are read of one.
pub(crate) const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Why a file cannot be used, without its name.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// The system refuses it.
    Io(io::Error),
    /// It is larger than [`MOST_BYTES`].
    TooLarge,
    /// It is no text.
    NotUtf8(FromUtf8Error),
}

impl Unusable {
    /// Whether it is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::TooLarge => write!(f, "it is larger than {MOST_BYTES} bytes"),
            Self::NotUtf8(error) => write!(f, "it is not UTF-8: {error}"),
        }
    }
}

impl std::error::Error for Unusable {}

/// The bytes of a file or a pipe.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Unusable> {
    confined::read_named(path, MOST_BYTES).map_err(|error| match error {
        confined::Error::Io { source, .. } => Unusable::Io(source),
        confined::Error::TooLarge { .. } => Unusable::TooLarge,
        error => Unusable::Io(io::Error::other(error)),
    })
}

/// The text of a file, a pipe, or for `-` of standard input.
pub(crate) fn read(path: &Path) -> Result<String, Unusable> {
    if path == Path::new("-") {
        return stdin::read().map_err(Unusable::Io);
    }
    String::from_utf8(bytes(path)?).map_err(Unusable::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_refused() {
        let error = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(error, "it is larger than 67108864 bytes");
    }
}
