//! Folders that were made to be read wrongly.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use confined::{Error, Folder, Kind, read_file, read_named};
use rustix::fs::{CWD, FileType, Mode};

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

#[test]
fn links_work_as_long_as_they_stay() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    fs::create_dir_all(root.join("in")).unwrap();
    fs::write(root.join("in/file"), "text").unwrap();
    fs::write(place.path().join("outside"), "secret").unwrap();
    symlink("in/file", root.join("relative")).unwrap();
    symlink(root.join("in"), root.join("absolute")).unwrap();
    symlink("../outside", root.join("up")).unwrap();
    symlink(place.path().join("outside"), root.join("away")).unwrap();
    symlink("../root/in/file", root.join("out-and-in")).unwrap();
    symlink("away", root.join("chain")).unwrap();
    symlink("round", root.join("round")).unwrap();

    let linked = place.path().join("linked");
    symlink(&root, &linked).unwrap();
    for named in [&root, &linked] {
        let folder = Folder::open(named).unwrap();
        for good in ["in/file", "relative", "absolute/file", "out-and-in"] {
            assert_eq!(folder.read(Path::new(good), 4).unwrap(), b"text", "{good}");
        }
        for bad in [
            "up",
            "away",
            "chain",
            "../outside",
            "absolute/../../outside",
        ] {
            let error = folder.read(Path::new(bad), 100).unwrap_err();
            assert!(matches!(error, Error::LeadsOut { .. }), "{bad}: {error}");
        }
        let error = folder.read(Path::new("round"), 100).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}

#[test]
fn what_is_no_file_is_named_and_never_waited_for() {
    let place = tempfile::tempdir().unwrap();
    fifo(&place.path().join("fifo"));
    let _socket = std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
    fs::create_dir(place.path().join("folder")).unwrap();
    let folder = Folder::open(place.path()).unwrap();
    for (name, expected) in [
        ("fifo", "it is a FIFO, not a file"),
        ("socket", "it is a socket, not a file"),
        ("folder", "it is a folder, not a file"),
    ] {
        let path = place.path().join(name);
        let expected = format!("{}: {expected}", path.display());
        for error in [
            folder.read(Path::new(name), 100).unwrap_err(),
            read_file(&path, 100).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
    let error = read_file(Path::new("/dev/zero"), 100).unwrap_err();
    assert_eq!(error.to_string(), "/dev/zero: it is a device, not a file");
    assert_eq!(
        folder.kind(Path::new("fifo")).unwrap(),
        Kind::Special("a FIFO")
    );
}

#[test]
fn sizes_are_bounded_whatever_a_file_says() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a"), "12345").unwrap();
    let folder = Folder::open(place.path()).unwrap();
    assert_eq!(folder.read(Path::new("a"), 5).unwrap(), b"12345");
    let error = folder.read(Path::new("a"), 4).unwrap_err();
    assert!(error.to_string().ends_with("it is larger than 4 bytes"));
    // Says that it is empty.
    let error = read_file(Path::new("/proc/self/status"), 4).unwrap_err();
    assert!(matches!(error, Error::TooLarge { most: 4, .. }), "{error}");
    let error = read_named(Path::new("/dev/zero"), 1000).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");

    fs::write(place.path().join("b"), "").unwrap();
    assert_eq!(folder.names(Path::new(""), 2).unwrap(), ["a", "b"]);
    let error = folder.names(Path::new(""), 1).unwrap_err();
    assert!(error.to_string().ends_with("it holds more than 1 files"));
}

/// What a shell's `<(…)` gives.
#[test]
fn what_the_user_names_may_be_a_pipe() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("fifo");
    fifo(&path);
    let writer = {
        let path = path.clone();
        std::thread::spawn(move || fs::write(path, "text").unwrap())
    };
    assert_eq!(read_named(&path, 100).unwrap(), b"text");
    writer.join().unwrap();
}
