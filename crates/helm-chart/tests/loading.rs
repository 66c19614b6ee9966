//! Charts in folders and archives: what is left out, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use helm_chart::Chart;

const CHART_YAML: &str = "apiVersion: v2\nname: demo\nversion: 0.1.0\n";

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn names(files: &[helm_chart::File]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

/// Paths that `tar` itself would not write are written into the header by hand.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *data).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn a_folder_without_what_its_helmignore_names() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            (".helmignore", "# comment\n*.md\n/secret/\nnotes/*.txt\n"),
            ("Chart.yaml", CHART_YAML),
            ("values.yaml", "\u{feff}a: 1\n"),
            ("README.md", ""),
            ("NOTICE", ""),
            ("secret/key", ""),
            ("notes/a.txt", ""),
            ("notes/deep/b.txt", ""),
            ("templates/b.yaml", ""),
            ("templates/a.yaml", ""),
            ("templates/.hidden", ""),
            ("crds/c.yaml", ""),
            ("crds/readme.txt", ""),
            ("charts/sub/Chart.yaml", "name: sub\nversion: 1.0.0\n"),
            ("charts/sub/crds/d.json", ""),
        ],
    );
    let chart = Chart::from_path(folder.path()).unwrap();
    assert_eq!(chart.name(), "demo");
    assert_eq!(
        names(&chart.templates),
        ["templates/a.yaml", "templates/b.yaml"]
    );
    assert_eq!(
        names(&chart.files),
        [
            ".helmignore",
            "NOTICE",
            "crds/c.yaml",
            "crds/readme.txt",
            "notes/deep/b.txt"
        ]
    );
    assert_eq!(chart.values["a"].as_f64(), Some(1.0));
    assert_eq!(chart.dependencies[0].metadata.api_version, "v1");
    let crds: Vec<String> = chart.crds().into_iter().map(|(path, _)| path).collect();
    assert_eq!(crds, ["demo/crds/c.yaml", "demo/charts/sub/crds/d.json"]);
}

#[test]
fn an_archive_is_the_same_chart() {
    let sub = archive(&[("sub/Chart.yaml", b"name: sub\nversion: 1.0.0\n")]);
    let files: &[(&str, &[u8])] = &[
        ("demo/Chart.yaml", CHART_YAML.as_bytes()),
        ("demo/values.yaml", b"a: 1\n---\nb: 2\na: 3\n"),
        ("demo/./templates//x.yaml", b"x"),
        ("demo/charts/sub-1.0.0.tgz", &sub),
    ];
    let packed = archive(files);
    let chart = Chart::from_archive(&packed).unwrap();
    assert_eq!(names(&chart.templates), ["templates/x.yaml"]);
    assert_eq!(chart.values["a"].as_f64(), Some(3.0));
    assert_eq!(chart.dependencies[0].name(), "sub");

    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(&packed).unwrap();
    assert_eq!(Chart::from_path(file.path()).unwrap(), chart);
}

#[test]
fn archives_that_reach_outside_are_refused() {
    let cases = [
        (
            "demo/../../etc/passwd",
            "chart illegally references parent directory",
        ),
        (
            "demo//etc/passwd",
            "chart illegally contains absolute paths",
        ),
        ("demo/c:/windows", "chart contains illegally named files"),
        (
            "demo\\..\\..\\x",
            "chart illegally references parent directory",
        ),
        ("Chart.yaml/x", "chart yaml not in base directory"),
        (
            "x",
            "chart illegally contains content outside the base directory: \"x\"",
        ),
    ];
    for (path, expected) in cases {
        let error = Chart::from_archive(&archive(&[(path, b"")]))
            .unwrap_err()
            .to_string();
        assert_eq!(error, expected, "{path}");
    }
    assert_eq!(
        Chart::from_archive(b"a: 1\n").unwrap_err().to_string(),
        "gzip: invalid header"
    );
    assert_eq!(
        Chart::from_archive(&archive(&[])).unwrap_err().to_string(),
        "no files in chart archive"
    );
}

#[test]
fn archives_that_unpack_to_too_much_are_refused() {
    let large = vec![0; 60 * 1024 * 1024];
    let packed = archive(&[
        ("demo/Chart.yaml", CHART_YAML.as_bytes()),
        ("demo/a", &large),
        ("demo/b", &large),
    ]);
    assert_eq!(
        Chart::from_archive(&packed).unwrap_err().to_string(),
        "decompressed chart is larger than the maximum size 104857600"
    );
}

/// Each archive alone is small enough.
#[test]
fn archives_in_archives_share_one_bound() {
    let large = vec![0; 30 * 1024 * 1024];
    let mut inner = archive(&[
        (
            "sub/Chart.yaml",
            b"apiVersion: v2\nname: sub\nversion: 1.0.0\n",
        ),
        ("sub/zeros", &large),
    ]);
    for _ in 0..2 {
        inner = archive(&[
            (
                "sub/Chart.yaml",
                b"apiVersion: v2\nname: sub\nversion: 1.0.0\n",
            ),
            ("sub/charts/a.tgz", &inner),
            ("sub/charts/b.tgz", &inner),
        ]);
    }
    let error = Chart::from_archive(&inner).unwrap_err().to_string();
    assert!(
        error.ends_with("decompressed chart is larger than the maximum size 104857600"),
        "{error}"
    );
}

/// What is skipped has to be unpacked, too.
#[test]
fn what_archives_hold_besides_files_is_bounded() {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_path("demo/folder/").unwrap();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(300 * 1024 * 1024);
    header.set_cksum();
    tar.append(&header, std::io::repeat(0).take(300 * 1024 * 1024))
        .unwrap();
    let packed = tar.into_inner().unwrap().finish().unwrap();
    assert_eq!(
        Chart::from_archive(&packed).unwrap_err().to_string(),
        "decompressed chart is larger than the maximum size 104857600"
    );
}

#[test]
fn many_files_and_deep_nesting_are_refused() {
    let chart = |name: &str| (name.to_owned(), CHART_YAML.as_bytes().to_vec());
    let nested = (0..60).map(|depth| chart(&format!("{}Chart.yaml", "charts/a/".repeat(depth))));
    let mut error = &Chart::from_files(nested).unwrap_err() as &dyn std::error::Error;
    while let Some(source) = error.source() {
        error = source;
    }
    assert_eq!(
        error.to_string(),
        "charts in charts are nested deeper than 50"
    );

    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for i in 0..50_001 {
        let mut header = tar::Header::new_gnu();
        header.set_path(format!("demo/{i}")).unwrap();
        header.set_size(0);
        header.set_cksum();
        tar.append(&header, &[][..]).unwrap();
    }
    let packed = tar.into_inner().unwrap().finish().unwrap();
    assert_eq!(
        Chart::from_archive(&packed).unwrap_err().to_string(),
        "the chart has more than 50000 files"
    );
}

/// A link may be the file, a folder above it, or what the loader reads on its own; written from the root on or not.
#[test]
fn nothing_outside_the_folder_is_read() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    write(
        outside.path(),
        &[("secret.yaml", "secret: 1"), ("Chart.yaml", CHART_YAML)],
    );
    for (link, target) in [
        ("secret.txt", outside.path().join("secret.yaml")),
        ("templates", outside.path().to_owned()),
        ("templates/deep/x.yaml", "/proc/self/environ".into()),
        ("values.schema.json", "../../etc/passwd".into()),
        ("values.yaml", "/dev/zero".into()),
        ("crds", "..".into()),
        ("charts/sub", outside.path().to_owned()),
        (".helmignore", outside.path().join("secret.yaml")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("Chart.yaml", CHART_YAML)]);
        let link = folder.path().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, &link).unwrap();
        let error = Chart::from_path(folder.path()).unwrap_err().to_string();
        let expected = format!(
            "{}: a link leads out of {}",
            link.display(),
            folder.path().display()
        );
        assert!(error.starts_with(&expected), "{error}");
    }
}

/// A git index (version 2) that has these links under version control.
fn index_of_links(links: &[&str]) -> Vec<u8> {
    let mut index = b"DIRC\0\0\0\x02".to_vec();
    index.extend(u32::try_from(links.len()).unwrap().to_be_bytes());
    for link in links {
        let mut entry = vec![0; 62];
        entry[24..28].copy_from_slice(&0o120_000_u32.to_be_bytes());
        entry[61] = u8::try_from(link.len()).unwrap();
        entry.extend(link.as_bytes());
        entry.resize(entry.len() + 8 - entry.len() % 8, 0);
        index.extend(entry);
    }
    index
}

/// Charts of one repository share files: links that git knows lead to them, also by way of another link. A chart that somebody
/// else's archive has left in a checkout has no such links, and nobody's lead to what git keeps for itself.
#[test]
fn links_of_a_checkout_are_followed_within_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = tempfile::tempdir().unwrap();
    let checkout = place.path().join("checkout");
    write(
        place.path(),
        &[
            ("secret", "x"),
            ("checkout/LICENSE", "l"),
            ("checkout/crds/a.yaml", "a"),
            ("checkout/.git/config", "token"),
        ],
    );
    symlink("../secret", checkout.join("away")).unwrap();
    symlink("LICENSE", checkout.join("COPYING")).unwrap();
    let mut known = vec!["away".to_owned(), "COPYING".to_owned()];
    let mut chart = |name: &str, links: &[(&str, &str)], git_knows: bool| {
        let folder = checkout.join("charts").join(name);
        write(&folder, &[("Chart.yaml", CHART_YAML)]);
        for (link, target) in links {
            symlink(target, folder.join(link)).unwrap();
            if git_knows {
                known.push(format!("charts/{name}/{link}"));
            }
        }
        folder
    };
    let good = [
        ("LICENSE", "../../LICENSE"),
        ("COPYING", "../../COPYING"),
        ("crds", "../../crds"),
    ];
    let good = chart("good", &good, true);
    let bad = [
        ("outer", "../../../secret", true),
        ("twice", "../../away", true),
        ("unknown", "../../LICENSE", false),
        ("own", "../../.git/config", true),
        ("own-folder", "../../.git", true),
    ]
    .map(|(name, target, known)| chart(name, &[("file", target)], known));
    let planted = chart("planted", &[("file", "../../LICENSE")], true);
    fs::create_dir(planted.join(".git")).unwrap();
    fs::write(planted.join(".git/index"), index_of_links(&["file"])).unwrap();
    let named = chart("named", &[("file", "../../LICENSE")], true);
    fs::write(named.join(".git"), "gitdir: ../../.git\n").unwrap();

    let refused = |folder: &Path| {
        let error = Chart::from_dir(folder).unwrap_err().to_string();
        assert!(error.contains(": a link leads out of "), "{error}");
    };
    refused(&good);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    fs::write(checkout.join(".git/index"), index_of_links(&known)).unwrap();
    let loaded = Chart::from_dir(&good).unwrap();
    assert_eq!(names(&loaded.files), ["COPYING", "LICENSE", "crds/a.yaml"]);
    for folder in &bad {
        refused(folder);
    }
    refused(&planted);
    refused(&named);
    fs::set_permissions(&checkout, fs::Permissions::from_mode(0o777)).unwrap();
    refused(&good);
}

/// In Helm's words, also of what is ignored.
#[test]
fn a_link_to_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[("Chart.yaml", CHART_YAML), (".helmignore", "LICENSE\n")],
    );
    std::os::unix::fs::symlink("../none/x", folder.path().join("LICENSE")).unwrap();
    let error = Chart::from_dir(folder.path()).unwrap_err().to_string();
    let outside = folder.path().parent().unwrap();
    let expected = format!(
        "error evaluating symlink {}: lstat {}: no such file or directory",
        folder.path().join("LICENSE").display(),
        outside.join("none").display()
    );
    assert_eq!(error, expected);
}

#[test]
fn a_link_that_is_ignored_may_lead_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            ("Chart.yaml", CHART_YAML),
            (".helmignore", "away/\n*.log\n"),
        ],
    );
    std::os::unix::fs::symlink("..", folder.path().join("away")).unwrap();
    std::os::unix::fs::symlink("/dev/null", folder.path().join("a.log")).unwrap();
    let chart = Chart::from_dir(folder.path()).unwrap();
    assert_eq!(names(&chart.files), [".helmignore"]);
}

#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[("Chart.yaml", CHART_YAML), ("real/a.txt", "a")],
    );
    symlink(folder.path().join("real"), folder.path().join("linked")).unwrap();
    symlink("../real/a.txt", folder.path().join("real/b.txt")).unwrap();
    let chart = Chart::from_dir(folder.path()).unwrap();
    assert_eq!(
        names(&chart.files),
        ["linked/a.txt", "linked/b.txt", "real/a.txt", "real/b.txt"]
    );

    symlink(folder.path(), folder.path().join("circle")).unwrap();
    let error = Chart::from_dir(folder.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("circle: links to a folder that it is in"),
        "{error}"
    );
}

#[test]
fn only_the_formats_v1_and_v2_are_charts() {
    let chart = |version: &str| {
        let yaml = format!("apiVersion: {version}\nname: demo\nversion: 0.1.0\n");
        Chart::from_files([("Chart.yaml".to_owned(), yaml.into_bytes())])
    };
    assert_eq!(chart("v1").unwrap().metadata.api_version, "v1");
    assert_eq!(
        chart("v3").unwrap_err().to_string(),
        "invalid chart apiVersion"
    );
}

/// `72445e2` is a number to YAML, and 7244500 no version.
#[test]
fn a_version_that_reads_as_a_number_is_that_number() {
    let yaml = "apiVersion: v2\nname: demo\nversion: 72445e2\n";
    let error = Chart::from_files([("Chart.yaml".to_owned(), yaml.into())]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "validation: chart.metadata.version \"7.2445e+06\" is invalid"
    );
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        Chart::from_dir(folder.path()).unwrap_err().to_string(),
        "Chart.yaml file is missing"
    );
    let nowhere = folder.path().join("nowhere");
    let error = Chart::from_path(&nowhere).unwrap_err().to_string();
    assert!(error.starts_with(&nowhere.display().to_string()), "{error}");
}
