//! `mcpt image build`: packages of a registry and an index of the test's own become images, without an engine.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

#[path = "../packages/index.rs"]
mod index;
#[path = "../packages/machine.rs"]
#[expect(dead_code, reason = "the registries are not lost here")]
mod machine;
#[path = "../helm_registries/registry.rs"]
#[expect(dead_code, reason = "the suite of charts has it speak TLS, too")]
mod registry;
mod signals;

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use index::Index;
use machine::Machine;
use mcpt_tests::Mcpt;
use registry::{Certificates, Registry, Way};
use serde_json::{Value, json};

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, contents) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, *contents).unwrap();
    }
    tar.into_inner().unwrap()
}

/// An image as `docker save` wrote it before it had an OCI layout, with one file.
fn base(folder: &Path, name: &str, program: &str, architecture: &str) -> String {
    let layer = tar(&[(program, b"#!/bin/false\n")]);
    let config = json!({
        "os": "linux", "architecture": architecture,
        "config": {"Env": ["PATH=/usr/bin", "NODE_VERSION=24.1.0"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", "0a".repeat(32))]},
    })
    .to_string();
    let manifest =
        json!([{"Config": "1.json", "RepoTags": ["r.example/base:1"], "Layers": ["1/layer.tar"]}]);
    let archive = tar(&[
        ("1/layer.tar", &layer),
        ("1.json", config.as_bytes()),
        ("manifest.json", manifest.to_string().as_bytes()),
    ]);
    let path = folder.join(name);
    fs::write(&path, archive).unwrap();
    path.to_str().unwrap().to_owned()
}

/// All files of a tar, links by where they lead.
fn files(data: impl Read) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(data);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        if let Some(target) = entry.link_name().unwrap() {
            contents = target.to_str().unwrap().as_bytes().to_vec();
        }
        (entry.path().unwrap().display().to_string(), contents)
    });
    entries.collect()
}

/// What an archive has: its image's settings, and the files of the uppermost layer.
fn image(archive: &Path) -> (Value, BTreeMap<String, Vec<u8>>) {
    let parts = files(fs::File::open(archive).unwrap());
    let docker: Value = serde_json::from_slice(&parts["manifest.json"]).unwrap();
    let part = |value: &Value| parts[value.as_str().unwrap()].clone();
    let config = serde_json::from_slice(&part(&docker[0]["Config"])).unwrap();
    let layers = docker[0]["Layers"].as_array().unwrap();
    let layer = part(layers.last().unwrap());
    (config, files(flate2::read::GzDecoder::new(&layer[..])))
}

/// A machine with the index, and a Python for what the index has.
fn machine(index: &Index) -> Machine {
    let machine = Machine::with(Mcpt::default());
    index.tell(&machine, "", "");
    machine
}

fn folder() -> tempfile::TempDir {
    tempfile::TempDir::with_prefix("mcpt-package-images-").unwrap()
}

fn path(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

const BARE: &str = "--without-bridge";

#[test]
fn one_lock_makes_one_image_and_a_changed_byte_makes_none() {
    let index = Index::start(&[]);
    let folder = folder();
    let base = base(folder.path(), "base.tar", "usr/bin/node", host());
    let lock = path(&folder, "lock");
    let lock = lock.to_str().unwrap();
    let build = |source: &str, name: &str, more: &[&str]| {
        // A machine of its own: nothing of the other's caches.
        let machine = machine(&index);
        let file = path(&folder, name);
        let command = ["image", "build", source, "--base", &base, "--save"];
        let command = [
            &command[..],
            &[file.to_str().unwrap(), "-o", "json", BARE],
            more,
        ]
        .concat();
        (machine.mcpt.run(&command), file)
    };
    let source = "npm:mcpt-test-server@1.0.0";
    let (one, first) = build(source, "one.tar", &["--write-lock", lock, "--", "--flag"]);
    let one = one.ok().json();
    let (two, second) = build(lock, "two.tar", &["--", "--flag"]);
    assert_eq!(one, two.ok().json());
    assert_eq!(fs::read(&first).unwrap(), fs::read(second).unwrap());
    assert_eq!(one["name"], "localhost/mcpt-test-server:1.0.0");
    assert_eq!(one["package"], source);

    let (config, tree) = image(&first);
    let run = &config["config"];
    let script = "/mcpt-package/tree/node_modules/mcpt-test-server/server.js";
    assert_eq!(run["Entrypoint"], json!(["/usr/bin/node", script]));
    assert_eq!(run["Cmd"], json!(["--flag"]));
    assert_eq!(run["User"], "65532:65532");
    assert_eq!(run["Labels"]["mcpt.io/lock"], one["lock"]);
    assert_eq!(
        run["Labels"]["org.opencontainers.image.base.name"],
        "r.example/base:1"
    );
    assert!(
        tree.contains_key(&script[1..]) && tree.contains_key("tmp/"),
        "{tree:?}"
    );
    assert!(!tree.contains_key("mcpt-package/tree/node_modules/.package-lock.json"));

    // The same version, of which the registry sends other bytes than it says.
    let (changed, file) = build("npm:mcpt-test-changed", "changed.tar", &[]);
    drop(changed.exits(1).says(&["not what was locked"]));
    assert!(!file.exists());
}

#[test]
fn an_image_of_python_runs_the_base_s_own() {
    let index = Index::start(&[]);
    let folder = folder();
    let base = base(folder.path(), "base.tar", "usr/bin/python3.11", host());
    let build = |name: &str| {
        let machine = machine(&index);
        let file = path(&folder, name);
        let command = [
            "image",
            "build",
            "pypi:mcpt-test-server==1.0",
            "--base",
            &base,
        ];
        let more = ["--save", file.to_str().unwrap(), "-o", "json", BARE];
        let told = machine
            .mcpt
            .run(&[&command[..], &more].concat())
            .ok()
            .json();
        (told, file)
    };
    let (one, first) = build("one.tar");
    let (two, second) = build("two.tar");
    assert_eq!(one, two);
    assert_eq!(fs::read(&first).unwrap(), fs::read(second).unwrap());
    let (config, tree) = image(&first);
    let program = "/mcpt-package/tree/venv/bin/mcpt-test-server";
    assert_eq!(config["config"]["Entrypoint"], json!([program]));
    let text = |path: &str| String::from_utf8(tree[path].clone()).unwrap();
    assert_eq!(
        text("mcpt-package/tree/venv/bin/python"),
        "/usr/bin/python3.11"
    );
    let script = text(&program[1..]);
    assert!(
        script.starts_with("#!/mcpt-package/tree/venv/bin/python\n"),
        "{script}"
    );
    let module = "mcpt-package/tree/venv/lib/python3.11/site-packages/";
    assert!(tree.keys().any(|path| path.starts_with(module)), "{tree:?}");
    assert!(text("mcpt-package/tree/venv/pyvenv.cfg").contains("home = /usr/bin\n"));
}

#[test]
fn what_cannot_be_built_says_why() {
    let index = Index::start(&[]);
    let folder = folder();
    let machine = machine(&index);
    let mcpt = &machine.mcpt;
    let node = base(folder.path(), "node.tar", "usr/bin/node", host());
    let other = base(folder.path(), "other.tar", "usr/bin/ruby", host());
    let foreign = base(folder.path(), "foreign.tar", "usr/bin/node", "riscv64");
    let broken = path(&folder, "broken.tar");
    fs::write(&broken, tar(&[("manifest.json", b"[[]]")])).unwrap();
    let broken = broken.to_str().unwrap();
    let endless = path(&folder, "endless.tar");
    fs::write(&endless, endless_name()).unwrap();
    let packed = path(&folder, "packed.tar");
    fs::write(&packed, [0x1f, 0x8b, 8, 0]).unwrap();
    let save = path(&folder, "x.tar");
    let save = save.to_str().unwrap();
    let npm = "npm:mcpt-test-server";
    for (source, base, code, why) in [
        (npm, &*other, 1, "has no Node.js"),
        ("pypi:mcpt-test-server", &node, 1, "has no Python"),
        (npm, &foreign, 1, "its architecture is riscv64"),
        (npm, broken, 1, "has no "),
        (npm, packed.to_str().unwrap(), 1, "gunzip"),
        (npm, endless.to_str().unwrap(), 1, "more than 4097 bytes"),
        (npm, "./none.tar", 1, "none.tar"),
        (npm, "127.0.0.1:9/none", 1, "docker save"),
        (npm, "No Image", 2, "is not the name of an image"),
        ("https://example.com/mcp", &node, 2, "neither a package"),
        (&*node, &node, 2, "is no lock"),
    ] {
        let command = [
            "image", "build", source, "--base", base, "--save", save, BARE,
        ];
        drop(mcpt.run(&command).exits(code).says(&[why]));
    }
    let command = ["image", "build", npm, "--base", &node];
    drop(mcpt.run(&command).exits(2).says(&["--push", "--save"]));
    for (arguments, why) in [
        (
            &["npm:mcpt-test-server", "--build", "r.example/x"][..],
            "--build cannot be used here",
        ),
        (
            &["-b", "docker", "npm:x", "--base", "node"],
            "is for the image that --build makes",
        ),
        (
            &["-b", "docker", "demo", "--build", "r.example/x"],
            "is no package of npm or PyPI",
        ),
        (&["oci:r.example/x"], "oci:"),
    ] {
        let mut command = vec!["deploy"];
        command.extend(arguments);
        drop(mcpt.run(&command).exits(2).says(&[why]));
    }
}

#[test]
fn a_deploy_runs_the_image_that_it_made_and_pushed() {
    let index = Index::start(&[]);
    let folder = folder();
    let certificates = Certificates::make(folder.path());
    let registry = Registry::start(&folder.path().join("registry"), Way::Login, &certificates);
    let host_and_port = &registry.address;
    // The user u with the password w.
    let login = format!("{{\"auths\": {{\"{host_and_port}\": {{\"auth\": \"dTp3\"}}}}}}");
    fs::write(path(&folder, "config.json"), login).unwrap();
    let machine = machine(&index).env("DOCKER_CONFIG", folder.path().to_str().unwrap());
    let mcpt = &machine.mcpt;
    let base = base(folder.path(), "base.tar", "usr/bin/node", host());
    let image = format!("{host_and_port}/team/server");
    let source = "npm:mcpt-test-server@1.0.0";
    let build = [
        "image", "build", source, "--base", &base, "--push", &image, BARE,
    ];
    let made = mcpt
        .run(&[&build[..], &["-o", "json"]].concat())
        .ok()
        .json();
    assert_eq!(made["name"], format!("{image}:1.0.0"));
    let again = mcpt.run(&build).ok();
    assert!(!again.stderr.contains("layer"), "{}", again.stderr);

    let deploy = [
        "-b",
        "kubernetes",
        "deploy",
        source,
        "--base",
        &base,
        "--build",
        &image,
        "--dry-run",
        "--",
        "--api-key",
        "s3cr3t-of-an-argument",
    ];
    let manifest = mcpt.run(&deploy).ok().stdout;
    assert!(!manifest.contains("s3cr3t"), "{manifest}");
    for word in ["fill", "$$(MCPT_ARGUMENT_API_KEY)", "/mcpt-bin/mcpt"] {
        assert!(manifest.contains(word), "{word}: {manifest}");
    }
    let digest = made["digest"].as_str().unwrap();
    assert!(
        manifest.contains(&format!("{image}@{digest}")),
        "{manifest}"
    );
    assert!(!manifest.contains("install-package"), "{manifest}");
    assert!(
        manifest.contains("node_modules/mcpt-test-server/server.js"),
        "{manifest}"
    );

    // By its name alone: what it starts is asked of its registry.
    let named = [
        "-b",
        "kubernetes",
        "deploy",
        &format!("oci:{image}:1.0.0"),
        "--dry-run",
    ];
    let manifest = mcpt.run(&named).ok().stdout;
    assert!(
        manifest.contains("node_modules/mcpt-test-server/server.js"),
        "{manifest}"
    );
    let pasted = [
        "-b",
        "kubernetes",
        "deploy",
        "--dry-run",
        "--",
        "docker",
        "run",
        "-i",
        "--rm",
    ];
    let pasted = [
        &pasted[..],
        &["--entrypoint", "/own", "-e", "A=b", &image, "word"],
    ]
    .concat();
    let manifest = mcpt.run(&pasted).ok().stdout;
    assert!(
        manifest.contains("/own") && manifest.contains("word"),
        "{manifest}"
    );
}

/// An archive with a name of 8 GB, of which only the beginning is there.
fn endless_name() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(8_000_000_000);
    header.set_cksum();
    let mut archive = header.as_bytes().to_vec();
    archive.extend(vec![b'x'; 1 << 20]);
    archive
}

/// This machine's processor, as images call it.
fn host() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        _ => "arm64",
    }
}
