//! A script in the manner of public CI, with helm 4 and with `mcpt chart` in its place: the same output line by line, and the same
//! exit codes at each command.

use std::{fs, path::Path, process::Command};

use mcpt_tests::{Mcpt, TestNamespace, beside_helm::program};

use crate::charts::full;

/// Each command's exit code is printed after it. `helm` is a function of the shell.
const SCRIPT: &str = r#"
step() { "$@"; echo "== $1 $2: $?"; }
step helm dependency build full
step helm lint full --strict
step helm template ci full -f ci.yaml -s templates/objects.yaml
step helm package full --version 1.0.7 --app-version 7 -d dist
step helm show chart dist/full-1.0.7.tgz
step helm upgrade --install --atomic --wait --timeout 3m ci dist/full-1.0.7.tgz -f ci.yaml --set number=7
step helm test ci --timeout 3m
step helm get manifest ci
step helm get values ci -o json
step helm package full --version 1.0.8 -d dist
step helm upgrade --install --cleanup-on-fail --timeout 3m ci dist/full-1.0.8.tgz -f ci.yaml --set number=8
if ! helm upgrade ci dist/full-1.0.8.tgz --set broken=true 2>/dev/null; then echo refused; fi
step helm rollback ci 1 --wait --timeout 3m
helm history ci -o json | grep -oE '"(revision|status|chart)":[^,]*'
helm status ci -o json | grep -o '"status":"deployed"'
step helm uninstall ci --wait --timeout 3m
step helm list -q
step helm status ci
"#;

fn run(helm: &str, folder: &Path, namespace: &TestNamespace, path: &str) -> String {
    let script = format!("helm() {{ {helm} \"$@\"; }}\n{SCRIPT}");
    let output = Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(folder)
        .env("PATH", path)
        .env("HELM_NAMESPACE", namespace.name())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.replace(namespace.name(), "NAMESPACE");
    let text = text.replace(&folder.display().to_string(), "FOLDER");
    let lines = text.lines().map(|line| {
        let timed = ["LAST DEPLOYED: ", "Last Started: ", "Last Completed: "];
        let key = timed.iter().find(|key| line.starts_with(*key));
        key.map_or(line, |key| *key)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_script_of_ci_does_the_same() {
    let group = format!("s{}.example.com", std::process::id());
    let mcpt = Mcpt::default();
    let path = std::env::var("PATH").unwrap();
    let [ours, theirs] = [0, 1].map(|at| {
        let folder = tempfile::tempdir().unwrap();
        full(folder.path(), &group);
        fs::write(folder.path().join("ci.yaml"), "word: ci\nextra: true\n").unwrap();
        let namespace = TestNamespace::new("chart-script");
        let helm = if at == 0 {
            let mcpt = mcpt.command(&[]);
            let program = mcpt.get_program().display().to_string();
            format!("'{program}' --namespace {} chart", namespace.name())
        } else {
            let program = program("MCPT_HELM4", "helm4");
            format!("'{}'", program.display())
        };
        run(&helm, folder.path(), &namespace, &path)
    });
    mcpt_tests::kubectl(&["delete", "crd", &format!("things.{group}"), "--wait=false"]);
    assert_eq!(ours, theirs);
}
