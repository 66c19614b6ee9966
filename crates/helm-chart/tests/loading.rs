//! Charts in folders and archives: what is left out, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
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

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[("Chart.yaml", CHART_YAML), ("real/a.txt", "a")],
    );
    symlink(folder.path().join("real"), folder.path().join("linked")).unwrap();
    let chart = Chart::from_dir(folder.path()).unwrap();
    assert_eq!(names(&chart.files), ["linked/a.txt", "real/a.txt"]);

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
