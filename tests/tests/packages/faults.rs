//! What can go wrong with packages and their registries, each provoked for real, and named with what to do.

use std::{fs, path::Path, process::Command};

use mcpt_tests::Mcpt;

use crate::{index::Index, machine::Machine, tools};

const USER: &str = "builder";
const PASSWORD: &str = "s3cr3t-of-the-index";

#[test]
fn every_fault_is_named() {
    let index = Index::start(&[]);
    let machine = Machine::new();
    index.tell(&machine, "", "");
    for (source, code, texts) in [
        (
            "npm:mcpt-test-none",
            3,
            &["there is no package mcpt-test-none", ".npmrc"][..],
        ),
        (
            "npm:mcpt-test-server@1.0.7",
            3,
            &["there is no such version", "1.0.0, 1.1.0 (the latest)"],
        ),
        (
            "npm:mcpt-test-node",
            1,
            &["needs Node.js >=99", "name an earlier version"],
        ),
        (
            "npm:mcpt-test-platform",
            1,
            &["nothing of it for this platform", "aix"],
        ),
        (
            "npm:mcpt-test-changed",
            1,
            &["not what was locked", "sha512"],
        ),
        (
            "npm:mcpt-test-script",
            1,
            &["cannot be built here", "no compiler here"],
        ),
        (
            "npm:mcpt-test-several",
            2,
            &[
                "several programs",
                "one, two",
                "npx -y -p mcpt-test-several one",
            ],
        ),
        (
            "npm:mcpt-test-whole",
            2,
            &["mcpt-test-whole@1.0.0 has no program that could be run"],
        ),
        (
            "pypi:mcpt-test-library",
            2,
            &["mcpt-test-library==1.0 has no program that could be run"],
        ),
        (
            "pypi:mcpt-test-module",
            2,
            &[
                "as a module: mcpt_test_module",
                "uvx --from mcpt-test-module python -m mcpt_test_module",
            ],
        ),
        (
            "pypi:mcpt-test-none",
            3,
            &["there is no package mcpt-test-none", "UV_INDEX"],
        ),
        (
            "pypi:mcpt-test-server==1.0.5",
            3,
            &["there is no such version", "1.0, 1.1 (the newest)"],
        ),
        (
            "pypi:mcpt-test-platform",
            1,
            &["nothing of it for this platform", "no wheels"],
        ),
        (
            "pypi:mcpt-test-python",
            1,
            &[
                "no version of Python fits",
                "Python>=3.99",
                "uv python install",
            ],
        ),
        (
            "pypi:mcpt-test-changed",
            1,
            &["not what was locked", "Hash mismatch"],
        ),
    ] {
        let _ = machine
            .mcpt
            .run(&["deploy", source])
            .exits(code)
            .says(texts);
    }
    // Without its script the package is there, and runs.
    let _ = machine
        .mcpt
        .run(&["deploy", "npm:mcpt-test-script", "--no-install-scripts"])
        .ok();
    // Of the first two there are pre-releases alone; the third would like to have a package that was never published.
    for source in [
        "npm:mcpt-test-next",
        "pypi:mcpt-test-next",
        "npm:mcpt-test-optional",
    ] {
        let _ = machine.mcpt.run(&["deploy", source]).ok();
    }
    // What `npx` and `uvx` run of packages whose program is not called like them, or is that of another package.
    for pasted in [
        "npx -y mcpt-test-names",
        "npx -y -p mcpt-test-whole mcpt-test-server",
        "uvx mcpt-test-file",
        "uvx --from mcpt-test-module python -m mcpt_test_module",
        "uvx --from mcpt-test-whole mcpt-test-server",
    ] {
        let words: Vec<&str> = pasted.split(' ').collect();
        let deploy = ["deploy", "--name", "pasted", "--"];
        let _ = machine.mcpt.run(&[&deploy[..], &words].concat()).ok();
        assert_eq!(tools(&machine.mcpt, "pasted").len(), 1, "{pasted}");
    }
    let _ = machine
        .mcpt
        .run(&["deploy", "npm:mcpt-test-old"])
        .ok()
        .says(&["advise against it: use mcpt-test-server"]);
    let partial: Vec<_> = fs::read_dir(machine.mcpt.home().join("state/packages"))
        .expect("the installed packages")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().contains(".partial-"))
        .collect();
    assert!(partial.is_empty(), "{partial:?}");
}

#[test]
fn a_private_registry_wants_what_npm_and_uv_are_told() {
    let index = Index::start(&["--auth", &format!("{USER}:{PASSWORD}")]);
    let machine = Machine::new();
    let sources = ["npm:mcpt-test-server", "pypi:mcpt-test-server"];
    index.tell(&machine, "", "");
    for source in sources {
        let _ = machine.mcpt.run(&["deploy", source]).exits(1).says(&[
            "the registry refuses the credentials, or wants some",
            "401",
            "log in as for npm and uv",
        ]);
    }
    // `builder:s3cr3t-of-the-index`, as `npm config set` writes it.
    let auth = format!(
        "//{}/:_auth=YnVpbGRlcjpzM2NyM3Qtb2YtdGhlLWluZGV4",
        index.address
    );
    index.tell(&machine, &auth, &format!("{USER}:{PASSWORD}@"));
    for source in sources {
        let deployed = machine.mcpt.run(&["deploy", source]).ok();
        assert!(!deployed.stderr.contains(PASSWORD), "{}", deployed.stderr);
        assert_eq!(tools(&machine.mcpt, "mcpt-test-server").len(), 1);
    }
    // Neither the lock nor anything else that is kept knows of it.
    let state = machine.mcpt.home().join("state");
    let found = Command::new("grep")
        .args(["-rlE", &format!("{PASSWORD}|YnVpbGRlcjpz")])
        .arg(&state)
        .output()
        .expect("grep");
    assert!(
        found.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&found.stdout)
    );
}

#[test]
fn an_authority_of_ones_own_is_that_which_npm_and_uv_are_told_of() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let machine = Machine::new();
    let certificate = machine.mcpt.file("cert.pem", &made.cert.pem());
    let key = machine
        .mcpt
        .file("key.pem", &made.signing_key.serialize_pem());
    let index = Index::start(&["--tls", &certificate, &key]);
    index.tell(&machine, "", "");
    for (source, told) in [
        ("npm:mcpt-test-server", "NODE_EXTRA_CA_CERTS"),
        ("pypi:mcpt-test-server", "SSL_CERT_FILE"),
    ] {
        let _ = machine
            .mcpt
            .run(&["deploy", source])
            .exits(1)
            .says(&["the registry's certificate is not trusted", told]);
    }
    let machine = machine
        .env("NODE_EXTRA_CA_CERTS", certificate.clone())
        .env("SSL_CERT_FILE", certificate);
    for source in ["npm:mcpt-test-server", "pypi:mcpt-test-server"] {
        let _ = machine.mcpt.run(&["deploy", source]).ok();
    }
}

#[test]
fn an_update_says_what_it_replaces() {
    let index = Index::start(&[]);
    let machine = Machine::new();
    index.tell(&machine, "", "");
    for (old, new, before, after) in [
        (
            "npm:mcpt-test-server@1.0.0",
            "npm:mcpt-test-server",
            "v1_0_0",
            "v1_1_0",
        ),
        (
            "pypi:mcpt-test-server==1.0",
            "pypi:mcpt-test-server",
            "v1_0",
            "v1_1",
        ),
    ] {
        let _ = machine.mcpt.run(&["deploy", old]).ok();
        assert_eq!(tools(&machine.mcpt, "mcpt-test-server"), [before]);
        let outdated = ["-b", "process", "outdated"];
        let behind = machine.mcpt.json(&outdated);
        let newest = after.trim_start_matches('v').replace('_', ".");
        assert_eq!(behind[0]["newest"], newest.as_str(), "{behind}");
        assert_eq!(behind[0]["package"], new, "{behind}");
        let _ = machine
            .mcpt
            .run(&["deploy", new])
            .ok()
            .says(&[&format!("is to replace {old}")]);
        assert_eq!(tools(&machine.mcpt, "mcpt-test-server"), [after]);
        let _ = machine
            .mcpt
            .run(&["deploy", new])
            .ok()
            .says(&["already runs with this configuration"]);
        assert_eq!(machine.mcpt.json(&outdated), serde_json::json!([]));
    }
    // Two servers of one package are one question; what cannot be asked is told, beside what is known.
    for name in ["mcpt-test-server", "behind"] {
        let deploy = ["deploy", "npm:mcpt-test-server@1.0.0", "--name", name];
        let _ = machine.mcpt.run(&deploy).ok();
    }
    let names = machine
        .mcpt
        .run(&["-b", "process", "outdated", "-o", "name"]);
    assert_eq!(names.ok().stdout, "behind\nmcpt-test-server\n");
    let _ = machine
        .mcpt
        .run(&["-b", "process", "outdated", "behind", "nobody"])
        .exits(3)
        .says(&["there is no server nobody"]);
    machine.lose_the_registries();
    let _ = machine
        .mcpt
        .run(&["-b", "process", "outdated"])
        .exits(4)
        .says(&[
            "cannot look up npm:mcpt-test-server",
            "the registry cannot be reached",
        ]);
}

/// The trees of a store, and whether each is whole.
fn trees(state: &Path) -> Vec<(String, bool)> {
    let mut trees: Vec<_> = fs::read_dir(state.join("packages"))
        .expect("the installed packages")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .map(|path| {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name.clone(), !name.contains(".partial-"))
        })
        .collect();
    trees.sort();
    trees
}

#[test]
fn of_two_at_once_one_installs_and_a_killed_one_leaves_nothing_that_counts() {
    let index = Index::start(&[]);
    let machine = Machine::new();
    index.tell(&machine, "", "");
    let state = machine.mcpt.home().join("state");
    for source in ["npm:mcpt-test-server", "pypi:mcpt-test-server"] {
        machine.mcpt.kill_at(&["deploy", source], "installing");
        let both: Vec<_> = ["one", "two"]
            .map(|name| machine.mcpt.spawn(&["deploy", source, "--name", name]))
            .into_iter()
            .map(|child| child.wait_with_output().expect("a deploy"))
            .collect();
        for output in both {
            assert!(output.status.success(), "{output:?}");
        }
        for name in ["one", "two"] {
            assert_eq!(tools(&machine.mcpt, name).len(), 1);
        }
    }
    let found = trees(&state);
    assert!(
        found.len() == 2 && found.iter().all(|(_, whole)| *whole),
        "{found:?}"
    );
}

/// What none of the images can run is refused before anything is made, and without an engine.
#[test]
fn what_no_image_runs_is_refused() {
    let index = Index::start(&[]);
    let machine = Machine::with(Mcpt::new(&["--backend", "docker"])).env(
        "MCPT_RUNTIME_PYTHON",
        "registry.test/python:3.11, registry.test/python:3.9",
    );
    let nodes = "registry.test/node:20, registry.test/node:18";
    let machine = machine.env("MCPT_RUNTIME_NODE", nodes);
    index.tell(&machine, "", "");
    let _ = machine
        .mcpt
        .run(&["deploy", "pypi:mcpt-test-python", "--dry-run"])
        .exits(1)
        .says(&["no version of Python fits", "Python>=3.99", "--image"]);
    let _ = machine
        .mcpt
        .run(&[
            "deploy",
            "--dry-run",
            "--",
            "uvx",
            "-p",
            "3.12",
            "mcpt-test-server",
        ])
        .exits(1)
        .says(&["was resolved for Python 3.12", "registry.test/python:3.11"]);
    let _ = machine
        .mcpt
        .run(&["deploy", "npm:mcpt-test-node", "--dry-run"])
        .exits(1)
        .says(&["needs Node.js >=99", "registry.test/node:20"]);
}
