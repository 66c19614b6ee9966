//! Commands that look for charts and fetch them: in the indexes that are there, at a hub, and in folders.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use mcpt_tests::{
    Mcpt,
    beside_helm::{helm, mcpt, mcpt_command, program, said, tree},
};

use crate::{helm_as, write};

/// Two repositories that were added, one of which has no index, and one with charts of all sorts.
fn repositories(folder: &Path) {
    let index = "apiVersion: v1\nentries:\n  web:\n  \
         - {name: web, version: 1.0.0, appVersion: '1', description: A web server, urls: [a], keywords: [http, Proxy]}\n  \
         - {name: web, version: 2.0.0-rc.1, appVersion: '2', description: A web server, urls: [a]}\n  \
         - {name: web, version: 1.10.0, description: A web server that is told of in more than fifty letters, urls: [a]}\n  \
         proxy:\n  - {name: proxy, version: 0.1.0, description: <Web> & more, urls: [a]}\n  \
         only:\n  - {name: only, version: 0.0.1-alpha, description: Not finished, urls: [a]}\n";
    let list = "apiVersion: ''\ngenerated: '2024-01-01T00:00:00Z'\nrepositories:\n\
         - {name: one, url: 'https://one.example.com'}\n- {name: two, url: 'https://two.example.com'}\n\
         - {name: gone, url: 'https://gone.example.com'}\n";
    write(
        folder,
        &[
            ("home/.config/helm/repositories.yaml", list),
            ("home/.cache/helm/repository/one-index.yaml", index),
            (
                "home/.cache/helm/repository/two-index.yaml",
                "apiVersion: v1\nentries:\n  web:\n  - {name: web, version: 3.0.0, urls: [a]}\n  empty: []\n",
            ),
        ],
    );
}

#[test]
fn charts_of_repositories_are_found_as_helm_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let nothing_added = ["search", "repo", "x"];
    assert_eq!(
        said(&mcpt(&nothing_added, folder.path())),
        said(&helm(&nothing_added, folder.path()))
    );
    repositories(folder.path());
    let mut failures = Vec::new();
    for case in [
        "nothing",
        "nothing -o json",
        "nothing -o yaml",
        "nothing --fail-on-no-result",
        "-l",
        "web -l -o json",
        "-l -o yaml",
        "WEB --version >0",
        "web --versions --devel",
        "web --devel",
        "only",
        "only --devel",
        "web --version ^1",
        "web --version ~1.0",
        "web -l --version >=1",
        "web --version one",
        "-r web$",
        "-r Proxy",
        "-r proxy",
        "-r (?i)PROXY",
        "-r A.Web",
        "-r [",
        "-l --max-col-width 12",
    ] {
        let arguments: Vec<&str> = ["search", "repo"]
            .into_iter()
            .chain(case.split(' ').filter(|word| !word.is_empty()))
            .collect();
        let ours = mcpt(&arguments, folder.path());
        let theirs = helm_as(&ours, &arguments, folder.path());
        if said(&ours) != said(&theirs) || ours.stdout != theirs.stdout {
            failures.push(format!("== {case}\n-- helm {theirs:?}\n-- mcpt {ours:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Answers each request with this text, for as long as the test runs; its address.
fn hub(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = BufReader::new(connection.try_clone().unwrap()).lines();
            let asked = request.next().unwrap().unwrap();
            while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            assert_eq!(
                asked,
                "GET /api/chartsvc/v1/charts/search?q=two+words HTTP/1.1"
            );
            let length = answer.len();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            write!(connection, "{head}content-length: {length}\r\n\r\n{answer}").unwrap();
        }
    });
    address
}

#[test]
fn charts_at_a_hub_are_told_as_helm_tells_them() {
    let folder = tempfile::tempdir().unwrap();
    let full = r#"{"data": [
        {"id": "a/b", "artifactHub": {"packageUrl": "https://hub.example.com/packages/a/b"},
         "attributes": {"name": "b", "description": "one & two", "repo": {"name": "a", "url": "https://a.example.com"}},
         "relationships": {"latestChartVersion": {"data": {"version": "1.0.0", "app_version": "9"}}}},
        {"id": "c/d", "attributes": {"description": "a text that is longer than any column of fifty letters can be"}}]}"#;
    let nulls = r#"{"data": [null,
        {"id": null, "artifactHub": null, "attributes": null, "relationships": null},
        {"id": "a", "artifactHub": {"packageUrl": null}, "attributes": {"description": null, "repo": null},
         "relationships": {"latestChartVersion": null}},
        {"id": "b", "attributes": {"repo": {"name": null, "url": null}},
         "relationships": {"latestChartVersion": {"data": null}}},
        {"id": "c", "relationships": {"latestChartVersion": {"data": {"version": null, "app_version": null}}}}]}"#;
    for (answer, flags) in [
        (full, &[][..]),
        (full, &["--list-repo-url"]),
        (full, &["-o", "json"]),
        (full, &["-o", "yaml", "--max-col-width", "9"]),
        (nulls, &["-o", "json"]),
        (nulls, &["--list-repo-url"]),
        (r#"{"data": null}"#, &[]),
        ("null", &["-o", "yaml"]),
        (r#"{"data": []}"#, &[]),
        (r#"{"data": []}"#, &["--fail-on-no-result"]),
    ] {
        let endpoint = hub(answer);
        let search = ["search", "hub", "two", "words", "--endpoint", &endpoint];
        let arguments = [&search[..], flags].concat();
        let (ours, theirs) = (
            mcpt(&arguments, folder.path()),
            helm(&arguments, folder.path()),
        );
        assert_eq!(said(&ours), said(&theirs), "{flags:?}");
        assert_eq!(ours.stdout, theirs.stdout, "{flags:?}");
    }
    let nobody = ["search", "hub", "x", "--endpoint", "http://127.0.0.1:1"];
    let error = said(&mcpt(&nobody, folder.path())).error;
    let theirs = said(&helm(&nobody, folder.path())).error;
    assert!(error.starts_with(&theirs), "{error}: {theirs}");
}

/// A chart that lacks what it depends on, which a folder beside it has.
fn lacking(folder: &Path) {
    write(
        folder,
        &[
            (
                "whole/Chart.yaml",
                "apiVersion: v2\nname: whole\nversion: 0.1.0\ndependencies:\n\
                 - {name: part, version: 1.x, repository: 'file://../part'}\n",
            ),
            ("whole/templates/a.yaml", "kind: A\nmetadata: {name: a}\n"),
            (
                "part/Chart.yaml",
                "apiVersion: v2\nname: part\nversion: 1.2.3\n",
            ),
            ("part/templates/b.yaml", "kind: B\nmetadata: {name: b}\n"),
            ("part/templates/NOTES.txt", "notes of {{ .Chart.Name }}\n"),
        ],
    );
}

#[test]
fn what_a_chart_lacks_is_fetched_when_that_is_wanted() {
    let masked = |output: &std::process::Output| {
        let mut said = said(output);
        said.lines.retain(|line| !line.starts_with("LAST DEPLOYED"));
        said
    };
    for case in [
        "template whole",
        "template whole --dependency-update",
        "install x whole --dry-run=client --dependency-update --render-subchart-notes",
        "install x whole --dry-run=client --dependency-update",
        "template part-1.2.3.tgz --dependency-update",
        "package whole",
        "package whole -u -d .",
    ] {
        let arguments: Vec<&str> = case.split(' ').collect();
        let [ours, theirs] = [mcpt as fn(&[&str], &Path) -> _, helm].map(|run| {
            let folder = tempfile::tempdir().unwrap();
            lacking(folder.path());
            run(&["package", "part"], folder.path());
            let output = run(&arguments, folder.path());
            let files = tree(&folder.path().join("whole"), |line| {
                !line.starts_with("generated:")
            });
            let mut said = masked(&output);
            let place = folder.path().display().to_string();
            for line in &mut said.lines {
                *line = line.replace(&place, "PLACE");
            }
            (said, files)
        });
        assert_eq!(ours, theirs, "{case}");
    }
}

#[test]
fn the_version_is_that_of_the_helm_that_it_is_like() {
    let folder = tempfile::tempdir().unwrap();
    for case in [
        &["version"][..],
        &["version", "--short"],
        &["version", "--template", "{{ .Version }} {{ .GoVersion }}"],
        &["version", "--template", "{{"],
        &["version", "--template", "{{ .Version | printf \"%.2s\" }}"],
        &["version", "--template", "{{ .Nothing }}"],
        &["version", "--template", "{{ upper .Version }}"],
        &["env", "HELM_REPOSITORY_CONFIG"],
        &["env", "HELM_CACHE_HOME"],
        &["env", "HELM_MAX_HISTORY"],
        &["env", "NONE"],
    ] {
        let ours = mcpt(case, folder.path());
        let theirs = helm(case, folder.path());
        assert_eq!(ours.stdout, theirs.stdout, "{case:?}");
        assert_eq!(ours.status.code(), theirs.status.code(), "{case:?}");
    }
}

/// What a helm says of its settings, with variables of the environment.
fn settings(mut command: Command, variables: &[(&str, &str)]) -> Vec<String> {
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn settings_are_those_that_the_commands_use() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
         users: [{name: u, user: {token: x}}]\ncurrent-context: one\ncontexts:\n\
         - {name: one, context: {cluster: c, user: u, namespace: of-context}}\n\
         - {name: two, context: {cluster: c, user: u}}\n";
    write(folder.path(), &[("config", kubeconfig)]);
    let compared = [
        "HELM_DEBUG",
        "HELM_KUBECONTEXT",
        "HELM_MAX_HISTORY",
        "HELM_NAMESPACE",
    ];
    for (variables, flags) in [
        (&[][..], &["--kubeconfig", "config"][..]),
        (&[("KUBECONFIG", "config")], &[]),
        (&[("KUBECONFIG", "none")], &[]),
        (&[("KUBECONFIG", "config")], &["-n", "of-flag"]),
        (&[("KUBECONFIG", "config")], &["--kube-context", "two"]),
        (
            &[("KUBECONFIG", "config"), ("HELM_KUBECONTEXT", "none")],
            &[],
        ),
        (&[("KUBECONFIG", "config"), ("HELM_NAMESPACE", "said")], &[]),
        (&[("KUBECONFIG", "config"), ("HELM_DEBUG", "1")], &[]),
        (&[("KUBECONFIG", "config"), ("HELM_DEBUG", "yes")], &[]),
        (&[("KUBECONFIG", "config"), ("HELM_MAX_HISTORY", "x")], &[]),
        (&[("KUBECONFIG", "config"), ("HELM_MAX_HISTORY", "-3")], &[]),
        (&[("KUBECONFIG", "config"), ("HELM_MAX_HISTORY", "07")], &[]),
    ] {
        let arguments = [&["env"], flags].concat();
        let ours = mcpt_command(&Mcpt::default(), &arguments, folder.path());
        let mut theirs = Command::new(program("MCPT_HELM4", "helm4"));
        theirs.env_clear().env("HOME", folder.path().join("home"));
        theirs.args(&arguments).current_dir(folder.path());
        let (ours, theirs) = (settings(ours, variables), settings(theirs, variables));
        let name = |line: &String| line.split('=').next().unwrap().to_owned();
        let names: Vec<String> = ours.iter().map(name).collect();
        assert!(names.is_sorted(), "{names:?}");
        for line in theirs
            .iter()
            .filter(|line| compared.contains(&name(line).as_str()))
        {
            assert!(
                ours.contains(line),
                "{variables:?} {flags:?} {line}: {ours:?}"
            );
        }
    }
}
