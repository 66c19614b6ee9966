//! Where links may lead, and where one that leads nowhere ends.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The most links on the way to one place.
const MOST_LINKS: usize = 40;

/// What lies on the way that a path goes.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// The links on it, each where it really is.
    pub(crate) links: Vec<PathBuf>,
    /// Where it ends when it leads nowhere.
    pub(crate) missing: Option<PathBuf>,
}

/// Goes the way of a path from the root on, as the links on it are written; `None` when there are too many of them.
/// Nothing is opened.
pub(crate) fn walk(path: &Path) -> Option<Way> {
    let mut way = Way::default();
    let mut done = PathBuf::new();
    // The parts that are still to be walked, the next one last.
    let mut left: Vec<PathBuf> = parts(path);
    while let Some(part) = left.pop() {
        if part == Path::new("..") {
            done.pop();
            continue;
        }
        done.push(&part);
        let Ok(found) = fs::symlink_metadata(&done) else {
            way.missing = Some(done);
            return Some(way);
        };
        if found.is_symlink() {
            let target = fs::read_link(&done).ok()?;
            let folder = done.parent().map(Path::to_owned).unwrap_or_default();
            way.links.push(std::mem::replace(&mut done, folder));
            if way.links.len() > MOST_LINKS {
                return None;
            }
            left.extend(parts(&target));
        }
    }
    Some(way)
}

/// What is missing on the way of a link; `None` when the path is no link, or leads somewhere.
pub(crate) fn missing(path: &Path) -> Option<PathBuf> {
    if !fs::symlink_metadata(path).ok()?.is_symlink() {
        return None;
    }
    walk(path)?.missing
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev();
    let parts = parts.filter(|part| *part != Component::CurDir);
    parts.map(|part| PathBuf::from(part.as_os_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_first_part_that_is_missing_is_told() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "").unwrap();
        for (link, target, gone) in [
            ("folder/a", "../none/further", Some("none")),
            ("folder/b", "../file", None),
            ("folder/c", "a", Some("none")),
            ("folder/d", "d", None),
        ] {
            symlink(target, at(link)).unwrap();
            assert_eq!(missing(&at(link)), gone.map(at), "{link}");
        }
        assert_eq!(missing(&at("none")), None);
        assert_eq!(missing(&at("file")), None);
    }
}
