//! `mcpt chart lint`: every rule, the findings in Helm's words and order.

use std::fs;
use std::path::Path;

use super::{charts, helm, helm_as, mcpt, write};

/// Charts with one thing wrong each, and what else `lint` looks at.
fn faulty(folder: &Path) {
    charts(folder);
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
    let metadata = [
        ("unnamed", "apiVersion: v2\nversion: 1.0.0\n"),
        ("nameless", "apiVersion: v2\nname: a/b\nversion: 1.0.0\n"),
        ("ageless", "name: x\nversion: 1.0.0\n"),
        ("apiv3", "apiVersion: v3\nname: x\nversion: 1.0.0\n"),
        ("versionless", "apiVersion: v2\nname: x\n"),
        ("noversion", "apiVersion: v2\nname: x\nversion: one\n"),
        ("zero", "apiVersion: v2\nname: x\nversion: 0.0.0-0\n"),
        ("short", "apiVersion: v2\nname: x\nversion: \"1.2\"\n"),
        ("lettered", "apiVersion: v2\nname: x\nversion: v1.2.3\n"),
        (
            "number",
            "apiVersion: v2\nname: x\nversion: 1.2\nappVersion: 3\n",
        ),
        (
            "flag",
            "apiVersion: v2\nname: x\nversion: 1.0.0\nappVersion: true\n",
        ),
        (
            "unknown",
            "apiVersion: v2\nname: x\nversion: 1.0.0\nzeal: 1\nextra: 2\n",
        ),
        (
            "twice",
            "apiVersion: v2\nname: x\nname: y\nversion: 1.0.0\n",
        ),
        (
            "strangers",
            "apiVersion: v2\nname: x\nversion: 1.0.0\nmaintainers: [{name: a, phone: 1}]\n",
        ),
        (
            "anonymous",
            "apiVersion: v2\nname: x\nversion: 1.0.0\nmaintainers: [{email: a@b.cd}]\n",
        ),
        (
            "mail",
            "apiVersion: v2\nname: x\nversion: 1.0.0\nmaintainers: [{name: a, email: a@b.cd}, {name: b, email: nobody}]\n",
        ),
        (
            "page",
            "apiVersion: v2\nname: x\nversion: 1.0.0\nmaintainers: [{name: a, url: example.com}, {name: b, url: \"a b\"}]\n",
        ),
        (
            "sources",
            "apiVersion: v2\nname: x\nversion: 1.0.0\nsources: [\"https://example.com\", \"mailto:a@b.cd\", example.com]\n",
        ),
        (
            "icon",
            "apiVersion: v2\nname: x\nversion: 1.0.0\nicon: here.png\n",
        ),
        (
            "typed",
            "apiVersion: v1\nname: x\nversion: 1.0.0\ntype: library\n",
        ),
        (
            "dependent",
            "apiVersion: v1\nname: x\nversion: 1.0.0\ndependencies: [{name: y, version: 1.x, repository: \"\"}]\n",
        ),
        (
            "aliased",
            "apiVersion: v2\nname: x\nversion: 1.0.0\ndependencies: [{name: y, version: 1.x}, {name: z, alias: y}]\n",
        ),
        ("broken", "apiVersion: v2\nname: [x\n"),
        ("scalar", "just text\n"),
        ("fields", "apiVersion: v2\nname: {a: b}\nversion: 1.0.0\n"),
        (
            "library",
            "apiVersion: v2\nname: x\nversion: 1.0.0\ntype: library\n",
        ),
        (
            "newer",
            "apiVersion: v2\nname: x\nversion: 1.0.0\nkubeVersion: '>99'\n",
        ),
    ];
    for (name, text) in metadata {
        write(
            folder,
            &[
                (&format!("{name}/Chart.yaml"), text),
                (&format!("{name}/values.yaml"), "a: 1\n"),
                (&format!("{name}/templates/a.yaml"), object),
            ],
        );
    }
    let templates = [
        ("spelled", "a.yam", "x"),
        ("upper", "A.YAML", object),
        ("indented", "a.yaml", "\n  kind: A\n  metadata: {name: a}\n"),
        (
            "names",
            "a.yaml",
            "kind: A\n---\nkind: A\nmetadata: {name: A_b}\n---\n# nothing\n",
        ),
        ("service", "a.yaml", "kind: Service\nmetadata: {name: 1a}\n"),
        (
            "dotted",
            "a.yaml",
            "kind: Namespace\nmetadata: {name: a.b}\n",
        ),
        ("spaces", "a.yaml", "kind: Namespace\nmetadata: {name: A}\n"),
        (
            "roles",
            "a.yaml",
            "kind: Role\nmetadata: {name: a%/b}\n---\nkind: Role\nmetadata: {name: ..}\n",
        ),
        (
            "long",
            "a.yaml",
            "kind: A\nmetadata: {name: '{{ repeat 254 \"A\" }}'}\n",
        ),
        (
            "requests",
            "a.yaml",
            "kind: CertificateSigningRequest\nmetadata: {name: A}\n",
        ),
        (
            "old",
            "a.yaml",
            "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: a}\n",
        ),
        (
            "older",
            "a.yaml",
            "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a}\n",
        ),
        (
            "gone",
            "a.yaml",
            "apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: a}\n",
        ),
        (
            "selects",
            "a.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
        ),
        (
            "lists",
            "a.yaml",
            "kind: List\nmetadata: {name: a}\nitems: [{metadata: {annotations: {helm.sh/resource-policy: keep}}}]\n",
        ),
        ("sequence", "a.yaml", "- a\n"),
        ("garbled", "a.yaml", "kind: A\n---\n\na: b: c\n"),
        (
            "separated",
            "a.yaml",
            "kind: A\nmetadata: {name: a}\n--- x\nkind: B\n",
        ),
        (
            "fails",
            "a.yaml",
            "{{ fail \"no\" }}kind: A\nmetadata: {name: a}\n",
        ),
        (
            "requires",
            "a.yaml",
            "kind: A\nmetadata: {name: a}\nb: {{ required \"b\" .Values.b }}|\n",
        ),
        (
            "release",
            "a.yaml",
            "kind: A\nmetadata: {name: {{ .Release.Name }}}\nb: {{ index (list 1) (ternary 0 9 (or .Release.IsInstall .Release.IsUpgrade)) }}\n",
        ),
        ("unparsed", "a.yaml", "{{ if }}\n"),
        ("nil", "a.yaml", "{{ .Values.a.b.c }}\n"),
        ("undefined", "a.yaml", "{{ include \"gone\" . }}\n"),
    ];
    for (name, file, text) in templates {
        let head = "apiVersion: v2\nname: x\nversion: 1.0.0\nicon: https://example.com/i\n";
        write(
            folder,
            &[
                (&format!("{name}/Chart.yaml"), head),
                (&format!("{name}/templates/{file}"), text),
            ],
        );
    }
    let head = "apiVersion: v2\nname: x\nversion: 1.0.0\nicon: https://example.com/i\n";
    let schema = r#"{"required": ["b"], "properties": {"a": {"type": "string"}}}"#;
    write(
        folder,
        &[
            ("schema/Chart.yaml", head),
            ("schema/values.yaml", "a: 1\n"),
            ("schema/values.schema.json", schema),
            ("schema/templates/a.yaml", object),
            ("values/Chart.yaml", head),
            ("values/values.yaml", "a: [\n"),
            ("values/templates/a.yaml", object),
            ("sequences/Chart.yaml", head),
            ("sequences/values.yaml", "- a\n"),
            ("bare-values/Chart.yaml", head),
            ("files/Chart.yaml", head),
            ("files/values.yaml", ""),
            ("files/templates", "x"),
            ("files/crds", "x"),
            ("crds/Chart.yaml", head),
            ("crds/values.yaml", ""),
            ("crds/templates/a.yaml", object),
            (
                "crds/crds/a.yaml",
                "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n---\n# none\n---\nkind: A\n",
            ),
            ("crds/crds/b.yaml", "a: {{ b }}\n"),
            ("extra/Chart.yaml", head),
            ("extra/values.yaml", ""),
            ("extra/templates/a.yaml", object),
            (
                "extra/charts/y/Chart.yaml",
                "apiVersion: v2\nname: y\nversion: 1.0.0\n",
            ),
            ("folder/Chart.yaml/x", ""),
            ("empty/x", ""),
        ],
    );
}

/// Standard output, exit code and the last line of the failure.
#[test]
fn lint_finds_what_helm_finds() {
    let folder = tempfile::tempdir().unwrap();
    faulty(folder.path());
    let packed = helm(&["package", "t", "bare"], folder.path());
    assert!(packed.status.success(), "{packed:?}");
    let mut cases: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| format!("lint {}", entry.file_name().to_string_lossy()))
        .collect();
    cases.sort();
    let more = [
        "lint t bare icon",
        "lint t --quiet",
        "lint crds --quiet",
        "lint mail --quiet --strict",
        "lint old --strict",
        "lint old --kube-version 1.20",
        "lint older --kube-version 1.13",
        "lint old --kube-version x",
        "lint t --with-subcharts",
        "lint extra --with-subcharts --quiet",
        "lint t --set a=text",
        "lint t --set a=text --skip-schema-validation",
        "lint schema --set a=text,b=1",
        "lint schema --skip-schema-validation",
        "lint t -f none.yaml",
        "lint bare-1.0.0.tgz",
        "lint gone.tgz",
        "lint nowhere",
        "lint more.yaml",
        "lint ./t/../t/",
    ];
    cases.extend(more.map(str::to_owned));
    let mut failures = Vec::new();
    for case in &cases {
        let arguments: Vec<&str> = case.split(' ').collect();
        let ours = mcpt(&arguments, folder.path());
        let theirs = helm_as(&ours, &arguments, folder.path());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = |error: &[u8]| {
            let error = text(error);
            let said = error.rsplit_once("rror: ").map_or("", |(_, said)| said);
            said.trim_end().to_owned()
        };
        if theirs.stdout != ours.stdout
            || theirs.status.code() != ours.status.code()
            || ended(&theirs.stderr) != ended(&ours.stderr)
        {
            failures.push(format!(
                "== {case}\n-- helm {}\n{}{}-- mcpt {}\n{}{}",
                theirs.status,
                text(&theirs.stdout),
                text(&theirs.stderr),
                ours.status,
                text(&ours.stdout),
                text(&ours.stderr)
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
