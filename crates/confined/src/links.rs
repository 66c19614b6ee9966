//! Where links may lead, and where one that leads nowhere ends.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The most links on the way to one place.
const MOST_LINKS: usize = 40;

/// The git checkout that a folder is a part of: whoever wrote the folder wrote all of it. The home folder, and what is around it,
/// is none, also where somebody keeps his settings in git.
pub(crate) fn checkout(folder: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder).ok()?;
    let root = folder.ancestors().find(|at| at.join(".git").exists())?;
    let home = std::env::home_dir().and_then(|home| fs::canonicalize(home).ok());
    let is_of_user = home.is_some_and(|home| home.starts_with(root));
    (!is_of_user).then(|| root.to_owned())
}

/// What is missing on the way of a link, as the links on it are written; `None` when the path is no link, or leads somewhere.
/// Nothing is opened.
pub(crate) fn missing(path: &Path) -> Option<PathBuf> {
    if !fs::symlink_metadata(path).ok()?.is_symlink() {
        return None;
    }
    let mut links = 0;
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
            return Some(done);
        };
        if found.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return None;
            }
            let target = fs::read_link(&done).ok()?;
            done.pop();
            left.extend(parts(&target));
        }
    }
    None
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
