//! `mcpt chart repo`, `pull` and `dependency` beside the real `helm`, against a real HTTP server: output, exit codes and files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::thread;

use mcpt_tests::beside_helm::{helm, mcpt, said, tree, write};
use server::Server;

/// Charts of one name and several versions, packed, with their index.
fn serve(folder: &Path) {
    for version in ["1.0.0", "1.2.0", "2.0.0", "3.0.0-rc.1"] {
        let chart = folder.join(format!("source/a-{version}"));
        let head =
            format!("apiVersion: v2\nname: a\nversion: {version}\ndescription: one <of> & many\n");
        write(&chart.join("Chart.yaml"), &head);
        write(
            &chart.join("templates/a.yaml"),
            "kind: A\nmetadata: {name: a}\n",
        );
        let chart = chart.to_str().unwrap().to_owned();
        let packed = helm(&["package", &chart, "-d", "served/open"], folder);
        assert!(packed.status.success(), "{packed:?}");
    }
    let made = helm(&["repo", "index", "served/open"], folder);
    assert!(made.status.success(), "{made:?}");
    for name in ["private", "wrong"] {
        let copied = folder.join("served").join(name);
        fs::create_dir_all(&copied).unwrap();
        for entry in fs::read_dir(folder.join("served/open")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copied.join(entry.file_name())).unwrap();
        }
    }
    // An archive that is not the one of the index.
    let served = folder.join("served");
    fs::copy(
        served.join("open/a-1.0.0.tgz"),
        served.join("wrong/a-2.0.0.tgz"),
    )
    .unwrap();
    write(&served.join("broken/index.yaml"), "a: [\n");
    write(&served.join("versionless/index.yaml"), "entries: {}\n");
}

/// A chart that depends on others, from everywhere.
fn parents(folder: &Path, url: &str) {
    write(
        &folder.join("parent/Chart.yaml"),
        &format!(
            "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n\
             - {{name: a, version: '>=1.0.0 <2', repository: '{url}/open'}}\n\
             - {{name: near, version: 1.x, repository: 'file://../near', condition: near.on, tags: [x]}}\n\
             - {{name: within, version: ~1.0, repository: ''}}\n"
        ),
    );
    write(
        &folder.join("named/Chart.yaml"),
        "apiVersion: v2\nname: named\nversion: 1.0.0\ndependencies:\n\
         - {name: a, version: ^2, repository: '@one', alias: other}\n",
    );
    write(
        &folder.join("unknown/Chart.yaml"),
        "apiVersion: v2\nname: unknown\nversion: 1.0.0\ndependencies:\n\
         - {name: a, version: ^2, repository: stable}\n",
    );
    write(
        &folder.join("unmet/Chart.yaml"),
        &format!(
            "apiVersion: v2\nname: unmet\nversion: 1.0.0\ndependencies:\n\
             - {{name: a, version: ^9, repository: '{url}/open'}}\n"
        ),
    );
    write(
        &folder.join("near/Chart.yaml"),
        "apiVersion: v2\nname: near\nversion: 1.4.0\n",
    );
    write(
        &folder.join("parent/charts/within/Chart.yaml"),
        "apiVersion: v2\nname: within\nversion: 1.0.3\n",
    );
    write(
        &folder.join("parent/charts/extra/Chart.yaml"),
        "apiVersion: v2\nname: extra\nversion: 1.0.3\n",
    );
    write(
        &folder.join("bare/Chart.yaml"),
        "apiVersion: v2\nname: bare\nversion: 1.0.0\n",
    );
}

/// Lines that say no time.
fn timeless(line: &str) -> bool {
    !line.contains("generated:") && !line.contains("created:")
}

#[test]
fn same_output_exit_codes_and_files() {
    let folder = tempfile::tempdir().unwrap();
    serve(folder.path());
    let server = Server::start(&folder.path().join("served"));
    let url = server.url();
    let (theirs, ours) = (folder.path().join("helm"), folder.path().join("mcpt"));
    for folder in [&theirs, &ours] {
        parents(folder, &url);
    }
    let cases = [
        "repo list",
        "repo update",
        "repo remove one",
        "repo add one URL/open",
        "repo add one URL/open",
        "repo add one URL/private",
        "repo add a/b URL/open",
        "repo add none URL/none",
        "repo add two URL/private",
        "repo add two URL/private --username u --password w",
        "repo add broken URL/versionless",
        "repo list",
        "repo list --no-headers",
        "repo list -o json",
        "repo list -o yaml",
        "repo update",
        "repo update one",
        "repo update nowhere",
        "pull one/a",
        "pull one/a --version ^1",
        "pull one/a --devel",
        "pull one/a --version 9",
        "pull one/nothing",
        "pull nowhere/a",
        "pull a",
        "pull two/a --version 1.0.0 --untar",
        "pull two/a --version 1.0.0 --untar",
        "pull URL/open/a-1.0.0.tgz --untar --untardir below",
        "pull a --repo URL/open --version 1.2.0",
        "pull a --repo URL/open --version 7",
        "pull a --repo URL/private",
        "pull URL/open/none.tgz",
        "dependency list parent",
        "dependency list bare",
        "dependency list parent --max-col-width 10",
        "dependency update parent",
        "dependency list parent",
        "dependency update parent",
        "dependency build parent",
        "dependency build named",
        "dependency build named --skip-refresh",
        "dependency list named",
        "dependency update unknown",
        "dependency update unmet",
        "dependency update bare",
        "dependency update gone",
        "repo remove one",
        "repo remove one",
        "dependency build named",
    ];
    let mut failures = Vec::new();
    for case in cases {
        let case = case.replace("URL", &url);
        let arguments: Vec<&str> = case.split(' ').collect();
        let (of_helm, of_mcpt) = (helm(&arguments, &theirs), mcpt(&arguments, &ours));
        let (of_helm, of_mcpt) = (said(&of_helm), said(&of_mcpt));
        if of_helm != of_mcpt {
            failures.push(format!("== {case}\n{of_helm:#?}\n{of_mcpt:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    for place in ["parent", "named", "below", "a"] {
        assert_eq!(
            tree(&theirs.join(place), timeless),
            tree(&ours.join(place), timeless),
            "{place}"
        );
    }
    let list = "home/.config/helm/repositories.yaml";
    let read = |folder: &Path| fs::read_to_string(folder.join(list)).unwrap();
    assert_eq!(read(&theirs), read(&ours));
}

#[test]
fn same_index() {
    let folder = tempfile::tempdir().unwrap();
    serve(folder.path());
    let served = folder.path().join("served");
    fs::create_dir_all(served.join("open/below")).unwrap();
    fs::rename(
        served.join("open/a-1.0.0.tgz"),
        served.join("open/below/a-1.0.0.tgz"),
    )
    .unwrap();
    for case in [
        "repo index open",
        "repo index open --url http://example.com/charts",
        "repo index open --merge private/index.yaml",
    ] {
        let arguments: Vec<&str> = case.split(' ').collect();
        let index = |with: fn(&[&str], &Path) -> Output| {
            let output = with(&arguments, &served);
            assert!(output.status.success(), "{output:?}");
            tree(&served.join("open"), timeless)
        };
        assert_eq!(index(helm), index(mcpt), "{case}");
    }
}

/// Where helm takes whatever comes, the digest in the index holds here.
#[test]
fn another_archive_than_the_index_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    serve(folder.path());
    let server = Server::start(&folder.path().join("served"));
    let add = format!("repo add wrong {}/wrong", server.url());
    let added = mcpt(&add.split(' ').collect::<Vec<_>>(), folder.path());
    assert!(added.status.success(), "{added:?}");
    let pulled = mcpt(&["pull", "wrong/a", "--version", "2.0.0"], folder.path());
    let said = said(&pulled);
    assert_eq!(said.code, Some(1));
    assert!(
        said.error.contains("but the index says sha256:"),
        "{said:?}"
    );
    assert!(!folder.path().join("a-2.0.0.tgz").exists());
}

/// Several programs that add repositories at once, helm among them, lose none.
#[test]
fn repositories_that_are_added_at_once_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    serve(folder.path());
    let server = Server::start(&folder.path().join("served"));
    let url = format!("{}/open", server.url());
    let work = folder.path();
    let names: Vec<String> = (0..6).map(|number| format!("r{number}")).collect();
    thread::scope(|scope| {
        for (number, name) in names.iter().enumerate() {
            let url = url.as_str();
            scope.spawn(move || {
                let run = if number % 3 == 0 { helm } else { mcpt };
                let added = run(&["repo", "add", name, url], work);
                assert!(added.status.success(), "{added:?}");
            });
        }
    });
    let listed = said(&mcpt(&["repo", "list", "--no-headers"], work)).lines;
    let mut found: Vec<&str> = listed
        .iter()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    found.sort_unstable();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(found, names);
}
