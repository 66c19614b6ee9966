//! Folders of the server: what a setting with `volume_mount` means.

use std::path::{Component, Path, PathBuf};

/// Where folders of the host appear in a container when no place is given.
const DEFAULT_ROOT: &str = "/mnt";

/// Where a folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// On this machine, if the user named one.
    pub(super) host: Option<PathBuf>,
    /// In a container.
    pub(super) container: String,
}

/// Why a text names no folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoFolder {
    #[error("it is empty")]
    Empty,
    #[error("{0:?} is not expanded here: write the full path")]
    Home(String),
    #[error("{0:?} is not an absolute path")]
    Relative(PathBuf),
    #[error("{0:?} is not UTF-8")]
    NotUtf8(PathBuf),
    #[error("the server is told one path, so {0:?} cannot be at another place in a container")]
    OnePath(PathBuf),
    #[error("{0:?} is not an absolute path in the container")]
    RelativeInside(String),
    #[error("{0:?} leads out of its folder")]
    LeadsOut(String),
    #[error("the container's root cannot be a mounted folder")]
    Root,
}

/// Reads `HOST`, `HOST:CONTAINER` or `:CONTAINER`.
///
/// The last has no folder on this machine: the backend provides one. A relative host path starts from `working_dir`.
/// With `same_place`, a folder has one path everywhere, since the server is told only one.
pub(super) fn parse(
    text: &str,
    working_dir: Option<&Path>,
    same_place: bool,
) -> Result<Places, NoFolder> {
    let (host, container) = match text.rsplit_once(':') {
        Some((host, container)) => (host, Some(container)),
        None => (text, None),
    };
    let host = match host {
        "" => None,
        host if host.starts_with('~') => {
            return Err(NoFolder::Home(host.to_owned()));
        }
        host => Some(absolute(Path::new(host), working_dir)?),
    };
    let container = match (container, &host) {
        (Some(container), None) => container_path(container)?,
        (Some(container), Some(_)) if !same_place => container_path(container)?,
        (Some(_), Some(host)) => return Err(NoFolder::OnePath(host.clone())),
        (None, Some(host)) => {
            let host = host
                .to_str()
                .ok_or_else(|| NoFolder::NotUtf8(host.clone()))?;
            if same_place {
                container_path(host)?
            } else {
                container_path(&format!("{DEFAULT_ROOT}{host}"))?
            }
        }
        (None, None) => return Err(NoFolder::Empty),
    };
    Ok(Places { host, container })
}

fn absolute(path: &Path, working_dir: Option<&Path>) -> Result<PathBuf, NoFolder> {
    let joined = match working_dir {
        _ if path.is_absolute() => path.to_owned(),
        Some(dir) => dir.join(path),
        None => return Err(NoFolder::Relative(path.to_owned())),
    };
    // Lexically, so that a folder need not exist on this machine when the server runs elsewhere.
    let mut clean = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    Ok(clean)
}

fn container_path(path: &str) -> Result<String, NoFolder> {
    if !path.starts_with('/') {
        return Err(NoFolder::RelativeInside(path.to_owned()));
    }
    let parts: Vec<_> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return Err(NoFolder::LeadsOut(path.to_owned()));
    }
    if parts.is_empty() {
        return Err(NoFolder::Root);
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        let dir = Some(Path::new("/home/me"));
        for (text, host, container) in [
            ("/data", Some("/data"), "/mnt/data"),
            ("/data/./x/../y/", Some("/data/y"), "/mnt/data/y"),
            ("docs", Some("/home/me/docs"), "/mnt/home/me/docs"),
            (".", Some("/home/me"), "/mnt/home/me"),
            ("/a:/b//c/", Some("/a"), "/b/c"),
            (":/work", None, "/work"),
        ] {
            let places = parse(text, dir, false).unwrap();
            assert_eq!(
                (places.host.as_deref(), places.container.as_str()),
                (host.map(Path::new), container),
                "{text}"
            );
        }
        assert_eq!(parse("/k/f", None, true).unwrap().container, "/k/f");
        for (text, same_place, reason) in [
            ("", false, "empty"),
            ("~/x", false, "full path"),
            ("x", false, "not an absolute path"),
            ("/a:b", false, "in the container"),
            ("/a:/../b", false, "leads out"),
            (":/", false, "root"),
            ("/:/.", false, "root"),
            ("/a:/b", true, "one path"),
        ] {
            let error = parse(text, None, same_place).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
