//! One folder for the containers of several kinds of machines, as a claim of a cluster with nodes of several is.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use mcpt_tests::Mcpt;

use crate::{index::Index, machine::Machine};

/// A folder of programs in which Node.js says that it is another one.
fn another_node(mcpt: &Mcpt) -> PathBuf {
    let path = env::var_os("PATH").expect("PATH");
    let node = env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|node| node.is_file())
        .expect("node");
    let folder = mcpt.home().join("other");
    fs::create_dir(&folder).expect("a folder");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = -p ] && echo v24.0.1 137 linux arm64 || exec {} \"$@\"\n",
        node.display()
    );
    let program = mcpt.file("other/node", &script);
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("a program");
    folder
}

/// The lock that pods of a cluster would get.
fn lock(mcpt: &Mcpt) -> String {
    let rendered = mcpt.json(&[
        "--backend",
        "kubernetes",
        "deploy",
        "npm:mcpt-test-server@1.0.0",
        "--dry-run",
    ]);
    let text = rendered.to_string();
    let objects = rendered.as_array().expect("a list");
    let mut locks = objects
        .iter()
        .filter_map(|object| object["data"]["package.json"].as_str());
    locks
        .next()
        .unwrap_or_else(|| panic!("no lock in {text}"))
        .to_owned()
}

#[test]
fn machines_of_two_kinds_share_a_folder_and_not_a_tree() {
    let index = Index::start(&[]);
    let machine = Machine::new();
    index.tell(&machine, "", "");
    let lock = machine.mcpt.file("lock.json", &lock(&machine.mcpt));
    let home = machine.mcpt.home().to_owned();
    let volume = |name: &str| {
        let folder = home.join(name);
        fs::create_dir(&folder).expect("a folder");
        folder
    };
    let (shared, first, second, third) = (volume("shared"), volume("1"), volume("2"), volume("3"));
    let settings = home.join("user");
    let install = |machine: &Machine, volume: &Path| {
        let [volume, settings, shared] =
            [volume, &settings, &shared].map(|path| path.to_str().expect("UTF-8"));
        let words = [
            "install-package",
            &lock,
            volume,
            settings,
            "--shared",
            shared,
        ];
        machine.mcpt.run(&words).ok()
    };
    let _ = install(&machine, &first).says(&["installing npm:mcpt-test-server@1.0.0"]);
    let program = "tree/node_modules/.bin/mcpt-test-server";
    let made = |volume: &Path| {
        fs::metadata(volume.join(program))
            .expect("the program")
            .ino()
    };
    let before = made(&first);

    let other = another_node(&machine.mcpt);
    let path = env::var("PATH").expect("PATH");
    let machine = machine.env("PATH", format!("{}:{path}", other.display()));
    let _ = install(&machine, &second).says(&["installing npm:mcpt-test-server@1.0.0"]);
    assert_ne!(made(&second), before);
    assert_eq!(made(&first), before);
    // The next of the same kind finds it, without a registry.
    drop(index);
    let found = install(&machine, &third);
    assert!(!found.stderr.contains("installing"), "{}", found.stderr);
    assert_eq!(made(&third), made(&second));
    assert_eq!(fs::read_dir(&shared).expect("the folder").count(), 2);
    for volume in [&first, &second, &third] {
        let asked = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let answer = Command::new("sh")
            .args([
                "-c",
                &format!("echo '{asked}' | {}", volume.join(program).display()),
            ])
            .output()
            .expect("the server");
        let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert!(answer.contains("v1_0_0"), "{answer}");
        assert_eq!(fs::read_dir(volume).expect("the volume").count(), 1);
    }
}
