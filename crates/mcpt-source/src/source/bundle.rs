//! MCPB bundles: archives with a server and its manifest, in a file or at an address.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

use super::{InvalidSource, SourceKind};

/// Where a bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bundle {
    /// A file of this machine.
    File(PathBuf),
    /// An address.
    Url {
        /// The address.
        url: Url,
        /// SHA-256 of the file in hexadecimal digits, if it was said.
        sha256: Option<String>,
    },
}

/// Whether a path ends as bundles do; `.dxt` is their former name.
pub(super) fn is_file(path: &str) -> bool {
    let extension = Path::new(path).extension().unwrap_or_default();
    ["mcpb", "dxt"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

impl Bundle {
    /// The bundle at an address, if its path ends as bundles do.
    pub(super) fn of_url(text: &str) -> Option<Result<Self, InvalidSource>> {
        let url = Url::parse(text).ok()?;
        is_file(url.path()).then(|| Self::at(url))
    }

    fn at(url: Url) -> Result<Self, InvalidSource> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidSource::new(
                SourceKind::Mcpb,
                "",
                "a name and a password do not belong into an address",
            ));
        }
        Ok(Self::Url { url, sha256: None })
    }
}

impl FromStr for Bundle {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let wrong = |reason: &str| InvalidSource::new(SourceKind::Mcpb, text, reason);
        if text.is_empty() {
            return Err(wrong("the file is missing"));
        }
        if !text.contains("://") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("bundles are fetched by http and https alone"));
        }
        Self::at(url)
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url { url, .. } => url.fmt(f),
        }
    }
}
