//! `--post-renderer` beside helm 4, whose plugins it takes, and beside helm 3, whose programs.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Output};

use mcpt_tests::beside_helm::{helm, helm3, mcpt, write};

/// In the form in which YAML is printed anew.
fn map(name: &str, annotations: &str) -> String {
    format!(
        "apiVersion: v1\ndata:\n  text: old\nkind: ConfigMap\nmetadata:\n{annotations}  name: {name}\n"
    )
}

fn chart(folder: &Path) {
    let put = |path: &str, text: &str| write(&folder.join("t").join(path), text);
    put("Chart.yaml", "apiVersion: v2\nname: t\nversion: 0.1.0\n");
    put("crds/c.yaml", "kind: C\ntext: old\n");
    put("templates/_helpers.tpl", "old\n");
    put(
        "templates/two.yaml",
        &format!("{}---\n{}", map("a", ""), map("b", "")),
    );
    let hook = "  annotations:\n    helm.sh/hook: pre-install\n";
    put("templates/hook.yaml", &map("hook", hook));
    put("templates/NOTES.txt", "old notes\n");
}

fn script(path: &Path, lines: &str) {
    write(path, &format!("#!/bin/sh\n{lines}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn plugin(folder: &Path, name: &str, runtime: &str, lines: &str) {
    let plugins = folder.join("home/.local/share/helm/plugins").join(name);
    let command = "platformCommand:\n  - {os: linux, command: \"$HELM_PLUGIN_DIR/run.sh first\", args: [\"$HELM_PLUGIN_NAME\"]}";
    write(
        &plugins.join("plugin.yaml"),
        &format!(
            "apiVersion: v1\nname: {name}\nversion: 0.1.0\ntype: postrenderer/v1\nruntime: {runtime}\n\
             runtimeConfig:\n  {command}\n"
        ),
    );
    script(&plugins.join("run.sh"), lines);
}

fn error(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let after = |text: &str, word: &str| text.split_once(word).map(|(_, error)| error.to_owned());
    let error = after(&text, "Error: ").or_else(|| after(&text, "error: "));
    error.unwrap_or(text)
}

#[test]
fn plugins_do_what_they_do_in_helm_4() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    chart(folder);
    let edit = "sed \"s/old/$1-$2-$3-$4/\"; printf -- '---\\nkind: New\\nmetadata: {}\\n'";
    plugin(folder, "edit", "subprocess", edit);
    plugin(folder, "other", "subprocess", "cat");
    plugin(folder, "fails", "subprocess", "cat >/dev/null; exit 3");
    plugin(folder, "silent", "subprocess", "cat >/dev/null");
    plugin(
        folder,
        "early",
        "subprocess",
        "echo 'kind: Early'; echo 'metadata: {}'",
    );
    for arguments in [
        "template t --post-renderer edit",
        "template t --post-renderer edit --post-renderer-args x --post-renderer-args --y",
        "template t --post-renderer-args x --post-renderer edit --include-crds",
        "template t --post-renderer other --no-hooks",
        "template t --post-renderer early",
        "template t --post-renderer=",
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let (ours, theirs) = (mcpt(&arguments, folder), helm(&arguments, folder));
        assert!(theirs.status.success(), "{arguments:?}: {theirs:?}");
        let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text(&ours), text(&theirs), "{arguments:?}: {ours:?}");
    }
    for arguments in [
        "template t --post-renderer fails",
        "template t --post-renderer silent",
        "template t --post-renderer none",
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let (ours, theirs) = (mcpt(&arguments, folder), helm(&arguments, folder));
        assert_eq!(ours.status.code(), theirs.status.code(), "{arguments:?}");
        let (ours, theirs) = (error(&ours), error(&theirs));
        let theirs = theirs.lines().next().unwrap_or_default();
        assert!(
            ours.starts_with(theirs),
            "{arguments:?}: {ours} instead of {theirs}"
        );
    }
}

#[test]
fn programs_do_what_they_do_in_helm_3() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    chart(folder);
    script(&folder.join("edit.sh"), "sed \"s/old/$1/\"; echo '# last'");
    script(
        &folder.join("fails.sh"),
        "cat >/dev/null; echo no >&2; exit 3",
    );
    for arguments in [
        "template t --post-renderer ./edit.sh",
        "template t --post-renderer ./edit.sh --post-renderer-args new --include-crds",
        "template t --post-renderer /bin/cat --no-hooks",
        "template t --post-renderer ./fails.sh",
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let (ours, theirs) = (mcpt(&arguments, folder), helm3(&arguments, folder));
        // Helm 3 leaves out what is empty at the end of a document, helm 4 does not.
        let text = |output: &Output| {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let lines = text.lines().filter(|line| !line.is_empty());
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            text(&ours),
            text(&theirs),
            "{arguments:?}: {ours:?} {theirs:?}"
        );
        assert_eq!(ours.status.code(), theirs.status.code(), "{arguments:?}");
        if !theirs.status.success() {
            let theirs = error(&theirs);
            let advice = theirs.find("\n\nUse --debug").unwrap_or(theirs.len());
            assert_eq!(error(&ours).trim(), &theirs[..advice], "{arguments:?}");
        }
    }
}
