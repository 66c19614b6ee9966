//! `mcpt chart` beside the real `helm`: the same flags, the same output to the byte, the same exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fetched;
mod flags;
mod lint;
mod post_rendering;
mod refused;

use std::path::Path;
use std::process::{Command, Output};

use mcpt_tests::beside_helm::{self, helm, mcpt, tree};

/// Helm's output, that is ours if need be: in which order Helm takes the charts of a chart is chance in each of its runs.
fn helm_as(ours: &Output, arguments: &[&str], folder: &Path) -> Output {
    let mut theirs = helm(arguments, folder);
    for _ in 0..20 {
        if theirs.stdout == ours.stdout {
            break;
        }
        theirs = helm(arguments, folder);
    }
    theirs
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        beside_helm::write(&folder.join(name), text);
    }
}

/// A chart with everything that the commands look at.
fn charts(folder: &Path) {
    write(
        folder,
        &[
            (
                "t/Chart.yaml",
                "# a comment\nname: t\nversion: 0.1.0\napiVersion: v2\nappVersion: 1.5\nkeywords: [a, b]\n\
                 maintainers: [{name: m, email: m@example.com}]\nannotations: {z: \"1\", a: \"yes\"}\n\
                 dependencies:\n- {name: on, version: 1.x, repository: \"\"}\n\
                 - {name: off, version: 1.x, repository: \"\", condition: off.enabled}\n",
            ),
            ("t/values.yaml", "# kept\na: 1\noff: {enabled: false}\n"),
            (
                "t/values.schema.json",
                r#"{"properties": {"a": {"type": "number"}}}"#,
            ),
            ("t/README.md", "read me"),
            ("t/files/x.txt", "x\n"),
            ("t/.helmignore", "*.bak\n"),
            ("t/old.bak", "x\n"),
            ("t/crds/a.yaml", "kind: A"),
            ("t/crds/b.yaml", "---\nkind: B\n"),
            (
                "t/templates/x.yaml",
                "kind: X\nmetadata:\n  name: {{ .Release.Name }}-{{ .Release.Namespace }}\n\
                 a: {{ .Values.a }}\n---\nkind: Y\nmetadata:\n  name: y\n\
                 up: {{ .Release.IsUpgrade }} {{ .Capabilities.KubeVersion }}\n\
                 has: {{ .Capabilities.APIVersions.Has \"example.com/v1\" }}\n",
            ),
            (
                "t/templates/p.yaml",
                "kind: Pod\nmetadata:\n  name: p\n  annotations:\n    helm.sh/hook: test\n",
            ),
            (
                "t/templates/j.yaml",
                "kind: Job\nmetadata:\n  name: j\n  annotations:\n    helm.sh/hook: pre-install\n",
            ),
            ("t/templates/NOTES.txt", "notes\n"),
            (
                "t/charts/on/Chart.yaml",
                "apiVersion: v2\nname: on\nversion: 1.0.0\n",
            ),
            ("t/charts/on/values.yaml", "b: 2\n"),
            ("t/charts/on/crds/c.yml", "kind: C\n"),
            (
                "t/charts/on/templates/z.yaml",
                "kind: Z\nb: {{ .Values.b }}\n",
            ),
            (
                "t/charts/off/Chart.yaml",
                "apiVersion: v1\nname: off\nversion: 1.0.0\n",
            ),
            ("t/charts/off/crds/d.yaml", "kind: D\n"),
            ("t/charts/off/templates/o.yaml", "kind: O\n"),
            (
                "bare/Chart.yaml",
                "apiVersion: v1\nname: bare\nversion: 1.0.0\n",
            ),
            (
                "wrong/Chart.yaml",
                "apiVersion: v2\nname: wrong\nversion: 1.0.0\n",
            ),
            ("wrong/templates/a.yaml", "{{ fail \"no\" }}\n"),
            (
                "missing/Chart.yaml",
                "apiVersion: v2\nname: missing\nversion: 1.0.0\n\
                 dependencies: [{name: gone, version: 1.x, repository: \"\"}]\n",
            ),
            ("more.yaml", "a: 7\n"),
            ("text.txt", "some text"),
        ],
    );
}

#[test]
fn same_output_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    charts(folder.path());
    let mut failures = Vec::new();
    let cases = [
        "show all t",
        "show chart t",
        "show values t",
        "show readme t",
        "show crds t",
        "show all bare",
        "show values bare",
        "show readme bare",
        "show chart t --version 9",
        "show chart nowhere",
        "template t",
        "template rel t",
        "template rel t -n space",
        "template bare",
        "template t --include-crds",
        "template t --no-hooks",
        "template t --skip-tests",
        "template t --skip-tests --include-crds --no-hooks",
        "template t -s templates/x.yaml",
        "template t -s templates/*.yaml --skip-tests",
        "template t -s charts/on/templates/z.yaml -s templates/p.yaml",
        "template t -s crds/a.yaml --include-crds",
        "template t --show-only templates/nope.yaml",
        "template t -s [",
        "template t --is-upgrade",
        "template t --kube-version 1.30",
        "template t --kube-version v1.29.3-gke.1",
        "template t --kube-version x",
        "template t -a example.com/v1,b/v1",
        "template t --api-versions example.com/v1",
        "template t -f more.yaml",
        "template t -f more.yaml,more.yaml --set a=8",
        "template t --set a=text",
        "template t --set a=text --skip-schema-validation",
        "template t --set-string a=9 --skip-schema-validation",
        "template t --set-json a=[1,2] --skip-schema-validation",
        "template t --set-literal a=x,y --skip-schema-validation",
        "template t --set-file a=text.txt,b=text.txt --skip-schema-validation",
        "template t --set-file a=none.txt",
        "template t -f none.yaml",
        "template t --set a[=",
        "template t --set off.enabled=true --include-crds",
        "template t --name-template x-{{\"Y\"|lower}}",
        "template t --name-template {{",
        "template rel t --name-template x",
        "template rel t --generate-name",
        "template Wrong_Name t",
        "template wrong",
        "template missing",
        "template nowhere",
        "template t --wait --timeout 5m --create-namespace --server-side=false --take-ownership",
        "template t --labels a=b --description d --replace --version 1",
        "package missing",
        "package t --version x",
    ];
    for case in cases {
        let arguments: Vec<&str> = case.split(' ').collect();
        let ours = mcpt(&arguments, folder.path());
        let theirs = helm_as(&ours, &arguments, folder.path());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if theirs.stdout != ours.stdout || theirs.status.code() != ours.status.code() {
            failures.push(format!(
                "== {case}\n-- helm {}\n{}{}-- mcpt {}\n{}{}",
                theirs.status,
                text(&theirs.stdout),
                text(&theirs.stderr),
                ours.status,
                text(&ours.stdout),
                text(&ours.stderr)
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn same_files() {
    let folder = tempfile::tempdir().unwrap();
    charts(folder.path());
    for case in [
        "",
        "--release-name",
        "--include-crds --skip-tests",
        "--no-hooks",
    ] {
        let arguments = |to: &str| format!("template rel t --output-dir {to} {case}");
        let run = |to: &str, with: fn(&[&str], &Path) -> Output| {
            let arguments = arguments(to);
            let arguments: Vec<&str> = arguments.split_whitespace().collect();
            // Twice, since hooks are appended to what is there.
            with(&arguments, folder.path());
            let output = with(&arguments, folder.path());
            assert!(output.status.success(), "{output:?}");
            let said = String::from_utf8(output.stdout).unwrap().replace(to, "TO");
            (said, tree(&folder.path().join(to), |_| true))
        };
        let name = case.replace(' ', "");
        assert_eq!(
            run(&format!("helm{name}"), helm),
            run(&format!("mcpt{name}"), mcpt),
            "{case}"
        );
    }
}

/// Entries of an archive: path and content.
fn entries(archive: &Path) -> Vec<(String, String)> {
    let output = |arguments: &[&str]| {
        let output = Command::new("tar").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let archive = archive.to_str().unwrap();
    output(&["tzf", archive])
        .lines()
        .map(|name| (name.to_owned(), output(&["xzOf", archive, name])))
        .collect()
}

#[test]
fn same_archives_and_each_reads_the_others() {
    let folder = tempfile::tempdir().unwrap();
    charts(folder.path());
    for (case, file) in [
        ("t", "t-0.1.0.tgz"),
        ("bare", "bare-1.0.0.tgz"),
        (
            "t --version 2.0.0-rc.1+b --app-version 3",
            "t-2.0.0-rc.1+b.tgz",
        ),
    ] {
        for (to, with) in [
            ("of-helm", helm as fn(&[&str], &Path) -> Output),
            ("of-mcpt", mcpt),
        ] {
            let arguments = format!("package {case} -d {to}");
            let arguments: Vec<&str> = arguments.split(' ').collect();
            let output = with(&arguments, folder.path());
            assert!(output.status.success(), "{output:?}");
            assert_eq!(
                String::from_utf8(output.stdout).unwrap(),
                format!("Successfully packaged chart and saved it to: {to}/{file}\n")
            );
        }
        let (theirs, ours) = (format!("of-helm/{file}"), format!("of-mcpt/{file}"));
        let sorted = |archive: &str| {
            // In which order Helm takes the charts of a chart is chance.
            let mut entries = entries(&folder.path().join(archive));
            entries.sort();
            entries
        };
        assert_eq!(sorted(&theirs), sorted(&ours));
        let rendered = helm(&["template", &theirs], folder.path());
        assert!(rendered.status.success(), "{rendered:?}");
        for (with, archive) in [
            (helm as fn(&[&str], &Path) -> Output, &ours),
            (mcpt, &theirs),
        ] {
            assert_eq!(with(&["template", archive], folder.path()), rendered);
        }
    }
}

/// Where helm follows a link, nothing outside the chart is read here, and it is said.
#[test]
fn a_link_out_of_the_chart_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    charts(folder.path());
    let link = folder.path().join("t/files/secret");
    std::os::unix::fs::symlink("/proc/self/environ", link).unwrap();
    for case in [
        &["template", "t"][..],
        &["show", "all", "t"],
        &["package", "t"],
    ] {
        let ours = mcpt(case, folder.path());
        assert_eq!(ours.status.code(), Some(1), "{ours:?}");
        let said = String::from_utf8(ours.stderr).unwrap();
        assert!(
            said.contains("t/files/secret: a link leads out of t"),
            "{said}"
        );
    }
}
