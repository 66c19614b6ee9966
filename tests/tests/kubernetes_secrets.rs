//! On the cluster a secret setting is found in Secret objects and nowhere else.

use mcpt_tests::{Mcpt, TestNamespace, kubectl};

const SECRET: &str = "s3cr3t-51d2b6e0aa";
/// Its first characters in base64.
const ENCODED: &str = "czNjcjN0LTUxZDJi";

#[test]
fn a_secret_reaches_only_secret_objects() {
    let namespace = TestNamespace::new("secrets");
    let mcpt = Mcpt::new(&[
        "--backend",
        "kubernetes",
        "--namespace",
        namespace.name(),
        "-v",
    ]);
    let source = mcpt.file("token", SECRET);
    let setting = format!("token=@{source}");
    let mut printed = vec![
        mcpt.run(&["deploy", "demo", "-c", &setting, "--dry-run=server"])
            .ok(),
        mcpt.run(&["deploy", "demo", "-c", &setting, "--replicas", "1"])
            .ok(),
    ];
    let whoami = mcpt.run(&["call", "demo", "whoami"]).ok();
    assert!(
        whoami.stdout.contains(r#""token":"set""#),
        "the server has it: {}",
        whoami.stdout
    );
    for arguments in [
        &["status", "demo", "-o", "json"][..],
        &["status", "demo"],
        &["list"],
        &["logs", "demo"],
    ] {
        printed.push(mcpt.run(arguments).ok());
    }
    for outcome in &printed {
        for text in [&outcome.stdout, &outcome.stderr] {
            assert!(
                !text.contains(SECRET) && !text.contains(ENCODED),
                "{outcome:?}"
            );
        }
    }
    let mut holders = Vec::new();
    for object in namespace.objects() {
        let text = kubectl(&["get", "-n", namespace.name(), &object, "-o", "yaml"]);
        if text.contains(SECRET) || text.contains(ENCODED) {
            holders.push(object.split_once('/').expect("KIND/NAME").0.to_owned());
        }
    }
    // The release's own Secret in base64; the release record, also a Secret, has it compressed.
    assert_eq!(holders, ["secret"]);
    let _ = mcpt.run(&["delete", "demo"]).ok();
}
