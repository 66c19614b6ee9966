//! The git checkout that a folder is a part of, and which of its links say something about it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::{index, links, read_file};

/// The most bytes of a git index; that of a repository with a million files has about a hundred million.
const MOST_INDEX_BYTES: u64 = 256 * 1024 * 1024;
/// The most bytes of a `.git` that names another place.
const MOST_NAME_BYTES: u64 = 64 * 1024;
/// What others than owner and group may write.
const WRITABLE_FOR_ALL: u32 = 0o002;

/// A checkout, and the links that are under version control in it.
#[derive(Debug)]
pub(crate) struct Checkout {
    dir: Dir,
    /// Where it really is.
    root: PathBuf,
    links: BTreeSet<PathBuf>,
}

impl Checkout {
    /// The checkout that a folder is a part of, wherever that really is. There is none
    /// - where everybody may write, as in `/tmp`: anybody can have put a `.git` there;
    /// - in the home folder and around it, where somebody keeps his settings in git.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let root = folder.ancestors().find(|at| at.join(".git").exists())?;
        let home = std::env::home_dir().and_then(|home| fs::canonicalize(home).ok());
        let is_of_user = home.is_some_and(|home| home.starts_with(root));
        let mode = fs::metadata(root).ok()?.permissions().mode();
        if is_of_user || mode & WRITABLE_FOR_ALL != 0 {
            return None;
        }
        let index = read_file(&repository(root)?.join("index"), MOST_INDEX_BYTES).ok()?;
        Some(Self {
            dir: Dir::open_ambient_dir(root, ambient_authority()).ok()?,
            root: root.to_owned(),
            links: index::links(&index)?,
        })
    }

    /// The checkout's folder, and the place in it that a path leads to: when the checkout has each link on the way under version
    /// control, so that whoever wrote it wrote them, and not whoever sent an archive that was unpacked there. What git itself
    /// keeps in the checkout, as the tokens in its configuration, is no such place.
    pub(crate) fn place(&self, path: &Path, target: &Path) -> Option<(&Dir, PathBuf)> {
        let within = target.strip_prefix(&self.root).ok()?;
        let is_git = |part: Component<'_>| part.as_os_str().eq_ignore_ascii_case(".git");
        if within.components().any(is_git) {
            return None;
        }
        let is_own = |link: &PathBuf| {
            link.strip_prefix(&self.root)
                .is_ok_and(|link| self.links.contains(link))
        };
        let way = links::walk(path)?;
        way.links
            .iter()
            .all(is_own)
            .then(|| (&self.dir, within.to_owned()))
    }
}

/// Where the repository of a checkout is: its `.git`, or what that names, in a worktree and a submodule.
fn repository(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = String::from_utf8(read_file(&git, MOST_NAME_BYTES).ok()?).ok()?;
    let named = text.strip_prefix("gitdir:")?.trim();
    Some(root.join(named))
}
