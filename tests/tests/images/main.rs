//! `mcpt image save` and `push` with a real registry: what is made, who is let in, and that deploys use what was pushed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../helm_registries/registry.rs"]
mod registry;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mcpt_tests::Mcpt;
use registry::{Certificates, Registry, Way};
use serde_json::Value;
use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// As much of a static program as is looked at: its headers, and something that can be compressed.
fn program(folder: &Path) -> String {
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    // For x86-64, with one header, which says where to load it.
    bytes[18] = 62;
    (bytes[32], bytes[54], bytes[56]) = (64, 56, 1);
    bytes.extend([1, 0, 0, 0]);
    bytes.extend([0; 52]);
    bytes.extend(b"the program ".repeat(1000));
    let path = folder.join("static-mcpt");
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A user with logins of their own, and a registry of this sort.
fn with_registry(way: Way) -> (TempDir, Mcpt, Registry, Certificates) {
    let folder = TempDir::with_prefix("mcpt-images-").unwrap();
    let certificates = Certificates::make(folder.path());
    let registry = Registry::start(&folder.path().join("registry"), way, &certificates);
    let docker = folder.path().join("docker");
    fs::create_dir(&docker).unwrap();
    let mcpt = Mcpt::default()
        .env("DOCKER_CONFIG", docker.to_str().unwrap())
        .env(
            "HELM_REGISTRY_CONFIG",
            docker.join("helm.json").to_str().unwrap(),
        );
    (folder, mcpt, registry, certificates)
}

/// `docker login` of the user `u`, who has the password `w`.
fn log_in(folder: &Path, host: &str) {
    let text = format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"dTp3\"}}}}}}");
    fs::write(folder.join("docker/config.json"), text).unwrap();
}

fn parts(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(fs::File::open(archive).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        (entry.path().unwrap().display().to_string(), contents)
    });
    entries.collect()
}

#[test]
fn an_archive_is_the_same_to_the_byte_and_has_the_binary_alone() {
    let folder = TempDir::with_prefix("mcpt-images-").unwrap();
    let binary = program(folder.path());
    let mcpt = Mcpt::default();
    let file = |name: &str| folder.path().join(name);
    let save = |name: &str, more: &[&str]| {
        let path = file(name);
        let arguments = [
            &["image", "save", path.to_str().unwrap(), "--binary", &binary],
            more,
        ];
        mcpt.run(&[&arguments.concat()[..], &["-o", "json"]].concat())
            .ok()
            .json()
    };
    let (one, two) = (save("one.tar", &[]), save("two.tar", &[]));
    assert_eq!(one, two);
    assert_eq!(
        fs::read(file("one.tar")).unwrap(),
        fs::read(file("two.tar")).unwrap()
    );
    assert_eq!(one["name"], format!("localhost/mcpt:{VERSION}"));
    let named = save("named.tar", &["--name", "r.example/team/mcpt:7"]);
    assert_eq!(named["name"], "r.example/team/mcpt:7");
    assert_eq!(
        named["digest"], one["digest"],
        "a name changes nothing in the image"
    );

    let parts = parts(&file("one.tar"));
    let part = |name: &str| -> Value {
        let found = parts.iter().find(|(known, _)| known == name);
        serde_json::from_slice(&found.unwrap().1).unwrap()
    };
    let manifest = &part("index.json")["manifests"][0];
    assert_eq!(manifest["digest"], one["digest"]);
    let manifest = part(&format!(
        "blobs/{}",
        manifest["digest"].as_str().unwrap().replace(':', "/")
    ));
    let config = manifest["config"]["digest"]
        .as_str()
        .unwrap()
        .replace(':', "/");
    let config = part(&format!("blobs/{config}"));
    assert_eq!(config["architecture"], "amd64");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/mcpt"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(part("manifest.json")[0]["RepoTags"][0], one["name"]);
    // No part is left of what was being written.
    assert!(!fs::read_dir(folder.path()).unwrap().any(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("partial")
    }));
}

#[test]
fn what_cannot_be_in_an_image_is_refused() {
    let mcpt = Mcpt::default();
    let dynamic = std::env::current_exe().unwrap();
    let dynamic = dynamic.to_str().unwrap();
    let file = mcpt.home().join("image.tar");
    let file = file.to_str().unwrap();
    let save = |binary: &str| mcpt.run(&["image", "save", file, "--binary", binary]);
    let refused = save(dynamic).exits(1);
    drop(refused.says(&["no static program for Linux", "crt-static", dynamic]));
    drop(
        save("/nonexistent")
            .exits(1)
            .says(&["cannot read /nonexistent"]),
    );
    assert!(!Path::new(file).exists());
    for (image, why) in [
        ("team/mcpt", "names no registry"),
        ("r.example/A", "is not the name of an image"),
        (
            &*format!("r.example/a@sha256:{}", "0".repeat(64)),
            "a digest cannot be chosen",
        ),
    ] {
        drop(mcpt.run(&["image", "push", image]).exits(2).says(&[why]));
    }
}

#[test]
fn what_was_pushed_is_what_deploys_use() {
    let (folder, mcpt, registry, _) = with_registry(Way::Login);
    let binary = program(folder.path());
    let host = &registry.address;
    let image = format!("{host}/team/mcpt");
    let config = mcpt.home().join("config/mcpt/config.yaml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "# mine\nnamespace: tools\n").unwrap();
    let push = ["image", "push", &image, "--binary", &binary];

    drop(
        mcpt.run(&push[..3])
            .exits(1)
            .says(&["cannot make mcpt's image"]),
    );
    let unknown = mcpt.run(&push).exits(1);
    drop(unknown.says(&[
        "basic credential not found",
        &format!("docker login {host}"),
    ]));
    assert!(!fs::read_to_string(&config).unwrap().contains("image"));

    log_in(folder.path(), host);
    let pushed = mcpt.run(&push).ok().says(&["layer 1 of 1"]);
    let name = format!("{image}:{VERSION}");
    let (said, rest) = pushed.stdout.split_once('\n').unwrap();
    assert_eq!(said, name);
    let digest = rest.split(',').next().unwrap();
    assert!(rest.contains("config.yaml says so"), "{rest}");
    let again = mcpt.run(&push).ok();
    assert_eq!(again.stdout, pushed.stdout);
    assert!(!again.stderr.contains("layer"), "{}", again.stderr);
    let reference = format!("{name}@{digest}");
    assert_eq!(
        fs::read_to_string(&config).unwrap(),
        format!("# mine\nnamespace: tools\nimage: {reference}\n")
    );

    let images = |arguments: &[&str]| -> Vec<String> {
        let manifest = mcpt
            .run(&[&["-b", "kubernetes"], arguments, &["--dry-run"]].concat())
            .ok();
        let lines = manifest.stdout.lines();
        let found =
            lines.filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("image: "));
        found
            .map(|image| image.trim_matches('"').to_owned())
            .collect()
    };
    assert_eq!(
        images(&["deploy", "demo"]),
        [reference.as_str(), &reference]
    );
    assert_eq!(
        images(&["gateway", "install", "--open"]),
        [reference.as_str()]
    );
    let other = [
        "deploy",
        "demo",
        "--set",
        "mcpt.image.repository=r.example/other",
    ];
    assert_eq!(
        images(&other),
        [&*format!("r.example/other:{VERSION}"), &reference]
    );
    let server = ["deploy", "demo", "--image", "r.example/demo:1"];
    assert_eq!(images(&server), [reference.as_str(), "r.example/demo:1"]);

    let tagged = format!("{image}:nightly");
    let push = [
        "image",
        "push",
        &tagged,
        "--plain-http",
        "--no-remember",
        "--binary",
        &binary,
    ];
    drop(mcpt.run(&push).ok());
    assert!(fs::read_to_string(&config).unwrap().contains(&reference));
}

#[test]
fn certificates_and_helpers_for_logins_are_taken() {
    let (folder, mcpt, registry, certificates) = with_registry(Way::Tls);
    let binary = program(folder.path());
    let image = format!("{}/mcpt", registry.address);
    let push = ["image", "push", &image, "--binary", &binary];
    drop(mcpt.run(&push).exits(1).says(&["certificate"]));
    let authority = certificates.path("ca.pem");
    let trusted = [&push[..], &["--ca-file", &authority]].concat();
    drop(mcpt.run(&trusted).ok());

    let (folder, mcpt, registry, _) = with_registry(Way::Login);
    let helper = folder.path().join("bin/docker-credential-test");
    fs::create_dir(helper.parent().unwrap()).unwrap();
    fs::write(
        &helper,
        "#!/bin/sh\nread host\necho \"{\\\"ServerURL\\\":\\\"$host\\\",\\\"Username\\\":\\\"u\\\",\\\"Secret\\\":\\\"w\\\"}\"\n",
    )
    .unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let config = "{\"credsStore\": \"test\"}";
    fs::write(folder.path().join("docker/config.json"), config).unwrap();
    let path = std::env::var("PATH").unwrap();
    let bin = helper.parent().unwrap().display().to_string();
    let mcpt = mcpt.env("PATH", format!("{bin}:{path}"));
    let image = format!("{}/mcpt", registry.address);
    let push = ["image", "push", &image, "--binary", &binary];
    drop(mcpt.run(&push).ok());
}

#[test]
fn secrets_to_pull_with_come_from_the_option_or_the_configuration() {
    let mcpt = Mcpt::default();
    let config = mcpt.home().join("config/mcpt/config.yaml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "image-pull-secrets: [ours]\n").unwrap();
    let secrets = |arguments: &[&str]| -> String {
        let all = [&["-b", "kubernetes"], arguments, &["--dry-run"]].concat();
        let manifest = mcpt.run(&all).ok().stdout;
        let (_, after) = manifest.split_once("imagePullSecrets:\n").unwrap();
        let names = after
            .lines()
            .map_while(|line| line.trim().strip_prefix("- name: "));
        names.collect::<Vec<_>>().join(",")
    };
    assert_eq!(secrets(&["deploy", "demo"]), "ours");
    assert_eq!(secrets(&["gateway", "install", "--open"]), "ours");
    let named = [
        "deploy",
        "demo",
        "--image-pull-secret",
        "a",
        "--image-pull-secret",
        "b",
    ];
    assert_eq!(secrets(&named), "a,b");
    let local = mcpt.run(&["deploy", "demo", "--image-pull-secret", "a"]);
    drop(
        local
            .exits(2)
            .says(&["--image-pull-secret cannot be used here"]),
    );
}
