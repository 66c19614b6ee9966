//! Tests of archives, honest and hostile ones.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;

const MANIFEST_TEXT: &str = r#"{"manifest_version": "0.3", "name": "@a/b", "version": "1.0",
    "server": {"type": "node", "entry_point": "server/index.js"}}"#;

/// An archive of files and, where they are called `NAME -> TARGET`, links.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
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
    let bundle = Bundle::read(data).unwrap();
    assert_eq!(bundle.manifest().name, "@a/b");
    let folder = bundle.unpack(parent.path()).unwrap();
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
    assert_eq!(bundle.unpack(parent.path()).unwrap(), folder);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[test]
fn what_is_hostile_is_refused() {
    let zeros = vec![0; 80 << 20];
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
    ] {
        let refused = Bundle::read(data).unwrap_err().to_string();
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
        (wrong, "\"a.raw\" in it"),
    ] {
        let refused = Bundle::read(data).and_then(|bundle| bundle.unpack(parent.path()));
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
        for change in [0, 0xff, honest[place] ^ 1] {
            let mut data = honest.clone();
            data[place] = change;
            drop(Bundle::read(data).and_then(|bundle| bundle.unpack(parent.path())));
        }
        drop(Bundle::read(honest[..place].to_vec()));
    }
}
