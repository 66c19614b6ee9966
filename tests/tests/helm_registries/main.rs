//! `mcpt chart push`, `pull`, `registry` and what else takes charts out of registries, beside the real `helm`, with a real
//! registry: output, exit codes, files, and each reads what the other wrote.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod registry;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use mcpt_tests::Mcpt;
use mcpt_tests::beside_helm::{Said, helm, helm3, mcpt, mcpt_command, said, tree, write};
use registry::{Certificates, Registry, Way};

/// Archives that both programs push, to the byte the same and of the same age.
const ARCHIVES: [&str; 4] = [
    "a-1.0.0.tgz",
    "a-1.2.0.tgz",
    "a-1.3.0+b.1.tgz",
    "a-2.0.0-rc.1.tgz",
];

type Run = fn(&[&str], &Path) -> Output;

fn charts(folder: &Path) {
    write(
        &folder.join("source/a/Chart.yaml"),
        "apiVersion: v2\nname: a\nversion: 1.0.0\nappVersion: 7\nkubeVersion: '>=1.20'\ndescription: one <of> & many\n\
         home: https://example.com/a?b=c&d\nsources: [https://example.com/source, https://example.com/other]\n\
         keywords: [x, y]\nicon: https://example.com/icon\n\
         maintainers: [{name: m, email: m@example.com}, {name: o, url: https://example.com}]\n\
         annotations: {org.opencontainers.image.title: other, b: '<c>', org.opencontainers.image.url: theirs}\n",
    );
    write(
        &folder.join("source/a/templates/a.yaml"),
        "kind: A\nmetadata: {name: a}\nversion: {{ .Chart.Version }}\n",
    );
    write(
        &folder.join("source/a/values.yaml"),
        "image: {repository: r, tag: t}\nreplicaCount: 1\n",
    );
    for version in ["1.0.0", "1.2.0", "1.3.0+b.1", "2.0.0-rc.1"] {
        let packed = helm(&["package", "source/a", "--version", version], folder);
        assert!(packed.status.success(), "{packed:?}");
    }
    // Neither program looks into it.
    write(&folder.join("a-1.2.0.tgz.prov"), "signed\n");
    write(&folder.join("text.tgz"), "no archive\n");
    fs::create_dir(folder.join("d")).unwrap();
}

/// A folder for each program, with the same in it.
fn both(folder: &Path, host: &str) -> [std::path::PathBuf; 2] {
    let source = folder.join("both");
    charts(&source);
    ["helm", "mcpt"].map(|name| {
        let copied = folder.join(name);
        let done = std::process::Command::new("cp")
            .args(["-a", source.to_str().unwrap(), copied.to_str().unwrap()])
            .status()
            .unwrap();
        assert!(done.success());
        parents(&copied, &format!("oci://{host}/{name}"));
        copied
    })
}

/// Charts that depend on others in the registry.
fn parents(folder: &Path, url: &str) {
    for (name, version) in [
        ("exact", "1.0.0"),
        ("range", ">=1.0.0 <1.3"),
        ("built", "1.3.0+b.1"),
        ("unmet", "^9"),
        ("missing", "9.0.0"),
    ] {
        write(
            &folder.join(name).join("Chart.yaml"),
            &format!(
                "apiVersion: v2\nname: {name}\nversion: 1.0.0\ndependencies:\n\
                 - {{name: a, version: '{version}', repository: '{url}'}}\n"
            ),
        );
    }
    write(
        &folder.join("nowhere/Chart.yaml"),
        &format!(
            "apiVersion: v2\nname: nowhere\nversion: 1.0.0\ndependencies:\n\
             - {{name: none, version: ^1, repository: '{url}'}}\n"
        ),
    );
}

/// What a program said, as if the place in the registry had no name of its own.
fn in_its_place(program: &str, case: &str, host: &str, run: Run, folder: &Path) -> Said {
    let place = format!("{host}/{program}");
    let case = case.replace("PLACE", &place).replace("HOST", host);
    let arguments: Vec<&str> = case.split(' ').collect();
    let mut said = said(&run(&arguments, folder));
    let general = |text: &str| {
        text.replace(&place, "PLACE")
            .replace(&format!(":{program}/"), ":PLACE/")
            .replace(&format!("/{program}/"), "/PLACE/")
            .replace(&format!("\"{program}/"), "\"PLACE/")
    };
    said.lines = said.lines.iter().map(|line| general(line)).collect();
    said.error = general(&said.error);
    said
}

#[test]
fn same_output_exit_codes_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let registry = Registry::start(&folder.path().join("registry"), Way::Login, &certificates);
    let host = registry.address.as_str();
    let [theirs, ours] = both(folder.path(), host);
    let cases = [
        "push a-1.0.0.tgz oci://PLACE --plain-http",
        "registry login HOST -u u -p wrong --plain-http",
        "registry login HOST -u u -p w --plain-http",
        "push a-1.0.0.tgz oci://PLACE --plain-http",
        "push a-1.0.0.tgz oci://PLACE --plain-http",
        "push a-1.2.0.tgz oci://PLACE --plain-http",
        "push a-1.3.0+b.1.tgz oci://PLACE/ --plain-http",
        "push a-2.0.0-rc.1.tgz oci://PLACE --plain-http",
        "push none.tgz oci://PLACE --plain-http",
        "push source oci://PLACE --plain-http",
        "push a-1.0.0.tgz http://PLACE --plain-http",
        "push a-1.0.0.tgz PLACE --plain-http",
        "push a-1.0.0.tgz oci://PLACE/Upper --plain-http",
        "pull oci://PLACE/a --plain-http -d d",
        "pull oci://PLACE/a --plain-http -d d --devel",
        "pull oci://PLACE/a --plain-http -d d --version 1.0.0",
        "pull oci://PLACE/a --plain-http -d d --version ~1.2",
        "pull oci://PLACE/a --plain-http -d d --version 9.0.0",
        "pull oci://PLACE/a --plain-http -d d --version ^9",
        "pull oci://PLACE/a --plain-http -d d --version one",
        "pull oci://PLACE/none --plain-http",
        "pull oci://PLACE/none --plain-http --version 1.0.0",
        "pull oci://PLACE/a:1.0.0 --plain-http --version 1.2.0",
        "pull oci://PLACE/a:1.2.0 --plain-http -d d --prov",
        "pull oci://PLACE/a:1.0.0 --plain-http -d d --prov",
        "pull oci://PLACE/a:-x --plain-http",
        "pull oci://HOST --plain-http",
        "pull oci://PLACE/a@sha256:0000000000000000000000000000000000000000000000000000000000000000 --plain-http",
        "pull oci://PLACE/a@sha256:0000000000000000000000000000000000000000000000000000000000000000 --plain-http --version \
         1.0.0",
        "pull oci://PLACE/a@sha256:00 --plain-http",
        "pull oci://PLACE/a --plain-http --version 1.0.0 --untar --untardir d/below",
        "pull oci://PLACE/a --plain-http --version 1.0.0 --untar --untardir d/below",
        "pull oci://PLACE/a oci://PLACE/a:1.0.0 --plain-http -d d",
        "template r oci://PLACE/a --plain-http --version 1.0.0",
        "template r oci://PLACE/a --plain-http --version 9.0.0",
        "template oci://PLACE/a --plain-http --devel",
        "show chart oci://PLACE/a --plain-http",
        "show all oci://PLACE/a:1.0.0 --plain-http",
        "dependency update exact --plain-http",
        "dependency update range --plain-http",
        "dependency update built --plain-http",
        "dependency build range --plain-http",
        "dependency list range",
        "dependency update unmet --plain-http",
        "dependency update missing --plain-http",
        "dependency update nowhere --plain-http",
        "registry logout HOST",
        "registry logout HOST",
        "pull oci://PLACE/a --plain-http --version 1.0.0",
        "pull oci://PLACE/a --plain-http",
        "pull oci://PLACE/a --plain-http --version 1.0.0 --username u --password wrong",
        "pull oci://PLACE/a --plain-http --version 1.0.0 --username u --password w -d d",
        "push a-1.0.0.tgz oci://PLACE --plain-http --username u --password w",
        "dependency build range --plain-http",
        "dependency build range --plain-http --username u --password w",
    ];
    let mut failures = Vec::new();
    for case in cases {
        let of_helm = in_its_place("helm", case, host, helm, &theirs);
        let of_mcpt = in_its_place("mcpt", case, host, mcpt, &ours);
        if of_helm != of_mcpt {
            failures.push(format!("== {case}\n{of_helm:#?}\n{of_mcpt:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let kept = |line: &str| !line.contains("generated:") && !line.contains("digest:");
    for place in ["d", "exact", "range", "built", "unmet"] {
        let tree = |folder: &Path| {
            let files = tree(&folder.join(place), kept);
            let general = |(path, text): (std::path::PathBuf, String)| {
                let text = text.replace(&format!("{host}/helm"), "PLACE");
                (path, text.replace(&format!("{host}/mcpt"), "PLACE"))
            };
            files.into_iter().map(general).collect::<Vec<_>>()
        };
        assert_eq!(tree(&theirs), tree(&ours), "{place}");
    }
    let logins = "home/.config/helm/registry/config.json";
    let read = |folder: &Path| fs::read_to_string(folder.join(logins)).unwrap();
    assert_eq!(read(&theirs), read(&ours));
}

/// Each program reads what each has written, of every age of Helm, and the manifests are the same to the byte.
#[test]
fn each_reads_what_the_others_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let registry = Registry::start(&folder.path().join("registry"), Way::Login, &certificates);
    let host = registry.address.as_str();
    let work = folder.path().join("work");
    charts(&work);
    let programs: [(&str, Run); 3] = [("helm", helm), ("helm3", helm3), ("mcpt", mcpt)];
    let access = ["--plain-http", "--username", "u", "--password", "w"];
    let mut digests = Vec::new();
    for (name, run) in programs {
        let place = format!("oci://{host}/{name}");
        let mut pushed = Vec::new();
        for archive in ARCHIVES {
            let output = run(&[&["push", archive, &place][..], &access].concat(), &work);
            assert!(output.status.success(), "{name}: {output:?}");
            // Helm 3 says it on standard error.
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            let digest = said.lines().find_map(|line| line.strip_prefix("Digest: "));
            pushed.push(digest.unwrap().to_owned());
        }
        digests.push(pushed);
    }
    assert!(digests.iter().all(|of| *of == digests[0]), "{digests:#?}");
    for (writer, _) in programs {
        for (reader, run) in programs {
            let to = format!("{writer}-{reader}");
            fs::create_dir(work.join(&to)).unwrap();
            for archive in ARCHIVES {
                let version = archive.strip_prefix("a-").unwrap();
                let version = version.strip_suffix(".tgz").unwrap();
                let chart = format!("oci://{host}/{writer}/a");
                let pull = ["pull", &chart, "--version", version, "--prov", "-d", &to];
                let output = run(&[&pull[..], &access].concat(), &work);
                assert!(output.status.success(), "{to}: {output:?}");
                let read = |path: &str| fs::read(work.join(path)).unwrap();
                assert_eq!(read(&format!("{to}/{archive}")), read(archive), "{to}");
            }
            let provenance = fs::read_to_string(work.join(&to).join("a-1.2.0.tgz.prov"));
            assert_eq!(provenance.unwrap(), "signed\n", "{to}");
            // By the digest, too.
            let chart = format!("oci://{host}/{writer}/a@{}", digests[0][0]);
            let output = run(&[&["pull", &chart, "-d", &to][..], &access].concat(), &work);
            assert!(output.status.success(), "{to}: {output:?}");
        }
    }
}

/// A password on standard input; logins that docker has; a helper that keeps them.
#[test]
fn logins_are_found_where_helm_and_docker_keep_them() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let registry = Registry::start(&folder.path().join("registry"), Way::Login, &certificates);
    let host = registry.address.as_str();
    let work = folder.path().join("work");
    charts(&work);
    let login = [
        "registry",
        "login",
        host,
        "-u",
        "u",
        "--password-stdin",
        "--plain-http",
    ];
    let mut login = mcpt_command(&Mcpt::default(), &login, &work)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    login.stdin.take().unwrap().write_all(b"w\n").unwrap();
    let output = login.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"Login Succeeded\n", "{output:?}");
    let place = format!("oci://{host}/x");
    let push = |program: Run| program(&["push", "a-1.0.0.tgz", &place, "--plain-http"], &work);
    for program in [helm as Run, helm3, mcpt] {
        let pushed = push(program);
        assert!(pushed.status.success(), "{pushed:?}");
    }
    let ours = work.join("home/.config/helm/registry/config.json");
    let dockers = work.join("home/.docker/config.json");
    write(&dockers, &fs::read_to_string(&ours).unwrap());
    fs::remove_file(&ours).unwrap();
    for program in [helm as Run, mcpt] {
        let pushed = push(program);
        assert!(pushed.status.success(), "{pushed:?}");
    }
    // A helper that keeps the login in a file.
    fs::remove_file(&dockers).unwrap();
    write(&ours, "{\"credsStore\": \"test\"}");
    let helper = folder.path().join("bin/docker-credential-test");
    let kept = folder.path().join("kept");
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat >{0};;\nerase) rm {0};;\n\
         get) cat {0} 2>/dev/null || {{ echo 'credentials not found in native keychain'; exit 1; }};;\nesac\n",
        kept.display()
    );
    write(&helper, &script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&helper, mode).unwrap();
    let path = format!("{}:/usr/bin:/bin", helper.parent().unwrap().display());
    let run = |arguments: &[&str]| {
        let mut command = mcpt_command(&Mcpt::default(), arguments, &work);
        said(&command.env("PATH", &path).output().unwrap())
    };
    let pull = format!("oci://{host}/x/a");
    let pull = [
        "pull",
        &pull,
        "--plain-http",
        "--version",
        "1.0.0",
        "-d",
        "d",
    ];
    let refused = run(&pull);
    assert!(
        refused.error.ends_with("basic credential not found"),
        "{refused:?}"
    );
    let login = [
        "registry",
        "login",
        host,
        "-u",
        "u",
        "-p",
        "w",
        "--plain-http",
    ];
    assert_eq!(run(&login).code, Some(0));
    assert!(fs::read_to_string(&kept).unwrap().contains(host));
    assert!(!fs::read_to_string(&ours).unwrap().contains(host));
    let pulled = run(&pull);
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    assert_eq!(run(&["registry", "logout", host]).code, Some(0));
    assert!(!kept.exists());
}

/// Whom to trust, and who we are.
#[test]
fn certificates_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let work = folder.path().join("work");
    charts(&work);
    let (ca, cert, key) = (
        certificates.path("ca.pem"),
        certificates.path("client.pem"),
        certificates.path("client.key"),
    );
    let none: &[&str] = &[];
    let trusting = ["--ca-file", &ca];
    let careless = ["--insecure-skip-tls-verify"];
    let known = ["--ca-file", &ca, "--cert-file", &cert, "--key-file", &key];
    for (way, flags, is_let_in) in [
        (Way::Tls, none, false),
        (Way::Tls, &trusting, true),
        (Way::Tls, &careless, true),
        (Way::Tls, &["--plain-http"], false),
        (Way::Tls, &["--ca-file", "a-1.0.0.tgz"], false),
        (Way::Certificate, &trusting, false),
        (Way::Certificate, &known, true),
    ] {
        let name = format!("{way:?}-{}", flags.len());
        let registry = Registry::start(&folder.path().join(name), way, &certificates);
        let place = format!("oci://{}/x", registry.address);
        let chart = format!("{place}/a");
        for arguments in [
            &["push", "a-1.0.0.tgz", &place][..],
            &["push", "a-1.2.0.tgz", &place],
            &["pull", &chart, "-d", "d"],
            &["template", &chart],
        ] {
            for run in [helm as Run, mcpt] {
                let output = run(&[arguments, flags].concat(), &work);
                assert_eq!(
                    output.status.success(),
                    is_let_in,
                    "{way:?} {flags:?}: {output:?}"
                );
            }
        }
    }
}

/// A registry without TLS is named as such where TLS is wanted, and nothing falls back to HTTP.
#[test]
fn a_registry_without_tls_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let registry = Registry::start(&folder.path().join("registry"), Way::Login, &certificates);
    let chart = format!("oci://{}/x/a", registry.address);
    let output = mcpt(&["pull", &chart, "--version", "1.0.0"], folder.path());
    let said = said(&output);
    assert_eq!(said.code, Some(1));
    assert!(
        said.error.ends_with("the server does not speak TLS"),
        "{said:?}"
    );
}

/// An entry of a registry of servers takes its chart from a registry of charts: the newest that fits, or exactly that one.
#[test]
fn a_servers_chart_comes_from_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let registry = Registry::start(&folder.path().join("registry"), Way::Tls, &certificates);
    let work = folder.path().join("work");
    charts(&work);
    let place = format!("oci://{}/charts", registry.address);
    let ca = certificates.path("ca.pem");
    for archive in ARCHIVES {
        let pushed = helm(&["push", archive, &place, "--ca-file", &ca], &work);
        assert!(pushed.status.success(), "{pushed:?}");
    }
    let checked = |chart: &str, version: &str| {
        let entry = serde_json::json!({
            "a": {"type": "k8s", "image": "r:t", "chart": chart, "version": version}
        });
        let file = work.join("servers.json");
        write(&file, &entry.to_string());
        let mcpt = Mcpt::default();
        let mut command = mcpt.command(&["registry", "validate", file.to_str().unwrap()]);
        // The system's certificates are where this says.
        let output = command.env("SSL_CERT_FILE", &ca).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let chart = format!("{place}/a");
    for (chart, version) in [(chart.clone(), "~1.2"), (format!("{chart}:1.0.0"), "1.x")] {
        assert_eq!(
            checked(&chart, version).0,
            Some(0),
            "{:?}",
            checked(&chart, version)
        );
    }
    for (chart, version, reason) in [
        (chart.clone(), "^9", "could not locate a version matching"),
        (format!("{chart}:1.0.0"), "^2", "has version 1.0.0, not ^2"),
        (format!("{place}/none"), "1.0.0", "not found"),
        (format!("{place}/Upper"), "1.0.0", "invalid repository"),
    ] {
        let (code, said) = checked(&chart, version);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(reason), "{said}");
    }
}
