//! Tests of archives, honest and hostile ones.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::{Store, Unused};

/// A bundle of these bytes.
fn read(data: &[u8]) -> Result<Bundle, BundleError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    Bundle::open(file)
}

/// The same, unpacked into a folder.
fn unpack(data: &[u8], parent: &Path) -> Result<PathBuf, BundleError> {
    let store = Store::new(parent.to_owned());
    let bundle = read(data)?;
    store.unpack(&bundle)?;
    Ok(store.place(&bundle))
}

const MANIFEST_TEXT: &str = r#"{"manifest_version": "0.3", "name": "@a/b", "version": "1.0",
    "server": {"type": "node", "entry_point": "server/index.js"}}"#;

/// An archive of files and, where they are called `NAME -> TARGET`, links.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, contents) in entries {
        let method = if name.contains(".raw") {
            CompressionMethod::Stored
        } else {
            CompressionMethod::Deflated
        };
        let options = SimpleFileOptions::default().compression_method(method);
        if let Some((name, target)) = name.split_once(" -> ") {
            zip.add_symlink(name, target, options).unwrap();
        } else if name.ends_with('/') {
            zip.add_directory(*name, options).unwrap();
        } else {
            let mode = if name.contains("bin") { 0o755 } else { 0o644 };
            zip.start_file(*name, options.unix_permissions(mode))
                .unwrap();
            zip.write_all(contents).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

fn with(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut all = vec![(MANIFEST, MANIFEST_TEXT.as_bytes())];
    all.extend_from_slice(entries);
    archive(&all)
}

#[test]
fn a_bundle_is_unpacked_once_below_its_folder() {
    let parent = tempfile::tempdir().unwrap();
    let data = with(&[
        ("server/", b""),
        ("server/index.js", b"x"),
        ("bin/tool", b"y"),
        ("node_modules/.bin/t -> ../../bin/tool", b""),
    ]);
    let bundle = read(&data).unwrap();
    assert_eq!(bundle.manifest().name, "@a/b");
    let store = Store::new(parent.path().to_owned());
    let unpacked = store.unpack(&bundle).unwrap();
    assert!(unpacked.is_new);
    let folder = store.place(&bundle);
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("a-b-1.0-") && name.ends_with(&bundle.sha256()[..16]),
        "{name}"
    );
    assert_eq!(fs::read(folder.join("server/index.js")).unwrap(), b"x");
    assert_eq!(fs::read(folder.join("node_modules/.bin/t")).unwrap(), b"y");
    let mode = |path: &str| {
        let path = folder.join(path);
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("bin/tool"), mode("server/index.js")), (0o700, 0o600));
    assert!(!store.unpack(&bundle).unwrap().is_new);
    // Beside it is its lock.
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
}

#[test]
fn the_name_of_a_bundle_is_none_of_what_is_being_unpacked() {
    for version in ["1.partial-x", "1.partial"] {
        let parent = tempfile::tempdir().unwrap();
        let store = Store::new(parent.path().to_owned());
        let manifest = MANIFEST_TEXT.replace("1.0", version);
        let data = archive(&[(MANIFEST, manifest.as_bytes()), ("server/index.js", b"x")]);
        drop(store.unpack(&read(&data).unwrap()).unwrap());
        let unused = store.unused(&BTreeSet::new()).unwrap();
        assert!(matches!(&unused[..], [one] if one.whole), "{unused:?}");
        assert!(store.remove(&unused[0], |_| false).unwrap());
    }
}

#[test]
fn a_bundle_goes_once_nobody_uses_it() {
    let parent = tempfile::tempdir().unwrap();
    let store = Store::new(parent.path().to_owned());
    assert_eq!(store.unused(&BTreeSet::new()).unwrap(), []);
    let bundle = read(&with(&[("server/index.js", b"x")])).unwrap();
    let place = store.place(&bundle);
    let name = place.file_name().unwrap().to_str().unwrap().to_owned();
    let used = store.unpack(&bundle).unwrap();
    let partial = parent.path().join(format!("{name}.partial-killed"));
    fs::create_dir(&partial).unwrap();
    for foreign in ["notes", "other-0123456789abcdeX"] {
        fs::create_dir(parent.path().join(foreign)).unwrap();
    }
    let unused = |used: &[&String]| {
        let used = used.iter().map(|name| (*name).clone()).collect();
        store.unused(&used).unwrap()
    };
    // A command has it.
    assert_eq!(unused(&[]), []);
    drop(used);
    let left = Unused {
        name: format!("{name}.partial-killed"),
        whole: false,
    };
    assert_eq!(unused(&[&name]), std::slice::from_ref(&left));
    assert!(store.remove(&left, |_| false).unwrap() && !partial.exists());
    let whole = Unused { name, whole: true };
    assert_eq!(unused(&[]), std::slice::from_ref(&whole));
    let used = store.unpack(&bundle).unwrap();
    assert!(!store.remove(&whole, |_| false).unwrap() && place.is_dir());
    drop(used);
    assert!(
        !store.remove(&whole, |name| name == whole.name).unwrap() && place.is_dir(),
        "a server has started from it since"
    );
    assert!(store.remove(&whole, |_| false).unwrap() && !place.exists());
    let used = store.unpack(&bundle).unwrap();
    assert!(store.take_back(used).unwrap() && !place.exists());
    let mut names: Vec<_> = fs::read_dir(parent.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["notes", "other-0123456789abcdeX"]);
}

/// Two commands that clear up see the same bundle, and one of them is first.
#[test]
fn a_bundle_that_is_gone_already_leaves_no_lock() {
    let parent = tempfile::tempdir().unwrap();
    let store = Store::new(parent.path().to_owned());
    let bundle = read(&with(&[("server/index.js", b"x")])).unwrap();
    drop(store.unpack(&bundle).unwrap());
    let seen = store.unused(&BTreeSet::new()).unwrap();
    let [one] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    let partial = Unused {
        name: format!("{}.partial-killed", one.name),
        whole: false,
    };
    assert!(store.remove(one, |_| false).unwrap());
    assert!(!store.remove(one, |_| false).unwrap());
    assert!(!store.remove(&partial, |_| false).unwrap());
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}

/// A server of another command may run from it since.
#[test]
fn a_bundle_that_another_command_found_is_not_taken_back() {
    let parent = tempfile::tempdir().unwrap();
    let store = Store::new(parent.path().to_owned());
    let bundle = read(&with(&[("server/index.js", b"x")])).unwrap();
    let first = store.unpack(&bundle).unwrap();
    drop(store.unpack(&bundle).unwrap());
    assert!(!store.take_back(first).unwrap());
    assert!(store.place(&bundle).is_dir());
    let unused = store.unused(&BTreeSet::new()).unwrap();
    assert!(store.remove(&unused[0], |_| false).unwrap());
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}

/// What is left of a killed command is removed beside a bundle that is there, which keeps who has found it.
#[test]
fn what_is_left_beside_a_bundle_takes_no_mark_with_it() {
    let parent = tempfile::tempdir().unwrap();
    let store = Store::new(parent.path().to_owned());
    let bundle = read(&with(&[("server/index.js", b"x")])).unwrap();
    let first = store.unpack(&bundle).unwrap();
    drop(store.unpack(&bundle).unwrap());
    let place = store.place(&bundle);
    let name = place.file_name().unwrap().to_str().unwrap();
    let left = Unused {
        name: format!("{name}.partial-killed"),
        whole: false,
    };
    let lock = parent.path().join(format!("{name}.lock"));
    let marked = fs::read(&lock).unwrap();
    assert!(!marked.is_empty());
    drop(first);
    fs::create_dir(parent.path().join(&left.name)).unwrap();
    assert!(store.remove(&left, |_| false).unwrap() && place.is_dir());
    assert_eq!(fs::read(&lock).unwrap(), marked);
}

/// What is unpacked is what the digest is of.
#[test]
fn a_file_that_is_written_anew_meanwhile_is_not_unpacked() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("a.mcpb");
    fs::write(&path, with(&[("server/index.js", b"x")])).unwrap();
    let bundle = Bundle::open(File::open(&path).unwrap()).unwrap();
    let store = Store::new(parent.path().join("store"));
    fs::write(&path, with(&[("server/index.js", b"y")])).unwrap();
    let error = store.unpack(&bundle).unwrap_err();
    assert!(matches!(error, BundleError::Changed), "{error}");
    assert!(!store.place(&bundle).exists());
}

/// The large end (ZIP64) of so many entries at this place, its locator, and a small end.
fn large_end(entries: u64, place: u64) -> Vec<u8> {
    let mut end = b"PK\x06\x06".to_vec();
    end.extend(44_u64.to_le_bytes());
    end.extend([0; 12]);
    end.extend(entries.to_le_bytes());
    end.extend(entries.to_le_bytes());
    end.extend([0; 16]);
    end.extend(b"PK\x06\x07\0\0\0\0");
    end.extend(place.to_le_bytes());
    end.extend(1_u32.to_le_bytes());
    end.extend(b"PK\x05\x06");
    end.extend([0; 18]);
    end
}

/// A stored archive in it counts its places from its own beginning.
#[test]
fn an_archive_in_a_bundle_may_have_a_large_end() {
    let filler = vec![b'x'; 200_000];
    let inner = large_end(1, 0);
    let honest = with(&[("a.raw", &filler), ("b.raw.zip", &inner)]);
    assert!(read(&honest).is_ok());
    // As many entries as no bundle has, wherever the end is that says so.
    for place in [0, 150_000, 200_100] {
        let mut hostile = with(&[("a.raw", &filler)]);
        hostile.extend(large_end(u64::MAX, place));
        let refused = read(&hostile).unwrap_err();
        assert!(matches!(refused, BundleError::TooLarge(_)), "{refused}");
    }
}

/// Of commands that come at once one unpacks it, and none waits until another has ended.
#[test]
fn commands_at_once_unpack_it_once() {
    let parent = tempfile::tempdir().unwrap();
    let store = Store::new(parent.path().to_owned());
    let data = with(&[("server/index.js", b"x")]);
    let all: Vec<_> = std::thread::scope(|scope| {
        let unpack = || store.unpack(&read(&data).unwrap()).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(unpack)).collect();
        // Each still has it when the last one gets it.
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(all.iter().filter(|one| one.is_new).count(), 1);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
}

/// Room for as many would be made before the first of them is read.
#[test]
fn an_archive_that_says_it_has_billions_of_entries_is_refused() {
    let honest = with(&[("server/index.js", b"x")]);
    let end = honest.len() - 22;
    let mut data = honest[..end].to_vec();
    let place = data.len() as u64;
    data.extend(b"PK\x06\x06");
    data.extend(44_u64.to_le_bytes());
    data.extend([45, 0, 45, 0]);
    data.extend([0; 8]);
    data.extend(5_000_000_000_u64.to_le_bytes());
    data.extend(5_000_000_000_u64.to_le_bytes());
    data.extend([0; 16]);
    data.extend(b"PK\x06\x07");
    data.extend([0; 4]);
    data.extend(place.to_le_bytes());
    data.extend(1_u32.to_le_bytes());
    let mut small = honest[end..].to_vec();
    small[8..12].fill(0xff);
    small[16..20].fill(0xff);
    data.extend(&small);
    let refused = read(&data).unwrap_err().to_string();
    assert!(refused.contains("more than 100000 entries"), "{refused}");
}

/// As bundles with their dependencies have them, far below the bound.
#[test]
fn a_bundle_of_many_files_is_read() {
    let names: Vec<String> = (0..20_000)
        .map(|number| format!("node_modules/package-{number}/index.js"))
        .collect();
    let names: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(read(&with(&names)).unwrap().entries.len(), 20_001);
}

#[test]
fn what_is_hostile_is_refused() {
    let zeros = vec![0; 80 << 20];
    let deep: Vec<String> = (0..300)
        .map(|number| format!("{number}/{}", "a/".repeat(400)))
        .collect();
    let deep: Vec<(&str, &[u8])> = deep.iter().map(|path| (path.as_str(), &b""[..])).collect();
    for (data, why) in [
        (b"".to_vec(), "no bundle"),
        (b"PK\x03\x04 and no more".to_vec(), "no bundle"),
        (archive(&[("a", b"")]), "has no manifest.json"),
        (archive(&[(MANIFEST, b"[]")]), "its manifest cannot be used"),
        (with(&[("../out", b"x")]), "leads out of it"),
        (with(&[("a/../../out", b"x")]), "leads out of it"),
        (with(&[("/etc/passwd", b"x")]), "leads out of it"),
        (with(&[("c:/x", b"x")]), "leads out of it"),
        (with(&[("a\\..\\x", b"x")]), "characters that none may have"),
        (
            with(&[("a\u{1b}[2J", b"x")]),
            "characters that none may have",
        ),
        (with(&[(&"a/".repeat(600), b"")]), "too long"),
        (with(&[("a", b"x"), ("./a", b"y")]), "there twice"),
        (with(&[("a", b"x"), ("a/b", b"y")]), "is no folder"),
        (with(&[("a -> b", b""), ("a/b", b"y")]), "is no folder"),
        (with(&[("zeros", &zeros)]), "100 times as large"),
        (with(&deep), "more than 100000 files and folders"),
    ] {
        let refused = read(&data).unwrap_err().to_string();
        assert!(refused.contains(why), "{why}: {refused}");
    }
}

#[test]
fn links_and_lies_are_refused_when_it_is_unpacked() {
    let parent = tempfile::tempdir().unwrap();
    let mut wrong = with(&[("a.raw", b"honest text")]);
    // Other bytes than the archive has the checksum of.
    let place = wrong.windows(6).position(|part| part == b"honest").unwrap();
    wrong[place] ^= 1;
    for (data, why) in [
        (with(&[("a -> ../../etc", b"")]), "leads out of it"),
        (with(&[("a -> /etc/passwd", b"")]), "leads out of it"),
        (
            with(&[
                ("a/b/c/up -> ../../..", b""),
                ("evil -> a/b/c/up/../..", b""),
            ]),
            "\"evil\" in it: the link leads out of it",
        ),
        (wrong, "\"a.raw\" in it"),
    ] {
        let refused = unpack(&data, parent.path());
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}

#[test]
fn any_bytes_are_refused_or_read_and_never_more_than_that() {
    let parent = tempfile::tempdir().unwrap();
    let honest = with(&[
        ("server/index.js", b"x"),
        ("bin/a", b"yy"),
        ("l -> bin/a", b""),
    ]);
    for place in 0..honest.len() {
        let mut data = honest.clone();
        for change in [0, 0xff] {
            data[place] = change;
            drop(read(&data));
        }
        data[place] = honest[place] ^ 1;
        drop(unpack(&data, parent.path()));
        drop(read(&honest[..place]));
    }
}
